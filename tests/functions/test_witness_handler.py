"""The witness as AWS Lambda runs it: requests of an HTTP API in, state in a bucket, its key in AWS KMS."""

from __future__ import annotations

import base64
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from custody.errors import CustodyError, EvidenceError, UsageError
from custody.log.note import Algorithm, Note, NoteKey, parse_note, parse_verifier_key
from custody.log.note_keys import verify_note
from custody.log.proof_file import format_hashes
from custody.log.store import LogStore
from custody.log.tree import Tree
from custody.log.witness import Kept, Witness
from custody.log.witness_account import BucketState, kms_cosigner, parse_logs
from scripts.local_aws.patches import kms_ed25519, kms_sign, s3_delete_markers
from scripts.toolchain.toolchain import REPO
from tests.support.evidence import REGION, World, refused, worlds
from tests.support.small_log import MemoryLog, NoteSigner

ECDSA, ED25519 = NoteSigner(), NoteSigner(algorithm=Algorithm.ED25519)
SECONDS = 1_763_640_000

kms_ed25519.apply()
kms_sign.apply()
s3_delete_markers.apply()


@dataclass
class Context:
    """AWS Lambda's context object."""

    function_name: str = "custody-witness-cosigner"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:210987654321:function:custody-witness-cosigner"
    aws_request_id: str = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def world() -> Iterator[World]:
    with worlds() as new:
        yield new()


@pytest.fixture
def key_arn(world: World) -> str:
    kms = boto3.client("kms", region_name=REGION)
    created = kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
    return str(created["KeyMetadata"]["Arn"])


