"""The manifests of one table: numbered, each written once.

``manifests/<table>/<number, 10 digits>.json`` in the processed bucket, from 1 and without a gap. A gate
creates a manifest only after reading all before it, and only if the number is not taken; of two concurrent
gates one fails, reads what the other wrote, and removes those versions from its own. So each version is in
exactly one manifest, wherever a gate stops; and in one more for each decision to hand it out again.

So that ten million versions need only one read, ``_seen/<number>.bin`` replaces the manifests up to that
number: a line of JSON, then the first 16 bytes of the SHA-256 of each version's identity, sorted. It is only
a summary: without it, or if its receipt does not name the gate's role as the writer, or if it does not match
its key, a gate reads the manifests instead.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, overload

from custody.documents import Fields, parse_object
from custody.errors import CannotCheckError, EvidenceError
from custody.etl.manifest import Entry, parse_manifest, write_manifest
from custody.evidence.creation import create_object
from custody.evidence.objects import ObjectVersion
from custody.gate.writers import NotRecordedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SEEN_TYPE = "urn:custody:seen:v1"
FOLD_VERSIONS = 100_000
FOLD_MANIFESTS = 100
"""A summary is written when this much must be read in addition to the last one."""
MAX_SUMMARY_BYTES = 2 * 1024**3
"""Enough for some hundred million versions: more does not fit into a function's memory."""
_DIGEST_BYTES = 16
_MAX_HEADER_BYTES = 16 * 1024 * 1024
_READERS = 8
_SUMMARY = re.compile(r"[0-9]{10}\.bin")


@dataclass(frozen=True, slots=True)
class Source:
    """A table and the location of its raw objects."""

    table: str
    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Handed:
    """A manifest that was written."""

    number: int
    version_id: str
    """Version id of the manifest's object."""
    sha256: str


