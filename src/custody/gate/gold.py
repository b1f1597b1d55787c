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
from custody.evidence.hashing import hash_stream
from custody.evidence.objects import parse_s3_uri
from custody.gate.receipts import Left, Pending, ReceiptGate
from custody.listing import VersionEntry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LAST_GOLD_TABLE = "customer_value"
"""The gold table that is made of all silver tables, after the others: gold is as new as this one."""


class NotRecordedError(CannotCheckError):
    """A lineage document has no receipt yet."""


def newest_documents(s3: S3Client, table: str) -> list[Published]:
    """The lineage documents of the newest version of the table at the URI ``table``.

    Runs that changed nothing may share a version, hence there may be several; none while it has none.
    """
    documents = published(S3Store(s3), table)
    return [each for each in documents if each.delta_version == documents[-1].delta_version]


def is_gold_behind(s3: S3Client, gold_tables: str, silver: Iterable[Published]) -> bool:
    """Whether gold is made of other silver than these documents tell of. Raises ``EvidenceError``."""
    store = S3Store(s3)
    wanted = [
        {"table": document.uri.split("/_lineage/")[0], "delta_version": document.delta_version}
        for document in silver
    ]
    for document in newest_documents(s3, f"{gold_tables}/{LAST_GOLD_TABLE}"):
        inputs = read_lineage(store, document).get("inputs")
        if isinstance(inputs, list) and all(item in inputs for item in wanted):
            return False
    return True


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
