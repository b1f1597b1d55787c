"""Resources that are in no environment's state, from plans: bootstrap, and the optional parts.

Bootstrap is a root of its own, with the roles that workflows use to plan and apply. The optional parts are
the kit with ``terraform/policies/optional.tfvars``, which no environment has. Resources with random ids get
the names that the plan's policies use, so that both can be evaluated as if they were applied.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.scan.known import Tree, known_plans
from scripts.state.applied import digest_of, kept
from scripts.state.policies import Resource, partition, resources
from scripts.terraform import LOCAL, SOURCE

_OPTIONAL = SOURCE / "policies" / "optional.tfvars"
# Both as in terraform/env/local.tfvars, so that their names are those of the kit as applied here.
_PLACE = {"account": "123456789012", "region": "us-east-1"}
_BOOTSTRAP = """\
account_id     = "{account}"
administrators = ["arn:aws:iam::{account}:role/administrators"]
environment    = "local"
github         = {{ repository = "owner/repository" }}
region         = "{region}"
""".format_map(_PLACE)

_ARNS = {
    "aws_cloudwatch_log_group": "arn:{partition}:logs:{region}:{account}:log-group:{name}",
    "aws_kms_key": "arn:{partition}:kms:{region}:{account}:key/{id}",
    "aws_sqs_queue": "arn:{partition}:sqs:{region}:{account}:{name}",
    "aws_secretsmanager_secret": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-000000",
}
"""ARNs of types whose ARN a plan does not know. AWS adds six random characters to that of a secret."""


def planned_workflows(say: Callable[[str], None]) -> dict[str, Any]:
    """Return ``terraform show -json`` of a plan of bootstrap, with all policies known; it is cached.

    Raises ``ToolError`` if it cannot be planned.
    """
    return _planned(say)["bootstrap"]


def planned_parts(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the same for the kit with the optional parts. Raises ``ToolError`` if it cannot be planned."""
    return _planned(say)["parts"]


def _planned(say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    def plan(work_dir: Path) -> dict[str, Any]:
        bootstrap, parts = work_dir / "bootstrap.tfvars", work_dir / "parts.tfvars"
        bootstrap.write_text(_BOOTSTRAP)
        parts.write_text(_OPTIONAL.read_text().replace("optional", LOCAL))
        trees = [Tree("bootstrap", SOURCE, bootstrap, root="bootstrap"), Tree("parts", SOURCE, parts)]
        plans = known_plans(trees, work_dir / "plan", say=say)
        _name(plans["parts"])
        return plans

    patterns = ("*.tf", "bootstrap/*.tf", "modules/*/*.tf", str(_OPTIONAL.relative_to(SOURCE)))
    files = [path for pattern in patterns for path in SOURCE.glob(pattern)]
    deciding = [(str(path.relative_to(SOURCE)), path) for path in files] + [("planned.py", Path(__file__))]
    return kept(f"planned-{digest_of(deciding)}", plan)


def _name(plan: dict[str, Any]) -> None:
    """Fill in the ARNs that a plan does not know; for a key as in ``scripts/scan/known.py``."""
    place = {**_PLACE, "partition": partition(plan)}
    found = resources(plan)
    keys = {
        _module(alias): uuid.uuid5(uuid.NAMESPACE_DNS, alias.values["name"].removeprefix("alias/"))
        for alias in found
        if alias.type == "aws_kms_alias"
    }
    for resource in found:
        if resource.type == "aws_kms_alias":
            resource.values["target_key_arn"] = _ARNS["aws_kms_key"].format_map(
                {**place, "id": keys[_module(resource)]}
            )
        elif resource.type in _ARNS:
            own = {**place, **resource.values, "id": keys.get(_module(resource))}
            resource.values["arn"] = _ARNS[resource.type].format_map(own)


def _module(resource: Resource) -> str:
    return resource.address.rpartition(f".{resource.type}.")[0]
