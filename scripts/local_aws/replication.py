"""S3 replicates: versions that were stored since a rule, into a bucket of this or of the other account.

It does so when it is asked to, since it takes its time in AWS, too. Each replica has key, version id,
metadata, time and lock of its original. The policies of both buckets must let the role; what IAM and keys say
is not asked. What fails is counted as a metric and not tried again, as in AWS.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from moto.s3.models import FakeBucket, FakeKey, s3_backends

from scripts.local_aws.account import ACCOUNT_ID, PARTITION
from scripts.local_aws.cloudwatch.metrics import Metrics, sample
from scripts.local_aws.identity import Principal
from scripts.local_aws.patches.s3_bucket_policy import KNOWN_KEYS
from scripts.local_aws.policy import Decision, Request, evaluate


class Replication:
    """Replicates all buckets that have rules. Remembers what it has tried."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tried: set[tuple[str, str, str]] = set()

    def run(self) -> dict[str, Any]:
        """Replicate what is new: how many versions, and a sentence for each that could not be."""
        done, failed = 0, []
        for bucket in list(s3_backends[ACCOUNT_ID][PARTITION].buckets.values()):
            replication = getattr(bucket, "replication", None) or {"Rule": []}
            for rule in replication["Rule"]:
                for key in _eligible(bucket, rule, replication["since"]):
                    place = (bucket.name, key.name, str(key.version_id))
                    if place in self._tried:
                        continue
                    self._tried.add(place)
                    try:
                        _replicate(bucket, key, rule["Destination"], replication["Role"])
                        done += 1
                    except (LookupError, PermissionError) as error:
                        failed.append(f"{bucket.name}/{key.name}: {error}")
                        self._count_failure(bucket, rule)
        for words in failed:
            print(f"not replicated: {words}", file=sys.stderr)
        return {"replicated": done, "failed": failed}

    def _count_failure(self, bucket: FakeBucket, rule: dict[str, Any]) -> None:
        names = {
            "SourceBucket": bucket.name,
            "DestinationBucket": _name(rule["Destination"]),
            "RuleId": rule["ID"],
        }
        self._metrics.add("AWS/S3", "OperationsFailedReplication", names, sample(1))


def _eligible(bucket: FakeBucket, rule: dict[str, Any], since: Any) -> Iterator[FakeKey]:
    """Versions that the rule is about, oldest first for each key."""
    if rule["Status"] != "Enabled":
        return
    prefix = (rule.get("Filter") or {}).get("Prefix") or ""
    criteria = (rule.get("SourceSelectionCriteria") or {}).get("SseKmsEncryptedObjects") or {}
    takes_kms = criteria.get("Status") == "Enabled"
    for name in sorted(name for name in list(bucket.keys) if name.startswith(prefix)):
        for key in bucket.keys.getlist(name, []):
            if not isinstance(key, FakeKey) or key.last_modified.replace(tzinfo=UTC) < since:
                continue
            if takes_kms or key.encryption != "aws:kms":
                yield key


def _replicate(bucket: FakeBucket, key: FakeKey, destination: dict[str, Any], role_arn: str) -> None:
    """Store one replica. Raises ``LookupError`` and ``PermissionError`` with what hinders it."""
    name = _name(destination)
    _, account_id = s3_backends.bucket_accounts.get(name, ("", ""))
    if not account_id:
        raise LookupError("DstBucketNotFound")
    target = s3_backends[account_id][PARTITION].buckets[name]
    if destination.get("Account", account_id) != account_id:
        raise PermissionError("the destination is another account's")
    if bucket.object_lock_enabled and not target.object_lock_enabled:
        raise LookupError("DstBucketObjectLockConfigMissing")
    _require(bucket, role_arn, "s3:GetObjectVersionForReplication", key.name)
    actions = ["s3:ReplicateObject"]
    if destination.get("AccessControlTranslation"):
        actions.append("s3:ObjectOwnerOverrideToBucketOwner")
    for action in actions:
        _require(target, role_arn, action, key.name)
    kept = target.keys.getlist(key.name, [])
    target.keys.setlist(key.name, [*kept, _replica(key, target, destination)])


def _replica(key: FakeKey, target: FakeBucket, destination: dict[str, Any]) -> FakeKey:
    encryption = destination.get("EncryptionConfiguration") or {}
    replica = FakeKey(
        key.name,
        key.value,
        target.account_id,
        target.region_name,
        storage=key.storage_class,
        is_versioned=True,
        version_id=key.version_id,
        bucket_name=target.name,
        encryption="aws:kms" if encryption else key.encryption,
        kms_key_id=encryption.get("ReplicaKmsKeyID"),
        lock_mode=key.lock_mode or (target.default_lock_mode if target.has_default_lock else None),
        lock_legal_status=key.lock_legal_status,
        lock_until=key.lock_until or (target.default_retention() if target.has_default_lock else None),
    )
    replica.set_metadata(dict(key.metadata), replace=True)
    replica.last_modified = key.last_modified
    return replica


def _require(bucket: FakeBucket, role_arn: str, action: str, key: str) -> None:
    """Raise ``PermissionError`` if the bucket's policy does not let the role."""
    account_id = role_arn.split(":")[4]
    principal = Principal("AssumedRole", "", role_arn, account_id, "", role_arn=role_arn)
    context = {
        "aws:principalaccount": account_id,
        "aws:principalarn": role_arn,
        "aws:principalisawsservice": "false",
        "aws:principaltype": "AssumedRole",
        "aws:securetransport": "true",
    }
    request = Request(principal, action, f"arn:aws:s3:::{bucket.name}/{key}", context, KNOWN_KEYS)
    policy = json.loads(bucket.policy) if bucket.policy else {}
    decision = evaluate(policy, request)
    is_own = bucket.account_id == account_id
    if decision is Decision.DENY or (decision is Decision.NEUTRAL and not is_own):
        raise PermissionError(f"the policy of {bucket.name} does not let {role_arn} {action}")


def _name(destination: dict[str, Any]) -> str:
    return str(destination["Bucket"]).rpartition(":")[2]