class Digests(Sequence[bytes]):
    """Sorted digests, stored contiguously in bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data) // _DIGEST_BYTES

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError
        return self._data[index * _DIGEST_BYTES : (index + 1) * _DIGEST_BYTES]

    def __contains__(self, digest: object) -> bool:
        if not isinstance(digest, bytes):
            return False
        index = bisect_left(self, digest)
        return index < len(self) and self[index] == digest

    def merged(self, more: Iterable[bytes]) -> bytes:
        """The bytes with ``more`` merged in."""
        view, start = memoryview(self._data), 0
        pieces: list[memoryview | bytes] = []
        for digest in sorted(more):
            index = bisect_left(self, digest)
            pieces += [view[start * _DIGEST_BYTES : index * _DIGEST_BYTES], digest]
            start = index
        return b"".join([*pieces, view[start * _DIGEST_BYTES :]])


class Chain:
    """The manifests of one table, as far as they have been read."""

    def __init__(self, s3: S3Client, bucket: str, source: Source, own: Callable[[str], bytes]) -> None:
        """``own`` reads an object that the gate wrote into the bucket, or raises ``CustodyError``."""
        self._s3 = s3
        self._own = own
        self.doubted: list[str] = []
        """A sentence for each refused summary."""
        self._bucket = bucket
        self.source = source
        self.folder = f"manifests/{source.table}/"
        self._folded = Digests(b"")
        self._folded_through = 0
        self._recent: set[bytes] = set()
        self._manifests: list[Handed] = []
        """Those that were not done at the last summary, then all later ones."""
        self._last = 0

    def read(self) -> None:
        """Read the manifests written so far.

        Raises ``EvidenceError`` for an object that no gate would have written.
        """
        names = (name for name in self._names("_seen/") if _SUMMARY.fullmatch(name))
        for number in sorted((int(name.removesuffix(".bin")) for name in names), reverse=True):
            try:
                self._read_summary(number)
                break
            except NotRecordedError:
                continue
            except EvidenceError as error:
                self.doubted.append(error.message)
        self._read_on()

    def __contains__(self, version: ObjectVersion) -> bool:
        return self._holds(_digest(version))

    def has_for(self, version: ObjectVersion, decision: str) -> bool:
        """Whether a version was already handed out for this decision."""
        return self._holds(_digest(version, decision))

    def _holds(self, digest: bytes) -> bool:
        return digest in self._recent or digest in self._folded

    def waiting(self, done: Collection[str]) -> list[Handed]:
        """The manifests that are not done, oldest first; ``done`` are digests of those that are."""
        return [manifest for manifest in self._manifests if manifest.sha256 not in done]

    def waits_since(self, done: Collection[str]) -> datetime | None:
        """When the oldest manifest that is not done was written; ``None`` if all are."""
        if not (waiting := self.waiting(done)):
            return None
        found = self._s3.head_object(Bucket=self._bucket, Key=self._key(waiting[0].number))
        return found["LastModified"]

    def uri(self, manifest: Handed) -> str:
        """The URI of exactly this version."""
        return ObjectVersion(self._bucket, self._key(manifest.number), manifest.version_id).uri

    def append(self, entries: Iterable[Entry], now: datetime) -> tuple[Handed, list[Entry]] | None:
        """Write a manifest of those entries that are not in one yet, and return it.

        ``None`` if another gate has handed out all of them meanwhile.
        """
        wanted = {entry.version: entry for entry in entries}
        while rest := [entry for entry in wanted.values() if not self._holds(_digest_of(entry))]:
            body = write_manifest(self.source.table, rest, now)
            number = self._last + 1
            version_id = create_object(self._s3, self._bucket, self._key(number), body, "application/json")
            if version_id is not None:
                manifest = Handed(number, version_id, hashlib.sha256(body).hexdigest())
                self._register(manifest, rest)
                return manifest, rest
            self._read_on()
            if self._last < number:
                raise CannotCheckError(
                    f"s3://{self._bucket}/{self._key(number)} exists, but is not listed.",
                    "Invoke the gate again.",
                )
        return None

    def fold(self, done: Collection[str]) -> None:
        """Write a summary if reading without it would take long."""
        fresh = self._last - self._folded_through
        if len(self._recent) < FOLD_VERSIONS and fresh < FOLD_MANIFESTS:
            return
        waiting = self.waiting(done)
        digests = self._folded.merged(self._recent)
        header = {
            "type": SEEN_TYPE,
            "table": self.source.table,
            "through": self._last,
            "versions": len(digests) // _DIGEST_BYTES,
            "waiting": [asdict(manifest) for manifest in waiting],
        }
        body = b"".join((json.dumps(header, separators=(",", ":")).encode(), b"\n", digests))
        key = f"{self.folder}_seen/{self._last:010d}.bin"
        create_object(self._s3, self._bucket, key, body, "application/octet-stream")

    def _read_summary(self, number: int) -> None:
        key = f"{self.folder}_seen/{number:010d}.bin"
        subject = f"summary s3://{self._bucket}/{key}"
        data = self._own(key)
        end = data.find(b"\n", 0, _MAX_HEADER_BYTES)
        header = Fields(parse_object(data[: max(end, 0)], subject, _MAX_HEADER_BYTES), subject)
        digests = data[end + 1 :]
        said = (header.text("type"), header.text("table"), header.natural("through"))
        if said != (SEEN_TYPE, self.source.table, number):
            raise EvidenceError(f"The {subject} does not match its key: {said}.")
        if len(digests) != header.natural("versions") * _DIGEST_BYTES:
            raise EvidenceError(f"The {subject} does not have as many versions as it says.")
        waiting = [
            Handed(item.natural("number"), item.words("version_id"), item.sha256("sha256"))
            for item in header.objects("waiting")
        ]
        self._folded, self._manifests = Digests(digests), waiting
        self._folded_through = self._last = number

    def _read_on(self) -> None:
        """Read the manifests after the last one known."""
        numbers = []
        for number, name in enumerate(self._names("", after=f"{self._last:010d}.json"), self._last + 1):
            if name != f"{number:010d}.json":
                place = f"s3://{self._bucket}/{self.folder}"
                raise EvidenceError(f"{place} has {name[:80]!r} where {number:010d}.json should be.")
            numbers.append(number)
        with ThreadPoolExecutor(_READERS) as pool:
            for manifest, entries in pool.map(self._read_manifest, numbers):
                self._register(manifest, entries)

    def _read_manifest(self, number: int) -> tuple[Handed, Sequence[Entry]]:
        key = self._key(number)
        data, version_id = self._get(key)
        manifest = parse_manifest(data)
        if manifest.table != self.source.table:
            raise EvidenceError(f"s3://{self._bucket}/{key} is a manifest for {manifest.table[:80]!r}.")
        for version in (entry.version for entry in manifest.entries):
            if version.bucket != self.source.bucket or not version.key.startswith(self.source.prefix):
                raise EvidenceError(
                    f"s3://{self._bucket}/{key} names {version.uri}, which is not an object of its table."
                )
        return Handed(number, version_id, manifest.sha256), manifest.entries

    def _register(self, manifest: Handed, entries: Iterable[Entry]) -> None:
        self._manifests.append(manifest)
        self._last = manifest.number
        self._recent.update(map(_digest_of, entries))

    def _key(self, number: int) -> str:
        return f"{self.folder}{number:010d}.json"

    def _get(self, key: str) -> tuple[bytes, str]:
        found = self._s3.get_object(Bucket=self._bucket, Key=key)
        return found["Body"].read(), found["VersionId"]

    def _names(self, folder: str, after: str = "") -> Iterator[str]:
        """The names directly below a folder of the table, after the name ``after``."""
        start = self.folder + folder
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=start, Delimiter="/", StartAfter=start + after
        )
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"].removeprefix(start)


def _digest_of(entry: Entry) -> bytes:
    return _digest(entry.version, entry.decision)


def _digest(version: ObjectVersion, decision: str | None = None) -> bytes:
    """The first bytes of the SHA-256 over the names joined by newlines (only a key can contain one)."""
    identity = f"{version.bucket}\n{version.key}\n{version.version_id}"
    if decision is not None:
        identity += f"\n{decision}"
    return hashlib.sha256(identity.encode()).digest()[:_DIGEST_BYTES]
