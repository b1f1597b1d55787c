"""A witness: what it cosigns, what it refuses, and that it never forgets."""

from __future__ import annotations

import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.errors import CannotCheckError, CustodyError, UsageError
from custody.log.checkpoint import Checkpoint
from custody.log.extension import ADD_CHECKPOINT
from custody.log.merkle import EMPTY_ROOT
from custody.log.note import Note, parse_note
from custody.log.note_keys import verify_note
from custody.log.proof_file import format_hashes
from custody.log.seen import read_seen, write_seen
from custody.log.tree import Tree
from custody.log.witness import Answer, Witness
from custody.log.witness_server import FileCosigner, FolderState, _Handler, load_cosigner, serve
from tests.fuzz import poison
from tests.support.small_log import MemoryLog, NoteSigner, stranger

SECONDS = 1_763_640_000
LOG = NoteSigner()
COSIGNER = FileCosigner("witness.example", Ed25519PrivateKey.generate())


def request(log: MemoryLog, note: Note, old: int, path: list[bytes] | None = None) -> bytes:
    steps = Tree(log.fetch, len(log.entries)).consistency(old) if path is None else path
    return (
        "".join(f"{line}\n" for line in [f"old {old}", *format_hashes(steps), ""]).encode() + note.to_bytes()
    )


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness([LOG.key], COSIGNER, FolderState(tmp_path), lambda: SECONDS)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(signer=LOG)


def cosigned(answer: Answer, note: Note) -> bool:
    """Whether the answer is a cosignature of this note, alone and as a line below it."""
    assert answer.status == 200, answer
    whole = parse_note(note.to_bytes() + answer.body.encode())
    [signed] = verify_note(whole, [COSIGNER.key])
    return signed.seconds == SECONDS


def test_it_cosigns_what_extends_what_it_last_cosigned(witness: Witness, log: MemoryLog) -> None:
    size = 0
    for count in (3, 1, 300, 5):
        note = log.extend([b"%d" % number for number in range(size, size + count)])
        assert cosigned(witness.add_checkpoint(request(log, note, size)), note)
        size += count
    assert cosigned(witness.add_checkpoint(request(log, note, size)), note)


def test_it_cosigns_a_log_without_entries(witness: Witness, log: MemoryLog) -> None:
    text = Checkpoint(LOG.name, 0, EMPTY_ROOT).to_text()
    note = Note(text, (LOG.sign(text),))
    assert cosigned(witness.add_checkpoint(request(log, note, 0, [])), note)
    note = log.extend([b"first"])
    assert cosigned(witness.add_checkpoint(request(log, note, 0)), note)


def test_lines_of_others_are_ignored(witness: Witness, log: MemoryLog) -> None:
    note = log.extend([b"first"])
    strangers = tuple(stranger(random.Random(number)) for number in range(9))
    crowd = Note(note.text, (*strangers, *note.signatures, *strangers))
    assert cosigned(witness.add_checkpoint(request(log, crowd, 0)), note)


def test_409_names_the_size_that_it_last_cosigned(witness: Witness, log: MemoryLog) -> None:
    note = log.extend([b"a", b"b"])
    conflict = witness.add_checkpoint(request(log, note, 1))
    assert (conflict.status, conflict.body, conflict.content_type) == (409, "0\n", "text/x.tlog.size")
    witness.add_checkpoint(request(log, note, 0))
    note = log.extend([b"c"])
    for old in (0, 1, 3):
        conflict = witness.add_checkpoint(request(log, note, old))
        assert (conflict.status, conflict.body) == (409, "2\n")


def test_a_rollback_is_not_cosigned(witness: Witness, log: MemoryLog) -> None:
    first = log.extend([b"a"])
    second = log.extend([b"b"])
    assert witness.add_checkpoint(request(log, second, 0)).status == 200
    assert witness.add_checkpoint(request(log, first, 1, [])).body == "2\n"
    assert witness.add_checkpoint(request(log, first, 2, [])).status == 400


