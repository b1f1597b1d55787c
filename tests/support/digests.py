"""Digest files as CloudTrail writes them, signed with a key of the tests."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.evidence import ACCOUNT, REGION


@cache
def rsa_key(name: str = "") -> rsa.RSAPrivateKey:
    """A key pair, another one for each name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Keys:
    """Public keys by region, as ``DigestKeys``; by default one of the tests' region."""

    def __init__(self, **keys: rsa.RSAPrivateKey) -> None:
        self._keys = keys or {REGION: rsa_key()}

    def find(self, region: str, fingerprint: str, about: datetime) -> bytes | None:
        key = self._keys.get(region)
        return None if key is None or fingerprint != "f00d" else public_der(key)


def public_der(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


@dataclass(frozen=True)
class DigestFile:
    """One digest file: its document, and what it is signed with."""

    bucket: str
    start: datetime
    end: datetime
    files: tuple[tuple[str, bytes], ...] = ()
    """Key and uncompressed content of each log file."""
    previous: DigestFile | None = None
    late: bool = False
    region: str = REGION
    trail: str = "custody-test"
    folder: str = f"AWSLogs/{ACCOUNT}/"
    key_pair: rsa.RSAPrivateKey = field(default_factory=rsa_key)
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields that are written otherwise, before it is signed."""

    @property
    def key(self) -> str:
        name = f"{ACCOUNT}_CloudTrail-Digest_{self.region}_{self.trail}_{REGION}_{self.end:%Y%m%dT%H%M%SZ}"
        folder = f"{self.folder}CloudTrail-Digest/{self.region}/{self.end:%Y/%m/%d}"
        return f"{folder}/{name}{'_backfill' if self.late else ''}.json.gz"

    @cached_property
    def content(self) -> bytes:
        before = self.previous
        document = {
            "awsAccountId": ACCOUNT,
            "digestStartTime": f"{self.start:%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{self.end:%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": self.bucket,
            "digestS3Object": self.key,
            "digestPublicKeyFingerprint": "f00d",
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": None,
            "oldestEventTime": None,
            "previousDigestS3Bucket": before and before.bucket,
            "previousDigestS3Object": before and before.key,
            "previousDigestHashValue": before and hashlib.sha256(before.content).hexdigest(),
            "previousDigestHashAlgorithm": before and "SHA-256",
            "previousDigestSignature": before and before.signature,
            "logFiles": [
                {
                    "s3Bucket": self.bucket,
                    "s3Object": key,
                    "hashValue": hashlib.sha256(content).hexdigest(),
                    "hashAlgorithm": "SHA-256",
                    "newestEventTime": f"{self.end:%Y-%m-%dT%H:%M:%SZ}",
                    "oldestEventTime": f"{self.start:%Y-%m-%dT%H:%M:%SZ}",
                }
                for key, content in self.files
            ],
        }
        return json.dumps(document | self.changes).encode()

    @cached_property
    def signature(self) -> str:
        document = json.loads(self.content)
        text = "\n".join(
            [
                document["digestEndTime"],
                f"{document['digestS3Bucket']}/{document['digestS3Object']}",
                hashlib.sha256(self.content).hexdigest(),
                document["previousDigestSignature"] or "null",
            ]
        )
        return self.key_pair.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()

    @property
    def metadata(self) -> dict[str, str]:
        late = {"backfill-generation-timestamp": f"{self.end:%Y-%m-%dT%H:%M:%SZ}"} if self.late else {}
        return {"signature": self.signature, "signature-algorithm": "SHA256withRSA", **late}

    @property
    def stored(self) -> bytes:
        return gzip.compress(self.content)

    def but(self, **changes: Any) -> DigestFile:
        """The same digest with other fields."""
        return replace(self, **changes)
