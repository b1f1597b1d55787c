"""Digest files: each names the log files of its time and the digest before it, and is signed.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scripts.local_aws.trail.signing_key import DigestKey

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class LogFile:
    """A delivered log file. ``content_sha256`` is of its uncompressed content."""

    bucket: str
    key: str
    content_sha256: str
    oldest: str
    newest: str


@dataclass(frozen=True, slots=True)
class Digest:
    """A signed digest: what is stored under ``key``, and what the next one says of it."""

    bucket: str
    key: str
    content: bytes
    signature: str
    content_sha256: str
    end: datetime


@dataclass(frozen=True, slots=True)
class Chain:
    """Whose digests they are: one chain a trail and region."""

    account_id: str
    region: str
    trail_name: str
    home_region: str
    bucket: str
    account_folder: str
    """``[<prefix>/]AWSLogs/[<organization>/]<account>/``."""

    def key(self, end: datetime) -> str:
        """Where the digest that ends then lies."""
        name = f"{self.account_id}_CloudTrail-Digest_{self.region}_{self.trail_name}_{self.home_region}"
        folder = f"{self.account_folder}CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}"
        return f"{folder}/{name}_{end:%Y%m%dT%H%M%SZ}.json.gz"


def make_digest(
    chain: Chain,
    key: DigestKey,
    *,
    start: datetime,
    end: datetime,
    files: list[LogFile],
    previous: Digest | None,
) -> Digest:
    """Write and sign the digest of the log files delivered from ``start`` to ``end`` (whole seconds)."""
    object_key = chain.key(end)
    document: dict[str, Any] = {
        "awsAccountId": chain.account_id,
        "digestStartTime": start.strftime(_TIME),
        "digestEndTime": end.strftime(_TIME),
        "digestS3Bucket": chain.bucket,
        "digestS3Object": object_key,
        "digestPublicKeyFingerprint": key.fingerprint,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": max((file.newest for file in files), default=None),
        "oldestEventTime": min((file.oldest for file in files), default=None),
        "previousDigestS3Bucket": previous and previous.bucket,
        "previousDigestS3Object": previous and previous.key,
        "previousDigestHashValue": previous and previous.content_sha256,
        "previousDigestHashAlgorithm": previous and "SHA-256",
        "previousDigestSignature": previous and previous.signature,
        "logFiles": [
            {
                "s3Bucket": file.bucket,
                "s3Object": file.key,
                "hashValue": file.content_sha256,
                "hashAlgorithm": "SHA-256",
                "newestEventTime": file.newest,
                "oldestEventTime": file.oldest,
            }
            for file in files
        ],
    }
    content = json.dumps(document).encode()
    content_sha256 = hashlib.sha256(content).hexdigest()
    to_sign = "\n".join(
        [
            document["digestEndTime"],
            f"{chain.bucket}/{object_key}",
            content_sha256,
            previous.signature if previous else "null",
        ]
    )
    signature = key.sign(to_sign.encode())
    return Digest(chain.bucket, object_key, gzip.compress(content), signature, content_sha256, end)
