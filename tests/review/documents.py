"""Minimal documents in the format of ``terraform show -json``, for tests."""

from __future__ import annotations

import json
from typing import Any

ACCOUNT = "123456789012"


def resource(address: str, **values: Any) -> dict[str, Any]:
    """A managed resource of the root module; a policy may be given as what it says."""
    kind, _, name = address.partition(".")
    encoded = {
        argument: json.dumps(value) if isinstance(value, dict) and "Statement" in value else value
        for argument, value in values.items()
    }
    return {"address": address, "mode": "managed", "type": kind, "name": name, "values": encoded}


def state(*resources: dict[str, Any], module: str = "") -> dict[str, Any]:
    """A state of these resources, in the root or in a module."""
    inner: dict[str, Any] = {"resources": list(resources)}
    if module:
        inner["resources"] = [{**entry, "address": f"{module}.{entry['address']}"} for entry in resources]
        inner = {"child_modules": [{"address": module, **inner}]}
    return {"format_version": "1.0", "values": {"outputs": {}, "root_module": inner}}


def planned(
    before: dict[str, Any], after: dict[str, Any], unknown: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A plan from one state to another, of which it does not know ``unknown``: arguments by address."""
    return {
        "format_version": "1.2",
        "prior_state": before,
        "planned_values": after["values"],
        "resource_changes": [
            {"address": address, "change": {"after_unknown": marks}}
            for address, marks in (unknown or {}).items()
        ],
    }


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(action: Any, resources: Any = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Sid": "It", "Effect": effect, "Action": action, "Resource": resources, **more}


def role(name: str, **values: Any) -> dict[str, Any]:
    trust = policy(
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    return resource(
        f"aws_iam_role.{name}",
        **{
            "name": name,
            "arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
            "path": "/",
            "assume_role_policy": trust,
            "permissions_boundary": "",
            "inline_policy": [],
            "managed_policy_arns": [],
            **values,
        },
    )
