"""Watching a log, wherever it is: rollback and fork are told, and proven by what is kept."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest
from moto import mock_aws

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.log.note import Algorithm, Note, parse_note
from custody.log.policy import Policy
from custody.log.sources import open_log, open_versions
from custody.log.tiles import CHECKPOINT, tile_path
from custody.log.tree import AbsentError
from custody.log.watch import BrokenLogError, Watched, watch
from tests.support.small_log import MemoryLog, NoteSigner

SIGNER = NoteSigner()
POLICY = Policy([SIGNER.key])


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog(signer=SIGNER)
    log.extend([b"%d" % number for number in range(10)])
    return log


def look(log: MemoryLog, folder: Path) -> Watched:
    return watch(log.fetch, POLICY, folder / "seen")


def test_a_log_that_only_grows(log: MemoryLog, tmp_path: Path) -> None:
    assert look(log, tmp_path).before is None
    for count in (0, 1, 300):
        size = len(log.entries)
        log.extend([b"more"] * count)
        found = look(log, tmp_path)
        assert found.before is not None
        assert (found.before.size, found.now.size) == (size, size + count)
    assert (tmp_path / "seen").read_bytes() == log.files[CHECKPOINT]


def test_a_rollback_is_told_and_proven(log: MemoryLog, tmp_path: Path) -> None:
    earlier = MemoryLog(list(log.entries), SIGNER, dict(log.files))
    log.extend([b"last"])
    look(log, tmp_path)
    for _ in range(2):  # it stays broken
        with pytest.raises(
            BrokenLogError, match=r"rolled back: it has 10 entries and had 11.*seen\.conflict"
        ):
            look(earlier, tmp_path)
    assert (tmp_path / "seen").read_bytes() == log.files[CHECKPOINT]
    assert (tmp_path / "seen.conflict").read_bytes() == earlier.files[CHECKPOINT]


@pytest.mark.parametrize("more", [0, 1, 5, 400])
def test_a_fork_is_told_and_proven(log: MemoryLog, tmp_path: Path, more: int) -> None:
    fork = MemoryLog([*log.entries[:-1], b"another"], SIGNER)
    look(log, tmp_path)
    note = fork.extend([b"more"] * more)
    with pytest.raises(BrokenLogError, match="forked"):
        look(fork, tmp_path)
    assert parse_note((tmp_path / "seen.conflict").read_bytes()) == note


def test_a_checkpoint_by_another_key_is_refused_and_not_kept(log: MemoryLog, tmp_path: Path) -> None:
    look(log, tmp_path)
    kept = (tmp_path / "seen").read_bytes()
    forged = MemoryLog(list(log.entries), NoteSigner())
    forged.extend([b"more"])
    with pytest.raises(EvidenceError, match="no known key"):
        look(forged, tmp_path)
    assert (tmp_path / "seen").read_bytes() == kept


def test_another_log_needs_a_file_of_its_own(log: MemoryLog, tmp_path: Path) -> None:
    other = NoteSigner("other.example")
    look(log, tmp_path)
    text = parse_note(log.files[CHECKPOINT]).text.replace(SIGNER.name, other.name)
    files = log.files | {CHECKPOINT: Note(text, (other.sign(text),)).to_bytes()}
    with pytest.raises(EvidenceError, match="file of its own"):
        watch(MemoryLog(files=files).fetch, Policy([other.key]), tmp_path / "seen")


WITNESS = NoteSigner("witness.example", Algorithm.ED25519_COSIGNATURE)
WITNESSED = Policy([SIGNER.key], {"ours": WITNESS.key}, quorum="ours")


def cosigned(log: MemoryLog) -> bytes:
    note = parse_note(log.files[CHECKPOINT])
    return Note(note.text, (*note.signatures, WITNESS.sign(note.text))).to_bytes()


def test_with_a_quorum_the_newest_that_is_cosigned_is_kept(log: MemoryLog, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    versions = [log.files[CHECKPOINT]]
    for more in (1, 5, 300):
        with pytest.raises(CannotCheckError, match="lacks the cosignatures of the quorum 'ours'"):
            watch(log.fetch, WITNESSED, seen, versions[:1])
        versions.insert(0, cosigned(log))
        log.files[CHECKPOINT] = versions[0]
        size = len(log.entries)
        assert watch(log.fetch, WITNESSED, seen, versions).now.size == size
        log.extend([b"more"] * more)
        versions.insert(0, log.files[CHECKPOINT])
        assert watch(log.fetch, WITNESSED, seen, versions).now.size == size
        assert seen.read_bytes() == versions[1]


def test_with_a_quorum_what_is_not_cosigned_must_extend_what_is(log: MemoryLog, tmp_path: Path) -> None:
    seen, first = tmp_path / "seen", cosigned(log)
    log.extend([b"last"])
    last = cosigned(log)
    fork = MemoryLog([*log.entries[:-1], b"another"], SIGNER)
    newest = fork.extend([b"more"]).to_bytes()
    fetch = MemoryLog(files=log.files | fork.files).fetch
    for _ in range(2):
        with pytest.raises(BrokenLogError, match="forked"):
            watch(fetch, WITNESSED, seen, [newest, last, first])
        assert seen.read_bytes() == last
        assert (tmp_path / "seen.conflict").read_bytes() == newest


def test_with_a_quorum_versions_that_are_wrong_or_too_old_are_passed_over(
    log: MemoryLog, tmp_path: Path
) -> None:
    first = cosigned(log)
    look(log, tmp_path)
    log.extend([b"more"])
    forged = MemoryLog(list(log.entries), NoteSigner(), {})
    forged.extend([])
    versions = [log.files[CHECKPOINT], b"broken", cosigned(forged), first]
    found = watch(log.fetch, WITNESSED, tmp_path / "seen", versions)
    assert found.now.size == 10
    look(log, tmp_path)
    with pytest.raises(CannotCheckError, match="an earlier one of at least 11 entries"):
        watch(log.fetch, WITNESSED, tmp_path / "seen", versions)
    log.files[CHECKPOINT] = b"broken"
    with pytest.raises(EvidenceError, match="no signatures"):
        watch(log.fetch, WITNESSED, tmp_path / "seen", versions)


def test_tiles_that_are_gone_or_changed(log: MemoryLog, tmp_path: Path) -> None:
    look(log, tmp_path)
    log.extend([b"more"])
    path = tile_path(0, 0, 11)
    changed = MemoryLog(files=log.files | {path: bytes(11 * 32)})
    with pytest.raises(EvidenceError, match="not those that its checkpoint names"):
        look(changed, tmp_path)
    for missing, told in ((path, tile_path(0, 0)), (CHECKPOINT, CHECKPOINT)):
        without = MemoryLog(files={name: data for name, data in log.files.items() if name != missing})
        with pytest.raises(EvidenceError, match=f"gone: There is no {told}"):
            look(without, tmp_path)
    with pytest.raises(AbsentError):
        look(MemoryLog(), tmp_path / "never")


def no_client() -> NoReturn:
    raise AssertionError("no client is needed")


def write(log: MemoryLog, folder: Path) -> None:
    for path, data in log.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def check_place(place: str, log: MemoryLog, client: Any, tmp_path: Path) -> None:
    fetch = open_log(place, client)
    assert all(fetch(path) == data for path, data in log.files.items())
    assert watch(fetch, POLICY, tmp_path / "seen").now.size == 10
    with pytest.raises(AbsentError):
        fetch("tile/0/001")


def test_a_log_in_a_folder(log: MemoryLog, tmp_path: Path) -> None:
    write(log, tmp_path / "log")
    check_place(str(tmp_path / "log"), log, no_client, tmp_path)
    with pytest.raises(CannotCheckError, match="cannot be read"):
        open_log(str(tmp_path), no_client)("log")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_log_on_a_web_server(log: MemoryLog, tmp_path: Path, web: str) -> None:
    write(log, tmp_path / "log")
    check_place(f"{web}/log", log, no_client, tmp_path)


def test_a_web_server_that_is_not_there(tmp_path: Path) -> None:
    for place in ("http://127.0.0.1:1/", "http://[/", "http://a b/"):
        with pytest.raises((CannotCheckError, UsageError)):
            open_log(place, no_client)(CHECKPOINT)


def test_a_web_servers_answer_that_ends_early_is_no_part_of_the_log() -> None:
    class Cut(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Cut) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(CannotCheckError, match="4 bytes read, 96 more expected"):
            open_log(f"http://127.0.0.1:{server.server_port}", no_client)(CHECKPOINT)
        thread.join()


def test_a_log_in_a_bucket(log: MemoryLog, tmp_path: Path) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="provenance")
        for path, data in log.files.items():
            s3.put_object(Bucket="provenance", Key=f"log/{path}", Body=data)
        s3.put_bucket_versioning(Bucket="provenance", VersioningConfiguration={"Status": "Enabled"})
        first = cosigned(log)
        for data in (first, b"newer", log.files[CHECKPOINT]):
            s3.put_object(Bucket="provenance", Key=f"log/{CHECKPOINT}", Body=data)
        s3.put_object(Bucket="provenance", Key=f"log/{CHECKPOINT}-other", Body=b"other")
        versions = open_versions("s3://provenance/log", lambda: s3)
        assert list(versions)[:3] == [log.files[CHECKPOINT], b"newer", first]
        check_place("s3://provenance/log", log, lambda: s3, tmp_path)
        check_place("s3://provenance/log/", log, lambda: s3, tmp_path)
        with pytest.raises(CannotCheckError, match="NoSuchBucket"):
            open_log("s3://elsewhere/", lambda: s3)(CHECKPOINT)


@pytest.mark.parametrize(
    "place", ["", "no/such/folder", "ftp://a/", "s3://", "s3://b/k?versionId=1", "file:///tmp"]
)
def test_what_is_no_place_of_a_log(place: str) -> None:
    with pytest.raises(UsageError):
        open_log(place, no_client)
