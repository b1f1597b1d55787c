"""Tables as written by the jobs, without the jobs: raw objects, manifests, commits and lineage documents.

The documents are written by the jobs' own code. ``Lake`` writes to any given store; ``MemoryS3`` is the part
of Amazon S3 that reading them needs, for tests that need many lakes.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from types import SimpleNamespace
from typing import Any

from custody.etl.lineage import Run, publish
from custody.etl.manifest import Entry, write_manifest
from custody.evidence.objects import ObjectVersion, parse_s3_uri

Put = Callable[[str, str, bytes], ObjectVersion]
"""Puts bytes under a bucket and a key."""
CODE = "c0" * 32
BEGIN = datetime(2026, 1, 20, tzinfo=UTC)


@dataclass
class Lake:
    """Writes what jobs write; ``buckets`` are by short name."""

    buckets: dict[str, str]
    put: Put
    _manifests: Counter[str] = field(default_factory=Counter)

    def uri(self, table: str, layer: str = "processed") -> str:
        return f"s3://{self.buckets[layer]}/tables/{table}"

    def raw(self, key: str, body: bytes = b"a\n1\n") -> Entry:
        """An object of raw data, as a manifest names it."""
        version = self.put(self.buckets["raw-data"], key, body)
        return Entry(version, sha256(body).hexdigest(), len(body), BEGIN)

    def commit(self, table: str, version: int, layer: str = "processed", *, adds: str = "part-0") -> None:
        """A commit in a table's log."""
        line = json.dumps({"add": {"path": adds, "size": 1}})
        key = f"tables/{table}/_delta_log/{version:020d}.json"
        self.put(self.buckets[layer], key, f'{{"commitInfo":{{}}}}\n{line}\n'.encode())

    def silver(
        self,
        table: str,
        version: int,
        entries: Sequence[Entry],
        *,
        refused: Sequence[Entry] = (),
        rejected: int | None = None,
        named: Sequence[Entry] | None = None,
        manifest_of: str = "",
        **changes: Any,
    ) -> dict[str, Any]:
        """A run into a silver table, ``rejected`` being the version of its quarantine; its document.

        The manifest is of the table ``manifest_of``, if that is another, and names ``named``, or else what
        was used and refused. ``changes`` go into the document.
        """
        manifest = write_manifest(
            manifest_of or table, [*entries, *refused] if named is None else named, BEGIN
        )
        digest = sha256(manifest).hexdigest()
        self._manifests[table] += 1
        key = f"manifests/{table}/{self._manifests[table]:010d}.json"
        self.put(self.buckets["processed"], key, manifest)
        self.commit(table, version, adds=f"part-{version}.parquet")
        outputs = [{"table": self.uri(table), "delta_version": version, "rows": len(entries)}]
        if rejected is not None:
            self.commit(f"{table}_rejected", rejected, adds=f"bad-{rejected}.parquet")
            outputs += [{"table": self.uri(f"{table}_rejected"), "delta_version": rejected, "rows": 0}]
        facts = {
            "manifest": {"uri": f"s3://{self.buckets['processed']}/{key}", "sha256": digest},
            "contract_sha256": "d0" * 32,
            "inputs": [
                _named(entry)
                | {"size_bytes": entry.size_bytes, "rows": 1, "valid": 1, "rejected": 0, "duplicates": 0}
                for entry in entries
            ],
            "refused": [_named(entry) | {"reason": "is gone"} for entry in refused],
            "outputs": outputs,
            "counts": {"rows": len(entries), "valid": len(entries), "rejected": 0, "duplicates": 0},
            "days": [],
        }
        return self.publish("raw_to_processed", self.uri(table), version, digest, facts | changes)

    def gold(
        self,
        table: str,
        version: int,
        sources: Iterable[tuple[str, int]],
        *,
        days: Sequence[str] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """A run into a gold table, of silver tables at versions; its document."""
        self.commit(table, version, "analytics", adds=f"part-{version}.parquet")
        inputs = [{"table": self.uri(name), "delta_version": number} for name, number in sources]
        uri = self.uri(table, "analytics")
        facts: dict[str, Any] = {
            "contract_sha256": "d0" * 32,
            "inputs": inputs,
            "outputs": [{"table": uri, "delta_version": version, "rows": 3}],
            "counts": {"rows": 3, "valid": 3, "rejected": 0, "duplicates": 0},
        }
        if days is not None:
            facts |= {"days": list(days), "covers": max(item["delta_version"] for item in inputs)}
        identity = sha256(f"{uri} {version} {inputs}".encode()).hexdigest()
        return self.publish("processed_to_analytics", uri, version, identity, facts | changes)

    def publish(
        self, job: str, table: str, version: int, identity: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        """The document of any run, as the jobs' code writes it."""
        run = Run(job, f"jr_{version}", CODE, BEGIN)
        return publish(_Writer(self.put), run, table, version, identity=identity, facts=facts)


def _named(entry: Entry) -> dict[str, str]:
    version = entry.version
    return {
        "bucket": version.bucket,
        "key": version.key,
        "version_id": version.version_id,
        "sha256": entry.sha256,
    }


@dataclass
class _Writer:
    """The jobs' store, as far as they write."""

    put: Put

    def create(self, uri: str, body: bytes) -> bool:
        place = parse_s3_uri(uri)
        self.put(place.bucket, place.key, body)
        return True

    def read(self, uri: str) -> bytes:
        raise NotImplementedError

    def names(self, folder: str) -> Iterator[str]:
        raise NotImplementedError


class MemoryS3:
    """Versions in memory, each a minute and a half younger than the one before. Lists by pages of two."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[tuple[str, datetime, bytes]]] = defaultdict(list)
        self._hidden: set[tuple[str, str]] = set()
        self.read: list[str] = []
        self._count = 0

    def put(self, bucket: str, key: str, body: bytes) -> ObjectVersion:
        self._count += 1
        stored_at = BEGIN + timedelta(seconds=90 * self._count)
        version_id = f"v{self._count}"
        self._versions[bucket, key].insert(0, (version_id, stored_at, body))
        return ObjectVersion(bucket, key, version_id)

    def drop(self, bucket: str, key: str) -> None:
        """As if it had never been."""
        del self._versions[bucket, key]

    def hide(self, bucket: str, key: str) -> None:
        """Put a delete marker over an object."""
        self._hidden.add((bucket, key))

    def replace(self, bucket: str, key: str, body: bytes) -> None:
        """Change the stored bytes of the newest version."""
        version_id, stored_at, _ = self._versions[bucket, key][0]
        self._versions[bucket, key][0] = (version_id, stored_at, body)

    def get_object(self, *, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:  # noqa: N803
        self.read.append(Key)
        versions = self._versions[Bucket, Key]
        body = next(body for version_id, _, body in versions if VersionId in ("", version_id))
        return {"Body": io.BytesIO(body)}

    def list_object_versions(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803
        found = [
            {
                "Key": key,
                "VersionId": version_id,
                "LastModified": stored_at,
                "Size": len(body),
                "ETag": f'"{md5(body, usedforsecurity=False).hexdigest()}"',
                "IsLatest": (bucket, key) not in self._hidden and version_id == versions[0][0],
            }
            for (bucket, key), versions in sorted(self._versions.items())
            if bucket == Bucket and key.startswith(Prefix)
            for version_id, stored_at, body in versions
        ]
        markers = [
            {"Key": key, "VersionId": "m1", "LastModified": BEGIN}
            for bucket, key in sorted(self._hidden)
            if bucket == Bucket and key.startswith(Prefix)
        ]
        return {"Versions": found, "DeleteMarkers": markers, "IsTruncated": False}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return SimpleNamespace(paginate=self._pages)

    def _pages(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        Delimiter: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
    ) -> Iterator[dict[str, Any]]:
        keys = sorted(
            key
            for bucket, key in self._versions
            if bucket == Bucket
            and key.startswith(Prefix)
            and key > StartAfter
            and (bucket, key) not in self._hidden
        )
        if Delimiter:
            below = {key: key.removeprefix(Prefix).partition(Delimiter) for key in keys}
            folders = {Prefix + name + Delimiter for name, found, _ in below.values() if found}
            yield {"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]}
            keys = [key for key, (_, found, _) in below.items() if not found]
        for start in range(0, len(keys), 2):
            yield {
                "Contents": [
                    {"Key": key, "LastModified": self._versions[Bucket, key][0][1]}
                    for key in keys[start : start + 2]
                ]
            }
