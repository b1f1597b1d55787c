"""IAM's decisions, simulated by ``@cloud-copilot/iam-simulate``: one Node.js process for all questions.

Policies are combined by AWS's policy evaluation logic
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
``tests/access/test_simulator.py`` tests the simulator with results that AWS documents.
"""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from scripts.toolchain.node import PACKAGES, node_program
from scripts.toolchain.toolchain import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANONYMOUS = "anonymous"
_SCRIPT = Path(__file__).with_name("simulate.mjs")
_LEFT_OUT = ("kms:encryptioncontext:", "token.actions.githubusercontent.com:")
"""Prefixes of condition keys, in lower case, that the simulator does not know and drops from a request."""
_STAND_IN = "aws:RequestTag/"
"""Prefix that turns such a key, in policies and in the context, into one that the simulator knows, so that
values are compared like other text."""


@dataclass(frozen=True)
class NamedPolicy:
    """A policy document, with its name for results."""

    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One call, and every policy that applies to it.

    principal: ARN of a user, role or session, a service's name (``s3.amazonaws.com``), an identity provider's
    ARN, or ``ANONYMOUS``. resource: an ARN, or ``*`` for an action without resource form. context: condition
    keys with one value or several. blocks_public: the bucket's ``RestrictPublicBuckets``.
    """

    principal: str
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)
    identity: tuple[NamedPolicy, ...] = ()
    boundary: NamedPolicy | None = None
    resource_policy: NamedPolicy | None = None
    blocks_public: bool = False
    controls: tuple[NamedPolicy, NamedPolicy] | None = None
    """The organization's service and resource control policy, if they are attached to the account."""


@dataclass(frozen=True)
class Answer:
    """The result. ``decision`` is None if it is inconclusive, and ``problem`` then says why.

    reasons: the statements that decided, or the kinds of policy that do not allow it.
    """

    decision: Literal["allow", "deny"] | None
    reasons: tuple[str, ...] = ()
    problem: str = ""


_FULL_ACCESS = NamedPolicy(
    "FullAWSAccess",
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
)

_answered: dict[bytes, dict[str, Any]] = {}
"""What the simulator has said in this process, by the digest of the question: it says the same again."""


def simulate(requests: Sequence[Request]) -> list[Answer]:
    """Simulate each request, in order. A context key that the simulator leaves out makes it inconclusive.

    Raises ``ToolError`` if the simulator cannot be run.
    """
    lines = [json.dumps(_simulation(request)) for request in requests]
    digests = [sha256(line.encode()).digest() for line in lines]
    new = {digest: line for digest, line in zip(digests, lines, strict=True) if digest not in _answered}
    if new:
        _answered.update(zip(new, _run(list(new.values())), strict=True))
    return [_answer(request, _answered[digest]) for request, digest in zip(requests, digests, strict=True)]


class Simulator:
    """The simulator as a process that stays, for questions that come one by one. Thread-safe.

    It ends with ``close``, and with this process in any case.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            _command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._lock = threading.Lock()
        self._answered: dict[bytes, Answer] = {}

    def ask(self, request: Request) -> Answer:
        """Simulate one request, or say again what was said. Raises ``ToolError`` if it has ended."""
        line = json.dumps(_simulation(request))
        digest = sha256(line.encode()).digest()
        with self._lock:
            if digest not in self._answered:
                self._answered[digest] = _answer(request, self._said(line))
            return self._answered[digest]

    def _said(self, line: str) -> dict[str, Any]:
        to, of = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        try:
            to.write(f"{line}\n")
            to.flush()
            return dict(json.loads(of.readline()))
        except (OSError, ValueError) as error:
            raise ToolError("The policy simulator has ended.") from error

    def close(self) -> None:
        """End the process."""
        with self._lock, self._process:
            self._process.kill()


def _run(lines: Sequence[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        _command(),
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
    )
    answers = done.stdout.splitlines()
    if done.returncode != 0 or len(answers) != len(lines):
        raise ToolError(f"{done.stderr.strip()}\nThe policy simulator failed.")
    return [json.loads(answer) for answer in answers]


def _command() -> list[str]:
    return [str(node_program()), str(_SCRIPT), str(PACKAGES)]


def _simulation(request: Request) -> dict[str, Any]:
    principal: str | dict[str, str] = request.principal
    simulation = {
        "request": {
            "principal": {"type": "Anonymous"} if principal == ANONYMOUS else principal,
            "action": request.action,
            "resource": {"resource": request.resource, "accountId": request.resource_account},
            "contextVariables": _stand_in(dict(request.context)),
        },
        "identityPolicies": [_policy(policy) for policy in request.identity],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        "additionalSettings": {"s3": {"blockPublicAccess": request.blocks_public}},
    }
    if request.controls is not None:
        # A resource control policy only denies: the simulator adds the one that allows everything itself.
        service, resource = request.controls
        simulation["serviceControlPolicies"] = _attached(_FULL_ACCESS, service)
        simulation["resourceControlPolicies"] = _attached(resource)
    if request.boundary is not None:
        simulation["permissionBoundaryPolicies"] = [_policy(request.boundary)]
    if request.resource_policy is not None:
        simulation["resourcePolicy"] = _stand_in(request.resource_policy.document)
    return simulation


def _attached(*policies: NamedPolicy) -> list[dict[str, Any]]:
    return [{"orgIdentifier": "o-example", "policies": [_policy(policy) for policy in policies]}]


def _policy(policy: NamedPolicy) -> dict[str, Any]:
    return {"name": policy.name, "policy": _stand_in(policy.document)}


def _stand_in(value: Any) -> Any:
    """Replace every condition key of ``_LEFT_OUT`` by a name that the simulator knows."""
    if isinstance(value, list):
        return [_stand_in(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {_known_name(name): _stand_in(inner) for name, inner in value.items()}


def _known_name(name: str) -> str:
    return _STAND_IN + name.replace(":", ".") if name.lower().startswith(_LEFT_OUT) else name


def _answer(request: Request, said: dict[str, Any]) -> Answer:
    if "error" in said:
        return Answer(None, problem=f"not evaluated: {said['error']}")
    if said["ignored"]:
        return Answer(None, problem=f"context left out: {', '.join(sorted(said['ignored']))}")
    decision: Literal["allow", "deny"] = "allow" if said["result"] == "Allowed" else "deny"
    reasons = {
        _reason(request, reason)
        for reason in said["reasons"]
        if reason["policyType"] != "identity" or request.identity
    }
    if "s3-bpa" in (said.get("blockedBy") or ()):
        reasons.add("the bucket blocks public access")
    if not reasons:
        reasons.add("nothing in the resource's account allows it")
    return Answer(decision, tuple(sorted(reasons)))


_KINDS = {
    "identity": "identity policies",
    "pb": "the boundary",
    "resource": "the resource's policy",
    "scp": "the service control policies",
    "rcp": "the resource control policies",
}


def _reason(request: Request, reason: dict[str, Any]) -> str:
    kind = reason["policyType"]
    if reason.get("denialType") == "Implicit":
        return f"nothing in {_KINDS[kind]} allows it"
    policy = reason.get("policyIdentifier")
    if kind == "resource" and request.resource_policy is not None:
        policy = request.resource_policy.name
    statement = reason.get("statementId") or f"statement {reason['statementIndex']}"
    return f"{policy}: {statement}"
