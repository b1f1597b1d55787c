"""A very cheap stand-in for Amazon S3 with recorded objects to verify.

    python -m scripts.bench.store OBJECTS [sealed]

Prints one JSON document, ``{"endpoint", "deployment", "now"}``, and serves until it is ended. Everything is
created first: small objects in folders, the receipt of each, trail files, the key registry, and if asked the
log of the receipts. It supports only what a reader calls: GetObject of a version, ListObjectVersions,
ListObjectsV2; and it tells at ``/`` how many requests there were for each bucket.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import selectors
import socket
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.deployment import Deployment
from custody.evidence.dsse import sign_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, RecorderIdentity
from custody.evidence.registry import ALGORITHM, REGISTRY_KEY
from custody.recorder.notification import ObjectCreated
from custody.times import format_time

ACCOUNT, REGION = "123456789012", "us-east-1"
KEY_ID = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
_SHORTS = ("raw-data", "provenance", "processed", "analytics", "cloudtrail-log")
BUCKETS = {short: f"bench-{short}" for short in _SHORTS}
PREFIX = "incoming/"
OBJECT_BYTES = 1000
FOLDER_OBJECTS = 500
TRAIL_FILE_EVENTS = 20
PAGE = 1000
_POSITIONS = ("continuation-token", "start-after", "key-marker", "marker")
_LENGTH = re.compile(rb"\r\ncontent-length: ([1-9][0-9]*)", re.IGNORECASE)


Receipts = list[tuple[str, str, bytes]]
"""Key, version id and bytes of each."""


@dataclass
class Signer:
    """Signs like the key in AWS KMS."""

    key: ec.EllipticCurvePrivateKey
    keyid: str = KEY_ID

    def sign(self, message: bytes) -> bytes:
        """The DER signature over SHA-256 of ``message``."""
        return self.key.sign(message, ec.ECDSA(SHA256()))


class Store:
    """Object versions in memory, each with its full GET response."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, str], bytes] = {}
        self._entries: dict[str, dict[str, bytes]] = {bucket: {} for bucket in BUCKETS.values()}
        self._keys: dict[str, list[str]] = {}
        self._requests: Counter[str] = Counter()
        self.posted = b"{}"
        """The answer to whatever is posted: of CloudTrail, its public keys."""

    def put(self, bucket: str, key: str, data: bytes, *headers: str) -> ObjectVersion:
        """Store an object's one version, with more headers of its answer."""
        version_id = hashlib.md5(f"{bucket}/{key}".encode(), usedforsecurity=False).hexdigest()
        self._answers[bucket, key, version_id] = self._answers[bucket, key, ""] = _answer(
            data,
            f"ETag: {etag(data)}",
            f"Last-Modified: {WRITTEN:%a, %d %b %Y %H:%M:%S} GMT",
            f"x-amz-version-id: {version_id}",
            *headers,
        )
        self._entries[bucket][key] = (
            f"<Version><Key>{escape(key)}</Key><VersionId>{version_id}</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>{WRITTEN:%Y-%m-%dT%H:%M:%S}.000Z</LastModified><ETag>{escape(etag(data))}</ETag>"
            f"<Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Version>"
        ).encode()
        return ObjectVersion(bucket, key, version_id)

    def close(self) -> None:
        """Prepare for requests."""
        self._keys = {bucket: sorted(entries) for bucket, entries in self._entries.items()}

    def answer(self, target: str) -> bytes:
        """The answer to a GET of a path with its query."""
        path, _, query = target.partition("?")
        bucket, _, key = unquote(path[1:]).partition("/")
        if not bucket:
            return _answer(json.dumps(self._requests).encode())
        self._requests[bucket] += 1
        asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        if key:
            found = self._answers.get((bucket, key, asked.get("versionId", "")))
            return found or b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        return _answer(self._list(bucket, asked))

    def _list(self, bucket: str, asked: dict[str, str]) -> bytes:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after = next((asked[name] for name in _POSITIONS if name in asked), "")
        keys = self._keys[bucket]
        if delimiter:
            inside = [key[len(prefix) :] for key in keys if key.startswith(prefix)]
            folders = sorted({rest.partition("/")[0] for rest in inside if "/" in rest})
            page = [
                f"<CommonPrefixes><Prefix>{escape(prefix + each)}/</Prefix></CommonPrefixes>".encode()
                for each in folders
            ]
            return _page(page)
        first = bisect_right(keys, after) if after else 0
        first = max(first, bisect_left(keys, prefix))
        listed = keys[first : first + PAGE]
        within = [key for key in listed if key.startswith(prefix)]
        is_cut = len(within) == PAGE and first + PAGE < len(keys) and keys[first + PAGE].startswith(prefix)
        page = [self._entries[bucket][key] for key in within]
        if "versions" not in asked:
            page = [each.replace(b"Version>", b"Contents>") for each in page]
            if is_cut:
                page.append(f"<NextContinuationToken>{escape(within[-1])}</NextContinuationToken>".encode())
        elif is_cut:
            page.append(
                f"<NextKeyMarker>{escape(within[-1])}</NextKeyMarker>"
                "<NextVersionIdMarker>last</NextVersionIdMarker>".encode()
            )
        return _page(page, is_cut=is_cut)


def _page(parts: list[bytes], *, is_cut: bool = False) -> bytes:
    truncated = b"<IsTruncated>%s</IsTruncated>" % (b"true" if is_cut else b"false")
    return b"<Result>" + truncated + b"".join(parts) + b"</Result>"


