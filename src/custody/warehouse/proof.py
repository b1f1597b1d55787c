"""Receipts that are valid and proven to be in the log, and the leaves that they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry
from custody.evidence.objects import ObjectVersion, quote_key
from custody.evidence.receipt import Receipt, parse_statement
from custody.evidence.registry import CurrentKeyRing
from custody.evidence.registry_versions import read_versions
from custody.gate.receipts import Pending, ReceiptGate, Withheld
from custody.listing import VersionEntry
from custody.log.index import INDEX_PREFIX, key_hash, parse_index, path_before
from custody.log.keys import note_key, read_log_history
from custody.log.merkle import leaf_hash, verify_inclusion
from custody.log.note import parse_note
from custody.log.policy import Policy
from custody.log.store import LOG_PREFIX, LogStore
from custody.log.tiles import CHECKPOINT, TILE_WIDTH
from custody.log.tree import Tree

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WORKERS = 16


@dataclass(frozen=True, slots=True)
class Proven:
    """An object version with its receipt."""

    version: ObjectVersion
    sha256: str
    leaf_index: int
    receipt: str
    """The URI of the receipt."""


def prove(
    s3: S3Client, deployment: Deployment, listed: Iterable[tuple[str, VersionEntry]]
) -> dict[ObjectVersion, Proven]:
    """What vouches for these object versions, given as bucket and entry of its listing.

    Raises ``CannotCheckError`` if a receipt is not there yet or not in the log, ``EvidenceError`` if one does
    not hold.
    """
    bucket = deployment.buckets["provenance"]
    versions, _ = read_versions(s3, bucket)
    ring = CurrentKeyRing(lambda: parse_registry(versions[-1].data))
    gate = ReceiptGate(s3, bucket, ring, datetime.now(UTC), timedelta(minutes=deployment.watermark_minutes))
    receipts = [
        _valid(found) for found in map_concurrently(lambda item: gate.receipt(*item), listed, WORKERS)
    ]
    log, _ = read_log_history(versions)
    policy = Policy([note_key(log.origin, key) for key in log.trusted()])
    leaves = _leaves(LogStore(s3, bucket), policy, receipts)
    return {
        receipt.version: Proven(
            receipt.version,
            receipt.sha256,
            leaves[receipt.version],
            f"s3://{bucket}/{quote_key(receipt.version.receipt_key)}",
        )
        for receipt in receipts
    }


def _valid(found: Receipt | Withheld | Pending) -> Receipt:
    if isinstance(found, Pending):
        raise CannotCheckError(f"{found.version.uri} has no receipt yet.", "Try again a little later.")
    if isinstance(found, Withheld):
        detail = f" {found.detail}" if found.detail else ""
        raise EvidenceError(
            f"The receipt of {found.version.uri} does not hold: {found.reason}.{detail}",
            "Run custody verify.",
        )
    return found


def _leaves(store: LogStore, policy: Policy, receipts: list[Receipt]) -> dict[ObjectVersion, int]:
    """The leaf of each receipt. The log's index is only a hint where to look."""
    wanted = {key_hash(receipt.version.receipt_key): receipt for receipt in receipts}
    if not wanted:
        return {}
    checkpoint = policy.judge(parse_note(store.fetch(CHECKPOINT))).checkpoint
    tree = Tree(store.fetch, checkpoint.size)
    leaves: dict[ObjectVersion, int] = {}
    after = LOG_PREFIX + path_before(min(receipt.recorded_at for receipt in receipts))
    for page in store.list(LOG_PREFIX + INDEX_PREFIX, after):
        for item in page:
            for row in parse_index(store.read(item.key).data):
                receipt = wanted.get(row.key_hash)
                if receipt is None or row.leaf >= tree.size:
                    continue
                bundle, place = divmod(row.leaf, TILE_WIDTH)
                entry = tree.entries(bundle)[place]
                verify_inclusion(
                    row.leaf, tree.size, leaf_hash(entry), tree.inclusion(row.leaf), checkpoint.root
                )
                if parse_statement(parse_envelope(entry).payload) == receipt:
                    leaves.setdefault(receipt.version, row.leaf)
    for receipt in receipts:
        if receipt.version not in leaves:
            raise CannotCheckError(
                f"The receipt of {receipt.version.uri} is not in the log yet.",
                "The sealer adds receipts every minute: try again a little later.",
            )
    return leaves
