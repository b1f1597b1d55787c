"""The recorder as AWS Lambda runs it: a batch of SQS messages in, the messages that failed out."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

import custody
from custody.errors import EvidenceError, UsageError
from custody.evidence.envelope import parse_envelope
from custody.evidence.receipt import parse_statement
from scripts.chaos.events import Batches
from tests.support.evidence import REGION, World, body, s3_record, worlds

ROOT = Path(__file__).parents[2]
SETTINGS = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "CODE_SHA256",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
    "PROVENANCE_BUCKET",
    "SIGNING_KEY_ID",
)


@dataclass
class Context:
    """AWS Lambda's context object."""

    function_name: str = "custody-local-recorder"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:custody-local-recorder"
    aws_request_id: str = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


@pytest.fixture
def _environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = boto3.client("kms", region_name=REGION).create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": Context.function_name,
        "CODE_SHA256": "ab" * 32,
        "POWERTOOLS_METRICS_NAMESPACE": "Custody",
        "POWERTOOLS_SERVICE_NAME": "recorder",
        "PROVENANCE_BUCKET": world.provenance,
        "SIGNING_KEY_ID": key["KeyMetadata"]["Arn"],
    }.items():
        monkeypatch.setenv(name, value)


def start() -> Any:
    """Import the function again, like a cold start."""
    sys.modules.pop("recorder.handler", None)
    return importlib.import_module("recorder.handler")


def call(*bodies: str) -> list[str]:
    """The numbers of the failed messages."""
    event = {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": "handle",
                "body": text,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:custody-local-recorder",
                "awsRegion": REGION,
            }
            for number, text in enumerate(bodies)
        ]
    }
    response = start().handler(event, Context())
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def receipts(world: World) -> list[str]:
    page = world.s3.list_objects_v2(Bucket=world.provenance, Prefix="provenance/")
    return [entry["Key"] for entry in page.get("Contents", [])]


@pytest.mark.usefixtures("_environment")
def test_only_the_messages_that_failed_come_back(world: World) -> None:
    good, more, gone = (world.put(f"incoming/{name}", b"hello") for name in ("good", "more", "gone"))
    world.s3.delete_object(Bucket=world.raw, Key="incoming/gone", VersionId=gone.version.version_id)

    failed = call(
        body(s3_record(good.version)),
        "{}",
        body(s3_record(more.version)),
        body(s3_record(gone.version)),
        json.dumps({"Event": "s3:TestEvent", "Bucket": world.raw}),
    )

    assert failed == ["1", "3"]
    assert sorted(receipts(world)) == sorted([good.version.receipt_key, more.version.receipt_key])


@pytest.mark.usefixtures("_environment")
def test_a_batch_that_fails_whole_comes_back_whole() -> None:
    assert call("{}", "hello") == ["0", "1"]


@pytest.mark.usefixtures("_environment")
def test_a_message_that_failed_halfway_is_whole_when_it_comes_again(world: World) -> None:
    first, second = world.put("incoming/first", b"1"), world.put("incoming/second", b"2")
    missing = s3_record(second.version)
    missing["s3"]["object"]["versionId"] = "11111111-2222-3333-4444-555555555555"

    assert call(body(s3_record(first.version), missing)) == ["0"]
    assert receipts(world) == [first.version.receipt_key]
    before = world.read(world.provenance, first.version.receipt_key)

    assert call(body(s3_record(first.version), s3_record(second.version))) == []
    assert sorted(receipts(world)) == sorted([first.version.receipt_key, second.version.receipt_key])
    assert world.read(world.provenance, first.version.receipt_key) == before


@pytest.mark.usefixtures("_environment")
def test_a_receipt_names_the_code_that_made_it(world: World) -> None:
    drop = world.put("incoming/a", b"hello")
    assert call(body(s3_record(drop.version))) == []
    envelope = parse_envelope(world.read(world.provenance, drop.version.receipt_key))
    recorder = parse_statement(envelope.payload).recorder
    assert recorder.function == Context.function_name
    assert recorder.code_sha256 == "ab" * 32
    assert recorder.version == custody.__version__


