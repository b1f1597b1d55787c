from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import botocore.handlers
import pytest

from custody.cli import main
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from scripts.local_aws.patches import s3_checksums
from tests.unit.cloud import Cloud, deployed, write_deployment
from tests.unit.report.sample import RAW

s3_checksums.apply()

Capture = pytest.CaptureFixture[str]
DATA = b"a,b\n1,2\n"
DIGEST = sha256(DATA).hexdigest()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(write_deployment(cloud, tmp_path)))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.chdir(tmp_path)
        yield cloud


def run(capsys: Capture, *arguments: str | Path) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["upload", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_a_file_is_uploaded_and_its_digest_told(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(DATA)
    status, out, err = run(capsys, file)
    assert status == 0
    [line] = out.splitlines()
    outcome, digest, uri = line.split()
    assert (outcome, digest) == ("uploaded", DIGEST)
    assert uri.startswith(f"s3://{RAW}/incoming/orders.csv?versionId=")
    assert err.startswith("1 file: 1 uploaded. 8 bytes sent in ")

    status, out, err = run(capsys, file)
    assert status == 1
    assert out.startswith("exists ")
    assert f"{file}: An object with this key exists." in out
    assert "1 exists. 8 bytes sent" in err
    assert run(capsys, file, "--replace")[0] == 0


def test_as_json_it_is_one_document(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.csv", "naïve\n.csv"):
        (folder / name).write_bytes(DATA)
    cloud.put("incoming/a.csv")
    status, out, err = run(capsys, folder, "--format", "json")
    document = json.loads(out)
    assert (status, err) == (1, "")
    assert [each["outcome"] for each in document["files"]] == ["exists", "uploaded"]
    assert document["outcomes"] == {
        "uploaded": 1,
        "exists": 1,
        "changed": 0,
        "differs": 0,
        "unrecorded": 0,
        "failed": 0,
        "not_tried": 0,
    }
    assert document["bytes_sent"] == 16
    there = document["files"][1]
    location = parse_s3_uri(there.pop("object"))
    assert (location.bucket, location.key) == (RAW, "incoming/naïve\n.csv")
    assert document["files"][0]["version_id"] is None
    assert there == {
        "bucket": RAW,
        "key": "incoming/naïve\n.csv",
        "version_id": location.version_id,
        "path": str(folder / "naïve\n.csv"),
        "outcome": "uploaded",
        "detail": "",
        "sha256": DIGEST,
        "size_bytes": 8,
        "parts": 1,
        "parts_sent": 1,
        "receipt_key": None,
    }


def at_the_first_look(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Run something when an upload first looks for a receipt, in the same thread."""
    looks: list[object] = []

    def look(**_: object) -> None:
        looks.append(None)
        if len(looks) == 1:
            act()

    handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-call.s3.GetObject", look)]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)


@pytest.mark.parametrize(("recorded", "expected"), [(DATA, "uploaded"), (b"a,b\n1,3\n", "differs")])
def test_the_receipt_is_waited_for_and_compared(
    cloud: Cloud,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    recorded: bytes,
    expected: str,
) -> None:
    (tmp_path / "a.csv").write_bytes(DATA)

    def record() -> None:
        [there] = cloud.client("s3").list_object_versions(Bucket=RAW)["Versions"]
        cloud.record(ObjectVersion(RAW, there["Key"], there["VersionId"]), recorded)

    at_the_first_look(monkeypatch, record)
    status, out, err = run(capsys, tmp_path / "a.csv", "--wait", "--format", "json")
    [file] = json.loads(out)["files"]
    assert (status, err) == (0 if expected == "uploaded" else 1, "")
    assert file["outcome"] == expected
    assert bool(file["receipt_key"]) is (expected == "uploaded")


def test_an_interrupt_says_how_to_go_on(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At a chosen place: an interrupt during one of Python's own callbacks is lost."""
    (tmp_path / "a.csv").write_bytes(DATA)
    at_the_first_look(monkeypatch, lambda: signal.raise_signal(signal.SIGINT))
    status, out, err = run(capsys, tmp_path / "a.csv", "--wait")
    assert (status, out) == (130, "")
    assert "Run the same command again to resume." in err
    status, out, err = run(capsys, tmp_path / "a.csv")
    assert status == 0
    assert "An earlier, interrupted run has uploaded it." in out
    assert "0 bytes sent" in err


def test_without_a_receipt_it_could_not_be_checked(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(DATA)
    status, out, _ = run(capsys, tmp_path / "a.csv", "--wait", "--timeout", "0")
    assert status == 3
    assert out.startswith("unrecorded ")
    assert "No receipt within 0 s." in out
    assert "custody doctor" in out


def test_names_from_the_disk_are_shown_as_they_are(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    hostile = "\x1b[31m[bold]\u202ecsv\n.exe"
    (tmp_path / hostile).write_bytes(DATA)
    for _ in range(2):
        _, out, err = run(capsys, tmp_path / hostile)
        assert not {"\x1b", "\u202e"} & set(out + err)
    assert r"\x1b[31m[bold]\u202ecsv\x0a.exe" in out
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument"),
        (["none.csv"], "No such file"),
        (["empty"], "no files"),
        (["a.csv", "--to", "elsewhere"], "not an S3 URI"),
        (["a.csv", "--to", f"s3://{RAW}/other/"], "untracked"),
        (["a.csv", "--to", f"s3://{RAW}/incoming/?versionId=v"], "version id"),
        (["a.csv", "--timeout", "-1"], "timeout"),
        ([os.fsdecode(b"\xff.csv")], "not UTF-8"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_sent(
    cloud: Cloud, capsys: Capture, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").write_bytes(DATA)
    (tmp_path / os.fsdecode(b"\xff.csv")).write_bytes(DATA)
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("custody: ")
    assert words in err
    assert "Versions" not in cloud.client("s3").list_object_versions(Bucket=RAW)


def test_a_refusal_of_aws_says_what_and_how_to_go_on(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(DATA)
    cloud.client("s3").delete_bucket(Bucket=RAW)
    status, out, err = run(capsys, tmp_path / "a.csv")
    assert status == 3
    assert out.startswith("failed ")
    assert "NoSuchBucket" in out
    assert "same command again" in out
    assert "1 failed" in err
