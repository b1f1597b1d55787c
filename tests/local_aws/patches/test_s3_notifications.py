from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.local_aws.account import ACCOUNT, Account


def an_event_tells_who_from_where_which_version_in_which_order(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    url, arn = account.queue()
    account.notify(bucket, arn, Id="recorder")
    put = s3.put_object(Bucket=bucket, Key="incoming/a b+c%/é.csv", Body=b"12345")
    again = s3.put_object(Bucket=bucket, Key="incoming/a b+c%/é.csv", Body=b"1")
    test_event, first, second = account.messages(url, 3)
    assert test_event["Event"] == "s3:TestEvent"
    assert test_event["Bucket"] == bucket
    assert test_event.keys() == {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"}

    [event] = first["Records"]
    assert event["eventVersion"].startswith("2.")
    assert event["eventSource"] == "aws:s3"
    assert event["eventName"] == "ObjectCreated:Put"
    assert event["awsRegion"] == "us-east-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["eventTime"])
    assert event["userIdentity"] == {"principalId": "AWS:AIDALOCALOPERATOR0000"}
    assert event["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    assert event["responseElements"] == {
        "x-amz-request-id": put["ResponseMetadata"]["RequestId"],
        "x-amz-id-2": put["ResponseMetadata"]["HostId"],
    }
    assert event["s3"]["s3SchemaVersion"] == "1.0"
    assert event["s3"]["configurationId"] == "recorder"
    assert event["s3"]["bucket"]["name"] == bucket
    assert event["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    described = event["s3"]["object"]
    assert described["key"] == "incoming/a+b%2Bc%25/%C3%A9.csv"
    assert unquote_plus(described["key"]) == "incoming/a b+c%/é.csv"
    assert described["size"] == 5
    assert described["eTag"] == put["ETag"].strip('"')
    assert described["versionId"] == put["VersionId"]
    later = second["Records"][0]["s3"]["object"]
    assert later["versionId"] == again["VersionId"]
    assert later["sequencer"] > described["sequencer"]


def a_completed_upload_is_one_event(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    url, arn = account.queue()
    account.notify(bucket, arn)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"12")
    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "parts"})
    _, completed, copied = account.messages(url, 3)
    assert completed["Records"][0]["eventName"] == "ObjectCreated:CompleteMultipartUpload"
    assert completed["Records"][0]["s3"]["object"]["versionId"] == done["VersionId"]
    assert completed["Records"][0]["s3"]["object"]["eTag"].endswith("-1")
    assert copied["Records"][0]["eventName"] == "ObjectCreated:Copy"


def that_a_bucket_tells_the_bus_is_read_back(account: Account) -> None:
    s3, bucket = account.client("s3"), account.bucket()
    _, queue = account.queue()
    account.notify(bucket, queue)
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=bucket)


def a_bucket_tells_the_bus(account: Account) -> None:
    """Each event has its own id, version, request and order, and the plain key."""
    s3, events, bucket = account.client("s3"), account.client("events"), account.bucket()
    url, queue = account.rules_queue()
    name = account.name("rule")
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue}])
    s3.put_object(Bucket=bucket, Key="before", Body=b"")
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    put = s3.put_object(Bucket=bucket, Key="incoming/a b+c%/é.csv", Body=b"12345")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "before"})
    s3.delete_object(Bucket=bucket, Key="copy")
    first, second = account.messages(url, 2)
    assert first["id"] != second["id"]
    assert (first["detail-type"], first["source"], first["account"]) == (
        "Object Created",
        "aws.s3",
        ACCOUNT,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["time"])
    sequencer = first["detail"]["object"].pop("sequencer")
    assert first["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert first["detail"] == {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {
            "key": "incoming/a b+c%/é.csv",
            "size": 5,
            "etag": put["ETag"].strip('"'),
            "version-id": put["VersionId"],
        },
        "request-id": put["ResponseMetadata"]["RequestId"],
        "requester": ACCOUNT,
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }
    assert second["detail"]["reason"] == "CopyObject"
    assert second["detail"]["object"]["sequencer"] > sequencer


BEHAVIOURS = [
    an_event_tells_who_from_where_which_version_in_which_order,
    a_completed_upload_is_one_event,
    a_bucket_tells_the_bus,
    that_a_bucket_tells_the_bus_is_read_back,
]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_local_aws(behaviour: Any, aws: Account) -> None:
    behaviour(aws)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_moto_alone_does_not(behaviour: Any, moto: Account) -> None:
    with pytest.raises(AssertionError):
        behaviour(moto)


def test_a_filter_chooses_by_prefix(aws: Account) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    url, arn = aws.queue()
    rule = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "incoming/"}]}}
    aws.notify(bucket, arn, Filter=rule)
    for key in ("other/a", "incoming/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    _, event = aws.messages(url, 2)
    assert event["Records"][0]["s3"]["object"]["key"] == "incoming/a"


def test_a_role_session_is_named_as_iam_names_it(aws: Account) -> None:
    bucket = aws.bucket()
    url, arn = aws.queue()
    aws.notify(bucket, arn)
    role = aws.client("iam").create_role(RoleName=aws.name("role"), AssumeRolePolicyDocument="{}")["Role"]
    session = aws.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="ana@example.com")
    Account(aws.endpoint, session["Credentials"]).client("s3").put_object(Bucket=bucket, Key="k", Body=b"")
    _, event = aws.messages(url, 2)
    assert event["Records"][0]["userIdentity"]["principalId"] == f"AWS:{role['RoleId']}:ana@example.com"
