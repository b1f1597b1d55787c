"""Asking for object versions to be judged again, after the contract of their table changed.

Those are the versions whose newest lineage document goes by another contract than the jobs do now, and says
that they were withheld or that rows of them were rejected. They are named in decisions
(``custody.gate.decisions``), which the recorder signs like any object. A decision's name follows from its
content and from those documents: to ask twice is to ask once, until another contract judges them.
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

    order: tuple[datetime, int, str]
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
    found, judged = _judgements(library, table_uri(bucket, f"tables/{table}"), asked.problems)
    reported = WithheldReports(s3, bucket, f"manifests/{table}/", table).last()[1].named
    is_reported = {version for version, withheld in reported.items() if withheld.reason == Reason.CONTRACT}
    wanted = {
        version: not last.has_rejected
        for version, last in found.items()
        if last.contract_sha256 != contract_sha256
        and (last.has_rejected or (last.is_withheld and version in is_reported))
    }
    folder = f"decisions/{table}/"
    stem = f"reprocess-{contract_sha256[:16]}-"
    store = S3Store(s3)
    for name in store.names(f"s3://{bucket}/{folder}"):
        if name.startswith(stem):
            uri = f"s3://{bucket}/{folder}{name}"
            named = parse_decision(store.read(uri), table, f"decision {uri}")[1]
            waiting = {version for version in named.keys() & wanted.keys() if (version, uri) not in judged}
            asked.waiting += len(waiting)
            wanted = {version: each for version, each in wanted.items() if version not in waiting}
    asked.withheld = sum(wanted.values())
    asked.rejected = len(wanted) - asked.withheld
    for versions, body in _decisions(table, contract_sha256, wanted):
        digest = hashlib.sha256(body)
        for version in versions:
            digest.update(found[version].order[-1].encode())
        key = f"{folder}{stem}{digest.hexdigest()[:16]}.json"
        create_object(s3, bucket, key, body, "application/json")
        asked.decisions.append(f"s3://{bucket}/{key}")
    return asked


def _judgements(
    library: Library, table: str, problems: list[str]
) -> tuple[dict[ObjectVersion, _Last], set[tuple[ObjectVersion, str]]]:
    """What is said last of each version that is not all right, and which were judged for which decision.

    A sentence for each document that cannot be read is added to ``problems``.
    """
    found: dict[ObjectVersion, _Last] = {}
    judged: set[tuple[ObjectVersion, str]] = set()
    for read in library.read(library.documents(table)):
        if read.lineage is None:
            problems.append(read.problem)
            continue
        for version, last, decision in _told(read.lineage):
            if version not in found or found[version].order < last.order:
                found[version] = last
            if decision is not None:
                judged.add((version, decision.partition("?")[0]))
    return found, judged


def _told(lineage: Lineage) -> Iterator[tuple[ObjectVersion, _Last, str | None]]:
    """What a document says of versions of which not all rows were valid, or that were handed out again."""
    contract = lineage.contract_sha256
    order = (lineage.committed_at, lineage.place.made.version, lineage.place.uri)
    for item in lineage.objects:
        if item.counts["rejected"] or item.decision is not None:
            yield item.version, _Last(order, contract, False, item.counts["rejected"] > 0), item.decision
    for other in lineage.refused:
        yield other.version, _Last(order, contract, other.withheld, False), other.decision


def _decisions(
    table: str, contract_sha256: str, wanted: Mapping[ObjectVersion, bool]
) -> Iterator[tuple[list[ObjectVersion], bytes]]:
    """The decisions, each no larger than one may be, and the versions that it names."""
    items = (
        (
            version,
            json.dumps(
                dict(zip(("bucket", "key", "version_id"), astuple(version), strict=True))
                | {"withheld": is_withheld},
                ensure_ascii=False,
                separators=(",", ":"),
            ),
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
        named = ",".join(text for _, text in group)
        yield [version for version, _ in group], f'{head[:-1]},"versions":[{named}]}}'.encode()


def _bounded(
    items: Iterable[tuple[ObjectVersion, str]], max_bytes: int
) -> Iterator[list[tuple[ObjectVersion, str]]]:
    group: list[tuple[ObjectVersion, str]] = []
    size = 0
    for version, text in items:
        length = len(text.encode()) + 1
        if group and size + length > max_bytes:
            yield group
            group, size = [], 0
        group.append((version, text))
        size += length
    if group:
        yield group
