"""Accepted lineage documents: well formed, in the right place, and written by a job run.

Anyone with write access below ``_lineage/`` can put a document there, and the recorder signs it like any
object. So the writer must be the role of the jobs, according to the document's receipt. A receipt that was
requested later (``custody backfill``) names no writer; then AWS Glue must have the run that the document
names. All other documents are refused and have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from custody.concurrency import map_concurrently
from custody.errors import EvidenceError
from custody.etl.lineage import MAX_LINEAGE_BYTES, Published, published
from custody.etl.store import S3Store
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.gate.receipts import Reason, Withheld
from custody.gate.writers import NotRecordedError, Writers, is_session_of
from custody.lineage.document import TableVersion, parse_lineage, parse_place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_READERS = 8
KnowsRun = Callable[[str, str | None], bool]
"""Whether AWS Glue has a run with this id, and with this manifest if one is given."""


@dataclass(frozen=True, slots=True)
class Made:
    """What the gate keeps of an accepted document."""

    version: TableVersion
    manifest_uri: str | None
    committed_at: datetime
    tables: frozenset[TableVersion]
    withheld: tuple[Withheld, ...]
    published: frozenset[ObjectVersion]
    """What it published of what was handed out once more."""
    rows_rejected: int
    new_columns: tuple[str, ...]


class Lineages:
    """Reads the documents in one invocation. ``known`` has those that earlier invocations read, by URI."""

    def __init__(
        self, s3: S3Client, writers: Writers, role_id: str, known: dict[str, Made], knows_run: KnowsRun
    ) -> None:
        self._s3 = s3
        self._writers = writers
        self._role_ids = frozenset({role_id})
        self._known = known
        self._knows_run = knows_run
        self.refused: dict[str, str] = {}
        """By URI, a sentence for each refused document."""

    def listed(self, table: str) -> list[Published]:
        """The documents of a table, accepted or not."""
        return published(S3Store(self._s3), table)

    def read(self, documents: Iterable[Published]) -> list[tuple[Published, Made | None]]:
        """The content of each of these that is accepted; ``None`` for one that has no receipt yet."""
        read = map_concurrently(self._try, list(documents), _READERS)
        return [(document, made) for document, made, counts in read if counts]

    def newest(self, table: str) -> list[Made]:
        """The documents of the newest version of a table; none while it has no accepted document.

        There may be several, since runs that changed nothing may have the same version. Raises
        ``NotRecordedError`` if one of them has no receipt yet.
        """
        documents = reversed(self.listed(table))
        for _, group in groupby(documents, key=lambda document: document.delta_version):
            found = self.read(group)
            for document, made in found:
                if made is None:
                    raise NotRecordedError(
                        f"{document.uri} has no receipt yet.", "Invoke the gate again in a minute."
                    )
            if found:
                return [made for _, made in found if made is not None]
        return []

    def _try(self, document: Published) -> tuple[Published, Made | None, bool]:
        if document.uri not in self._known:
            try:
                self._known[document.uri] = self._read(document)
            except NotRecordedError:
                return document, None, True
            except EvidenceError as error:
                self.refused[document.uri] = error.message
                return document, None, False
        return document, self._known[document.uri], True

    def _read(self, document: Published) -> Made:
        where = parse_s3_uri(document.uri)
        place = parse_place(where.bucket, where.key)
        if place is None:
            raise EvidenceError(f"{document.uri} is not a place for a lineage document.")
        found = self._writers.read(
            where.bucket,
            where.key,
            lambda principal: principal is None or is_session_of(principal, self._role_ids),
            MAX_LINEAGE_BYTES,
        )
        try:
            lineage = parse_lineage(found.body, place)
        except EvidenceError as error:
            raise EvidenceError(f"{document.uri}: {error.message}") from error
        if found.principal is None and not self._knows_run(lineage.run_id, lineage.manifest_uri):
            raise EvidenceError(
                f"{document.uri}: its receipt names no writer, and AWS Glue has no such job run."
            )
        return Made(
            place.made,
            lineage.manifest_uri,
            lineage.committed_at,
            frozenset(lineage.tables),
            tuple(
                Withheld(item.version, Reason.CONTRACT if item.withheld else Reason.OTHER_BYTES, item.reason)
                for item in lineage.refused
            ),
            frozenset(item.version for item in lineage.objects if item.decision is not None),
            sum(output.rows for output in lineage.outputs[1:]),
            lineage.new_columns,
        )


def is_gold_behind(gold: Iterable[Made], silver: Iterable[Made]) -> bool:
    """Whether no document of gold's newest version names these versions of silver."""
    wanted = {made.version for made in silver}
    return not any(wanted <= made.tables for made in gold)


def is_resolved(
    withheld: Withheld, released: Collection[ObjectVersion], dismissed: Collection[ObjectVersion]
) -> bool:
    """Whether there is a decision about a withheld object; a decision cannot accept changed bytes."""
    if withheld.version in dismissed:
        return True
    return withheld.reason == Reason.CONTRACT and withheld.version in released
