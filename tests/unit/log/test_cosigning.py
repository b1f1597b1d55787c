"""Asking witnesses: what is taken of their answers, and that none can do harm."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from select import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import CustodyError, UsageError
from custody.log import cosigning
from custody.log.cosignature import _ORDER, _PRIME, verify_cosignature
from custody.log.cosigning import (
    RemoteWitness,
    Reply,
    Witnesses,
    parse_witnesses,
    post,
    read_cosignature,
)
from custody.log.note import Algorithm, Note, NoteKey, NoteSignature, parse_note
from custody.log.note_keys import verify_note
from custody.log.tree import Tree
from tests.fuzz import poison
from tests.support.small_log import MemoryLog, NoteSigner, stranger
from tests.support.witnesses import SECONDS, Answer, answering, running

LOG = NoteSigner()
WITNESS = NoteSigner("witness.example", Algorithm.ED25519_COSIGNATURE)
NOTE = MemoryLog(signer=LOG).extend([b"a", b"b", b"c"])
LINE = WITNESS.sign(NOTE.text)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(signer=LOG)


def ask(witnesses: Witnesses, log: MemoryLog, note: Note) -> cosigning.Cosigned:
    return witnesses.cosign(note, Tree(log.fetch, len(log.entries)).consistency)


def with_lines(note: Note, *lines: NoteSignature) -> Note:
    return Note(note.text, (*note.signatures, *lines))


# -- a right witness -----------------------------------------------------------------------------------------


def test_a_log_that_grows_is_cosigned_and_what_was_cosigned_is_remembered(
    log: MemoryLog, tmp_path: Path
) -> None:
    with running(tmp_path, [LOG.key]) as (witness, lines):
        witnesses = Witnesses([witness])
        for count in (3, 1, 300, 5):
            note = log.extend([b"%d" % count] * count)
            found = ask(witnesses, log, note)
            assert not found.failed
            whole = with_lines(note, *found.lines)
            assert [one.seconds for one in verify_note(whole, [witness.key])] == [SECONDS]
            assert witnesses.lacking(whole) == []
        assert len(lines) == 4
        assert all(" 200 " in line for line in lines)
        assert ask(Witnesses([witness]), log, whole).lines == ()
        assert len(lines) == 4


def test_without_memory_the_witness_says_from_where(log: MemoryLog, tmp_path: Path) -> None:
    with running(tmp_path, [LOG.key]) as (witness, lines):
        ask(Witnesses([witness]), log, log.extend([b"a"] * 5))
        assert len(ask(Witnesses([witness]), log, log.extend([b"b"] * 5)).lines) == 1
        assert [" 409 " in line for line in lines] == [False, True, False]


def test_an_old_checkpoint_that_was_signed_again_is_cosigned_again(log: MemoryLog, tmp_path: Path) -> None:
    note = log.extend([b"a"] * 5)
    with running(tmp_path, [LOG.key]) as (witness, _):
        witnesses = Witnesses([witness])
        for _ in range(2):
            assert len(ask(witnesses, log, note).lines) == 1


def test_a_log_that_was_rolled_back_or_forked_is_not_cosigned(log: MemoryLog, tmp_path: Path) -> None:
    with running(tmp_path, [LOG.key]) as (witness, _):
        ask(Witnesses([witness]), log, log.extend([b"a"] * 5))
        shorter = MemoryLog(signer=LOG)
        found = ask(Witnesses([witness]), shorter, shorter.extend([b"a"] * 4))
        assert "cosigned 5 entries, more than the 4" in str(found.failed["witness.example"])
        assert ask(Witnesses([witness], {witness.key: 9}), shorter, shorter.extend([])).lines == ()
        fork = MemoryLog(signer=LOG)
        found = ask(Witnesses([witness]), fork, fork.extend([b"x"] * 9))
        assert "answers 422" in str(found.failed["witness.example"])


def test_a_witness_that_does_not_know_the_log_says_so(log: MemoryLog, tmp_path: Path) -> None:
    with running(tmp_path, [NoteSigner("other.example").key]) as (witness, _):
        found = ask(Witnesses([witness]), log, log.extend([b"a"]))
    assert "answers 404: 'This witness does not know the log.'" in str(found.failed["witness.example"])


# -- wrong answers -------------------------------------------------------------------------------------------


def send(status: int, body: bytes, content_type: str = "text/plain", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def drip(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Answer a byte at a time, until the other side hangs up."""
    handler.send_response(200)
    handler.end_headers()
    while not select([handler.connection], [], [], 0.05)[0]:
        handler.wfile.write(b"x")


