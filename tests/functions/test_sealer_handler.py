"""The sealer as AWS Lambda runs it: a batch of SQS messages in, the messages that failed out."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from custody.errors import EvidenceError, UsageError
from custody.evidence.objects import ObjectVersion
from custody.evidence.registry import REGISTRY_KEY
from custody.log.checkpoint import parse_checkpoint
from custody.log.keys import parse_log_registry
from custody.log.note import parse_note
from custody.log.note_keys import verify_note
from scripts.local_aws.patches import kms_sign
from tests.support.evidence import REGION, LocalSigner, World, body, refused, s3_record, worlds
from tests.support.log import ENVELOPES
from tests.support.witnesses import running

ORIGIN = "custody-test-provenance.s3.us-east-1.amazonaws.com/log"

kms_sign.apply()


@dataclass
class Context:
    """AWS Lambda's context object."""

    function_name: str = "custody-local-sealer"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:custody-local-sealer"
    aws_request_id: str = "11111111-2222-3333-4444-555555555555"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


@pytest.fixture(autouse=True)
def _environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kms = boto3.client("kms", region_name=REGION)
    key_id = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    der = kms.get_public_key(KeyId=key_id)["PublicKey"]
    public = load_der_public_key(der)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    register(world, key_id, public)
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "LEDGER_SINCE": "2026-01-01",
        "LOG_KEY_IDS": key_id,
        "LOG_ORIGIN": ORIGIN,
        "POWERTOOLS_METRICS_NAMESPACE": "Custody",
        "POWERTOOLS_SERVICE_NAME": "sealer",
        "PROVENANCE_BUCKET": world.provenance,
        "TRAIL_BUCKET": world.trail,
        "TRAIL_FOLDER": world.deployment.trail_folder,
        "WITNESSES": "{}",
    }.items():
        monkeypatch.setenv(name, value)


def register(world: World, key_id: str, public: ec.EllipticCurvePublicKey) -> None:
    receipts = LocalSigner()
    log = receipts.registered(key_id=key_id, public_key=pem(public))
    registry = {"keys": [receipts.registered()], "log": {"origin": ORIGIN, "keys": [log]}}
    world.s3.put_object(Bucket=world.provenance, Key=REGISTRY_KEY, Body=json.dumps(registry).encode())


def pem(public: ec.EllipticCurvePublicKey) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def start() -> Any:
    """Import the function again, like a cold start."""
    sys.modules.pop("sealer.handler", None)
    return importlib.import_module("sealer.handler")


def call(*bodies: str) -> list[str]:
    """The numbers of the failed messages."""
    records = [
        {
            "messageId": str(number),
            "receiptHandle": "handle",
            "body": text,
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:custody-local-sealer",
        }
        for number, text in enumerate(bodies)
    ]
    response = start().handler({"Records": records}, Context())
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def store(world: World, number: int) -> str:
    """Store a receipt; return the body of its notification."""
    key, data = ENVELOPES[number]
    version_id = world.s3.put_object(Bucket=world.provenance, Key=key, Body=data)["VersionId"]
    return body(s3_record(ObjectVersion(world.provenance, key, version_id)))


def size(world: World) -> int:
    note = parse_note(world.read(world.provenance, "log/checkpoint"))
    log = parse_log_registry(world.read(world.provenance, REGISTRY_KEY))
    verify_note(note, log.note_keys())
    return parse_checkpoint(note.text).size


def test_a_batch_is_sealed_and_only_the_messages_that_failed_come_back(world: World) -> None:
    gone = body(s3_record(ObjectVersion(world.provenance, "provenance/raw/gone/v1.json", "v1")))
    other = body(s3_record(ObjectVersion(world.provenance, "keys/registry.json", "v1")))
    test_event = json.dumps({"Event": "s3:TestEvent", "Bucket": world.provenance})

    assert call(store(world, 1), "{}", store(world, 2), gone, other, test_event) == ["1", "3"]
    assert size(world) == 2


def test_a_notification_of_nothing_begins_no_log(world: World) -> None:
    assert call(json.dumps({"Event": "s3:TestEvent", "Bucket": world.provenance})) == []
    listed = world.s3.list_objects_v2(Bucket=world.provenance, Prefix="log/")
    assert listed["KeyCount"] == 0


