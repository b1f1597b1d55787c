"""Asking for object versions to be judged again, after the contract of their table changed.

Those are the versions whose newest lineage document goes by another contract than the jobs do now, and says
that they were withheld or that rows of them were rejected. They are named in decisions
(``custody.gate.decisions``), which the recorder signs like any object. A decision's name follows from its
content: to ask twice is to ask once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from custody.deployment import Deployment
from custody.documents import is_sha256
from custody.errors import CannotCheckError, UsageError
from custody.etl.store import S3Store
from custody.evidence.creation import create_object
from custody.evidence.objects import ObjectVersion
from custody.gate.decisions import DECISION_TYPE, MAX_DECISION_BYTES, parse_decision
from custody.gate.receipts import Reason
from custody.gate.withheld import WithheldReports
from custody.lineage.document import Lineage, table_uri
from custody.lineage.library import Library

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

_SPARE_BYTES = 1024
"""What a decision has beside its versions."""


@dataclass(frozen=True, slots=True)
class _Last:
    """What the newest document says of a version."""

    order: tuple[datetime, int]
    contract_sha256: str | None
    is_withheld: bool
    has_rejected: bool


@dataclass
class Asked:
    """What was asked for."""

    table: str
    contract_sha256: str
    withheld: int = 0
    """How many versions are withheld."""
    rejected: int = 0
    """How many others have rejected rows."""
    waiting: int = 0
    """How many were asked for before, and are still to be judged."""
    decisions: list[str] = field(default_factory=list)
    """URIs of the decisions that were written."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each lineage document that cannot be read."""

    @property
    def exit_code(self) -> int:
        """1 if there are problems, else 0."""
        return 1 if self.problems else 0

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON."""
        names = ("table", "contract_sha256", "withheld", "rejected", "waiting", "decisions", "problems")
        return {name: getattr(self, name) for name in names}


def deployed_contract(glue: GlueClient, deployment: Deployment, table: str) -> str:
    """The digest of the contract that a table's job goes by.

    Raises ``UsageError`` for a table that is not made of raw objects.
    """
    silver = [name for name, inputs in deployment.tables.items() if not inputs]
    if table in deployment.tables and table not in silver:
        raise UsageError(
            f"The table {table} is made from other tables, and has nothing withheld or rejected.",
            f"Name one of those: {', '.join(deployment.tables[table])}.",
        )
    if table not in silver:
        raise UsageError(
            f"There is no table {table[:200]!r}.",
            f"There are {', '.join(silver)}." if silver else "This deployment has none.",
        )
    job = deployment.jobs[f"raw-to-processed-{table.replace('_', '-')}"]
    digest = glue.get_job(JobName=job)["Job"].get("DefaultArguments", {}).get("--contract_sha256", "")
    if not is_sha256(digest):
        raise CannotCheckError(f"The job {job} does not say which contract it goes by.", "Run make apply.")
    return digest


def reprocess(
    s3: S3Client,
    deployment: Deployment,
    table: str,
    contract_sha256: str,
    tell: Callable[[str], None] = lambda _: None,
) -> Asked:
    """Write decisions to judge again what another contract withheld or rejected, as far as nobody has yet."""
    bucket = deployment.buckets["processed"]
    asked = Asked(table, contract_sha256)
    library = Library(s3, deployment, tell=tell)
    found: dict[ObjectVersion, _Last] = {}
    for read in library.read(library.documents(table_uri(bucket, f"tables/{table}"))):
        if read.lineage is None:
            asked.problems.append(read.problem)
            continue
        for version, last in _told(read.lineage):
            if version not in found or found[version].order < last.order:
                found[version] = last
    reports = WithheldReports(s3, bucket, f"manifests/{table}/", table)
    reported = reports.last()[1].named
    wanted: dict[ObjectVersion, bool] = {}
    for version, last in found.items():
        if last.contract_sha256 == contract_sha256:
            continue
        if last.has_rejected:
            wanted[version] = False
        elif last.is_withheld and version in reported and reported[version].reason == Reason.CONTRACT:
            wanted[version] = True
    folder = f"decisions/{table}/"
    stem = f"reprocess-{contract_sha256[:16]}-"
    store = S3Store(s3)
    for name in store.names(f"s3://{bucket}/{folder}"):
        if name.startswith(stem):
            uri = f"s3://{bucket}/{folder}{name}"
            for version in parse_decision(store.read(uri), table, f"decision {uri}")[1]:
                asked.waiting += wanted.pop(version, None) is not None
    asked.withheld = sum(wanted.values())
    asked.rejected = len(wanted) - asked.withheld
    for body in _decisions(table, contract_sha256, wanted):
        key = f"{folder}{stem}{hashlib.sha256(body).hexdigest()[:16]}.json"
        create_object(s3, bucket, key, body, "application/json")
        asked.decisions.append(f"s3://{bucket}/{key}")
    return asked


def _told(lineage: Lineage) -> Iterator[tuple[ObjectVersion, _Last]]:
    """What a document says of versions of which not all rows were valid, or that were handed out again."""
    order = (lineage.committed_at, lineage.place.made.version)
    for item in lineage.objects:
        if item.counts["rejected"] or item.decision is not None:
            yield item.version, _Last(order, lineage.contract_sha256, False, item.counts["rejected"] > 0)
    for other in lineage.refused:
        yield other.version, _Last(order, lineage.contract_sha256, other.withheld, False)


def _decisions(table: str, contract_sha256: str, wanted: Mapping[ObjectVersion, bool]) -> Iterator[bytes]:
    """The decisions, each no larger than one may be."""
    items = (
        json.dumps(
            dict(zip(("bucket", "key", "version_id"), astuple(version), strict=True))
            | {"withheld": is_withheld},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for version, is_withheld in sorted(wanted.items())
    )
    head = json.dumps(
        {
            "type": DECISION_TYPE,
            "table": table,
            "action": "reprocess",
            "reason": f"The contract changed: it is {contract_sha256} now.",
            "contract_sha256": contract_sha256,
        },
        separators=(",", ":"),
    )
    for group in _bounded(items, MAX_DECISION_BYTES - _SPARE_BYTES):
        yield f'{head[:-1]},"versions":[{",".join(group)}]}}'.encode()


def _bounded(items: Iterable[str], max_bytes: int) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for item in items:
        length = len(item.encode()) + 1
        if group and size + length > max_bytes:
            yield group
            group, size = [], 0
        group.append(item)
        size += length
    if group:
        yield group
