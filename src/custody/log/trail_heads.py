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
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.receipt import STATEMENT_TYPE
from custody.log.batch import Sealable
from custody.trail.chains import Chain, parse_chain

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

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


def find_heads(s3: S3Client, bucket: str, folder: str, now: datetime) -> Iterator[Sealable]:
    """The newest digest of each chain of an account, of today or yesterday (UTC), as entries.

    ``folder`` is the account's in the bucket: ``[<prefix>/]AWSLogs/[<organization>/]<account>/``.

    Raises botocore's ``ClientError`` if Amazon S3 refuses, ``EvidenceError`` for a file that is not gzip.
    """
    root = f"{folder}CloudTrail-Digest/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=root, Delimiter="/"):
        for region in page.get("CommonPrefixes", ()):
            newest: dict[Chain, str] = {}
            for day in (now - timedelta(days=1), now):
                for key in _keys(s3, bucket, f"{region['Prefix']}{day:%Y/%m/%d}/"):
                    if chain := parse_chain(key):
                        newest[chain] = max(key, newest.get(chain, ""))
            for key in newest.values():
                yield _read_head(s3, bucket, key)


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


def _read_head(s3: S3Client, bucket: str, key: str) -> Sealable:
    found = s3.get_object(Bucket=bucket, Key=key)
    version_id = found.get("VersionId", "null")  # of a bucket that somebody else has, without versioning
    with closing(found["Body"]) as body:
        data = body.read()
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        content = unpacking.decompress(data, _MAX_DIGEST_BYTES)
    except zlib.error as error:
        raise EvidenceError(f"The digest s3://{bucket}/{key} is not gzip: {error}.") from error
    if not unpacking.eof:
        raise EvidenceError(f"The digest s3://{bucket}/{key} is not one whole gzip of its size.")
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