@pytest.mark.usefixtures("_environment")
def test_ends_are_counted_as_metrics(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    drop = world.put("incoming/a", b"hello")
    call(body(s3_record(drop.version)))
    call(body(s3_record(drop.version)), "{}")  # not at once: moto creates an object twice for two at a time
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    made, repeated = (line for line in lines if "_aws" in line)
    assert units(made) == {"ReceiptsWritten": "Count", "BytesHashed": "Bytes", "ReceiptLag": "Seconds"}
    # Its lag is of the receipt that was made, not of one that was there.
    assert units(repeated) == {"AlreadyRecorded": "Count", "BytesHashed": "Bytes", "FailedMalformed": "Count"}
    assert made["BytesHashed"] == repeated["BytesHashed"] == [5.0]
    (lag,) = made["ReceiptLag"]
    assert lag >= 0


def units(emf: dict[str, Any]) -> dict[str, str]:
    """The unit of each metric in a line of the embedded metric format."""
    (directive,) = emf["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Custody", [["service"]])
    return {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}


@pytest.mark.usefixtures("_environment")
def test_what_was_wrong_with_a_message_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    call("{}")
    (line,) = [line for line in caplog.records if line.getMessage() == "MessageFailed"]
    assert (line.levelname, line.__dict__["message_id"]) == ("ERROR", "0")
    assert "Records is not a list" in caplog.text


@pytest.fixture
def hidden() -> Iterator[list[dict[str, Any]]]:
    """What the function reports to Amazon SQS about failed messages."""
    said: list[dict[str, Any]] = []
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register(
        "provide-client-params.sqs.ChangeMessageVisibility", lambda params, **_: said.append(params)
    )
    yield said
    boto3.setup_default_session()


@pytest.mark.usefixtures("_environment")
def test_a_message_that_failed_comes_again_soon(
    hidden: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    sqs = boto3.client("sqs", region_name=REGION)
    queue = sqs.create_queue(QueueName="recorder", Attributes={"VisibilityTimeout": "5400"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": "2"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ],
        "awsRegion": REGION,
    }

    answer = start().handler({"Records": [record]}, Context())

    assert answer == {"batchItemFailures": [{"itemIdentifier": message["MessageId"]}]}
    (said,) = hidden
    assert said["QueueUrl"] == queue
    assert (said["ReceiptHandle"], said["VisibilityTimeout"]) == (message["ReceiptHandle"], 60)
    assert "MessageNotHidden" not in caplog.text


@pytest.mark.usefixtures("_environment")
def test_a_message_that_cannot_be_hidden_has_failed_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    assert call("{}") == ["0"]
    assert "MessageNotHidden" in caplog.text


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("field", ["body", "receiptHandle", "attributes", "eventSourceARN"])
@pytest.mark.parametrize("value", [None, 1, "", {}])
def test_a_message_that_is_none_keeps_none_of_its_batch_back(world: World, field: str, value: object) -> None:
    good = world.put("incoming/good", b"hello")
    records = [
        {
            "messageId": str(number),
            "receiptHandle": "none",
            "body": text,
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:recorder",
        }
        for number, text in enumerate(["{}", body(s3_record(good.version))])
    ]
    records[0][field] = value  # type: ignore[assignment]
    answer = start().handler({"Records": records}, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    del records[0][field]
    assert start().handler({"Records": records}, Context()) == answer


@pytest.mark.usefixtures("_environment")
def test_messages_that_end_are_not_spoken_of(world: World, hidden: list[dict[str, Any]]) -> None:
    assert call(body(s3_record(world.put("incoming/a", b"hello").version))) == []
    assert hidden == []


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("seed", range(4))
def test_events_that_are_broken_in_every_way_end_in_one_of_three(
    world: World, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    """``make chaos`` has thousands of them, given to the function that ships."""
    known = [world.put(f"incoming/{number}", b"x").version for number in range(3)]
    handle = start().handler
    ended = failed = 0
    for batch in Batches(seed, known, world.provenance).some(100):
        caplog.clear()
        if batch.is_misshapen:
            with suppress(AttributeError, LookupError, TypeError):  # all of it comes again
                handle(batch.event, Context())
            continue
        answer = handle(batch.event, Context())
        named = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        assert named <= batch.ids
        messages = [line.getMessage() for line in caplog.records]
        assert messages.count("MessageFailed") == len(named)
        ends = [one for one in messages if one.startswith(("ReceiptsWritten", "AlreadyRecorded", "Skipped"))]
        assert len(ends) >= len(batch.ids - named)
        ended, failed = ended + len(batch.ids - named), failed + len(named)
    assert min(ended, failed) > 0
    assert set(receipts(world)) <= {version.receipt_key for version in known}


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("value", [None, ""])
def test_a_setting_that_is_not_there_is_named(
    name: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"{name} is not set"):
        start()


@pytest.mark.usefixtures("_environment")
def test_a_key_that_is_not_valid_yet_signs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY_VALID_FROM", "9000-01-01T00:00:00Z")
    start()
    drop = world.put("incoming/a", b"x")
    message = body(s3_record(drop.version, drop.request_id))
    assert call(message) == ["0"]
    monkeypatch.setenv("SIGNING_KEY_VALID_FROM", "2020-01-01T00:00:00Z")
    start()
    assert call(message) == []
    assert world.receipt_of(drop.version)


@pytest.mark.usefixtures("_environment")
def test_a_date_that_is_none_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY_VALID_FROM", "<today>T00:00:00Z")
    with pytest.raises(EvidenceError, match="not an RFC 3339 time"):
        start()


@pytest.mark.usefixtures("_environment")
def test_code_that_cannot_be_named_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_SHA256", "latest")
    with pytest.raises(UsageError, match="SHA-256"):
        start()


ONLY_VERIFIERS_HAVE = ("cryptography", "isal", "msgspec", "securesystemslib", "duckdb", "typer")


def run(code: str, blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    block = "".join(f"sys.modules[{name!r}] = None\n" for name in blocked)
    settings = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "CODE_SHA256": "ab" * 32,
        "POWERTOOLS_METRICS_NAMESPACE": "Custody",
        "POWERTOOLS_SERVICE_NAME": "recorder",
        "PROVENANCE_BUCKET": "b",
        "SIGNING_KEY_ID": "k",
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'lambda'}",
    }
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{block}{code}"],
        env=settings,
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_function_runs_without_what_only_verifiers_have() -> None:
    done = run("import recorder.handler", ONLY_VERIFIERS_HAVE)
    assert done.returncode == 0, done.stderr


def test_what_the_function_runs_on_imports_no_boto3_and_reads_no_environment() -> None:
    code = "import os; del os.environ\nimport custody.recorder.recorder, custody.evidence.signing"
    done = run(code, (*ONLY_VERIFIERS_HAVE, "boto3", "aws_lambda_powertools"))
    assert done.returncode == 0, done.stderr


def test_blocking_a_module_is_noticed() -> None:
    done = run("import recorder.handler", ("aws_lambda_powertools",))
    assert done.returncode == 1
    assert "aws_lambda_powertools" in done.stderr
