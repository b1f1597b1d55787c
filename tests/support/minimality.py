"""Least privilege, verified with calls: what a role's code calls, compared with what its role allows.

The local AWS records each call that functions and jobs make (``scripts/local_aws/functions/worker.py``,
``glue/runs.py``). A call its role does not allow is a finding; so is an allowed action that no call has used,
unless ``unused.yaml`` lists it with a reason. An entry of that list that is no longer needed is a finding
too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from custody.ledger.notices import EVENT_SOURCE
from scripts.access.evaluate import call
from scripts.access.simulator import simulate
from scripts.access.world import World
from scripts.local_aws.functions.runtime import CALLS
from scripts.review.patterns import covers
from scripts.state.policies import Role, statements
from scripts.toolchain.toolchain import REPO, ToolError

UNUSED = REPO / "tests" / "access" / "unused.yaml"
ALL = "all"


@dataclass(frozen=True, order=True)
class Use:
    """An action that a role's code took on a resource.

    conditional: with If-None-Match. prefix: of a listing, what it was asked for.
    """

    role: str
    action: str
    resource: str
    conditional: bool = False
    prefix: str = ""


@dataclass(frozen=True)
class Unused:
    """Allowed actions of a role (its short name) that its code does not take itself, or all, and why."""

    role: str
    actions: frozenset[str]
    why: str
    sometimes: bool = False
    """Whether it is a matter of chance in the tests: neither use nor disuse of them is a finding."""


# Operation → the action it needs, and how the resource's ARN is made of its parameters.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_BUCKET = "arn:{partition}:s3:::{Bucket}"
_OBJECT = f"{_BUCKET}/{{Key}}"
_JOB = "arn:{partition}:glue:{region}:{account}:job/{JobName}"
_WORKGROUP = "arn:{partition}:athena:{region}:{account}:workgroup/{workgroup}"
_QUEUE = "arn:{partition}:sqs:{region}:{account}:{queue}"
_ACTIONS = {
    **{
        ("athena", operation): (f"athena:{operation}", _WORKGROUP)
        for operation in ("GetQueryExecution", "GetQueryResults", "StartQueryExecution")
    },
    ("events", "PutEvents"): (
        "events:PutEvents",
        "arn:{partition}:events:{region}:{account}:event-bus/default",
    ),
    ("glue", "GetJobRun"): ("glue:GetJobRun", _JOB),
    ("glue", "GetJobRuns"): ("glue:GetJobRuns", _JOB),
    ("glue", "StartJobRun"): ("glue:StartJobRun", _JOB),
    ("kms", "Sign"): ("kms:Sign", "{KeyId}"),
    ("kms", "Verify"): ("kms:Verify", "{KeyId}"),
    ("s3", "CompleteMultipartUpload"): ("s3:PutObject", _OBJECT),
    ("s3", "CreateMultipartUpload"): ("s3:PutObject", _OBJECT),
    ("s3", "DeleteObject"): ("s3:DeleteObject", _OBJECT),
    ("s3", "GetObject"): ("s3:GetObject", _OBJECT),
    ("s3", "HeadObject"): ("s3:GetObject", _OBJECT),
    ("s3", "ListObjectVersions"): ("s3:ListBucketVersions", _BUCKET),
    ("s3", "ListObjects"): ("s3:ListBucket", _BUCKET),
    ("s3", "ListObjectsV2"): ("s3:ListBucket", _BUCKET),
    ("s3", "PutObject"): ("s3:PutObject", _OBJECT),
    ("s3", "UploadPart"): ("s3:PutObject", _OBJECT),
    ("sns", "Publish"): ("sns:Publish", "{TopicArn}"),
    ("sqs", "ChangeMessageVisibility"): ("sqs:ChangeMessageVisibility", _QUEUE),
}
_LISTINGS = frozenset({"s3:ListBucket", "s3:ListBucketVersions"})
_OF_A_VERSION = {"s3:GetObject": "s3:GetObjectVersion"}
"""What an action is when the call names a version."""


def read_unused(path: Path = UNUSED) -> list[Unused]:
    """Read the list. Raises ``ToolError`` for an entry without role, actions or reason."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = []
    for entry in entries:
        if set(entry) - {"sometimes"} != {"role", "actions", "why"} or not entry["why"]:
            raise ToolError(f"{path}: an entry is a role, its actions and why; this is not: {entry}")
        actions = [entry["actions"]] if isinstance(entry["actions"], str) else entry["actions"]
        found.append(Unused(entry["role"], frozenset(actions), entry["why"], entry.get("sometimes") is True))
    return found


def read_uses(home: Path, world: World) -> set[Use]:
    """Return what the functions and jobs of a local AWS did, from the calls in its ``home``."""
    return {
        use_of(json.loads(line), world)
        for path in sorted(home.glob(f"*/*/{CALLS}"))
        for line in path.read_text(encoding="utf-8").splitlines()
    }


