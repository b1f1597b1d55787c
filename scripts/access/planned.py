"""What no environment's state holds, from plans for this machine: bootstrap, and the parts that are off.

Bootstrap is a root of its own: the roles by which workflows plan and apply. The parts are the kit with all
of ``terraform/policies/optional.tfvars`` on, which no environment has. What AWS gives a random id is named as
the plan's policies name it, so that both can be asked about as if they were applied.
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
# Both as terraform/env/local.tfvars, so that their names are those of the kit as applied here.
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
    "aws_secretsmanager_secret": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-000000",
}
"""Of types whose ARN a plan does not know. AWS ends that of a secret in six characters at random."""


def planned_workflows(say: Callable[[str], None]) -> dict[str, Any]:
    """Return ``terraform show -json`` of a plan of bootstrap, every policy known; kept until it changes.

    Raises ``ToolError`` if it cannot be planned.
    """
    return _planned(say)["bootstrap"]


def planned_parts(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the same of the kit with the parts on. Raises ``ToolError`` if it cannot be planned."""
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
    """Fill in the ARNs that a plan does not know; a key's as ``scripts/scan/known.py`` makes it."""
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
