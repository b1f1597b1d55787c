"""Summarises rows by subject and kind of access, for the grid and the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from scripts.access.matrix import Row
from scripts.toolchain.toolchain import ToolError

KINDS = {
    "R": "read",
    "L": "list",
    "W": "write",
    "D": "delete, or lift a lock",
    "U": "use a key",
    "S": "sign",
    "X": "run, ask or assume",
    "C": "change settings or policies",
    "V": "view settings",
}
"""The meaning of each letter: capital if allowed, small if denied."""

_ACTIONS = (
    ("S", r"kms:Sign"),
    ("W", r"s3:(ObjectOwnerOverrideToBucketOwner|RestoreObject|UpdateObjectEncryption)"),
    ("U", r"kms:(Encrypt|Decrypt|GenerateDataKey|CreateGrant|Verify)"),
    ("C", r"(iam|kms|lakeformation):(?!Get|List|Describe).*"),
    (
        "C",
        r"s3:(Put|Delete)Bucket.*|s3:PutLifecycle.*|.*:(Put(ResourcePolicy|EventConfiguration|EventSelectors|Retention)).*",
    ),
    ("C", r".*:(Associate|Authorize|CreateTags|Leave|PutFunctionConcurrency|Set|StartLogging|Update).*"),
    ("D", r"s3:(BypassGovernanceRetention|PutObjectRetention|ReplicateDelete)"),
    ("D", r".*:(Delete|Purge|Stop|BatchStop|Disable|Unsubscribe).*"),
    ("X", r"sts:.*|ecs:RunTask|(lambda|execute-api):Invoke.*|glue:StartJobRun|athena:StartQueryExecution"),
    ("V", r"s3:GetBucket.*|iam:Get.*|kms:Get.*|cloudtrail:Get.*|athena:GetWorkGroup|sqs:GetQueueAttributes"),
    ("L", r"s3:List.*|cloudtrail:List.*"),
    ("R", r".*:(BatchGet|Get|Describe|List|Receive).*"),
    ("W", r".*:(Put|Replicate|Abort|Send|Publish|Create|Subscribe|StartMessageMoveTask|Run).*"),
)

_BY_SERVICE = {
    "airflow": "airflow",
    "athena": "workgroup",
    "cloudtrail": "trail",
    "cloudwatch": "topic",
    "ec2": "network",
    "ecr": "tasks",
    "ecs": "tasks",
    "events": "topic",
    "execute-api": "accounts",
    "glue": "tables",
    "iam": "roles",
    "kms": "keys of parts",
    "lakeformation": "tables",
    "logs": "logs",
    "organizations": "accounts",
    "secretsmanager": "secrets",
    "sqs": "queues",
}
_BY_KIND = {
    "catalog": "tables",
    "ci": "roles",
    "database": "tables",
    "function": "functions",
    "job": "jobs",
    "log-group": "logs",
    "people": "roles",
    "policy": "roles",
    "queue": "queues",
    "role": "roles",
    "secret": "secrets",
    "stream": "streams",
    "table": "tables",
}

_KEYS_OF_PARTS = {
    "adopted",
    "airflow",
    "copy",
    "network",
    "rotator",
    "signing-a",
    "snowflake",
    "stream",
    "warehouse",
}

SUBJECTS = {
    "Data and evidence": (
        "raw-data",
        "processed",
        "analytics",
        "artifacts",
        "airflow",
        "athena-results",
        "adopted",
        "copy",
        "elsewhere",
        "provenance",
        "cloudtrail-log",
        "access-logs",
        "state",
        "trail",
        "logs",
        "queues",
        "streams",
        "topic",
    ),
    "Keys and services": (
        "key data",
        "key log",
        "key provenance",
        "key signing",
        "key trail",
        "key alerts",
        "keys of parts",
        "workgroup",
        "tables",
        "jobs",
        "functions",
        "tasks",
        "roles",
        "secrets",
        "accounts",
        "network",
    ),
}
"""The subjects of rows, in the grid's order, by the heading of its half."""


@dataclass(frozen=True)
class Cell:
    """The rows of one principal and subject: letters, and whether a row does not hold."""

    letters: str
    broken: bool


def kind_of(action: str) -> str:
    """Return the letter of an action. Raises ``ToolError`` for an unknown action."""
    for letter, pattern in _ACTIONS:
        if re.fullmatch(pattern, action):
            return letter
    raise ToolError(f"scripts/access/summary.py has no kind of access for {action}.")


def subject_of(row: Row) -> str:
    """Return the subject of a row, one of ``SUBJECTS``. Raises ``ToolError`` if there is none."""
    kind, _, rest = row.resource.partition("/")
    if row.resource == "*" or row.resource.startswith("arn:"):
        subject = "jobs" if ":job/" in rest else _BY_SERVICE.get(row.action.partition(":")[0], "?")
        subject = "roles" if row.action.startswith("iam:") else subject
    elif kind == "key":
        subject = "keys of parts" if rest in _KEYS_OF_PARTS else f"key {rest}"
    else:
        subject = _BY_KIND.get(kind, kind)
    if not any(subject in subjects for subjects in SUBJECTS.values()):
        raise ToolError(f"scripts/access/summary.py has no subject for this row: {row}")
    return subject


def principals(rows: Iterable[Row]) -> list[str]:
    """Return the principals of the rows: roles, people, workflows, others, and AWS services last."""
    found = dict.fromkeys(row.who for row in rows)
    order = ("role", "people", "ci", "", "service")
    return sorted(found, key=lambda who: order.index(group_of(who)))


def group_of(who: str) -> str:
    """Return the kind of a principal: ``role``, ``people``, ``ci``, ``service``, or an empty text."""
    kind, slash, _ = who.partition("/")
    return kind if slash else ""


def cells(rows: Iterable[Row], broken: frozenset[Row] = frozenset()) -> dict[tuple[str, str], Cell]:
    """Return the grid's cells by principal and subject.

    A letter is capital if some row of its kind is allowed, small if some is denied, or both.
    """
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.who, subject_of(row)), []).append(row)
    return {place: Cell(_letters(of), any(row in broken for row in of)) for place, of in found.items()}


def _letters(rows: list[Row]) -> str:
    allowed = {kind_of(row.action) for row in rows if row.effect == "allow"}
    denied = {kind_of(row.action) for row in rows if row.effect == "deny"}
    return "".join(letter for letter in KINDS if letter in allowed) + "".join(
        letter.lower() for letter in KINDS if letter in denied
    )
