from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto.sqs.models import Message

from scripts.local_aws import LocalAws, LocalAwsError
from scripts.local_aws.clock import Clock
from scripts.local_aws.sources import _give_back
from tests.local_aws.account import Account, eventually
from tests.local_aws.test_functions import invoke

# Makes calls, each once, and tells what became of them; or sleeps, and tells its time.
CALL = """
import datetime, time, boto3
from botocore.config import Config
CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=600)
CLIENTS = {service: boto3.client(service, config=CONFIG) for service in ("s3", "kms", "sqs")}
def handler(event, context):
    ends = []
    for service, operation, parameters in event["calls"]:
        try:
            answer = getattr(CLIENTS[service], operation)(**parameters)
            if "Body" in answer:
                answer["Body"].read()
            ends.append("")
        except Exception as error:
            answer = getattr(error, "response", None) or {}
            ends.append(answer.get("Error", {}).get("Code") or type(error).__name__)
    time.sleep(event.get("sleep", 0))
    now = datetime.datetime.now(datetime.UTC)
    is_one = isinstance(datetime.datetime.strptime("2026", "%Y"), datetime.datetime)
    return {"ends": ends, "time": [time.time(), now.timestamp()], "is_one": is_one}
"""
KMS: Any = ("kms", "list_keys", {})
SQS: Any = ("sqs", "list_queues", {})
Ends = Callable[..., list[str]]


@pytest.fixture(scope="module")
def function(aws: Account) -> str:
    return aws.function(CALL)


@pytest.fixture
def ends(aws: Account, function: str, server: LocalAws) -> Iterator[Ends]:
    """What the function's calls end as."""

    def call(*calls: Any) -> list[str]:
        answer = invoke(aws, function, {"calls": calls})["Payload"]
        return list(answer["ends"]) if "ends" in answer else [answer["errorType"]]

    yield call
    server.admin("faults")
    server.admin("clock")


def put(bucket: str, key: str) -> tuple[str, str, dict[str, str]]:
    return ("s3", "put_object", {"Bucket": bucket, "Key": key, "Body": "x" * 100})


def keys(account: Account, bucket: str) -> list[str]:
    listed = account.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return [one["Key"] for one in listed]


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("throttle", ["SlowDown", "ThrottlingException", "ThrottlingException"]),
        ("error", ["InternalError", "KMSInternalException", "InternalFailure"]),
        ("reset", ["ConnectionClosedError"] * 3),
    ],
)
def test_a_service_refuses_a_functions_call_and_does_nothing(
    aws: Account, server: LocalAws, ends: Ends, fault: str, codes: list[str]
) -> None:
    bucket = aws.bucket()
    server.admin("faults", services={service: {fault: 1.0} for service in ("s3", "kms", "sqs")})
    assert ends(put(bucket, "k"), KMS, SQS) == codes
    assert keys(aws, bucket) == []  # a person's call meets no fault
    met = server.admin("faults")["met"]
    assert met == {service: {"calls": 1, fault: 1} for service in ("s3", "kms", "sqs")}
    assert ends(put(bucket, "k"), KMS, SQS) == ["", "", ""]


def test_an_answer_is_lost_when_all_was_done(aws: Account, server: LocalAws, ends: Ends) -> None:
    bucket = aws.bucket()
    server.admin("faults", services={"s3": {"lost": 1.0}})
    assert ends(put(bucket, "k")) == ["ConnectionClosedError"]
    assert keys(aws, bucket) == ["k"]


def test_an_answer_is_cut(aws: Account, server: LocalAws, ends: Ends) -> None:
    bucket = aws.bucket()
    aws.client("s3").put_object(Bucket=bucket, Key="k", Body=b"x" * 100)
    server.admin("faults", services={"s3": {"cut": 1.0}})
    (end,) = ends(("s3", "get_object", {"Bucket": bucket, "Key": "k"}))
    assert end in {"IncompleteReadError", "ResponseStreamingError"}


def test_a_client_gives_up_before_an_answer_comes(server: LocalAws, ends: Ends) -> None:
    server.admin("clock", rate=600)
    server.admin("faults", services={"kms": {"silence": 1.0}})
    assert ends(KMS) == ["ReadTimeoutError"]