@pytest.fixture(autouse=True)
def _environment(world: World, key_arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "LOGS": json.dumps({"prod": [ECDSA.key.to_verifier_key(), ED25519.key.to_verifier_key()]}),
        "POWERTOOLS_METRICS_NAMESPACE": "Custody",
        "POWERTOOLS_SERVICE_NAME": "witness",
        "SIGNING_KEY_ID": key_arn,
        "STATE_BUCKET": world.provenance,
        "WITNESS_NAME": "witness.example/custody",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(signer=ECDSA)


def start() -> Any:
    """Import the function again, like a cold start."""
    sys.modules.pop("witness.handler", None)
    return importlib.import_module("witness.handler").handler


def request(log: MemoryLog, note: Note, old: int, path: list[bytes] | None = None) -> str:
    steps = Tree(log.fetch, len(log.entries)).consistency(old) if path is None else path
    lines = [f"old {old}", *format_hashes(steps), ""]
    return "".join(f"{line}\n" for line in lines) + note.to_bytes().decode()


def post(handler: Any, body: str, *, in_base64: bool = False) -> tuple[int, str, str]:
    if in_base64:
        body = base64.b64encode(body.encode()).decode()
    event = {"requestContext": {"http": {"method": "POST"}}, "body": body, "isBase64Encoded": in_base64}
    answer = handler(event, Context())
    return answer["statusCode"], answer["headers"]["content-type"], answer["body"]


def verifier_key(handler: Any) -> NoteKey:
    return parse_verifier_key(handler({}, Context())["key"])


def assert_cosigned(handler: Any, note: Note, line: str) -> None:
    [signed] = verify_note(parse_note(note.to_bytes() + line.encode()), [verifier_key(handler)])
    assert signed.key.name == "witness.example/custody"


def test_it_cosigns_what_extends_and_says_what_else_it_wants(log: MemoryLog) -> None:
    handler = start()
    note = log.extend([b"a"])
    status, _, line = post(handler, request(log, note, 0))
    assert status == 200
    assert_cosigned(handler, note, line)
    assert post(start(), request(log, note, 0)) == (409, "text/x.tlog.size", "1\n")
    note = log.extend([b"b", b"c"])
    status, _, line = post(handler, request(log, note, 1), in_base64=True)
    assert status == 200
    assert_cosigned(handler, note, line)
    assert post(handler, request(log, note, 3))[0] == 200, "as often as it is asked"


def test_the_keys_of_a_log_of_either_type(log: MemoryLog) -> None:
    other = MemoryLog(signer=ED25519)
    note = other.extend([b"a"])
    assert post(start(), request(other, note, 0))[0] == 200
    forged = NoteSigner(algorithm=Algorithm.ED25519).sign(note.text)
    for wrong in (forged, ED25519.sign("another text\n"), ECDSA.sign("another text\n")):
        assert post(start(), request(other, Note(note.text, (wrong,)), 1, []))[0] == 403


def test_a_fork_is_counted_and_told(
    log: MemoryLog, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handler = start()
    post(handler, request(log, log.extend([b"a", b"b"]), 0))
    other = MemoryLog(signer=ECDSA)
    fork = other.extend([b"a", b"x"])
    capsys.readouterr()
    assert post(handler, request(other, fork, 2, []))[0] == 422
    [told] = [record for record in caplog.records if record.message == "CheckpointInConflict"]
    assert vars(told).items() >= {"log": "prod", "request": request(other, fork, 2, [])}.items()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [counted] = [line for line in lines if "CheckpointsInConflict" in line]
    assert (counted["log"], counted["CheckpointsInConflict"]) == ("prod", [1.0])


def test_strangers_leave_no_trace(log: MemoryLog, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    handler = start()
    unknown = MemoryLog(signer=NoteSigner("unknown.example"))
    assert post(handler, request(unknown, unknown.extend([b"a"]), 0))[0] == 404
    note = log.extend([b"a"])
    assert post(handler, request(log, Note(note.text, (NoteSigner().sign(note.text),)), 0))[0] == 403
    for body, status in (("", 400), ("\ud800", 400), ("A" * 100_000, 400), ("A" * 1_000_000, 413)):
        assert post(handler, body)[0] == status
    assert post(handler, "\xff", in_base64=True)[0] == 400
    assert handler({"requestContext": {}, "isBase64Encoded": False}, Context())["statusCode"] == 400
    assert kept(world) == []
    assert capsys.readouterr().out == ""


def test_of_two_at_once_one_advances(log: MemoryLog) -> None:
    handler = start()
    verifier_key(handler)
    bodies = [request(log, note, 0, []) for note in (log.extend([b"a"]), log.extend([b"b"]))] * 4
    answers: list[tuple[int, str, str]] = []
    threads = [threading.Thread(target=lambda b=body: answers.append(post(handler, b))) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, *_ in answers) == [200] + [409] * 7
    assert {body for status, _, body in answers if status == 409} <= {"1\n", "2\n"}


def kept(world: World) -> list[str]:
    found = world.s3.list_objects_v2(Bucket=world.provenance, Prefix="checkpoints/")
    return [each["Key"] for each in found.get("Contents", [])]


class Overtaken(BucketState):
    """A bucket in which another request advances between the reading and the keeping."""

    def __init__(self, store: LogStore, first: Note) -> None:
        super().__init__(store)
        object.__setattr__(self, "first", first)

    def replace(self, before: Kept, note: Note) -> bool:
        super().replace(before, self.first)  # type: ignore[attr-defined]
        return super().replace(before, note)


@pytest.mark.parametrize("size", [0, 1])
def test_who_is_overtaken_names_the_new_size(world: World, key_arn: str, log: MemoryLog, size: int) -> None:
    store = LogStore(world.s3, world.provenance)
    cosigner = kms_cosigner(boto3.client("kms", region_name=REGION), key_arn, "w.example")
    if size:
        first = Witness([ECDSA.key], cosigner, BucketState(store), lambda: SECONDS)
        assert first.add_checkpoint(request(log, log.extend([b"a"]), 0).encode()).status == 200
    overtaking = log.extend([b"b"])
    body = request(log, log.extend([b"c"]), size).encode()
    witness = Witness([ECDSA.key], cosigner, Overtaken(store, overtaking), lambda: SECONDS)
    answer = witness.add_checkpoint(body)
    assert (answer.status, answer.body) == (409, f"{size + 1}\n")
    assert BucketState(store).read(ECDSA.name).checkpoint.size == size + 1


def test_what_died_between_keeping_and_answering_is_answered_when_asked_again(
    world: World, key_arn: str, log: MemoryLog
) -> None:
    kms = boto3.client("kms", region_name=REGION)
    witness = Witness(
        [ECDSA.key],
        kms_cosigner(kms, key_arn, "w.example"),
        BucketState(LogStore(world.s3, world.provenance)),
        lambda: SECONDS,
    )
    note = log.extend([b"a"])
    key_id = key_arn.rpartition("/")[2]
    kms.disable_key(KeyId=key_id)
    with pytest.raises(ClientError, match="DisabledException"):
        witness.add_checkpoint(request(log, note, 0).encode())
    kms.enable_key(KeyId=key_id)
    assert witness.add_checkpoint(request(log, note, 0).encode()).body == "1\n"
    assert witness.add_checkpoint(request(log, note, 1).encode()).status == 200


def test_what_cannot_be_kept_is_not_cosigned(world: World, key_arn: str, log: MemoryLog) -> None:
    cosigner = kms_cosigner(boto3.client("kms", region_name=REGION), key_arn, "w.example")
    witness = Witness(
        [ECDSA.key], cosigner, BucketState(LogStore(world.s3, world.provenance)), lambda: SECONDS
    )
    with refused(world.s3, "PutObject", 500, "InternalError"), pytest.raises(ClientError):
        witness.add_checkpoint(request(log, log.extend([b"a"]), 0).encode())
    assert kept(world) == []


def test_a_state_that_cannot_be_read_is_not_taken_for_none(world: World, log: MemoryLog) -> None:
    handler = start()
    post(handler, request(log, log.extend([b"a"]), 0))
    [key] = kept(world)
    world.s3.put_object(Bucket=world.provenance, Key=key, Body=b"broken")
    with pytest.raises(CustodyError):
        post(handler, request(log, log.extend([b"b"]), 0, []))


def test_a_state_that_was_deleted_is_not_taken_for_none(world: World, log: MemoryLog) -> None:
    handler = start()
    post(handler, request(log, log.extend([b"a", b"b"]), 0))
    [key] = kept(world)
    world.s3.delete_object(Bucket=world.provenance, Key=key)
    fork = MemoryLog(signer=ECDSA)
    with pytest.raises(CustodyError, match="was deleted"):
        post(handler, request(fork, fork.extend([b"x"]), 0))


def test_a_state_of_another_log_is_not_taken_for_this_ones(world: World, log: MemoryLog) -> None:
    handler = start()
    post(handler, request(log, log.extend([b"a"]), 0))
    [key] = kept(world)
    other = MemoryLog(signer=NoteSigner("other.example"))
    world.s3.put_object(Bucket=world.provenance, Key=key, Body=other.extend([b"x", b"y"]).to_bytes())
    with pytest.raises(CustodyError, match=r"of 'other\.example'"):
        post(handler, request(log, log.extend([b"b"]), 1))


@pytest.mark.parametrize(
    ("logs", "error"),
    [
        ("[]", EvidenceError),
        ('{"prod": "key"}', UsageError),
        ('{"prod": []}', UsageError),
        ('{"prod": ["x+00000000+AAAA"]}', EvidenceError),
        (
            json.dumps(
                {"prod": [ECDSA.key.to_verifier_key(), NoteSigner("b.example").key.to_verifier_key()]}
            ),
            UsageError,
        ),
        (json.dumps({name: [ECDSA.key.to_verifier_key()] for name in ("one", "two")}), UsageError),
    ],
    ids=["no object", "no list", "no key", "a key of nothing", "two logs", "one log twice"],
)
def test_logs_that_make_no_sense_are_refused(logs: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_logs(logs)


def test_keys_of_other_kinds_are_refused(world: World) -> None:
    kms = boto3.client("kms", region_name=REGION)
    arn = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(EvidenceError, match="not one of Ed25519"):
        kms_cosigner(kms, arn, "w.example")
    state = BucketState(LogStore(world.s3, world.provenance))
    for key in (
        NoteKey("l.example", Algorithm.ECDSA, b"short"),
        NoteKey("l.example", Algorithm.ED25519, b"short"),
        NoteKey("l.example", 0x04, bytes(32)),
    ):
        with pytest.raises(EvidenceError):
            Witness([key], kms_cosigner(kms, _ed25519(kms), "w.example"), state, lambda: SECONDS)


def _ed25519(kms: Any) -> str:
    return str(kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"])


ONLY_VERIFIERS_HAVE = ("cryptography", "isal", "msgspec", "duckdb", "typer")


def run(blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Answer a request signed by a key of each type, without some modules."""
    block = "".join(f"sys.modules[{name!r}] = None\n" for name in blocked)
    ecdsa, ed25519 = (MemoryLog(signer=signer) for signer in (ECDSA, ED25519))
    bodies = [request(log, log.extend([b"a"]), 0) for log in (ecdsa, ed25519)]
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{block}{ALONE}", *bodies],
        env={"PYTHONPATH": f"{REPO / 'src'}:{REPO / 'lambda'}", "KEY": ED25519.key.to_verifier_key()}
        | {
            name: os.environ[name]
            for name in ("LOGS", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME")
        },
        check=False,
        capture_output=True,
        text=True,
    )


ALONE = """
import json, os
import witness.handler
from custody.log.note import parse_verifier_key
from custody.log.witness import Kept, Witness
from custody.log.witness_account import parse_logs

class Memory:
    def read(self, origin): return Kept.nothing(origin)
    def replace(self, before, note): return True

class Signer:
    key = parse_verifier_key(os.environ["KEY"])
    def sign(self, message): return bytes(64)

keys = [key for keys in parse_logs(os.environ["LOGS"]).values() for key in keys]
for body in sys.argv[1:]:
    for each in (body, body.replace("\\n1\\n", "\\n2\\n")):
        print(Witness(keys, Signer(), Memory(), lambda: 1).add_checkpoint(each.encode()).status.value)
"""


def test_it_verifies_without_cryptography() -> None:
    done = run(ONLY_VERIFIERS_HAVE)
    assert (done.stdout.split(), done.stderr) == (["200", "403", "200", "403"], "")


def test_blocking_a_module_is_noticed() -> None:
    assert "aws_lambda_powertools" in run(("aws_lambda_powertools",)).stderr
