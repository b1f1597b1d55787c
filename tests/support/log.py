"""A log in memory: receipts to seal, the sealer, and a reader that believes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.evidence.dsse import sign_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.merkle import leaf_hash, root_of
from custody.log.note import Algorithm, NoteKey, parse_note
from custody.log.note_keys import verify_note
from custody.log.sealer import Sealer
from custody.log.store import LogStore
from custody.log.tree import AbsentError, Tree
from custody.recorder.notification import ObjectCreated
from tests.support.evidence import IDENTITY, LocalSigner
from tests.support.memory_s3 import MemoryS3

ORIGIN = "logs.example/custody-test"
BUCKET = "custody-test-provenance"
RECEIPTS = LocalSigner()


@dataclass(frozen=True)
class LocalNoteSigner:
    """A ``NoteSigner`` with a P-256 key of its own."""

    local: LocalSigner = field(default_factory=LocalSigner)
    origin: str = ORIGIN

    @property
    def key(self) -> NoteKey:
        public = self.local._key.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return NoteKey(self.origin, Algorithm.ECDSA, der)

    def sign(self, message: bytes) -> bytes:
        return self.local.sign(message)


LOG_SIGNER = LocalNoteSigner()


def envelope(number: int) -> tuple[str, bytes]:
    """Key and bytes of a receipt."""
    version = ObjectVersion("raw", f"incoming/{number:05d}.csv", f"v{number}")
    at = datetime(2026, 3, 1, number % 24, tzinfo=UTC)
    receipt = Receipt(
        event=ObjectCreated(
            version, "ObjectCreated:Put", at, f"REQ{number}", "AWS:AIDA", "203.0.113.1", "0A"
        ),
        sha256=f"{number:064x}",
        size_bytes=number,
        etag=f'"{number:032x}"',
        last_modified=at,
        content_type="text/csv",
        recorded_at=at,
        recorder=IDENTITY,
    )
    return version.receipt_key, sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, RECEIPTS)


ENVELOPES = [envelope(number) for number in range(700)]


def store_receipts(s3: MemoryS3, numbers: Iterable[int]) -> list[str]:
    """Put receipts as the recorder does; return their keys."""
    keys = []
    for number in numbers:
        key, data = ENVELOPES[number]
        s3.put_object(Key=key, Body=data, IfNoneMatch="*")
        keys.append(key)
    return keys


def sealer(
    s3: MemoryS3,
    signers: Any = (LOG_SIGNER,),
    origin: str = ORIGIN,
    predecessor: Checkpoint | None = None,
) -> Sealer:
    """A sealer that just started."""
    return Sealer(
        store=LogStore(s3, BUCKET),  # type: ignore[arg-type]
        origin=origin,
        predecessor=predecessor,
        since=date(2026, 1, 1),
        signers=signers,
        logger=Logger(service="sealer-of-tests", level="CRITICAL"),
        metrics=Metrics(namespace="Test", service="sealer-of-tests"),
        clock=lambda: s3.now,
    )


def fetch_from(s3: MemoryS3, path: str) -> bytes:
    """Read without being counted or interrupted."""
    if f"log/{path}" not in s3.objects:
        raise AbsentError(path)
    return s3.data(f"log/{path}")


def read_whole(s3: MemoryS3, signer: LocalNoteSigner = LOG_SIGNER) -> tuple[Checkpoint, list[bytes]]:
    """The checkpoint and every entry, checked: signature, root over the entries, root over the tiles."""
    note = parse_note(s3.data("log/checkpoint"))
    verify_note(note, [signer.key])
    checkpoint = parse_checkpoint(note.text)
    tree = Tree(lambda path: fetch_from(s3, path), checkpoint.size)
    entries = [entry for index in range(-(-checkpoint.size // 256)) for entry in tree.entries(index)]
    assert len(entries) == checkpoint.size
    assert root_of([leaf_hash(entry) for entry in entries]) == checkpoint.root == tree.root()
    return checkpoint, entries