def test_a_process_dies_before_a_call_and_after(aws: Account, server: LocalAws, ends: Ends) -> None:
    bucket = aws.bucket()
    server.admin("faults", seed=1, services={"s3": {"kill": 1.0}})
    for number in range(4):
        assert ends(put(bucket, str(number))) == ["Runtime.ExitError"]
    assert 0 < len(keys(aws, bucket)) < 4


def test_a_process_ends_as_one_whose_timeout_has_passed(server: LocalAws, ends: Ends) -> None:
    server.admin("faults", services={"kms": {"expire": 1.0}})
    assert ends(KMS) == ["Sandbox.Timedout"]


def test_the_seed_decides(server: LocalAws, ends: Ends) -> None:
    def with_seed(seed: int) -> list[str]:
        server.admin("faults", seed=seed, services={"kms": {"throttle": 0.3, "error": 0.3}})
        return ends(*[KMS] * 30)

    first = with_seed(1)
    assert set(first) == {"", "ThrottlingException", "KMSInternalException"}
    assert with_seed(1) == first
    assert with_seed(2) != first


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ({"ec2": {}}, "no faults of 'ec2'"),
        ({"s3": {"explode": 1}}, "not a valid Fault"),
        ({"s3": {"error": 0.7, "reset": 0.7}}, "0 to 1"),
        ({"s3": {"error": -1}}, "0 to 1"),
    ],
)
def test_faults_that_cannot_be_are_refused(server: LocalAws, services: Any, words: str) -> None:
    with pytest.raises(LocalAwsError, match=words):
        server.admin("faults", services=services)


def test_a_batch_that_cannot_be_deleted_comes_again(aws: Account, server: LocalAws) -> None:
    dead_url, dead_arn = aws.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = aws.queue(VisibilityTimeout="900", RedrivePolicy=redrive)
    name = aws.function("def handler(event, context): return None")
    server.admin("faults", services={"sqs": {"error": 1.0}})
    try:
        aws.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=name)
        aws.client("sqs").send_message(QueueUrl=url, MessageBody='{"n": 1}')
        assert aws.messages(dead_url, 1) == [{"n": 1}]
    finally:
        server.admin("faults")
    ran = eventually(lambda: server.admin("status")["functions"][name])
    assert (ran["invocations"], ran["errors"]) == (2, 0)


@pytest.mark.parametrize(("rate", "milliseconds"), [(None, 1000), (1.0, 900_000), (300.0, 3000)])
def test_a_failed_message_is_hidden_for_its_timeout_on_a_clock_with_a_rate(
    rate: float | None, milliseconds: int
) -> None:
    begin = time.time() * 1000
    message = Message("id", "body")
    message.visible_at = begin + 900_000
    queue = SimpleNamespace(_messages_lock=threading.Lock(), pending_messages=set())
    _give_back(cast("Any", queue), [message], Clock(rate))
    hidden = message.visible_at - begin
    assert hidden == pytest.approx(milliseconds, abs=1000 * (time.time() * 1000 - begin + 1))


def test_functions_sleep_as_fast_as_the_clock_goes(
    aws: Account, server: LocalAws, function: str, ends: Ends
) -> None:
    del ends
    server.admin("clock", rate=100_000)
    assert invoke(aws, function, {"calls": [], "sleep": 7200})["Payload"]["ends"] == []
    with pytest.raises(LocalAwsError, match="a rate is 1 or more"):
        server.admin("clock", rate=0.5)


def test_a_functions_clock_is_wrong(aws: Account, server: LocalAws, function: str, ends: Ends) -> None:
    server.admin("clock", skew_seconds=-3600)
    told = invoke(aws, function, {"calls": []})["Payload"]
    assert told["is_one"]
    for seconds in told["time"]:
        assert seconds < time.time() - 3000
    assert ends(put(aws.bucket(), "k")) == ["RequestTimeTooSkewed"]
    server.admin("clock")
    assert ends(put(aws.bucket(), "k")) == [""]
