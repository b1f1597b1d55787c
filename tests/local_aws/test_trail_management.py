"""Management writes are in a trail that selects them, and rules of EventBridge hear of them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws
from tests.local_aws.account import ACCOUNT, REGION, Account

WRITES = [
    {"Field": "eventCategory", "Equals": ["Management"]},
    {"Field": "readOnly", "Equals": ["false"]},
]
CALL = "AWS API Call via CloudTrail"


class Watch:
    """A trail of management writes, and a rule that brings them to a queue."""

    def __init__(self, account: Account, server: LocalAws) -> None:
        self.account, self._server = account, server
        self.log_bucket, self.name = account.bucket(), account.name("trail")
        self.cloudtrail = account.client("cloudtrail")
        self.cloudtrail.create_trail(Name=self.name, S3BucketName=self.log_bucket, IsMultiRegionTrail=True)
        self.select(WRITES)
        self.cloudtrail.start_logging(Name=self.name)
        self._url, queue = account.rules_queue()
        rule, events = account.name("rule"), account.client("events")
        events.put_rule(Name=rule, EventPattern=json.dumps({"detail-type": [CALL]}))
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue}])
        self.heard()

    def select(self, *selectors: list[dict[str, Any]]) -> None:
        self.cloudtrail.put_event_selectors(
            TrailName=self.name, AdvancedEventSelectors=[{"FieldSelectors": each} for each in selectors]
        )

    def heard(self) -> list[dict[str, Any]]:
        """The events since the last time, without those of the trail's own bucket being read."""
        found, sqs = [], self.account.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def logged(self) -> list[dict[str, Any]]:
        self._server.admin("trail/flush", digest=False)
        s3 = self.account.client("s3")
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=self.log_bucket).get("Contents", ())]
        bodies = [s3.get_object(Bucket=self.log_bucket, Key=key)["Body"].read() for key in keys]
        return [record for body in bodies for record in json.loads(gzip.decompress(body))["Records"]]


@pytest.fixture
def watch(aws: Account, server: LocalAws) -> Iterator[Watch]:
    watch = Watch(aws, server)
    yield watch
    watch.cloudtrail.stop_logging(Name=watch.name)


def key(account: Account) -> str:
    return str(account.client("kms").create_key()["KeyMetadata"]["Arn"])


def disable_key(account: Account) -> tuple[str, str, dict[str, Any]]:
    arn = key(account)
    account.client("kms").disable_key(KeyId=arn)
    return "kms", "DisableKey", {"keyId": arn}


def doom_key(account: Account) -> tuple[str, str, dict[str, Any]]:
    arn = key(account)
    account.client("kms").schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    return "kms", "ScheduleKeyDeletion", {"keyId": arn, "pendingWindowInDays": 7}


def forget_notification(account: Account) -> tuple[str, str, dict[str, Any]]:
    bucket = account.bucket()
    account.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    host = f"{bucket}.s3.{REGION}.amazonaws.com"
    return "s3", "PutBucketNotification", {"bucketName": bucket, "Host": host, "notification": ""}


def purge_queue(account: Account) -> tuple[str, str, dict[str, Any]]:
    url, _ = account.queue()
    account.client("sqs").purge_queue(QueueUrl=url)
    return "sqs", "PurgeQueue", {"queueUrl": url}


def stop_function(account: Account) -> tuple[str, str, dict[str, Any]]:
    name = account.function("def handler(event, context): ...")
    account.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    asked = {"functionName": name, "reservedConcurrentExecutions": 0}
    return "lambda", "PutFunctionConcurrency20171031", asked


def silence_rule(account: Account) -> tuple[str, str, dict[str, Any]]:
    name = account.name("rule")
    account.client("events").put_rule(Name=name, EventPattern='{"source": ["s"]}')
    account.client("events").disable_rule(Name=name)
    return "events", "DisableRule", {"name": name}


def delete_alarm(account: Account) -> tuple[str, str, dict[str, Any]]:
    account.client("cloudwatch").delete_alarms(AlarmNames=["an-alarm"])
    return "monitoring", "DeleteAlarms", {"alarmNames": ["an-alarm"]}


