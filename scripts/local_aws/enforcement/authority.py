"""Decides for every call whether all policies together allow it, and keeps count.

The decisions are those of the simulator of ``make access``. One is kept for all calls that differ in nothing
that a policy looks at: with the same policies, caller, action and condition keys, and with resources that the
same patterns match.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scripts.access.simulator import ANONYMOUS, Answer, NamedPolicy, Request, Simulator
from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.local_aws.enforcement import policies
from scripts.local_aws.enforcement.actions import Need
from scripts.local_aws.enforcement.interruption import Interruption
from scripts.local_aws.enforcement.policies import Policy
from scripts.local_aws.identity import Principal
from scripts.review.patterns import covers

KNOWN_KEYS = frozenset(
    f"aws:{name}"
    for name in (
        "calledvia",
        "multifactorauthage",
        "multifactorauthpresent",
        "principalaccount",
        "principalarn",
        "principalisawsservice",
        "principalservicename",
        "principaltype",
        "requestedregion",
        "resourceaccount",
        "securetransport",
        "sourceaccount",
        "sourcearn",
        "sourceowner",
        "username",
        "viaawsservice",
    )
)
"""Condition keys that every call has or is known not to have, in lower case."""
_KNOWN_OF_SERVICES = {
    "kms": ("kms:", "aws:resourcetag/"),
    "s3": ("s3:",),
    "events": ("events:source",),
    "iam": ("iam:permissionsboundary", "iam:passedtoservice"),
    "lambda": ("lambda:functionarn",),
    "secretsmanager": ("secretsmanager:versionstage",),
    "sns": ("sns:protocol", "sns:endpoint"),
    "sts": ("sts:externalid", "sts:rolesessionname"),
    "cloudwatch": ("cloudwatch:namespace",),
}
"""Prefixes of further ones, of a service's actions."""
_LETTER = "¿"
"""For an asterisk or a question mark of a key, which the simulator takes for a pattern; no policy has it."""
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


class DeniedError(PermissionError):
    """A call that the policies do not allow, in AWS's words."""


@dataclass(frozen=True)
class _Looked:
    """What the statements on an action look at."""

    keys: frozenset[str]
    patterns: tuple[str, ...]


class Authority:
    """Asks the simulator, which runs beside this process until ``close``. Thread-safe."""

    def __init__(self) -> None:
        self._simulator = Simulator()
        self._decided: dict[Any, Answer] = {}
        self._lock = threading.Lock()
        self._allowed: Counter[tuple[str, str]] = Counter()
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._hidden: Counter[tuple[str, str]] = Counter()
        self._undecided: Counter[str] = Counter()
        self._seconds = 0.0
        self.interruption = Interruption()

    def close(self) -> None:
        """End the simulator."""
        self._simulator.close()

    def require(self, principal: Principal, need: Need, call: str = "") -> None:
        """Raise ``DeniedError`` unless it is allowed; what cannot be decided passes, and is counted.

        call: what tells calls with the same need apart.
        """
        started = time.monotonic()
        answer = self._decide(principal, need)
        who = _short(principal)
        with self._lock:
            self._seconds += time.monotonic() - started
            if answer.decision is None:
                self._undecided[f"{need.action}: {answer.problem}"] += 1
            elif answer.decision == "allow":
                self._allowed[who, need.action] += 1
            else:
                self._refused[who, need.action, need.resource] += 1
        if answer.decision == "deny":
            raise DeniedError(_in_words(principal, need, answer))
        if answer.decision == "allow" and self.interruption.is_due(principal, need, call):
            raise DeniedError(f"{_subject(principal, need)} because it is the first time")

    def hides(self, principal: Principal, bucket: str) -> bool:
        """Whether S3 says 403 in place of 404, since the caller may not list the bucket; it is counted."""
        need = Need("s3:ListBucket", f"arn:aws:s3:::{bucket}")
        hidden = self._decide(principal, need).decision == "deny"
        with self._lock:
            self._hidden[_short(principal), bucket] += hidden
        return hidden

    def give_up(self, problem: str) -> None:
        """Count a call of which it is not known what it needs."""
        with self._lock:
            self._undecided[problem] += 1

    def report(self) -> dict[str, Any]:
        """What was decided until now: by principal and action, how many calls; how many decisions it took."""
        with self._lock:
            return {
                "allowed": [[*key, count] for key, count in sorted(self._allowed.items())],
                "refused": [[*key, count] for key, count in sorted(self._refused.items())],
                "hidden": [[*key, count] for key, count in sorted(self._hidden.items()) if count],
                "undecided": dict(sorted(self._undecided.items())),
                "decisions": len(self._decided),
                "seconds": self._seconds,
            }

    def _decide(self, principal: Principal, need: Need) -> Answer:
        identity, boundary = policies.of_identity(principal)
        resource_policy, account, blocks_public = policies.of_resource(need.resource)
        account = account or principal.account_id or ACCOUNT_ID
        all_of_them = (*identity, *filter(None, (boundary, resource_policy)))
        looked = [_looked_at(policy.text, need.action) for policy in all_of_them]
        keys = {key for one in looked for key in one.keys}
        if unknown := sorted(key for key in keys if not _is_known(need.action, key)):
            return Answer(None, problem=f"a policy asks for {unknown[0]}")
        context = {
            name: value for name, value in _context(principal, need, account).items() if name.lower() in keys
        }
        matched = tuple(
            need.resource if "${" in pattern else covers(pattern, need.resource)
            for one in looked
            for pattern in one.patterns
        )
        question = (
            principal.arn,
            need.action,
            matched,
            account,
            blocks_public,
            tuple((name, str(value)) for name, value in context.items()),
            identity,
            boundary,
            resource_policy,
        )
        if question not in self._decided:
            self._decided[question] = self._simulator.ask(
                Request(
                    principal=ANONYMOUS if principal.is_anonymous else principal.arn,
                    action=need.action,
                    resource=need.resource
                    if need.resource == "*"
                    else re.sub("[*?]", _LETTER, need.resource),
                    resource_account=account,
                    context=context,
                    identity=tuple(_named(policy) for policy in identity),
                    boundary=_named(boundary) if boundary else None,
                    resource_policy=_named(resource_policy) if resource_policy else None,
                    blocks_public=blocks_public,
                )
            )
        return self._decided[question]


