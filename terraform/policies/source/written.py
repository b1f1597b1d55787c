"""How policies are written. A module that no plan holds yet is read here all the same."""

from __future__ import annotations

import re
from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

ARGUMENTS = ("policy", "assume_role_policy", "inline_policy")
MADE_HERE = re.compile(
    r"\b(base64decode|file|format|join|jsonencode|replace|templatefile|yamlencode)\(|Statement"
)
"""What makes a policy of text. All else refers to what was handed in: whoever hands it in is judged too."""


class DocumentsOnly(BaseResourceCheck):
    """The same promise as that of the plan, of which the number is also taken."""

    def __init__(self) -> None:
        super().__init__(
            name="Every policy comes from an aws_iam_policy_document, which scanners and reviewers can read",
            id="CKV_CUSTODY_6",
            categories=[CheckCategories.IAM],
            supported_resources=["aws_*"],
            guideline="Write the policy as data.aws_iam_policy_document and pass its json: no jsonencode, "
            "file, templatefile or text.",
        )

    def scan_resource_conf(self, conf: dict[str, Any]) -> CheckResult:
        """Judge the arguments that hold policies; checkov has followed them through modules already."""
        self.details = [
            f"{argument} is not the json of an aws_iam_policy_document"
            for argument in ARGUMENTS
            for value in conf.get(argument, ())
            if isinstance(value, dict) or MADE_HERE.search(str(value))
        ]
        return CheckResult.FAILED if self.details else CheckResult.PASSED


check = DocumentsOnly()