def use_of(recorded: Mapping[str, Any], world: World) -> Use:
    """Return the action a call needed. Raises ``ToolError`` for an operation not in the table."""
    operation = recorded["service"], recorded["operation"]
    if operation not in _ACTIONS:
        name = ":".join(operation)
        raise ToolError(f"tests/support/minimality.py does not say which action {name} needs: add it there.")
    action, form = _ACTIONS[operation]
    params = recorded["params"]
    if "VersionId" in params:
        action = _OF_A_VERSION.get(action, action)
    resource = form.format(
        **params,
        partition=world.partition,
        region=world.region,
        account=world.account,
        workgroup=params.get("WorkGroup", world.prefix),
        queue=params.get("QueueUrl", "").rpartition("/")[2],
    )
    prefix = params.get("Prefix", "") if action in _LISTINGS else ""
    return Use(recorded["role"], action, resource, bool({"IfMatch", "IfNoneMatch"} & params.keys()), prefix)


def findings(uses: Iterable[Use], unused: Iterable[Unused], world: World) -> list[str]:
    """Return a sentence for each permission that is unused, missing, or listed needlessly."""
    used = set(uses)
    listed = list(unused)
    return [
        *_not_allowed(used, world),
        *(
            finding
            for role in world.roles.values()
            if _is_of_a_service(role)
            for finding in _not_used(role, used, listed, world)
        ),
        *_of_nobody(listed, world),
    ]


def _not_allowed(used: set[Use], world: World) -> Iterator[str]:
    """Evaluate uses with all policies that apply; for objects and listings, one for each top folder."""
    uses = list({_folder(use): use for use in sorted(used, reverse=True)}.values())
    names = {role.arn: name for name, role in world.roles.items()}
    requests = [
        call(
            world.session(names[use.role]),
            use.action,
            use.resource,
            _context(use),
            world,
        )
        for use in uses
    ]
    for use, answer in zip(uses, simulate(requests), strict=True):
        if answer.decision != "allow":
            why = answer.problem or "; ".join(answer.reasons)
            yield f"the code of {names[use.role]} calls {use.action} on {use.resource}, and may not: {why}"


def _context(use: Use) -> dict[str, str | list[str]]:
    context: dict[str, str | list[str]] = {}
    if use.conditional:
        context["s3:if-none-match"] = "*"
    if use.action in _LISTINGS:
        context["s3:prefix"] = use.prefix
    if use.action == "events:PutEvents":
        context["events:source"] = [EVENT_SOURCE]
    return context


def _folder(use: Use) -> Use:
    bucket, slash, key = use.resource.partition("/")
    top = f"{bucket}/{key.partition('/')[0]}" if slash and use.action.startswith("s3:") else use.resource
    return replace(use, resource=top, prefix=use.prefix.partition("/")[0])


def _not_used(role: Role, used: set[Use], listed: list[Unused], world: World) -> Iterator[str]:
    short = role.name.removeprefix(f"{world.prefix}-")
    own = [entry for entry in listed if entry.role == short]
    idle = {}
    for policy in role.policies:
        for statement in statements(policy.document):
            if statement["Effect"] == "Allow":
                for action in _listed(statement["Action"]):
                    if not _is_used(role.arn, action, _listed(statement["Resource"]), used):
                        idle[action] = f"{policy.name}: {statement.get('Sid', '')}"
    excused = {action for entry in own for action in entry.actions}
    if ALL in excused:
        if any(use.role == role.arn for use in used):
            yield f"{UNUSED.name} lists all of {short}, and its code runs: list what is unused"
        return
    for action in sorted(idle.keys() - excused):
        yield (
            f"{short} may {action} ({idle[action]}) and its code never did:"
            " take it away, or list it with a reason"
        )
    by_chance = {action for entry in own if entry.sometimes for action in entry.actions}
    for action in sorted(excused - idle.keys() - by_chance):
        yield f"{UNUSED.name} lists {action} of {short}, which is used or not allowed: take it off the list"


def _of_nobody(listed: list[Unused], world: World) -> Iterator[str]:
    for entry in listed:
        if f"{world.prefix}-{entry.role}" not in world.roles:
            yield f"{UNUSED.name} lists {entry.role}, and there is no such role"


def _is_of_a_service(role: Role) -> bool:
    """Whether a service of AWS assumes the role: its calls are code's, not a person's."""
    return any("Service" in statement["Principal"] for statement in statements(role.trust.document))


def _is_used(role: str, action: str, resources: list[str], used: set[Use]) -> bool:
    return any(
        use.role == role
        and covers(action.lower(), use.action.lower())
        and any(covers(resource, use.resource) for resource in resources)
        for use in used
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
