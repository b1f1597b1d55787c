"""Firehose for its clients: buffering, names, limits; with moto's behaviour for comparison."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.firehose.models import firehose_backends
from moto.server import ThreadedMotoServer

from scripts.local_aws import LocalAws
from scripts.local_aws.firehose.names import check_prefixes, object_key
from scripts.local_aws.firehose.streams import Streams
from tests.local_aws.account import ACCOUNT, REGION, Account, eventually

HOUR = "!{timestamp:yyyy/MM/dd/HH}/"
ERRORS = f"errors/!{{firehose:error-output-type}}/{HOUR}"
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MIB = 1024 * 1024


class Stream:
    """A new stream into a new bucket."""

    def __init__(self, account: Account, *, mib: int = 64, seconds: int = 900, **more: Any) -> None:
        self.name, self.bucket = account.name("stream"), more.pop("bucket", None) or account.bucket()
        self.firehose, self.s3 = account.client("firehose"), account.client("s3")
        iam = account.client("iam")
        role = iam.create_role(RoleName=f"{self.name}-role", AssumeRolePolicyDocument="{}")["Role"]
        self.configuration = {
            "RoleARN": role["Arn"],
            "BucketARN": f"arn:aws:s3:::{self.bucket}",
            "Prefix": f"in/{HOUR}",
            "ErrorOutputPrefix": ERRORS,
            "BufferingHints": {"SizeInMBs": mib, "IntervalInSeconds": seconds},
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [{"Type": "AppendDelimiterToRecord"}],
            },
            **more,
        }
        self.firehose.create_delivery_stream(
            DeliveryStreamName=self.name, ExtendedS3DestinationConfiguration=self.configuration
        )

    def put(self, *records: bytes) -> Any:
        return self.firehose.put_record_batch(
            DeliveryStreamName=self.name, Records=[{"Data": record} for record in records]
        )

    def objects(self) -> dict[str, bytes]:
        """What was delivered, in the order of arrival."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        listed.sort(key=lambda item: item["LastModified"])
        return {
            item["Key"]: self.s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read()
            for item in listed
        }


def flushed(server: LocalAws, stream: Stream) -> list[str]:
    """Deliver; the keys of what came into the stream's bucket."""
    return [
        uri.removeprefix(f"s3://{stream.bucket}/")
        for uri in server.admin("firehose/flush")["delivered"]
        if uri.startswith(f"s3://{stream.bucket}/")
    ]


def test_records_wait_until_they_are_delivered_as_one_object(aws: Account, server: LocalAws) -> None:
    stream = Stream(aws)
    before = datetime.now(UTC)
    stream.firehose.put_record(DeliveryStreamName=stream.name, Record={"Data": b'{"n":1}'})
    answer = stream.put(b'{"n":2}', b'{"n":3}')
    assert answer["FailedPutCount"] == 0
    assert len({response["RecordId"] for response in answer["RequestResponses"]}) == 2
    assert stream.objects() == {}
    assert server.admin("status")["streams"][stream.name] == 3

    (key,) = flushed(server, stream)
    assert stream.objects() == {key: b'{"n":1}\n{"n":2}\n{"n":3}\n'}
    stamp = re.fullmatch(rf"in/(\d{{4}}/\d\d/\d\d/\d\d)/{stream.name}-1-(\d{{4}}(?:-\d\d){{5}})-{UUID}", key)
    assert stamp
    moment = datetime.strptime(stamp[2], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)
    assert before.replace(microsecond=0) <= moment <= datetime.now(UTC)
    assert stamp[1] == f"{moment:%Y/%m/%d/%H}"
    assert flushed(server, stream) == []


def test_moto_alone_writes_each_call_at_once_and_expands_nothing(moto: Account) -> None:
    stream = Stream(moto)
    stream.put(b"1")
    stream.put(b"2")
    assert sorted(stream.objects().values()) == [b"1", b"2"]
    assert all("!{timestamp" in key for key in stream.objects())


def test_a_buffer_that_is_full_is_delivered_and_the_next_begun(aws: Account, server: LocalAws) -> None:
    stream = Stream(aws, mib=1)
    half = b"x" * (MIB // 2)
    stream.put(half, half, b"rest")
    (full,) = eventually(stream.objects).values()
    assert full == half + b"\n" + half + b"\n"
    (rest,) = flushed(server, stream)
    assert stream.objects()[rest] == b"rest\n"


def test_a_buffer_that_is_due_is_delivered_though_nothing_follows(aws: Account) -> None:
    stream = Stream(aws, seconds=1)
    stream.put(b"alone")
    assert list(eventually(stream.objects).values()) == [b"alone\n"]


def test_without_the_processor_records_are_joined_as_they_are(aws: Account, server: LocalAws) -> None:
    stream = Stream(aws, ProcessingConfiguration={"Enabled": False})
    stream.put(b"a", b"b")
    flushed(server, stream)
    assert list(stream.objects().values()) == [b"ab"]


def test_the_streams_role_delivers_and_a_bucket_may_refuse_it(aws: Account, server: LocalAws) -> None:
    stream = Stream(aws)
    refusal = {
        "Effect": "Deny",
        "Principal": {"AWS": stream.configuration["RoleARN"]},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{stream.bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [refusal]})
    stream.s3.put_bucket_policy(Bucket=stream.bucket, Policy=policy)
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=stream.name)
    logs.create_log_stream(logGroupName=stream.name, logStreamName="s")
    options = {"Enabled": True, "LogGroupName": stream.name, "LogStreamName": "s"}
    stream.firehose.update_destination(
        DeliveryStreamName=stream.name,
        CurrentDeliveryStreamVersionId="1",
        DestinationId="destinationId-000000000001",
        ExtendedS3DestinationUpdate={"CloudWatchLoggingOptions": options},
    )

    stream.put(b"kept")
    failed = [entry for entry in server.admin("firehose/flush")["failed"] if entry["stream"] == stream.name]
    assert [(entry["records"], "AccessDenied" in entry["error"]) for entry in failed] == [(1, True)]
    (event,) = logs.get_log_events(logGroupName=stream.name, logStreamName="s")["events"]
    said = json.loads(event["message"])
    assert (said["errorCode"], said["destination"]) == ("S3.AccessDenied", f"arn:aws:s3:::{stream.bucket}")

    stream.s3.delete_bucket_policy(Bucket=stream.bucket)
    ((key, body),) = eventually(stream.objects).items()
    assert body == b"kept\n"
    assert f"/{stream.name}-2-" in key  # the version counts what was configured


