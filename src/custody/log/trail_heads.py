"""Entries of the log about the trail: the newest digest of each of CloudTrail's digest chains.

A chain of digests shows what is missing between two of them, not after the last one. As a leaf of the log the
newest one is known for good, and with it, by the chain, every digest before it: deleting the trail's last
hours contradicts the log.

An entry is an in-toto Statement v1 in JSON. It has no signature of its own: the checkpoint signs all entries.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.fetch import GoneError, UnreadableError, fetch
from custody.evidence.hashing import read_body
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import STATEMENT_TYPE
from custody.log.batch import Sealable
from custody.trail.chains import Chain, parse_chain

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

PREDICATE_TYPE = "urn:custody:trail-head:v1"
KEY_PREFIX = "trail-head/"
"""Where the log's index has such entries; there is no such object."""

_MAX_DIGEST_BYTES = 64 * 1024 * 1024
_MAX_ENTRY_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class TrailHead:
    """A digest file, as it was when it was the newest of its chain."""

    bucket: str
    key: str
    version_id: str
    sha256: str
    """Of its uncompressed content, as CloudTrail's chain has it."""


def find_heads(s3: S3Client, bucket: str, folder: str, now: datetime) -> Iterator[Sealable | EvidenceError]:
    """The newest readable digest of each chain of an account, of today or yesterday (UTC), as entries.

    Each newer file that is not one gzip member or cannot be read is yielded too, as the error that says so:
    it keeps neither its chain nor another from the log. ``folder`` is the account's in the bucket:
    ``[<prefix>/]AWSLogs/[<organization>/]<account>/``.

    Raises botocore's ``ClientError`` if the files cannot be listed, ``CannotCheckError`` if Amazon S3 as a
    whole cannot be used.
    """
    root = f"{folder}CloudTrail-Digest/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=root, Delimiter="/"):
        for region in page.get("CommonPrefixes", ()):
            of_chain: dict[Chain, list[str]] = defaultdict(list)
            for day in (now - timedelta(days=1), now):
                for key in _keys(s3, bucket, f"{region['Prefix']}{day:%Y/%m/%d}/"):
                    if chain := parse_chain(key):
                        of_chain[chain].append(key)
            for keys in of_chain.values():
                for key in sorted(keys, reverse=True):
                    try:
                        head = fetch(s3, ObjectVersion(bucket, key, ""), partial(_entry, bucket, key))
                    except (EvidenceError, UnreadableError, GoneError) as error:
                        yield EvidenceError(f"The digest s3://{bucket}/{key} cannot be sealed: {error}")
                    else:
                        yield head
                        break


def parse_trail_head(entry: bytes) -> TrailHead | None:
    """Read an entry of the log; ``None`` if it is about something else.

    Raises ``EvidenceError`` if it is malformed.
    """
    statement = Fields(parse_object(entry, "entry", _MAX_ENTRY_BYTES), "entry")
    if statement.optional_text("predicateType") != PREDICATE_TYPE:
        return None
    predicate = statement.object("predicate")
    return TrailHead(
        bucket=predicate.words("bucket"),
        key=predicate.words("key"),
        version_id=predicate.words("version_id"),
        sha256=predicate.sha256("content_sha256"),
    )


def _keys(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (item["Key"] for item in page.get("Contents", ()))


def _entry(bucket: str, key: str, found: GetObjectOutputTypeDef) -> Sealable:
    """Raises ``EvidenceError`` if it is not one gzip member of a digest's size."""
    version_id = found.get("VersionId", "null")  # of a bucket that somebody else has, without versioning
    data = read_body(found, _MAX_DIGEST_BYTES)
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        content = unpacking.decompress(data, _MAX_DIGEST_BYTES)
    except zlib.error as error:
        raise EvidenceError(f"it is not gzip: {error}.") from error
    if not unpacking.eof or unpacking.unused_data:
        raise EvidenceError("it is not one whole gzip of its size.")
    statement: dict[str, Any] = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"s3://{bucket}/{key}", "digest": {"sha256": hashlib.sha256(data).hexdigest()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "bucket": bucket,
            "key": key,
            "version_id": version_id,
            "content_sha256": hashlib.sha256(content).hexdigest(),
        },
    }
    return Sealable(
        key=f"{KEY_PREFIX}{bucket}/{key}/{version_id}",
        version_id=version_id,
        etag=found["ETag"],
        stored_at=found["LastModified"],
        entry=json.dumps(statement, ensure_ascii=False, separators=(",", ":")).encode(),
    )