def _context(principal: Principal, need: Need, account: str) -> dict[str, str | list[str]]:
    """Return the condition keys that AWS sets.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    is_service = principal.kind == "AWSService"
    context: dict[str, str | list[str]] = {
        "aws:PrincipalIsAWSService": str(is_service).lower(),
        "aws:RequestedRegion": REGION,
        "aws:ResourceAccount": account,
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
    }
    if is_service:
        context["aws:PrincipalServiceName"] = principal.arn
    elif not principal.is_anonymous:
        context["aws:PrincipalAccount"] = principal.account_id
        context["aws:PrincipalArn"] = principal.role_arn or principal.arn
        context["aws:PrincipalType"] = "AssumedRole" if principal.role_arn else "User"
    if principal.user_name:
        context["aws:username"] = principal.user_name
    if need.action.startswith("kms:"):
        context |= policies.of_key(need.resource)
        if principal.account_id:
            context["kms:CallerAccount"] = principal.account_id
    return {**context, **need.context}


def _is_known(action: str, key: str) -> bool:
    service = action.partition(":")[0]
    return key in KNOWN_KEYS or key.startswith(("aws:requesttag/", *_KNOWN_OF_SERVICES.get(service, ())))


@lru_cache(maxsize=4096)
def _looked_at(text: str, action: str) -> _Looked:
    keys, patterns = set[str](), list[str]()
    for statement in _listed(json.loads(text).get("Statement", [])):
        if not _names_action(statement, action):
            continue
        resources = _listed(statement.get("Resource", [])) + _listed(statement.get("NotResource", []))
        patterns += resources
        keys |= {key.lower() for tests in statement.get("Condition", {}).values() for key in tests}
        keys |= {name.lower() for name in _VARIABLE.findall(json.dumps(statement))}
    return _Looked(frozenset(keys), tuple(patterns))


def _names_action(statement: dict[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not any(covers(one.lower(), action.lower()) for one in _listed(statement["NotAction"]))
    return any(covers(one.lower(), action.lower()) for one in _listed(statement["Action"]))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=4096)
def _named(policy: Policy) -> NamedPolicy:
    return NamedPolicy(policy.name, json.loads(policy.text))


def _short(principal: Principal) -> str:
    if principal.role_arn:
        return f"{principal.role_arn.rpartition('/')[2]} ({principal.arn.rpartition('/')[2]})"
    return principal.user_name or principal.arn or ANONYMOUS


def _in_words(principal: Principal, need: Need, answer: Answer) -> str:
    """Return AWS's message ("Troubleshoot access denied error messages", IAM User Guide)."""
    who = _subject(principal, need)
    explicit = [reason for reason in answer.reasons if not reason.startswith("nothing in ")]
    if explicit:
        article = "an" if explicit[0].startswith("i") else "a"
        return f"{who} with an explicit deny in {article} {explicit[0]}"
    lacking = next(
        (kind for words, kind in _LACKING.items() if words in answer.reasons), "identity-based policy"
    )
    return f"{who} because no {lacking} allows the {need.action} action"


def _subject(principal: Principal, need: Need) -> str:
    who, what = principal.arn or ANONYMOUS, need.action
    return f"User: {who} is not authorized to perform: {what} on resource: {need.resource}"


_LACKING = {
    "nothing in identity policies allows it": "identity-based policy",
    "nothing in the boundary allows it": "permissions boundary",
    "nothing in the resource's policy allows it": "resource-based policy",
}