def silence_topic(account: Account) -> tuple[str, str, dict[str, Any]]:
    sns = account.client("sns")
    topic = sns.create_topic(Name=account.name("topic"))["TopicArn"]
    sns.delete_topic(TopicArn=topic)
    return "sns", "DeleteTopic", {"topicArn": topic}


def open_role(account: Account) -> tuple[str, str, dict[str, Any]]:
    iam, name = account.client("iam"), account.name("role")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    )
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    asked = {"roleName": name, "policyName": "p", "policyDocument": policy}
    return "iam", "PutRolePolicy", asked


@pytest.mark.parametrize(
    "change",
    [
        disable_key,
        doom_key,
        forget_notification,
        purge_queue,
        stop_function,
        silence_rule,
        delete_alarm,
        silence_topic,
        open_role,
    ],
)
def test_a_change_is_logged_and_told(
    watch: Watch, change: Callable[[Account], tuple[str, str, dict[str, Any]]]
) -> None:
    source, name, asked = change(watch.account)
    (event,) = (each for each in watch.heard() if each["detail"]["eventName"] == name)
    record = event["detail"]
    assert (event["source"], event["detail-type"]) == (f"aws.{source}", CALL)
    assert (record["eventSource"], record["requestParameters"]) == (f"{source}.amazonaws.com", asked)
    assert (record["eventCategory"], record["managementEvent"], record["readOnly"]) == (
        "Management",
        True,
        False,
    )
    assert record["userIdentity"]["arn"] == f"arn:aws:iam::{ACCOUNT}:user/operator"
    if source == "kms":
        [resource] = record["resources"]
        assert resource == {"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": asked["keyId"]}
    assert record in watch.logged()


def test_stopping_the_trail_is_the_last_thing_it_tells(watch: Watch) -> None:
    watch.cloudtrail.stop_logging(Name=watch.name)
    assert [each["detail"]["eventName"] for each in watch.heard()] == ["StopLogging"]
    key(watch.account)
    assert watch.heard() == []


def test_narrowing_its_selectors_is_the_last_thing_it_tells(watch: Watch) -> None:
    data = [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
    ]
    watch.select(data)
    (event,) = watch.heard()
    assert event["detail"]["eventName"] == "PutEventSelectors"
    assert event["detail"]["requestParameters"]["trailName"] == watch.name
    key(watch.account)
    assert watch.heard() == []


def test_what_a_trail_excludes_is_not_told(watch: Watch) -> None:
    watch.select([*WRITES, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}])
    watch.heard()
    key(watch.account)
    watch.account.bucket()
    assert {each["source"] for each in watch.heard()} == {"aws.s3"}


def test_reads_and_data_are_no_management_writes(watch: Watch) -> None:
    account = watch.account
    url, _ = account.queue()
    made = account.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    watch.heard()
    account.client("kms").sign(KeyId=made["Arn"], Message=b"m", SigningAlgorithm="ECDSA_SHA_256")
    account.client("kms").describe_key(KeyId=made["Arn"])
    account.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    account.client("s3").put_object(Bucket=watch.log_bucket, Key="other/object", Body=b"x")
    account.client("s3").get_bucket_versioning(Bucket=watch.log_bucket)
    account.client("sts").get_caller_identity()
    assert watch.heard() == []


def test_a_refused_change_is_told_with_its_error(watch: Watch) -> None:
    with pytest.raises(ClientError):
        watch.account.client("kms").disable_key(KeyId="00000000-0000-4000-8000-000000000000")
    (event,) = watch.heard()
    assert (event["detail"]["eventName"], event["detail"]["errorCode"]) == ("DisableKey", "NotFoundException")
    assert event["detail"]["requestParameters"] == {"keyId": "00000000-0000-4000-8000-000000000000"}


def test_neither_secrets_nor_code_are_told(watch: Watch) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "")
    name = watch.account.function("def handler(event, context): ...")
    watch.account.client("lambda").update_function_code(FunctionName=name, ZipFile=code.getvalue())
    secret = {"Name": watch.account.name("secret"), "SecretString": "swordfish"}
    watch.account.client("secretsmanager").create_secret(**secret)
    text = json.dumps(watch.heard())
    assert "UpdateFunctionCode20150331" in text
    assert "CreateSecret" in text
    assert "swordfish" not in text
    assert "zipFile" not in text
