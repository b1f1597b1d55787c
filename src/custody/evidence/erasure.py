"""Decisions to erase object versions, recorded before the deletion.

An erasure is an object ``erasures/<any name>.json`` in the processed bucket. Only the operators of the data
may create one, and nobody may replace one (bucket policy); the recorder signs it like any recorded object,
and its receipt names the writer. Its content:

    {"type": "urn:custody:erasure:v1", "reason": …, "decided_at": …,
     "versions": [{"bucket", "key", "version_id"}, …]}

A verifier that finds the receipt of such a version without the version reports an erasure, not a finding.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.objects import ObjectVersion
from custody.times import format_time

ERASURE_TYPE = "urn:custody:erasure:v1"
ERASURES = "erasures/"
"""The prefix of erasures in the processed bucket."""
MAX_ERASURE_BYTES = 4 * 1024 * 1024
MAX_REASON_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Erasure:
    """One decision."""

    reason: str
    decided_at: datetime
    versions: tuple[ObjectVersion, ...]

    def to_bytes(self) -> bytes:
        """The document to store."""
        document = {
            "type": ERASURE_TYPE,
            "reason": self.reason,
            "decided_at": format_time(self.decided_at),
            "versions": [
                {"bucket": version.bucket, "key": version.key, "version_id": version.version_id}
                for version in self.versions
            ],
        }
        return json.dumps(document, indent=1).encode()


def parse_erasure(data: bytes, what: str) -> Erasure:
    """Read one. Raises ``EvidenceError``, which calls the document ``what``."""
    fields = Fields(parse_object(data, what, MAX_ERASURE_BYTES), what)
    if (kind := fields.text("type")) != ERASURE_TYPE:
        raise EvidenceError(f"The {what}'s type is {kind[:80]!r}, not {ERASURE_TYPE}.")
    reason = fields.words("reason")
    if len(reason) > MAX_REASON_CHARACTERS:
        raise EvidenceError(f"The {what}'s reason is over {MAX_REASON_CHARACTERS} characters long.")
    return Erasure(
        reason,
        fields.time("decided_at"),
        tuple(
            ObjectVersion(item.words("bucket"), item.words("key"), item.words("version_id"))
            for item in fields.objects("versions")
        ),
    )


def is_erasable(version: ObjectVersion, raw_bucket: str) -> bool:
    """Whether a decision can cover the version: raw data and files of tables, never what is itself evidence.

    Manifests, decisions and lineage documents say how tables came about.
    """
    folders = version.key.split("/")
    return version.bucket == raw_bucket or (
        folders[0] == "tables" and not {"_lineage", "_delta_log"} & set(folders[1:])
    )
