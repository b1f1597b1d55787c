from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import botocore.handlers
import pytest

from custody.cli import main
from custody.deployment import Source
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


@pytest.fixture
def with_tables(cloud: Cloud, tmp_path: Path) -> Cloud:
    """A deployment with a table of files."""
    cloud.deployment = replace(
        cloud.deployment,
        tables={"devices": []},
        sources={"devices": Source("incoming/devices/", "csv")},
    )
    write_deployment(cloud, tmp_path)
    return cloud


def keys(cloud: Cloud) -> list[str]:
    listed = cloud.client("s3").list_objects_v2(Bucket=RAW)
    return [entry["Key"] for entry in listed.get("Contents", [])]


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
    assert status == 0
    assert out == f"same       {DIGEST}  {uri}\n"
    assert err.startswith("1 file: 1 there already, with the same content. 0 bytes sent in ")

    file.write_bytes(b"a,b\n1,3\n")
    status, out, err = run(capsys, file)
    assert status == 1
    assert out.startswith("exists ")
    assert f"{file}: An object with this key exists. It has other content" in out
    assert "1 exists. 0 bytes sent" in err
    assert run(capsys, file, "--replace")[0] == 0


def test_as_json_it_is_one_document(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.csv", "naïve\n.csv", ".DS_Store"):
        (folder / name).write_bytes(DATA)
    cloud.put("incoming/a.csv", b"other\n")
    status, out, err = run(capsys, folder, "--format", "json")
    document = json.loads(out)
    assert (status, err) == (1, "")
    assert [each["outcome"] for each in document["files"]] == ["exists", "uploaded"]
    assert document["outcomes"] == {
        "uploaded": 1,
        "same": 0,
        "exists": 1,
        "changed": 0,
        "differs": 0,
        "unrecorded": 0,
        "failed": 0,
        "not_tried": 0,
    }
    assert document["left_out"] == [str(folder / ".DS_Store")]
    assert document["bytes_sent"] == 8
    there = document["files"][1]
    location = parse_s3_uri(there.pop("object"))
    assert (location.bucket, location.key) == (RAW, "incoming/naïve\n.csv")
    assert document["files"][0]["version_id"] is None
    assert there == {
        "bucket": RAW,
        "key": "incoming/naïve\n.csv",
        "table": None,
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
    assert out.startswith("same ")
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
    for data in (DATA, b"other\n"):
        (tmp_path / hostile).write_bytes(data)
        _, out, err = run(capsys, tmp_path / hostile)
        assert not {"\x1b", "\u202e"} & set(out + err)
    assert r"\x1b[31m[bold]\u202ecsv\x0a.exe" in out
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument"),
        (["none.csv"], "No such file"),
        (["a.csv", ""], "path is empty"),
        (["empty"], "no files"),
        (["a.csv", "--to", "elsewhere"], "not an S3 URI"),
        (["a.csv", "--to", f"s3://{RAW}/other/"], "untracked"),
        (["a.csv", "--to", f"s3://{RAW}/incoming/?versionId=v"], "version id"),
        (["a.csv", "--timeout", "-1"], "timeout"),
        (["a.csv", "--table", "devices"], "no table devices"),
        (["a.csv", "--table", "devices", "--to", f"s3://{RAW}/incoming/"], "Leave out --table or --to"),
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


def test_without_a_home_folder_a_place_for_the_state_is_asked_for(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    (tmp_path / "a.csv").write_bytes(DATA)
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    status, out, err = run(capsys, "a.csv")
    assert (status, out) == (2, "")
    assert "Set XDG_STATE_HOME" in err


def test_a_refusal_of_aws_says_what_and_how_to_go_on(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(DATA)
    cloud.client("s3").delete_bucket(Bucket=RAW)
    status, out, err = run(capsys, tmp_path / "a.csv")
    assert status == 3
    assert out.startswith("failed ")
    assert "NoSuchBucket" in out
    assert "same command again" in out
    assert "1 failed" in err


def test_a_table_is_uploaded_to_by_its_name(with_tables: Cloud, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(DATA)
    status, out, err = run(capsys, tmp_path / "a.csv", "--table", "devices", "--format", "json")
    assert (status, err, keys(with_tables)) == (0, "", ["incoming/devices/a.csv"])
    assert json.loads(out)["files"][0]["table"] == "devices"


def test_what_no_table_reads_is_told_before_it_is_sent(
    with_tables: Cloud, capsys: Capture, tmp_path: Path
) -> None:
    for name in ("devices/a.csv", "device/a.csv", "b.csv"):
        (tmp_path / "drop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "drop" / name).write_bytes(DATA)
    for arguments in ((), ("--to", f"s3://{RAW}/incoming/"), ("--format", "json")):
        status, out, err = run(capsys, tmp_path / "drop", *arguments)
        assert (status, out, keys(with_tables)) == (2, "", [])
        assert err == (
            f"custody: No table reads s3://{RAW}/incoming/b.csv and 1 more of 3 files. "
            "Name a table with --table (devices), or mean it with --no-table.\n"
        )
    status, _, err = run(capsys, tmp_path / "drop", "--no-table")
    assert (status, len(keys(with_tables))) == (0, 3)
    assert err.startswith(f"No table reads s3://{RAW}/incoming/b.csv and 1 more of 3 files.\n")


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, typed: bytes) -> Iterator[list[bytes]]:
    """A terminal as stdin and stderr, on which somebody has typed; yields what is shown."""
    ours, theirs = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # at the end
            while data := os.read(ours, 1024):
                shown.append(data)

    os.write(ours, typed)
    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patch:
        for name, mode in (("stdin", "r"), ("stderr", "w")):
            patch.setattr(sys, name, open(os.dup(theirs), mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        try:
            yield shown
        finally:
            sys.stdin.close()
            sys.stderr.close()
    os.close(theirs)
    reader.join()
    os.close(ours)


@pytest.mark.parametrize(
    ("typed", "sent"), [(b"y\n", True), (b"Yes \n", True), (b"\n", False), (b"\x04", False)]
)
def test_on_a_terminal_it_is_asked(
    with_tables: Cloud,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    typed: bytes,
    sent: bool,
) -> None:
    (tmp_path / "a.csv").write_bytes(DATA)
    with terminal(monkeypatch, typed) as shown:
        status = main(["upload", str(tmp_path / "a.csv")])
    told = b"".join(shown).decode()
    assert (status, keys(with_tables)) == ((0, ["incoming/a.csv"]) if sent else (2, []))
    assert f"No table reads s3://{RAW}/incoming/a.csv." in told
    assert "Upload anyway? [y/N]" in told
    assert ("custody: Nothing was sent." in told) is not sent


def test_what_is_left_out_is_said(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    for name in ("a.csv", ".DS_Store", "\x1b[31m~"):
        (tmp_path / name).write_bytes(DATA)
    status, out, err = run(capsys, "a.csv", ".DS_Store", "\x1b[31m~")
    assert (status, len(out.splitlines()), keys(cloud)) == (0, 1, ["incoming/a.csv"])
    assert err.startswith(
        r"Left out: 2 hidden or left behind by a program (.DS_Store, \x1b[31m~). --all uploads them too."
    )
    assert run(capsys, ".DS_Store", "--all")[0] == 0
