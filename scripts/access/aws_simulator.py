"""IAM's own simulator: ``SimulateCustomPolicy``, with the caller's credentials.

It evaluates the given policies and changes nothing. It supports less than the local simulator: no trust
policies, no key policies, no services as callers. Rows that need one of these are left out, and counted.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scripts.access.simulator import Answer, NamedPolicy, Request
from scripts.toolchain.toolchain import ToolError

_WITH_POLICY = ("s3:", "sns:", "sqs:")
"""The services whose resource policies it evaluates."""
_BOOLEAN = (
    "aws:multifactorauthpresent",
    "aws:principalisawsservice",
    "aws:securetransport",
    "aws:viaawsservice",
)
_NUMERIC = ("aws:multifactorauthage", "s3:object-lock-remaining-retention-days")
_DECISIONS = {"allowed": "allow", "explicitDeny": "deny", "implicitDeny": "deny"}
_ROLE_SESSION = re.compile(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.*")


def left_out(request: Request) -> str:
    """Return why IAM's simulator cannot evaluate this; empty if it can."""
    if request.controls is not None:
        return "it takes no policies of an organization but those that apply"
    if request.action.startswith("sts:"):
        return "it evaluates no trust policies"
    if not request.principal.startswith("arn:"):
        return "the caller must be a user, group or role, not a service or an anonymous caller"
    if request.resource_policy is not None and not request.action.startswith(_WITH_POLICY):
        return "it evaluates resource policies of S3, SNS and SQS only, so no key policies"
    if request.resource_policy is None and request.resource_account not in request.principal:
        return "the policies of another account are not in this state"
    return ""


def parameters(requests: Sequence[Request]) -> dict[str, Any]:
    """Return the parameters of one call for requests that differ only in their action.

    A role as caller is not supported with a resource policy, so a user with the same name replaces it, in
    both the policy and the context.
    """
    request = requests[0]
    role, user = _stand_in(request)
    asked: dict[str, Any] = {
        "PolicyInputList": [json.dumps(policy.document) for policy in request.identity],
        "ActionNames": sorted({request.action for request in requests}),
        "ResourceArns": [request.resource],
        "ContextEntries": [_entry(key, value, role, user) for key, value in sorted(request.context.items())],
    }
    if request.boundary is not None:
        asked["PermissionsBoundaryPolicyInputList"] = [json.dumps(request.boundary.document)]
    if request.resource_policy is not None:
        asked["ResourcePolicy"] = _named(request.resource_policy, role, user)
        asked["CallerArn"] = user
        asked["ResourceOwner"] = f"arn:{user.split(':')[1]}:iam::{request.resource_account}:root"
    return asked


def simulate_on_aws(
    iam: Any, requests: Sequence[Request], *, say: Callable[[str], None] = lambda _: None
) -> list[Answer]:
    """Decide each request, in order; none may be ``left_out``. iam: a boto3 client.

    Requests that differ only in their action share a call. Raises ``ToolError`` if an answer is missing.
    """
    groups: dict[str, list[Request]] = {}
    for request in requests:
        groups.setdefault(_all_but_action(request), []).append(request)
    answers: dict[tuple[str, str], Answer] = {}
    for number, (place, group) in enumerate(groups.items(), 1):
        if number % 50 == 0:
            say(f"  {number}/{len(groups)} calls of SimulateCustomPolicy")
        pages = iam.get_paginator("simulate_custom_policy").paginate(**parameters(group))
        for result in (result for page in pages for result in page["EvaluationResults"]):
            answers[place, result["EvalActionName"]] = _answer(group[0], result)
    try:
        return [answers[_all_but_action(request), request.action] for request in requests]
    except KeyError as error:
        raise ToolError(f"IAM's simulator has no answer for {error.args[0][1]}.") from error


def _all_but_action(request: Request) -> str:
    return json.dumps(parameters([request]) | {"ActionNames": []}, sort_keys=True)


def _stand_in(request: Request) -> tuple[str, str]:
    """Return a role's ARN and that of the user that replaces it; twice the caller's if it is not a role."""
    found = _ROLE_SESSION.fullmatch(request.principal)
    if found is None:
        return request.principal, request.principal
    partition, account, name = found.groups()
    return str(request.context["aws:PrincipalArn"]), f"arn:{partition}:iam::{account}:user/{name}"


def _named(policy: NamedPolicy, role: str, user: str) -> str:
    """Return the policy as JSON, with the user in place of the role."""
    return json.dumps(policy.document).replace(json.dumps(role), json.dumps(user))


def _entry(key: str, value: str | list[str], role: str, user: str) -> dict[str, Any]:
    values = [value] if isinstance(value, str) else value
    kind = "string"
    if key.lower() in _BOOLEAN:
        kind = "boolean"
    elif key.lower() in _NUMERIC:
        kind = "numeric"
    return {
        "ContextKeyName": key,
        "ContextKeyType": kind if isinstance(value, str) else f"{kind}List",
        "ContextKeyValues": [user if one == role else one for one in values],
    }


def _answer(request: Request, result: Mapping[str, Any]) -> Answer:
    policies = {f"PolicyInputList.{number}": policy for number, policy in enumerate(request.identity, 1)}
    names = {place: policy.name for place, policy in policies.items()}
    for place, policy in (
        ("PermissionsBoundaryPolicyInputList.1", request.boundary),
        ("ResourcePolicy", request.resource_policy),
    ):
        if isinstance(policy, NamedPolicy):
            names[place] = policy.name
    matched = {statement["SourcePolicyId"] for statement in result.get("MatchedStatements", ())}
    decision = _DECISIONS[result["EvalDecision"]]
    return Answer(
        "allow" if decision == "allow" else "deny",
        tuple(sorted(names.get(place, place) for place in matched)) or (result["EvalDecision"],),
    )