def test_a_batch_that_cannot_be_sealed_comes_back_whole(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOG_ORIGIN", "logs.example/another")

    assert call(store(world, 1), store(world, 2)) == ["0", "1"]
    failed = [line for line in caplog.records if line.getMessage() == "MessageFailed"]
    assert len(failed) == 2
    assert "The key registry has the log" in str(failed[0].exc_info)


@pytest.mark.parametrize(("times", "failed"), [(2, []), (3, ["0", "1"])])
def test_a_call_that_fails_sends_back_no_batch_that_can_be_sealed_at_once(
    world: World, times: int, failed: list[str]
) -> None:
    """The client has tried it four times by then; three seals in a row are one invocation's."""
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    client = SimpleNamespace(meta=SimpleNamespace(events=boto3.DEFAULT_SESSION.events))
    with refused(client, "PutObject", 503, "SlowDown", times=times, key="log/checkpoint") as urls:
        assert call(store(world, 1), store(world, 2)) == failed
    assert len(urls) == times
    boto3.setup_default_session()
    assert call(store(world, 1), store(world, 2)) == []
    assert size(world) == 2


def test_a_key_that_is_not_registered_signs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_KEY_IDS", "arn:aws:kms:us-east-1:123456789012:key/other")

    assert call(store(world, 1)) == ["0"]
    assert world.s3.list_objects_v2(Bucket=world.provenance, Prefix="log/")["KeyCount"] == 0


def test_the_hourly_event_seals_what_no_notification_told_of(world: World) -> None:
    assert call(store(world, 1)) == []

    answer = start().handler({}, Context())

    assert answer == {"anchored": 0, "signed_again": False, "swept": 0, "ended": False, "cosigned": 0}
    assert size(world) == 1


def test_the_hourly_event_ends_a_log_as_soon_as_that_is_declared(world: World) -> None:
    assert call(store(world, 1)) == []
    function = start()
    function.handler({}, Context())
    registry = json.loads(world.read(world.provenance, REGISTRY_KEY))
    registry["log"]["end"] = {"at": "2026-01-01T00:00:00Z", "successor": None}
    world.s3.put_object(Bucket=world.provenance, Key=REGISTRY_KEY, Body=json.dumps(registry).encode())

    assert function.handler({}, Context())["ended"]
    assert call(store(world, 1), store(world, 2)) == ["1"]
    assert size(world) == 2


def test_a_trail_that_cannot_be_read_keeps_no_other_upkeep_from_being_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner may be somebody else, who lets the sealer in no more."""
    assert call(store(world, 1)) == []
    registry = json.loads(world.read(world.provenance, REGISTRY_KEY))
    registry["log"]["end"] = {"at": "2026-01-01T00:00:00Z", "successor": None}
    world.s3.put_object(Bucket=world.provenance, Key=REGISTRY_KEY, Body=json.dumps(registry).encode())
    monkeypatch.setenv("TRAIL_BUCKET", "trail-of-somebody")

    with pytest.raises(ClientError, match="NoSuchBucket"):
        start().handler({}, Context())
    assert call(store(world, 2)) == ["0"], "the log was ended"


def test_the_hourly_event_asks_witnesses(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(store(world, 1)) == []
    keys = parse_log_registry(world.read(world.provenance, REGISTRY_KEY)).note_keys()

    with running(tmp_path, keys) as (witness, _):
        ours = {"url": witness.url, "key": witness.key.to_verifier_key()}
        monkeypatch.setenv("WITNESSES", json.dumps({"ours": ours}))
        function = start()
        assert [function.handler({}, Context())["cosigned"] for _ in range(2)] == [1, 0]
    assert len(verify_note(parse_note(world.read(world.provenance, "log/checkpoint")), [witness.key])) == 1
    assert call(store(world, 2)) == []
    capsys.readouterr()
    assert function.handler({}, Context())["cosigned"] == 0
    (emf,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert (emf["FailedWitnesses"], emf["LogSize"]) == ([1.0], [2.0])


def test_a_key_that_is_not_one_of_a_witness_keeps_nothing_from_being_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WITNESSES", '{"ours": {"url": "https://witness.example", "key": "k"}}')

    assert call(store(world, 1)) == []
    with pytest.raises(EvidenceError, match="'k' is not a verifier key"):
        start().handler({}, Context())
    assert size(world) == 1


@pytest.mark.parametrize(
    "name",
    [
        "LEDGER_SINCE",
        "LOG_KEY_IDS",
        "LOG_ORIGIN",
        "PROVENANCE_BUCKET",
        "TRAIL_BUCKET",
        "TRAIL_FOLDER",
        "WITNESSES",
    ],
)
def test_a_missing_setting_is_named_when_something_is_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(UsageError, match=name):
        start().handler({}, Context())


def test_what_was_sealed_is_counted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    call(store(world, 1), store(world, 2))
    (emf,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert (emf["ReceiptsSealed"], emf["CheckpointsSigned"]) == ([2.0], [1.0])


def test_a_signature_is_one_of_the_notes_text(world: World) -> None:
    call(store(world, 1))
    note = parse_note(world.read(world.provenance, "log/checkpoint"))
    (key,) = parse_log_registry(world.read(world.provenance, REGISTRY_KEY)).note_keys()
    public = load_der_public_key(key.public_key)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(note.signatures[0].signature, note.text.encode(), ec.ECDSA(SHA256()))