def test_what_waits_for_a_stream_that_is_deleted_is_still_delivered(aws: Account, server: LocalAws) -> None:
    stream = Stream(aws)
    stream.put(b"last")
    stream.firehose.delete_delivery_stream(DeliveryStreamName=stream.name)
    flushed(server, stream)
    assert list(stream.objects().values()) == [b"last\n"]


def test_what_can_be_delivered_nowhere_goes_with_its_stream(aws: Account, server: LocalAws) -> None:
    stream = Stream(aws, bucket="no-such-bucket")
    stream.put(b"lost")
    stream.firehose.delete_delivery_stream(DeliveryStreamName=stream.name)
    assert [f["error"] for f in server.admin("firehose/flush")["failed"] if f["stream"] == stream.name]
    assert stream.name not in server.admin("status")["streams"]


@pytest.fixture
def here() -> Iterator[Account]:
    """moto in this process."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Account(f"http://{host}:{port}")
    server.stop()


def test_what_waits_is_delivered_when_the_server_stops(
    here: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, nowhere = Stream(here), Stream(here, bucket="no-such-bucket")
    known = firehose_backends[ACCOUNT][REGION].delivery_streams
    streams = Streams(here.endpoint)
    streams.start()
    streams.put(known[stream.name], [b"first", b"last"])
    streams.put(known[nowhere.name], [b"lost"])
    streams.stop()
    assert list(stream.objects().values()) == [b"first\nlast\n"]
    assert capsys.readouterr().err == f"firehose: lost 1 records of {nowhere.name}\n"


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ([b"x"] * 501, "ValidationException"),
        ([b"x" * (1000 * 1024 + 1)], "ValidationException"),
        ([b"x" * 1000 * 1024] * 4 + [b"x" * 98_305], "InvalidArgumentException"),
    ],
)
def test_a_call_takes_so_much_and_no_more(
    records: list[bytes], code: str, aws: Account, server: LocalAws
) -> None:
    stream = Stream(aws)
    with pytest.raises(ClientError, match=code):
        stream.put(*records)
    assert stream.name not in server.admin("status")["streams"]
    stream.put(*records[1:] or [b"x" * 1000 * 1024])
    flushed(server, stream)


def test_who_asks_is_told_whether_what_waits_is_encrypted(aws: Account) -> None:
    stream = Stream(aws)
    assert not stream.put(b"x")["Encrypted"]
    stream.firehose.start_delivery_stream_encryption(
        DeliveryStreamName=stream.name,
        DeliveryStreamEncryptionConfigurationInput={"KeyType": "AWS_OWNED_CMK"},
    )
    assert stream.put(b"x")["Encrypted"]


def test_what_is_not_done_here_is_refused(aws: Account) -> None:
    stream = Stream(aws, CompressionFormat="GZIP")
    with pytest.raises(ClientError, match="501"):
        stream.put(b"x")


@pytest.mark.parametrize(
    ("prefix", "error_prefix", "words"),
    [
        (f"in/{HOUR}", "", "cannot be null or empty"),
        (f"in/{HOUR}", f"errors/{HOUR}", "must contain"),
        ("in/!{firehose:error-output-type}/", ERRORS, "Prefix cannot contain"),
        ("in/!{partitionKeyFromQuery:id}/", ERRORS, "unknown expression"),
        ("in/!{timestamp/", "", "outside of an expression"),
        ("in/!{timestamp:EEEE}/", ERRORS, "'EEEE'"),
        ("in/!{timestamp:yyyy'T}/", ERRORS, "unfinished quote"),
    ],
)
def test_prefixes_that_firehose_refuses(prefix: str, error_prefix: str, words: str, aws: Account) -> None:
    with pytest.raises(ClientError, match=f"InvalidArgumentException.*{words}"):
        Stream(aws, Prefix=prefix, ErrorOutputPrefix=error_prefix)


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [
        ("", "2026/01/05/03/"),
        ("in/", "in/2026/01/05/03/"),
        ("in/!{timestamp:yyyy/MM/dd/HH}/", "in/2026/01/05/03/"),
        ("in/day=!{timestamp:yyyy-MM-dd}/at=!{timestamp:HH'h'mm}/", "in/day=2026-01-05/at=03h04/"),
        ("in/!{firehose:random-string}/!{timestamp:ss}/", r"in/[A-Za-z0-9]{11}/06/"),
    ],
)
def test_prefixes_are_expanded(prefix: str, folder: str) -> None:
    check_prefixes(prefix, ERRORS)
    key = object_key(prefix, "s", "3", datetime(2026, 1, 5, 3, 4, 6, tzinfo=UTC), ".jsonl")
    assert re.fullmatch(rf"{folder}s-3-2026-01-05-03-04-06-{UUID}\.jsonl", key)
