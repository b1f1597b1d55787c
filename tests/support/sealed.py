"""A deployment whose receipts are sealed, and the ways in which its log is tampered with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from moto.s3.models import s3_backends

from custody.evidence.objects import ObjectVersion
from custody.evidence.registry import REGISTRY_KEY
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.merkle import leaf_hash, root_of
from custody.log.note import Note, NoteSignature, parse_note
from custody.log.sealer import Sealer
from custody.log.store import LogStore
from custody.log.succession import PlannedEnd
from custody.log.tiles import entries_path, pack_entries, unpack_entries
from custody.times import format_time
from tests.support.evidence import ACCOUNT, Drop, World
from tests.support.log import ORIGIN, LocalNoteSigner

LOG_KEY_ID = "arn:aws:kms:us-east-1:123456789012:key/99999999-2222-3333-4444-555555555555"


class SealedWorld:
    """A ``World`` with a log."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.s3 = world.s3
        self.bucket = world.provenance
        self.signer = LocalNoteSigner()
        self.register()

    def register(
        self,
        origin: str = ORIGIN,
        *more: dict[str, Any],
        declared: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Write the key registry with the log's key, and what is ``declared`` of the log."""
        key = self.signer.local.registered(key_id=LOG_KEY_ID, **changes)
        log = {"origin": origin, "keys": [key, *more], **(declared or {})}
        registry = {"keys": [self.world.signer.registered()], "log": log}
        self.s3.put_object(Bucket=self.bucket, Key=REGISTRY_KEY, Body=json.dumps(registry).encode())

    def drop(self, count: int, prefix: str = "incoming/") -> list[ObjectVersion]:
        """Objects with all evidence, not sealed yet."""
        drops: list[Drop] = []
        for number in range(count):
            drop = self.world.put(f"{prefix}{number:04d}.csv", b"%d" % number)
            self.world.record(drop)
            drops.append(drop)
        if drops:
            self.world.witness(*drops)
        return [drop.version for drop in drops]

    def seal(self, versions: Sequence[ObjectVersion], signers: Any = None) -> None:
        self.seal_keys([version.receipt_key for version in versions], signers)

    def seal_keys(self, keys: Sequence[str], signers: Any = None) -> None:
        self.sealer(signers).seal(keys)

    def end(self, successor: str | None = None, *, is_declared: bool = True) -> None:
        """End the log, as an operator has declared it."""
        end = PlannedEnd(later(-4).replace(microsecond=0), successor)
        if is_declared:
            self.register(declared={"end": {"at": format_time(end.at), "successor": successor}})
        sealer = self.sealer()
        sealer.sweep(lambda: 900.0, end)
        assert sealer.freeze(end)

    def sealer(self, signers: Any = None, predecessor: Checkpoint | None = None) -> Sealer:
        return Sealer(
            store=LogStore(self.s3, self.bucket),
            origin=ORIGIN,
            since=date(2026, 1, 1),
            signers=signers or [self.signer],
            logger=Logger(service="sealer-of-tests", level="CRITICAL"),
            metrics=Metrics(namespace="Test", service="sealer"),
            predecessor=predecessor,
        )

    def grow(self, *counts: int) -> list[ObjectVersion]:
        """Objects that are sealed, in so many batches."""
        made: list[ObjectVersion] = []
        for number, count in enumerate(counts):
            versions = self.drop(count, f"incoming/batch-{number}/")
            self.seal(versions)
            made += versions
        return made

    # Tampering

    def flip(self, key: str, byte: int) -> None:
        """Change one bit of the newest version behind Amazon S3's back."""
        stored = self.stored(key)
        data = bytearray(stored.value)
        data[byte] ^= 1
        stored.value = bytes(data)

    def replace(self, key: str, change: Callable[[bytes], bytes]) -> None:
        """Change the newest version behind Amazon S3's back."""
        stored = self.stored(key)
        stored.value = change(stored.value)

    def stored(self, key: str) -> Any:
        return s3_backends[ACCOUNT]["aws"].buckets[self.bucket].keys[key]

    def put(self, key: str, data: bytes) -> None:
        """Write another version, as somebody could who may write there."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def delete(self, bucket: str, key: str) -> None:
        """Delete every version, without a trace in the listing."""
        page = self.s3.list_object_versions(Bucket=bucket, Prefix=key)
        for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
            if entry["Key"] == key:
                self.s3.delete_object(Bucket=bucket, Key=key, VersionId=entry["VersionId"])

    def keys(self, prefix: str) -> list[str]:
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.world.read(self.bucket, key)

    @property
    def checkpoint(self) -> Checkpoint:
        return parse_checkpoint(parse_note(self.read("log/checkpoint")).text)

    def entries(self, index: int = 0) -> list[bytes]:
        width = min(256, self.checkpoint.size - 256 * index)
        return unpack_entries(self.read("log/" + entries_path(index, width)), width)

    def sign(self, checkpoint: Checkpoint, signer: LocalNoteSigner | None = None) -> bytes:
        signer = signer or self.signer
        text = checkpoint.to_text()
        line = NoteSignature(signer.key.name, signer.key.key_id, signer.sign(text.encode()))
        return Note(text, (line,)).to_bytes()

    def rewrite(self, entries: list[bytes], signer: LocalNoteSigner | None = None) -> None:
        """Put other entries in the place of the one bundle, with tile and checkpoint made new."""
        hashes = [leaf_hash(entry) for entry in entries]
        self.put(f"log/{entries_path(0, len(entries))}", pack_entries(entries))
        self.put(f"log/tile/0/000.p/{len(entries)}", b"".join(hashes))
        self.put("log/checkpoint", self.sign(Checkpoint(ORIGIN, len(entries), root_of(hashes)), signer))

    def rewrite_rows(self, change: Callable[[list[bytes]], list[bytes]]) -> str:
        """Change the rows of the first segment; return its key."""
        key = self.keys("segments/")[0]
        rows = gzip.decompress(self.read(key)).splitlines()
        self.replace(key, lambda _: gzip.compress(b"\n".join(change(rows)) + b"\n"))
        return key


def later(hours: float = 2) -> datetime:
    """A time past the watermark."""
    return datetime.now(UTC) + timedelta(hours=hours)
