"""A second copy of a small deployment's evidence, made as Amazon S3 replicates: with the same version ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from moto.s3.models import FakeKey, s3_backends

from custody.evidence.copy import copied_buckets
from tests.support.evidence import ACCOUNT, REGION, World

DEPLOYMENT_KEY = "deployments/custody-local.json"


class CopiedWorld:
    """A world, and its copy in another bucket."""

    def __init__(self, world: World) -> None:
        self.world, self.s3 = world, world.s3
        self.bucket = world.provenance.replace("provenance", "copy")
        self.artifacts = world.provenance.replace("provenance", "artifacts")
        for bucket in (self.bucket, self.artifacts):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.deployment = replace(
            world.deployment,
            buckets={**world.deployment.buckets, "artifacts": self.artifacts},
            evidence_copy={"bucket": self.bucket, "region": REGION},
            evidence_days=30,
        )
        self.s3.put_object(Bucket=self.artifacts, Key=DEPLOYMENT_KEY, Body=b"{}")

    def replicate(self) -> None:
        """Replicate what is not there yet."""
        for bucket in (*copied_buckets(self.deployment), self.artifacts):
            replicate(bucket, self.bucket)

    def put(self, like: FakeKey, data: bytes) -> None:
        """Store a replica with these bytes."""
        _put(self.bucket, like, data)

    def replace(self, key_name: str, data: bytes) -> None:
        """Change the bytes of the only replica of a key."""
        (replica,) = _bucket(self.bucket).keys.getlist(key_name)
        replica.value = data

    def stored(self, key_name: str, version_id: str) -> FakeKey:
        """One replica as it is stored."""
        kept: list[FakeKey] = _bucket(self.bucket).keys.getlist(key_name)
        (found,) = [key for key in kept if key.version_id == version_id]
        return found

    def empty(self, bucket: str) -> None:
        """Take all that is in a bucket, whatever protects it."""
        _bucket(bucket).keys.clear()

    def remove(self, bucket: str, key_name: str, version_id: str) -> None:
        """Take a version out of a bucket, whatever protects it."""
        kept = _bucket(bucket).keys
        rest = [key for key in kept.getlist(key_name) if key.version_id != version_id]
        if rest:
            kept.setlist(key_name, rest)
        else:
            kept.pop(key_name)


def replicate(bucket: str, copy: str) -> None:
    """Replicate what a bucket has, and its copy has not yet."""
    for key in _keys(bucket):
        replicas = _bucket(copy).keys.getlist(key.name, [])
        if key.version_id not in {replica.version_id for replica in replicas}:
            _put(copy, key, key.value)


def _put(bucket: str, like: FakeKey, data: bytes) -> None:
    replica = FakeKey(like.name, data, ACCOUNT, REGION, version_id=like.version_id, is_versioned=True)
    replica.last_modified = like.last_modified
    kept = _bucket(bucket).keys
    kept.setlist(like.name, [*kept.getlist(like.name, []), replica])


def _bucket(name: str) -> Any:
    return s3_backends[ACCOUNT]["aws"].buckets[name]


def _keys(bucket: str) -> list[FakeKey]:
    kept = _bucket(bucket).keys
    return [key for name in list(kept) for key in kept.getlist(name) if isinstance(key, FakeKey)]