def test_a_fork_is_not_cosigned(witness: Witness, log: MemoryLog) -> None:
    other = MemoryLog(signer=LOG)
    witness.add_checkpoint(request(log, log.extend([b"a", b"b"]), 0))
    fork = other.extend([b"a", b"x"])
    assert witness.add_checkpoint(request(other, fork, 2, [])).status == 422
    fork = other.extend([b"c"])
    assert witness.add_checkpoint(request(other, fork, 2)).status == 422
    assert cosigned(witness.add_checkpoint(request(log, (note := log.extend([b"c"])), 2)), note)


def test_422_for_a_proof_that_is_wrong_or_not_needed(witness: Witness, log: MemoryLog) -> None:
    note = log.extend([b"a", b"b", b"c"])
    assert witness.add_checkpoint(request(log, note, 0, [EMPTY_ROOT])).status == 422
    assert witness.add_checkpoint(request(log, note, 0)).status == 200
    assert witness.add_checkpoint(request(log, note, 3, [EMPTY_ROOT])).status == 422
    note = log.extend([b"d"])
    right = Tree(log.fetch, 4).consistency(3)
    for path in ([], right[:-1], [*right, EMPTY_ROOT], [EMPTY_ROOT, *right[1:]]):
        assert witness.add_checkpoint(request(log, note, 3, path)).status == 422
    assert witness.add_checkpoint(request(log, note, 3)).status == 200


def test_only_logs_that_it_knows(witness: Witness, log: MemoryLog) -> None:
    note = log.extend([b"a"])
    unknown = MemoryLog(signer=NoteSigner("unknown.example"))
    assert witness.add_checkpoint(request(unknown, unknown.extend([b"a"]), 0)).status == 404
    forged = NoteSigner().sign(note.text)
    assert witness.add_checkpoint(request(log, Note(note.text, (forged,)), 0)).status == 403
    wrong = Note(note.text, (LOG.sign("another text\n"),))
    assert witness.add_checkpoint(request(log, wrong, 0)).status == 403
    both = Note(note.text, (*note.signatures, *wrong.signatures))
    assert witness.add_checkpoint(request(log, both, 0)).status == 403


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("old 0", "old 00"),
        ("old 0", "old -1"),
        ("old 0", "new 0"),
        ("old 0\n\n", "old 0\n"),
        ("old 0\n", "old 0\nAAAA\n"),
        ("old 0\n", "old 0\n****\n"),
        ("old 0\n", "old 0\né\n"),
        ("old 0\n", "old 0\n" + ("A" * 43 + "=\n") * 64),
        ("\n1\n", "\n01\n"),
    ],
)
def test_400_for_what_is_no_request(witness: Witness, log: MemoryLog, before: str, after: str) -> None:
    body = request(log, log.extend([b"a"]), 0).decode().replace(before, after, 1).encode()
    assert witness.add_checkpoint(body).status == 400


def test_whatever_comes_is_answered(witness: Witness, log: MemoryLog) -> None:
    right = request(log, log.extend([b"a"]), 0)
    statuses = {witness.add_checkpoint(wrong).status for wrong in poison.scrambled(right, 1500, "witness")}
    assert statuses <= {200, 400, 403, 404, 409, 422}


def test_it_keeps_before_it_answers(witness: Witness, log: MemoryLog, tmp_path: Path) -> None:
    note = log.extend([b"a"])
    witness.add_checkpoint(request(log, note, 0))
    [file] = tmp_path.glob("*.checkpoint")
    assert file.read_bytes() == note.to_bytes()
    restarted = Witness([LOG.key], COSIGNER, FolderState(tmp_path), lambda: SECONDS)
    assert restarted.add_checkpoint(request(log, log.extend([b"b"]), 0)).body == "1\n"


def test_what_cannot_be_kept_is_not_cosigned(log: MemoryLog, tmp_path: Path) -> None:
    witness = Witness([LOG.key], COSIGNER, FolderState(tmp_path / "missing"), lambda: SECONDS)
    with pytest.raises(CannotCheckError, match="cannot be written"):
        witness.add_checkpoint(request(log, log.extend([b"a"]), 0))


def test_a_state_that_cannot_be_read_is_not_taken_for_none(
    witness: Witness, log: MemoryLog, tmp_path: Path
) -> None:
    witness.add_checkpoint(request(log, log.extend([b"a"]), 0))
    [file] = tmp_path.glob("*.checkpoint")
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(CustodyError):
        witness.add_checkpoint(request(log, log.extend([b"b"]), 0))


