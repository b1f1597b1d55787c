"""When gold is made: silver has moved on, and what says so is recorded.

The gold job reads silver at the versions that the newest lineage documents name. So these documents must be
what their writer wrote: each has a receipt that holds, and its bytes hash to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from custody.errors import CannotCheckError, EvidenceError
from custody.etl.lineage import Published, published, read_lineage
from custody.etl.manifest import Entry
from custody.etl.store import S3Store
from custody.gate_receipts import Left, Pending, ReceiptGate
from custody.hashing import hash_stream
from custody.listing import VersionEntry
from custody.objects import parse_s3_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LAST_GOLD_TABLE = "customer_value"
"""The gold table that is made of all silver tables, after the others: gold is as new as this one."""


class NotRecordedError(CannotCheckError):
    """A lineage document has no receipt yet."""


def newest_documents(s3: S3Client, silver: Iterable[str]) -> dict[str, Published] | None:
    """The newest lineage document of each silver table, by the table's URI; ``None`` while one has none."""
    newest = {}
    for table in silver:
        documents = published(S3Store(s3), table)
        if not documents:
            return None
        newest[table] = documents[-1]
    return newest


def is_gold_behind(s3: S3Client, gold_tables: str, newest: dict[str, Published]) -> bool:
    """Whether gold is made of other silver than the newest. Raises ``EvidenceError`` for an odd document."""
    store = S3Store(s3)
    documents = published(store, f"{gold_tables}/{LAST_GOLD_TABLE}")
    if not documents:
        return True
    inputs = read_lineage(store, documents[-1]).get("inputs")
    wanted = [{"table": table, "delta_version": document.delta_version} for table, document in newest.items()]
    return not isinstance(inputs, list) or any(item not in inputs for item in wanted)


def require_recorded(s3: S3Client, receipts: ReceiptGate, document: Published) -> None:
    """Check the receipt of a lineage document, and its bytes.

    Raises ``NotRecordedError`` if it has none yet, ``EvidenceError`` if the receipt does not hold or is of
    other bytes, or what ``ReceiptGate.check`` and reading raise.
    """
    place = parse_s3_uri(document.uri)
    found = s3.get_object(Bucket=place.bucket, Key=place.key)
    with closing(found["Body"]) as body:
        sha256, size_bytes = hash_stream(body, found["ContentLength"])
    listed = VersionEntry(
        place.key, found["VersionId"], found["LastModified"], False, size_bytes, found["ETag"]
    )
    match receipts.check(place.bucket, listed):
        case Pending():
            raise NotRecordedError(f"{document.uri} has no receipt yet.", "Call the gate again in a minute.")
        case Left(version, reason, detail):
            raise EvidenceError(f"{version.uri} does not hold: {reason}. {detail}".rstrip())
        case Entry() as entry if entry.sha256 != sha256:
            raise EvidenceError(f"{document.uri} hashes to {sha256}, its receipt says {entry.sha256}.")
