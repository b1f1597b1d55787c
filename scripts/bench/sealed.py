"""The log of the receipts in a stand-in for Amazon S3, as the sealer leaves it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.evidence.registry import ALGORITHM, REGISTRY_KEY
from custody.log.batch import MAX_BATCH_ENTRIES, Batch, Sealable, batch_path, format_batch
from custody.log.checkpoint import Checkpoint
from custody.log.edge import Edge
from custody.log.index import format_index, index_path
from custody.log.note import Algorithm, Note, NoteKey, NoteSignature
from custody.log.segments import format_segments
from custody.log.store import LOG_PREFIX
from custody.log.tiles import CHECKPOINT
from scripts.bench.store import BUCKETS, WRITTEN, Signer, Store, etag, public_pem

ORIGIN = "bench.example/log"
LOG_KEY_ID = "arn:aws:kms:us-east-1:123456789012:key/11111111-0000-0000-0000-000000000000"


def seal(store: Store, registry: dict[str, Any], receipts: Sequence[tuple[str, str, bytes]]) -> None:
    """Put the log of these receipts (key, version id and bytes), and the registry with its key."""
    bucket, edge = BUCKETS["provenance"], Edge()
    for first in range(0, len(receipts), MAX_BATCH_ENTRIES):
        items = [
            Sealable(key, version_id, etag(data), WRITTEN, data)
            for key, version_id, data in receipts[first : first + MAX_BATCH_ENTRIES]
        ]
        batch = Batch(first, WRITTEN + timedelta(minutes=1), tuple(items))
        written = {
            LOG_PREFIX + path: data for path, data in edge.append([item.entry for item in items]).items()
        }
        written[LOG_PREFIX + batch_path(first)] = format_batch(first, items)
        written[LOG_PREFIX + index_path(batch)] = format_index(batch)
        written |= dict(format_segments(batch, date(2026, 1, 1)))
        for path, data in written.items():
            store.put(bucket, path, data)
    signer = Signer(ec.generate_private_key(ec.SECP256R1()))
    public = signer.key.public_key()
    key = NoteKey(
        ORIGIN, Algorithm.ECDSA, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    text = Checkpoint(ORIGIN, edge.size, edge.root).to_text()
    line = NoteSignature(ORIGIN, key.key_id, signer.sign(text.encode()))
    store.put(bucket, LOG_PREFIX + CHECKPOINT, Note(text, (line,)).to_bytes())
    entry: dict[str, Any] = {
        "key_id": LOG_KEY_ID,
        "algorithm": ALGORITHM,
        "public_key": public_pem(signer.key),
    }
    entry |= {"valid_from": "2025-01-01T00:00:00Z", "valid_until": None, "revoked_at": None}
    log = {"origin": ORIGIN, "keys": [entry]}
    store.put(bucket, REGISTRY_KEY, json.dumps(registry | {"log": log}).encode())
