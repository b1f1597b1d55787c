"""Evaluates a resource policy for one request.

Based on "Policy evaluation logic" and "IAM JSON policy elements" (IAM User Guide). An unsupported condition
key or operator makes a statement inconclusive: it is left out, with a log message.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.identity import Principal

_OF_SERVICES = frozenset({"aws:securetransport", "aws:sourceaccount", "aws:sourcearn", "aws:sourceowner"})


class Decision(Enum):
    """A policy's decision about a request: neutral, allow, or deny, which overrides any allow."""

    NEUTRAL = "neutral"
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Request:
    """One action of one principal on one resource. ``context`` holds the condition keys, lower-case."""

    principal: Principal
    action: str
    resource: str
    context: Mapping[str, str]
    known_keys: frozenset[str]
    """Every condition key the context would hold if the request had a value for it, lower-case."""


class _InconclusiveError(Exception):
    """The statement asks for what is not known here."""


def evaluate(policy: Mapping[str, Any], request: Request) -> Decision:
    """An explicit deny wins over an allow; neither is neutral."""
    decision = Decision.NEUTRAL
    for statement in _listed(policy.get("Statement", [])):
        try:
            if not _applies(statement, request):
                continue
        except _InconclusiveError as reason:
            print(f"policy statement {statement.get('Sid', '')!r} left out: {reason}", file=sys.stderr)
            continue
        if statement["Effect"] == "Deny":
            return Decision.DENY
        decision = Decision.ALLOW
    return decision


def require_service(
    service: str, policy: Mapping[str, Any], action: str, resource: str, source_arn: str
) -> None:
    """Raise ``PermissionError`` unless a resource's policy allows a service to act for ``source_arn``."""
    principal = Principal("AWSService", "", service, "", "")
    account_id = source_arn.split(":")[4] or ACCOUNT_ID
    context = {"aws:securetransport": "true", "aws:sourceaccount": account_id, "aws:sourcearn": source_arn}
    if evaluate(policy, Request(principal, action, resource, context, _OF_SERVICES)) is not Decision.ALLOW:
        raise PermissionError(f"its policy does not allow {action} to {service} for {source_arn}")


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        _names_action(statement, request.action)
        and _names_resource(statement, request.resource)
        and _names_principal(statement, request.principal)
        and all(
            _condition_holds(operator, keys, request)
            for operator, keys in statement.get("Condition", {}).items()
        )
    )


def _names_action(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not any(_glob(p.lower(), action.lower()) for p in _listed(statement["NotAction"]))
    return any(_glob(p.lower(), action.lower()) for p in _listed(statement["Action"]))


def _names_resource(statement: Mapping[str, Any], resource: str) -> bool:
    if "NotResource" in statement:
        return not any(_glob(pattern, resource) for pattern in _listed(statement["NotResource"]))
    return any(_glob(pattern, resource) for pattern in _listed(statement["Resource"]))


def _names_principal(statement: Mapping[str, Any], principal: Principal) -> bool:
    if "NotPrincipal" in statement:
        return not _is_among(statement["NotPrincipal"], principal)
    return _is_among(statement["Principal"], principal)


def _is_among(element: Any, principal: Principal) -> bool:
    if element == "*":
        return True
    if principal.kind == "AWSService":
        return principal.arn in _listed(element.get("Service", []))
    names = _listed(element.get("AWS", []))
    if "*" in names:
        return True
    account = f"arn:aws:iam::{principal.account_id}:root"
    own = {principal.arn, principal.role_arn, principal.account_id, account} - {""}
    return not principal.is_anonymous and any(name in own for name in names)


def _condition_holds(operator: str, keys: Mapping[str, Any], request: Request) -> bool:
    name = operator.removesuffix("IfExists")
    if_exists = name != operator
    for key, wanted in keys.items():
        if key.lower() not in request.known_keys:
            raise _InconclusiveError(f"condition key {key} is not known here")
        value = request.context.get(key.lower())
        patterns = [str(w).lower() if isinstance(w, bool) else str(w) for w in _listed(wanted)]
        if name == "Null":
            if (value is None) != (patterns[0].lower() == "true"):
                return False
        elif value is None:
            if not (if_exists or _is_negated(name)):
                return False
        elif not _compare(name, value, patterns):
            return False
    return True


def _is_negated(operator: str) -> bool:
    return "Not" in operator


def _compare(operator: str, value: str, patterns: list[str]) -> bool:
    positive = operator.replace("Not", "") if _is_negated(operator) else operator
    test = _OPERATORS.get(positive)
    if test is None:
        raise _InconclusiveError(f"condition operator {operator} is not known here")
    return any(test(value, pattern) for pattern in patterns) != _is_negated(operator)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in glob)
    return re.compile("".join(parts), re.DOTALL)


def _glob(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": lambda value, wanted: _glob(wanted, value),
    "ArnEquals": lambda value, wanted: _glob(wanted, value),
    "ArnLike": lambda value, wanted: _glob(wanted, value),
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "NumericEquals": lambda value, wanted: float(value) == float(wanted),
    "NumericLessThan": lambda value, wanted: float(value) < float(wanted),
    "NumericLessThanEquals": lambda value, wanted: float(value) <= float(wanted),
    "NumericGreaterThan": lambda value, wanted: float(value) > float(wanted),
    "NumericGreaterThanEquals": lambda value, wanted: float(value) >= float(wanted),
    "IpAddress": lambda value, wanted: (
        ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    ),
}
