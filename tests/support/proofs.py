"""A small deployment with everything that a proof needs: receipts in a log, and a trail with its digest."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from custody.evidence.objects import ObjectVersion, S3Location
from custody.evidence.registry import REGISTRY_KEY
from custody.log.proof.check import BundleReport
from custody.log.proof.export import Exported, ExportRequest, export
from custody.log.proof.prove import Request, prove
from custody.log.sealer import Sealer
from custody.log.store import LogStore
from tests.support.digests import DigestFile, Keys
from tests.support.evidence import World
from tests.support.log import LOG_SIGNER, ORIGIN

HOUR = timedelta(hours=1)
PERIOD = timedelta(seconds=1)
"""Of a digest: short, so that those of a test are all of today."""


class ProvableWorld:
    """A world whose receipts are sealed, and whose trail's files are digested."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
        self.digests: list[DigestFile] = []
        self.register()

    def register(self, *more: dict[str, Any], log: dict[str, Any] | None = None) -> None:
        """Store a version of the key registry, as Terraform writes it: without spaces, names in order."""
        key = {
            "key_id": "arn:aws:kms:log",
            "algorithm": "ecdsa-sha2-nistp256",
            "public_key": LOG_SIGNER.local.public_key,
        }
        key |= {"valid_from": "2020-01-01T00:00:00Z", "valid_until": None, "revoked_at": None}
        document = {
            "keys": [self.world.signer.registered(), *more],
            "log": {"origin": ORIGIN, "keys": [key | (log or {})]},
        }
        self.world.s3.put_object(
            Bucket=self.world.provenance,
            Key=REGISTRY_KEY,
            Body=json.dumps(document, separators=(",", ":"), sort_keys=True).encode(),
        )

    def put(self, key: str, data: bytes) -> ObjectVersion:
        """An object that is stored, recorded, logged and covered by a digest."""
        drop = self.world.put(key, data)
        self.world.record(drop)
        log_key = self.world.witness(drop)
        self.digest((log_key, gzip.decompress(self.world.read(self.world.trail, log_key))))
        return drop.version

    def digest(self, *files: tuple[str, bytes]) -> DigestFile:
        """Deliver the digest that follows."""
        before = self.digests[-1] if self.digests else None
        start = self.start if before is None else before.end
        made = DigestFile(self.world.trail, start, start + PERIOD, files, before)
        self.digests.append(made)
        self.world.s3.put_object(
            Bucket=self.world.trail, Key=made.key, Body=made.stored, Metadata=made.metadata
        )
        return made

    def sealer(self) -> Sealer:
        """A sealer of the log that just started."""
        return Sealer(
            store=LogStore(self.world.s3, self.world.provenance),
            origin=ORIGIN,
            signers=[LOG_SIGNER],
            since=date(2026, 1, 1),
            logger=Logger(service="sealer-of-tests", level="CRITICAL"),
            metrics=Metrics(namespace="Test", service="sealer-of-tests"),
        )

    def seal(self, *versions: ObjectVersion) -> None:
        """Make the receipts leaves of the log."""
        assert not self.sealer().seal([version.receipt_key for version in versions]).failed

    def prove(self, version: ObjectVersion, output: Path, keys: Any = None, **options: Any) -> BundleReport:
        location = S3Location(version.bucket, version.key, version.version_id)
        return prove(
            self.world.s3,
            self.world.deployment,
            Request(location, **options),
            output,
            digest_keys=keys or Keys(),
            now=datetime.now(UTC) + 3 * HOUR,
            tell=lambda words: None,
        )

    def export(self, prefix: str, output: Path, keys: Any = None, **options: Any) -> Exported:
        return export(
            self.world.s3,
            self.world.deployment,
            ExportRequest(S3Location(self.world.raw, prefix), **options),
            output,
            digest_keys=keys or Keys(),
            now=datetime.now(UTC) + 3 * HOUR,
            tell=lambda words: None,
        )