def _answer(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def etag(data: bytes) -> str:
    """The ETag that Amazon S3 gives."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def public_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The public key, as the registry has it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def new_registry() -> tuple[Signer, dict[str, Any]]:
    """A key, and the registry that has it."""
    signer = Signer(ec.generate_private_key(ec.SECP256R1()))
    key: dict[str, Any] = {"key_id": KEY_ID, "algorithm": ALGORITHM, "public_key": public_pem(signer.key)}
    key |= {"valid_from": "2025-01-01T00:00:00Z", "valid_until": None, "revoked_at": None}
    return signer, {"keys": [key]}


def fill(
    store: Store, count: int, seal: Callable[[Store, dict[str, Any], Receipts], None] | None = None
) -> None:
    """Put this many objects, each with its receipt and trail event, and with ``seal`` the log of them."""
    signer, registry = new_registry()
    store.put(BUCKETS["provenance"], REGISTRY_KEY, json.dumps(registry).encode())
    receipts: Receipts = []
    recorder = RecorderIdentity("bench-recorder", "0" * 64, "0.1.0")
    events = []
    for number in range(count):
        data = f"{number:012d}".encode().ljust(OBJECT_BYTES, b"x")
        version = store.put(
            BUCKETS["raw-data"], f"{PREFIX}part={number // FOLDER_OBJECTS:04d}/{number:07d}.csv", data
        )
        receipt = Receipt(
            event=ObjectCreated(
                version, "ObjectCreated:Put", WRITTEN, f"REQUEST{number}", "AWS:AIDAEXAMPLE", "192.0.2.1"
            ),
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            etag=etag(data),
            last_modified=WRITTEN,
            content_type="text/csv",
            recorded_at=WRITTEN,
            recorder=recorder,
        )
        envelope = sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, signer)
        stored = store.put(BUCKETS["provenance"], version.receipt_key, envelope)
        receipts.append((stored.key, stored.version_id, envelope))
        events.append(_event(version, number))
    for first in range(0, count, TRAIL_FILE_EVENTS):
        records = json.dumps({"Records": events[first : first + TRAIL_FILE_EVENTS]})
        folder = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{WRITTEN:%Y/%m/%d}"
        store.put(BUCKETS["cloudtrail-log"], f"{folder}/{first:09d}.json.gz", gzip.compress(records.encode()))
    if seal is not None:
        seal(store, registry, receipts)


def _event(version: ObjectVersion, number: int) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "loader"},
        "eventTime": format_time(WRITTEN),
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "awsRegion": REGION,
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "[aws-cli/2]",
        "requestParameters": {"bucketName": version.bucket, "key": version.key},
        "responseElements": {"x-amz-version-id": version.version_id},
        "requestID": f"REQUEST{number}",
        "eventID": f"event-{number}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "eventCategory": "Data",
    }


def deployment() -> Deployment:
    """The deployment of these objects."""
    return Deployment(
        buckets=BUCKETS,
        keys={"signing": KEY_ID},
        functions={},
        queues={},
        jobs={},
        streams={},
        workgroup="bench",
        database="bench",
        trail_arn=f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/bench",
        topic_arn="",
        account_id=ACCOUNT,
        region=REGION,
        watermark_minutes=60,
        recorded_prefixes={BUCKETS["raw-data"]: [PREFIX]},
    )


def serve(store: Store, listener: socket.socket, latency: float = 0.0) -> None:
    """Answer every request after ``latency`` seconds, one process and one thread for all connections."""
    waiting: dict[socket.socket, bytes] = {}
    due: deque[tuple[float, socket.socket, bytes]] = deque()
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            while due and due[0][0] <= time.monotonic():
                _, connection, answer = due.popleft()
                with suppress(OSError):  # its client is gone
                    connection.sendall(answer)
            for event, _ in selector.select(max(0.0, due[0][0] - time.monotonic()) if due else None):
                if event.fileobj is listener:
                    connection, _address = listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ)
                    waiting[connection] = b""
                    continue
                connection = event.fileobj  # type: ignore[assignment]  # registered above
                try:
                    data = connection.recv(65536)
                    waiting[connection] += data
                    head, _, body = waiting[connection].partition(b"\r\n\r\n")
                    length = _LENGTH.search(head)
                    if waiting[connection].endswith(b"\r\n\r\n") or (length and len(body) == int(length[1])):
                        method, target, _ = waiting[connection].split(b" ", 2)
                        waiting[connection] = b""
                        is_post = method == b"POST"
                        answer = _answer(store.posted) if is_post else store.answer(target.decode())
                        due.append((time.monotonic() + latency, connection, answer))
                except ConnectionError:
                    data = b""
                if not data:
                    selector.unregister(connection)
                    del waiting[connection]
                    connection.close()


def main() -> None:
    """Fill a store and serve it."""
    from scripts.bench.sealed import seal  # noqa: PLC0415 - it puts into this module's store

    store = Store()
    fill(store, int(sys.argv[1]), seal if sys.argv[2:] == ["sealed"] else None)
    store.close()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        told = {
            "endpoint": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "deployment": asdict(deployment()),
            "now": format_time(WRITTEN + timedelta(hours=2)),  # of the trail, no digest is due
        }
        print(json.dumps(told), flush=True)
        serve(store, listener)


if __name__ == "__main__":
    main()
