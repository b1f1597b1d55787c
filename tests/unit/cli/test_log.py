"""``custody watch`` and ``custody witness``, as somebody runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from custody.cli import main
from custody.evidence.registry import REGISTRY_KEY
from custody.log.note import Algorithm, parse_note, parse_verifier_key
from custody.log.note_keys import verify_note
from custody.log.policy import format_policy
from tests.support.small_log import MemoryLog, NoteSigner
from tests.unit.cloud import Cloud, deployed, write_deployment

SIGNER = NoteSigner()
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(write_deployment(cloud, tmp_path)))
        yield cloud


def store(cloud: Cloud, log: MemoryLog) -> None:
    s3, bucket = cloud.client("s3"), cloud.deployment.buckets["provenance"]
    for path, data in log.files.items():
        s3.put_object(Bucket=bucket, Key=f"log/{path}", Body=data)


def register(cloud: Cloud, **changes: str) -> None:
    key = {"key_id": "k", "algorithm": "ecdsa-sha2-nistp256", "public_key": SIGNER.public_key}
    key |= {"valid_from": "2026-01-01T00:00:00Z"}
    document = {"keys": [], "log": {"origin": SIGNER.name, "keys": [key | changes]}}
    cloud.client("s3").put_object(
        Bucket=cloud.deployment.buckets["provenance"], Key=REGISTRY_KEY, Body=json.dumps(document).encode()
    )


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(arguments)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_watch_reads_the_deployments_log_and_keys(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    register(cloud)
    log = MemoryLog(signer=SIGNER)
    log.extend([b"a"])
    store(cloud, log)
    watch = ("watch", "--seen", str(tmp_path / "seen"))
    status, out, _ = run(capsys, *watch)
    assert (status, "Seen for the first time." in out, f"{SIGNER.name}: 1 entries" in out) == (0, True, True)
    log.extend([b"b"])
    store(cloud, log)
    status, out, _ = run(capsys, *watch, "--format", "json")
    found = json.loads(out)
    assert (status, found["log"], found["size"], found["size_before"]) == (0, SIGNER.name, 2, 1)
    fork = MemoryLog(signer=SIGNER)
    fork.extend([b"x", b"y", b"z"])
    store(cloud, fork)
    status, out, err = run(capsys, *watch)
    assert (status, out) == (1, "")
    assert "forked" in err
    assert str(tmp_path / "seen.conflict") in err


def test_watch_takes_the_newest_version_that_is_cosigned(
    cloud: Cloud, capsys: Capture, tmp_path: Path
) -> None:
    log, ours = MemoryLog(signer=SIGNER), NoteSigner("witness.example", Algorithm.ED25519_COSIGNATURE)
    policy = tmp_path / "policy"
    logs = format_policy([SIGNER.key]).decode().replace("quorum none", "quorum ours")
    policy.write_text(f"witness ours {ours.key.to_verifier_key()}\n{logs}")
    watch = ("watch", "--seen", str(tmp_path / "seen"), "--policy", str(policy))
    bucket = cloud.deployment.buckets["provenance"]
    for place in ((), ("--log", f"s3://{bucket}/log")):
        log.extend([b"a"])
        store(cloud, log)
        status, _, err = run(capsys, *watch, *place)
        assert (status, "lacks the cosignatures of the quorum 'ours'" in err) == (
            0 if place else 3,
            not place,
        )
        log.extend([], ours)
        store(cloud, log)
        size = len(log.entries)
        log.extend([b"b"])
        store(cloud, log)
        status, out, _ = run(capsys, *watch, *place)
        assert (status, f"{SIGNER.name}: {size} entries" in out) == (0, True)


def test_watch_believes_no_key_that_was_replaced(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    log = MemoryLog(signer=SIGNER)
    log.extend([b"a"])
    store(cloud, log)
    watch = ("watch", "--seen", str(tmp_path / "seen"))
    register(cloud, public_key=NoteSigner().public_key)
    register(cloud)
    status, _, err = run(capsys, *watch)
    assert (status, "replaces the public key" in err) == (1, True)


def test_watch_believes_no_revoked_key(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    log = MemoryLog(signer=SIGNER)
    log.extend([b"a"])
    store(cloud, log)
    register(cloud, revoked_at="2026-02-01T00:00:00Z")
    status, _, err = run(capsys, "watch", "--seen", str(tmp_path / "seen"))
    assert (status, "no known key" in err) == (1, True)


def test_a_log_in_a_bucket_needs_no_deployment(
    cloud: Cloud, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog(signer=SIGNER)
    log.extend([b"a"])
    store(cloud, log)
    policy = tmp_path / "policy"
    policy.write_bytes(format_policy([SIGNER.key]))
    place, key = f"s3://{cloud.deployment.buckets['provenance']}/log", SIGNER.key.to_verifier_key()
    watch = ("watch", "--seen", str(tmp_path / "seen"), "--log", place, "--policy", str(policy))
    monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(tmp_path / "nowhere"))
    assert run(capsys, *watch)[0] == 2, "the one that was named is not there"
    monkeypatch.delenv("CUSTODY_DEPLOYMENT")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run(capsys, *watch)[0] == 0
    assert "There is no deployment" not in run(capsys, "fsck", place, "--key", key)[2]


@pytest.mark.parametrize("command", ["watch", "prove", "export", "witness"])
def test_a_policy_that_is_none_is_wrong_use_and_no_finding(
    prepared: Path, capsys: Capture, command: str
) -> None:
    policy = prepared / "policy.txt"
    policy.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    words = {
        "watch": ["watch", "--seen", str(prepared / "seen"), "--log", str(prepared), "--policy", str(policy)],
        "prove": ["prove", "s3://a/b", "-o", str(prepared / "proof.zip"), "--policy", str(policy)],
        "export": ["export", "s3://a/b", "-o", str(prepared / "out"), "--policy", str(policy)],
        "witness": arguments(prepared),
    }
    status, _, err = run(capsys, *words[command])
    assert (status, f"{policy} is no policy. Line 1" in err) == (2, True), err


@pytest.mark.parametrize("command", ["prove", "export"])
def test_a_checkpoint_that_is_none_is_wrong_use_and_no_finding(
    capsys: Capture, tmp_path: Path, command: str
) -> None:
    (tmp_path / "note").write_text("a page\n")
    options = ("-o", str(tmp_path / "out"), "--checkpoint", str(tmp_path / "note"))
    status, _, err = run(capsys, command, "s3://a/b", *options)
    assert (status, f"{tmp_path / 'note'} is no checkpoint." in err) == (2, True), err


def test_what_was_seen_is_named_if_it_cannot_be_read(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "policy").write_bytes(format_policy([SIGNER.key]))
    (tmp_path / "seen").write_text("a page\n")
    options = ("--seen", str(tmp_path / "seen"), "--policy", str(tmp_path / "policy"))
    status, _, err = run(capsys, "watch", *options, "--log", str(tmp_path))
    assert (status, f"{tmp_path / 'seen'} holds no checkpoint" in err) == (3, True), err


def test_watch_reads_a_folder_with_a_policy(capsys: Capture, tmp_path: Path) -> None:
    log = MemoryLog(signer=SIGNER)
    log.extend([b"a"])
    for path, data in log.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    policy = tmp_path / "policy.txt"
    watch = ("watch", "--seen", str(tmp_path / "seen"), "--log", str(tmp_path))
    assert run(capsys, *watch)[0] == 2
    assert run(capsys, *watch, "--policy", str(policy))[0] == 2
    policy.write_bytes(format_policy([SIGNER.key]))
    assert run(capsys, *watch, "--policy", str(policy))[0] == 0
    policy.write_bytes(format_policy([NoteSigner().key]))
    assert run(capsys, *watch, "--policy", str(policy))[0] == 1


def arguments(folder: Path, **changes: str) -> list[str]:
    options = {"name": "witness.example", "key": str(folder / "key.pem"), "logs": str(folder / "policy.txt")}
    options |= {"state": str(folder / "state"), "listen": "127.0.0.1:0"}
    return [
        "witness",
        *(word for name, value in (options | changes).items() for word in (f"--{name}", value)),
    ]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "key.pem")], check=True
    )
    (tmp_path / "key.pem").chmod(0o600)
    (tmp_path / "policy.txt").write_bytes(format_policy([SIGNER.key]))
    return tmp_path


def test_witness_serves_until_it_is_interrupted(prepared: Path) -> None:
    log = MemoryLog(signer=SIGNER)
    note = log.extend([b"a"])
    command = [sys.executable, "-m", "custody.cli", *arguments(prepared), "--format", "json"]
    environ = {**os.environ, "PYTHONPATH": "src"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], process.communicate()
        served: dict[str, Any] = json.loads("".join(lines))
        url = urlsplit(served["url"])
        connection = HTTPConnection(str(url.hostname), url.port, timeout=60)
        connection.request("POST", url.path, b"old 0\n\n" + note.to_bytes())
        answer = connection.getresponse()
        line = answer.read()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert answer.status == 200
    assert verify_note(parse_note(note.to_bytes() + line), [parse_verifier_key(served["key"])])
    assert process.returncode == 130
    assert "POST /add-checkpoint" in err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"listen": "8780"}, "no address and port"),
        ({"listen": "127.0.0.1:x"}, "no address and port"),
        ({"listen": "127.0.0.1:99999"}, "must be 0-65535.\n"),
        ({"name": "a b"}, "no spaces"),
        ({"key": "/nowhere"}, "cannot be read"),
        ({"logs": "/nowhere"}, "cannot be read"),
    ],
)
def test_what_a_witness_cannot_serve(
    prepared: Path, capsys: Capture, changes: dict[str, str], words: str
) -> None:
    status, _, err = run(capsys, *arguments(prepared, **changes))
    assert (status, words in err) == (2, True), err


def test_a_witness_of_no_log(prepared: Path, capsys: Capture) -> None:
    (prepared / "policy.txt").write_text("quorum none\n")
    status, _, err = run(capsys, *arguments(prepared))
    assert (status, "names no log" in err) == (2, True)
