"""S3 replicates as in AWS: versions with their ids and locks, if both buckets' policies let the role."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.local_aws.account import OTHER_ACCESS_KEY, OTHER_ACCOUNT_ID, OTHER_SECRET_KEY
from scripts.local_aws.launch import LocalAws
from tests.local_aws.account import ACCOUNT, Account

ROLE = f"arn:aws:iam::{ACCOUNT}:role/replication"
KEY = f"arn:aws:kms:us-east-1:{OTHER_ACCOUNT_ID}:key/11111111-2222-3333-4444-555555555555"
Admin = Callable[..., dict[str, Any]]


@pytest.fixture
def account(aws: Account) -> Account:
    return aws


@pytest.fixture
def admin(server: LocalAws) -> Admin:
    return server.admin


@pytest.fixture
def other(aws: Account) -> Account:
    """The other account."""
    return Account(aws.endpoint, {"AccessKeyId": OTHER_ACCESS_KEY, "SecretAccessKey": OTHER_SECRET_KEY})


def rules(destination: str, **changes: Any) -> dict[str, Any]:
    rule = {
        "ID": "copy",
        "Priority": 0,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {
            "Account": OTHER_ACCOUNT_ID,
            "Bucket": f"arn:aws:s3:::{destination}",
            "AccessControlTranslation": {"Owner": "Destination"},
            "EncryptionConfiguration": {"ReplicaKmsKeyID": KEY},
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
        },
    }
    return {"Role": ROLE, "Rules": [rule | changes]}


def lets(other: Account, bucket: str, *actions: str) -> None:
    """Let the role of the first account do this in the other's bucket, and nobody read."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": list(actions),
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": ROLE}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    other.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def both(account: Account, other: Account) -> tuple[str, str]:
    """Two locked buckets, of which the one is replicated into the other."""
    source, copy = account.bucket(lock=True), other.bucket(lock=True)
    lets(other, copy, "s3:ReplicateObject", "s3:ObjectOwnerOverrideToBucketOwner")
    account.client("s3").put_bucket_replication(Bucket=source, ReplicationConfiguration=rules(copy))
    return source, copy


def test_a_configuration_is_returned_as_it_was_put(account: Account, other: Account) -> None:
    source, copy = both(account, other)
    found = account.client("s3").get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
    assert found == rules(copy)


def test_a_destination_must_be_there(account: Account) -> None:
    with pytest.raises(ClientError, match="Destination bucket must exist"):
        account.client("s3").put_bucket_replication(
            Bucket=account.bucket(), ReplicationConfiguration=rules("nowhere-at-all")
        )


def test_each_version_since_the_rule_is_replicated_once_with_its_lock(
    account: Account, other: Account, admin: Admin
) -> None:
    s3, (source, copy) = account.client("s3"), both(account, other)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    made = [
        s3.put_object(Bucket=source, Key="a", Body=body, Metadata={"who": "me"}, **lock)["VersionId"]
        for body in (b"1", b"2")
    ]
    s3.delete_object(Bucket=source, Key="a")
    assert admin("replication/run")["failed"] == []
    page = other.client("s3").list_object_versions(Bucket=copy)
    assert [(one["Key"], one["VersionId"]) for one in page["Versions"]] == [("a", made[1]), ("a", made[0])]
    assert "DeleteMarkers" not in page, "what is deleted stays deleted there"
    originals = s3.list_object_versions(Bucket=source)["Versions"]
    assert [one["LastModified"] for one in page["Versions"]] == [one["LastModified"] for one in originals]
    found = other.client("s3").get_object(Bucket=copy, Key="a", VersionId=made[0])
    assert found["Body"].read() == b"1"
    assert (found["Metadata"], found["SSEKMSKeyId"]) == ({"who": "me"}, KEY)
    assert (found["ObjectLockMode"], found["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", until)
    admin("replication/run")
    assert len(other.client("s3").list_object_versions(Bucket=copy)["Versions"]) == 2


def test_what_was_there_before_and_what_the_rule_does_not_name_is_not(
    account: Account, other: Account, admin: Admin
) -> None:
    s3, source, copy = account.client("s3"), account.bucket(), other.bucket()
    lets(other, copy, "s3:ReplicateObject", "s3:ObjectOwnerOverrideToBucketOwner")
    s3.put_object(Bucket=source, Key="in/before", Body=b"1")
    configuration = rules(copy, Filter={"Prefix": "in/"})
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration=configuration)
    s3.put_object(Bucket=source, Key="in/after", Body=b"1")
    s3.put_object(Bucket=source, Key="out/after", Body=b"1")
    admin("replication/run")
    page = other.client("s3").list_object_versions(Bucket=copy)
    assert [one["Key"] for one in page["Versions"]] == ["in/after"]


def test_a_policy_that_does_not_let_the_role_is_a_failure_and_not_tried_again(
    account: Account, other: Account, admin: Admin
) -> None:
    s3, (source, copy) = account.client("s3"), both(account, other)
    lets(other, copy, "s3:ReplicateObject")
    s3.put_object(Bucket=source, Key="a", Body=b"1")
    (failed,) = admin("replication/run")["failed"]
    assert failed.startswith(f"{source}/a: ")
    assert "s3:ObjectOwnerOverrideToBucketOwner" in failed
    lets(other, copy, "s3:ReplicateObject", "s3:ObjectOwnerOverrideToBucketOwner")
    assert admin("replication/run")["failed"] == []
    assert "Versions" not in other.client("s3").list_object_versions(Bucket=copy)
    name = account.name("alarm")
    cloudwatch = account.client("cloudwatch")
    dimensions = {"SourceBucket": source, "DestinationBucket": copy, "RuleId": "copy"}
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/S3",
        MetricName="OperationsFailedReplication",
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        Statistic="Sum",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0,
        Period=86400,
        EvaluationPeriods=1,
        TreatMissingData="notBreaching",
    )
    assert admin("alarms/evaluate", alarms=[name])["states"] == {name: "ALARM"}


def test_a_bucket_of_another_account_is_closed_to_whom_it_does_not_let(
    account: Account, other: Account
) -> None:
    copy = other.bucket()
    other.client("s3").put_object(Bucket=copy, Key="a", Body=b"1")
    with pytest.raises(ClientError, match="AccessDenied"):
        account.client("s3").get_object(Bucket=copy, Key="a")
    assert other.client("sts").get_caller_identity()["Account"] == OTHER_ACCOUNT_ID