def say_continue(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def say_nothing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    while handler.connection.recv(100):
        pass


def hang_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.connection.close()


RIGHT = LINE.to_line().encode()
ANSWERS: dict[str, tuple[Answer, str]] = {
    "nothing": (send(200, b""), "not the line of a signature|not a line by its key|no signatures"),
    "no line": (send(200, b"hello\n"), "not the line of a signature"),
    "not text": (send(200, b"\xff\xfe"), "not UTF-8"),
    "the line of another": (
        send(200, stranger(random.Random(1)).to_line().encode()),
        "not a line by its key",
    ),
    "a wrong line": (send(200, WITNESS.sign("another\n").to_line().encode()), "does not verify"),
    "a note": (send(200, with_lines(NOTE, LINE).to_bytes()), "signature|not a line by its key"),
    "another text before the line": (send(200, b"x\n\n" + RIGHT), "not a line by its key"),
    "a log's line": (
        send(200, NoteSignature("witness.example", LINE.key_id, b"1" * 64).to_line().encode()),
        "not one of Ed25519",
    ),
    "a large body": (send(200, RIGHT * 1000), "longer than"),
    "a redirect": (send(302, b"", Location="http://127.0.0.1:9/add-checkpoint"), "answers 302"),
    "an error": (send(500, b"\x1b[31mred"), r"answers 500: '\\x1b\[31mred'"),
    "a conflict without a size": (send(409, b"1\n"), "does not say which is right"),
    "a conflict with words": (send(409, b"one\n", "text/x.tlog.size"), "does not say which is right"),
    "a conflict that is none": (send(409, b"0\n", "text/x.tlog.size"), "says that it is right"),
    "a conflict that stays": (send(409, b"1\n", "text/x.tlog.size"), "answers 409"),
    "a larger size": (send(409, b"4\n", "text/x.tlog.size"), "more than the 3"),
    "a huge size": (send(409, b"9" * 19 + b"\n", "text/x.tlog.size"), "more than the 3"),
    "bytes for ever": (drip, "cannot be asked|not answered|signature"),
    "continue for ever": (say_continue, "cannot be asked|not answered"),
    "silence": (say_nothing, "cannot be asked|not answered"),
    "the end": (hang_up, "cannot be asked"),
}


@pytest.mark.parametrize(("answer", "words"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_wrong_answer_gives_no_line_and_keeps_out_no_other_witness(
    answer: Answer, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosigning, "SECONDS_TO_ANSWER", 3.0)
    log = MemoryLog(signer=LOG)
    assert log.extend([b"a", b"b", b"c"]).text == NOTE.text
    with answering(answer, WITNESS.key) as wrong, running(tmp_path, [LOG.key], "right.example") as (right, _):
        found = ask(Witnesses([wrong, right]), log, NOTE)
    assert [line.name for line in found.lines] == ["right.example"]
    assert found.failed.keys() == {"other"}
    with pytest.raises(CustodyError, match=words):
        raise found.failed["other"]


def test_a_witness_that_is_not_there_is_told_of(log: MemoryLog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    found = ask(Witnesses([RemoteWitness("gone", url, WITNESS.key)]), log, log.extend([b"a"]))
    assert "cannot be asked" in str(found.failed["gone"])


def test_a_certificate_that_nobody_vouches_for_is_refused(log: MemoryLog) -> None:
    with (
        answering(send(200, RIGHT), WITNESS.key) as witness,
        pytest.raises(CustodyError, match="cannot be asked"),
    ):
        post(witness.url.replace("http:", "https:"), b"")


def test_only_its_own_line_is_taken() -> None:
    lines = [stranger(random.Random(number)) for number in range(9)]
    body = "".join(line.to_line() for line in [*lines, LINE, *lines]).encode()
    assert read_cosignature(Reply(200, "", body), NOTE, WITNESS.key) == LINE


def test_whatever_is_answered_only_a_line_that_readers_accept_is_taken() -> None:
    taken = 0
    for body in poison.scrambled(RIGHT, 3000, "cosigning"):
        try:
            line = read_cosignature(Reply(200, "", body), NOTE, WITNESS.key)
        except CustodyError:
            continue
        taken += 1
        verify_note(parse_note(with_lines(NOTE, line).to_bytes()), [LOG.key, WITNESS.key])
    assert taken < 3000


@given(st.binary(max_size=300), st.sampled_from([200, 409]), st.text(max_size=30))
def test_any_bytes_are_an_answer_or_refused(body: bytes, status: int, content_type: str) -> None:
    with pytest.raises(CustodyError):
        read_cosignature(Reply(status, content_type, body), NOTE, WITNESS.key)
    with pytest.raises(CustodyError):
        cosigning._read_size(Reply(409, content_type, body), 0, 3)


# -- what Ed25519 leaves open --------------------------------------------------------------------------------


def changed(
    signature: bytes, *, point: int | None = None, scalar: Callable[[int], int] = lambda s: s
) -> bytes:
    first = signature[:32] if point is None else point.to_bytes(32, "little")
    return first + scalar(int.from_bytes(signature[32:], "little")).to_bytes(32, "little")


@pytest.mark.parametrize(
    "other",
    [
        changed(LINE.signature[8:], scalar=lambda s: s + _ORDER),
        *(
            changed(LINE.signature[8:], point=y)
            for y in (0, 1, _PRIME - 1, _PRIME, _PRIME + 1, 2**255 + 1, 2**256 - 1)
        ),
        LINE.signature[8:-1],
        LINE.signature[8:] + b"\0",
        b"",
    ],
    ids=range(11),
)
def test_a_second_form_of_a_signature_is_refused(other: bytes) -> None:
    line = NoteSignature(LINE.name, LINE.key_id, LINE.signature[:8] + other)
    with pytest.raises(CustodyError, match="not one of Ed25519"):
        verify_cosignature(NOTE.text, line, WITNESS.key)


def test_a_time_out_of_range_is_refused() -> None:
    late = WITNESS.sign(NOTE.text, 2**63)
    with pytest.raises(CustodyError, match="time out of range"):
        verify_cosignature(NOTE.text, late, WITNESS.key)


ALONE = """
import sys
sys.modules["cryptography"] = None
from base64 import b64decode
from custody.errors import EvidenceError
from custody.log.cosigning import Reply, read_cosignature
from custody.log.note import parse_note, parse_verifier_key
note, key = parse_note(sys.argv[1].encode()), parse_verifier_key(sys.argv[2])
for body in sys.argv[3:]:
    try:
        print(read_cosignature(Reply(200, "", b64decode(body)), note, key).name)
    except EvidenceError as error:
        print(error)
"""


def test_without_cryptography_it_is_checked_alike() -> None:
    """As in AWS Lambda, whose zip is pure Python."""
    other = bytes([LINE.signature[8] ^ 1]) + LINE.signature[9:]
    second = changed(LINE.signature[8:], scalar=lambda s: s + _ORDER)
    bodies = [
        RIGHT,
        WITNESS.sign("another\n").to_line().encode(),
        NoteSignature(LINE.name, LINE.key_id, LINE.signature[:8] + second).to_line().encode(),
        NoteSignature(LINE.name, LINE.key_id, LINE.signature[:8] + other).to_line().encode(),
    ]
    arguments = [
        NOTE.to_bytes().decode(),
        WITNESS.key.to_verifier_key(),
        *(b64encode(each).decode() for each in bodies),
    ]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "witness.example",
        "The signature of 'witness.example' does not verify.",
        "The signature of 'witness.example' is not one of Ed25519.",
        "The signature of 'witness.example' does not verify.",
    ]


# -- the list ------------------------------------------------------------------------------------------------


def listed(**changes: str) -> str:
    return json.dumps(
        {"ours": {"url": "https://witness.example/a", "key": WITNESS.key.to_verifier_key()} | changes}
    )


def test_a_list_of_witnesses() -> None:
    assert parse_witnesses("{}") == []
    assert parse_witnesses(listed()) == [RemoteWitness("ours", "https://witness.example/a", WITNESS.key)]
    for url in (
        "https://witness.example:8443/a/",
        "http://127.0.0.1:8780",
        "http://[::1]:1",
        "http://localhost",
    ):
        [found] = parse_witnesses(listed(url=url))
        assert found.url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://witness.example",
        "ftp://witness.example",
        "https://",
        "https:///a",
        "https://a:b@witness.example",
        "https://witness.example?a",
        "https://witness.example/#a",
        "https://witness.example:99999",
        "https://witness.example:0",
        "https://wïtness.example",
        "https://witness.example/a b",
        "https://witness.example/\n",
        "https://[::1",
        "witness.example",
    ],
)
def test_a_url_that_is_not_one_of_a_witness_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="URL"):
        parse_witnesses(listed(url=url))


LOW = NoteKey("witness.example", Algorithm.ED25519_COSIGNATURE, b"\1" + bytes(31))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("witness.example", "not a verifier key"),
        (LOG.key.to_verifier_key(), "of type 0x02"),
        (NoteSigner("a", Algorithm.ED25519).key.to_verifier_key(), "of type 0x01"),
        (NoteKey("a", Algorithm.ML_DSA_44_COSIGNATURE, bytes(32)).to_verifier_key(), "of type 0x06"),
        (LOW.to_verifier_key(), "not one of Ed25519"),
    ],
    ids=["no key", "a log's", "another log's", "not readable here", "of low order"],
)
def test_a_key_that_is_not_one_of_a_witness_is_refused(key: str, words: str) -> None:
    with pytest.raises(CustodyError, match=words):
        parse_witnesses(listed(key=key))


def wrong_lists() -> Iterator[bytes | str]:
    yield from poison.WHOLE.values()
    yield from (json.dumps(each) for each in poison.documents(json.loads(listed())))


def test_any_other_list_is_refused() -> None:
    for text in wrong_lists():
        try:
            found = parse_witnesses(text)  # type: ignore[arg-type]
        except CustodyError:
            continue
        assert [one.key for one in found] in ([], [WITNESS.key])
