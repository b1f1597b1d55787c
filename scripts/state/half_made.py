"""What an apply that broke off left half made, and must not be made again.

Terraform taints a resource that exists when a later step of its creation fails, and replaces it next time.
https://developer.hashicorp.com/terraform/cli/state/taint
"""

from __future__ import annotations

import json
from typing import Any

from scripts.state.ends import TYPES

KEPT = TYPES | {
    "aws_cloudwatch_log_group",
    "aws_secretsmanager_secret",
    "aws_sns_topic",
    "aws_sqs_queue",
}
"""Who deploys may delete no key and no trail; a bucket, log group or queue may hold something by now; a name
stays taken after its deletion, a secret's for days, a queue's for a minute. And where Terraform creates
before it destroys, it gets the topic that is there, by its name, and then destroys the old one, which is the
same. So all of them are completed in place.
"""
_TAINTED = "replace_because_tainted"


def half_made(state: dict[str, Any]) -> list[str]:
    """The addresses of such resources in a state (``terraform state pull``)."""
    return [
        f"{prefix}{resource['type']}.{resource['name']}{_index(instance)}"
        for resource in state.get("resources", ())
        if resource["mode"] == "managed" and resource["type"] in KEPT
        for prefix in [f"{resource['module']}." if "module" in resource else ""]
        for instance in resource["instances"]
        if instance.get("status") == "tainted" and "deposed" not in instance
    ]


def would_make_again(plan: dict[str, Any]) -> bool:
    """Whether a plan replaces one of them."""
    return any(
        change["type"] in KEPT and change.get("action_reason") == _TAINTED
        for change in plan.get("resource_changes", ())
    )


def _index(instance: dict[str, Any]) -> str:
    return f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