def test_two_at_once_never_both_advance(witness: Witness, log: MemoryLog) -> None:
    """tlog-witness names the race: the check and the keeping are one step."""
    first, second = log.extend([b"a"]), log.extend([b"b"])
    bodies = [request(log, note, 0, []) for note in (first, second)] * 8
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda body=body: answers.append(witness.add_checkpoint(body)))
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * 15


def test_a_kept_checkpoint_is_replaced_as_a_whole(log: MemoryLog, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    assert read_seen(file) is None
    for count in (1, 2):
        write_seen(file, log.extend([b"%d" % count]))
        assert (found := read_seen(file)) is not None
        assert found.size == count
    assert [path.name for path in tmp_path.iterdir()] == ["seen"]
    with pytest.raises(CannotCheckError, match="cannot be read"):
        read_seen(tmp_path)


@contextmanager
def served(witness: Witness, state: Path, lines: list[str]) -> Iterator[ThreadingHTTPServer]:
    with serve(witness, state, ("127.0.0.1", 0), lines.append) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_the_server(witness: Witness, log: MemoryLog, tmp_path: Path) -> None:
    lines: list[str] = []
    with served(witness, tmp_path, lines) as server:
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        note = log.extend([b"a"])

        def post(path: str, body: bytes, **headers: str) -> tuple[int, str | None, bytes]:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()

        status, _, line = post(ADD_CHECKPOINT, request(log, note, 0))
        assert cosigned(Answer(status, line.decode()), note)  # type: ignore[arg-type]
        assert post(ADD_CHECKPOINT, request(log, note, 0)) == (409, "text/x.tlog.size", b"1\n")
        assert post("/elsewhere", b"")[0] == 404
        assert post(ADD_CHECKPOINT, b"\xff")[0] == 400
        assert post(ADD_CHECKPOINT, b"", **{"Content-Length": "x"})[0] == 411
        assert post(ADD_CHECKPOINT, bytes(100_000))[0] == 413
        [file] = tmp_path.glob("*.checkpoint")
        file.write_bytes(b"broken")
        assert post(ADD_CHECKPOINT, request(log, log.extend([b"b"]), 1))[0] == 500
        connection.request("GET", ADD_CHECKPOINT)
        assert connection.getresponse().status == 501
        connection.close()
        with pytest.raises(UsageError, match="Another witness uses"), served(witness, tmp_path, []):
            pass
    assert any("409" in line for line in lines)
    with (
        pytest.raises(UsageError, match="no server at"),
        serve(witness, tmp_path, ("256.0.0.1", 0), lines.append),
    ):
        pass


def test_a_client_that_says_nothing_more_is_let_go(
    witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Handler, "timeout", 0.1)
    lines: list[str] = []
    with (
        served(witness, tmp_path, lines) as server,
        socket.create_connection(("127.0.0.1", server.server_port)) as client,
    ):
        client.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 10\r\n\r\nold")
        assert client.recv(100) == b""
    assert any("TimeoutError" in line for line in lines)
    assert "Traceback" not in capsys.readouterr().err


def test_its_key_is_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    key = tmp_path / "witness.pem"
    with pytest.raises(UsageError, match="openssl genpkey -algorithm ed25519"):
        load_cosigner("witness.example", key)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True)
    key.chmod(0o600)
    assert load_cosigner("witness.example", key).key.name == "witness.example"
    assert "private" not in repr(load_cosigner("witness.example", key))
    with pytest.raises(UsageError, match="no spaces and no plus"):
        load_cosigner("a+b", key)
    key.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        load_cosigner("witness.example", key)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "not one for Ed25519"),
        (["rand", "-hex", "16"], "not a private key"),
        (["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret"], "without a password"),
    ],
)
def test_other_keys_are_refused(tmp_path: Path, command: list[str], words: str) -> None:
    key = tmp_path / "key.pem"
    key.touch(mode=0o600)
    key.write_bytes(subprocess.run(["openssl", *command], check=True, capture_output=True).stdout)
    with pytest.raises(UsageError, match=words):
        load_cosigner("witness.example", key)
