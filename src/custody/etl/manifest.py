"""The manifest: which object versions a run processes, and the hashes that their bytes must have.

The gate writes it once, after it has verified each version's receipt; the job reads exactly what it names.
Its identity is the SHA-256 of its bytes, so that a changed manifest is another manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.objects import ObjectVersion
from custody.times import format_time

MANIFEST_TYPE = "urn:custody:manifest:v1"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
_DAY = re.compile(r"(?<![0-9])([0-9]{4})([-/])(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])(?![0-9])")

_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""The last time that has a day after it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object version, with the facts of its receipt."""

    version: ObjectVersion
    sha256: str
    size_bytes: int
    last_modified: datetime
    decision: str | None = None
    """The URI of the decision for which it is handed out once more. What it delivered before stays, and the
    thresholds do not withhold it,"""
    is_withheld: bool = False
    """unless it is withheld until now and the decision does not release it, but has it judged again."""

    @property
    def rank(self) -> str:
        """A text that orders deliveries: by the day of the data, then by arrival, then by identity.

        The day is the last one in the key (``…/2026-01-15.csv``, or ``…/2026/01/15/…`` as Firehose writes
        it), else the day of delivery. So an old day's file that is delivered again does not override a newer
        day's, while a correction of the same day does. A day later than the day after the delivery is
        ignored, or a key such as ``9999-12-31.csv`` would override everything that follows. No two versions
        have the same rank, in whatever order they arrive.
        """
        days = _DAY.findall(self.version.key)
        latest = (min(self.last_modified.astimezone(UTC), _LAST) + timedelta(days=1)).date().isoformat()
        day = "{0}-{2}-{3}".format(*days[-1]) if days else ""
        return self.arrival_rank if not day or day > latest else f"{day}{self.arrival_rank[10:]}"

    @property
    def arrival_rank(self) -> str:
        """The same by arrival only: a sender cannot claim later that his data were first."""
        modified = format_time(self.last_modified)
        identity = f"{self.version.bucket}\n{self.version.key}\n{self.version.version_id}".encode()
        if "." not in modified:
            modified = modified.replace("Z", ".000Z")
        return f"{modified[:10]}|{modified}|{hashlib.sha256(identity).hexdigest()[:16]}"


class UnfitError(Exception):
    """An object version does not match its entry; the text says what was found instead."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The object versions of one table to process, and the document's own digest."""

    table: str
    entries: tuple[Entry, ...]
    created_at: datetime
    sha256: str


def write_manifest(table: str, entries: Iterable[Entry], created_at: datetime) -> bytes:
    """The manifest's bytes: one JSON document, its entries in the order of their versions."""
    document = {
        "type": MANIFEST_TYPE,
        "table": table,
        "created_at": format_time(created_at),
        "entries": [
            {
                "bucket": entry.version.bucket,
                "key": entry.version.key,
                "version_id": entry.version.version_id,
                "sha256": entry.sha256,
                "size_bytes": entry.size_bytes,
                "last_modified": format_time(entry.last_modified),
                **({} if entry.decision is None else {"decision": entry.decision}),
                **({"withheld": True} if entry.is_withheld else {}),
            }
            for entry in sorted(entries, key=lambda entry: entry.version)
        ],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises ``EvidenceError`` naming the first error."""
    fields = Fields(parse_object(data, "manifest", MAX_MANIFEST_BYTES), "manifest")
    if (kind := fields.text("type")) != MANIFEST_TYPE:
        raise EvidenceError(f"The manifest's type is {kind[:80]!r}, not {MANIFEST_TYPE}.")
    entries = tuple(
        Entry(
            version=ObjectVersion(item.words("bucket"), item.words("key"), item.words("version_id")),
            sha256=item.sha256("sha256"),
            size_bytes=item.natural("size_bytes"),
            last_modified=item.time("last_modified"),
            decision=item.optional_text("decision"),
            is_withheld=item.flag("withheld"),
        )
        for item in fields.objects("entries")
    )
    if not entries:
        raise EvidenceError("The manifest names no object versions.")
    if len({entry.version for entry in entries}) != len(entries):
        raise EvidenceError("The manifest names an object version twice.")
    return Manifest(
        fields.words("table"), entries, fields.time("created_at"), hashlib.sha256(data).hexdigest()
    )
