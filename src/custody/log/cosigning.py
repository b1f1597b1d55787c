"""Asking witnesses to cosign a checkpoint.

Standard: C2SP tlog-witness at commit 5ba5ee8 (https://c2sp.org/tlog-witness), "add-checkpoint". What a
witness answers is believed only as far as it can be checked: a line of its own key that verifies. No witness
delays another, and all together take no longer than one is given for two answers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR, socket
from threading import Thread, Timer
from urllib.parse import urlsplit

from custody import __version__
from custody.documents import Fields, parse_object
from custody.errors import CannotCheckError, CustodyError, EvidenceError, UsageError
from custody.log.checkpoint import parse_checkpoint
from custody.log.cosignature import require_witness_key, verify_cosignature
from custody.log.extension import ADD_CHECKPOINT, SIZE_TYPE, Extension
from custody.log.note import Note, NoteKey, NoteSignature, parse_note, parse_verifier_key

SECONDS_TO_ANSWER = 10

_MAX_WITNESSES_BYTES = 4096
_MAX_ANSWER_BYTES = 16 * 1024
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class RemoteWitness:
    """A witness that is asked over HTTP."""

    label: str
    """Its name in the configuration."""
    url: str
    """What ``/add-checkpoint`` is appended to: https, or http on this machine."""
    key: NoteKey


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request was answered with; the body is cut off after ``_MAX_ANSWER_BYTES`` and one."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What became of asking some witnesses."""

    lines: tuple[NoteSignature, ...]
    """Cosignatures, each verified."""
    failed: Mapping[str, CustodyError]
    """By a witness's label, why there is none of it."""


def parse_witnesses(text: str) -> list[RemoteWitness]:
    """Read a JSON object: the label of each witness → ``url`` and ``key``, a verifier key.

    Raises ``CustodyError``.
    """
    witnesses = parse_object(text, "list of witnesses", _MAX_WITNESSES_BYTES).items()
    return [_parse_witness(label, Fields(each, f"witness {label[:80]!r}")) for label, each in witnesses]


def _parse_witness(label: str, fields: Fields) -> RemoteWitness:
    url, key = fields.words("url"), parse_verifier_key(fields.words("key"))
    require_witness_key(key)
    try:
        parts = urlsplit(url)
        is_right = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable()
    except ValueError:
        is_right = False
    if not is_right or parts.username is not None or parts.query or parts.fragment or " " in url:
        raise UsageError(f"{url[:200]!r} is not the URL of a witness.", "Write https://host/path.")
    if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in _LOOPBACK):
        raise UsageError(f"The URL {url[:200]!r} is not one of https.")
    return RemoteWitness(label, url.rstrip("/"), key)


@dataclass(slots=True)
class Witnesses:
    """The witnesses of a log, and the size that each of them cosigned last, as far as is known."""

    witnesses: Sequence[RemoteWitness]
    sizes: dict[NoteKey, int] = field(default_factory=dict)

    def lacking(self, note: Note) -> list[RemoteWitness]:
        """Those that have no line below a checkpoint."""
        return [one for one in self.witnesses if not any(line.is_by(one.key) for line in note.signatures)]

    def cosign(self, note: Note, prove: Callable[[int], Sequence[bytes]]) -> Cosigned:
        """Ask those that have not cosigned this checkpoint.

        ``prove`` gives the consistency proof from an earlier size of the log; it is called in this thread,
        and what it raises is raised.
        """
        size = parse_checkpoint(note.text).size
        old = {one: min(self.sizes.get(one.key, 0), size) for one in self.lacking(note)}
        lines: list[NoteSignature] = []
        failed: dict[str, CustodyError] = {}
        for is_last in (False, True):
            bodies = {one: Extension(at, tuple(prove(at)), note).to_bytes() for one, at in old.items()}
            replies, again = _post_to_all(bodies), dict[RemoteWitness, int]()
            for one, reply in replies.items():
                try:
                    if isinstance(reply, CustodyError):
                        raise reply
                    if reply.status == HTTPStatus.CONFLICT and not is_last:
                        again[one] = self.sizes[one.key] = _read_size(reply, old[one], size)
                        continue
                    lines.append(read_cosignature(reply, note, one.key))
                    self.sizes[one.key] = size
                except CustodyError as error:
                    failed[one.label] = error
            old = again
        return Cosigned(tuple(lines), failed)


def read_cosignature(reply: Reply, note: Note, key: NoteKey) -> NoteSignature:
    """The line of a witness's own key in its answer; lines of other keys are left out.

    Raises ``CustodyError`` if there is none, or a wrong one.
    """
    if reply.status != HTTPStatus.OK:
        words = reply.body[:200].decode("utf-8", "replace").strip()
        raise CannotCheckError(f"{key.name} answers {reply.status}: {words!r}.")
    if len(reply.body) > _MAX_ANSWER_BYTES:
        raise EvidenceError(f"The answer of {key.name} is longer than {_MAX_ANSWER_BYTES} bytes.")
    answered = parse_note(f"{note.text}\n".encode() + reply.body)
    found = [line for line in answered.signatures if line.is_by(key)]
    if answered.text != note.text or not found:
        raise EvidenceError(f"The answer of {key.name} is not a line by its key.")
    verify_cosignature(note.text, found[0], key)
    return found[0]


def _read_size(reply: Reply, old: int, size: int) -> int:
    """The size that a witness cosigned last, of which it says that it is not ``old``."""
    match = _SIZE.fullmatch(reply.body)
    if match is None or reply.content_type.partition(";")[0].strip().lower() != SIZE_TYPE:
        raise EvidenceError("The witness refuses the old size, and does not say which is right.")
    cosigned = int(match[1])
    if cosigned == old:
        raise EvidenceError(f"The witness refuses the old size {old}, and says that it is right.")
    if cosigned > size:
        raise EvidenceError(
            f"The witness has cosigned {cosigned} entries, more than the {size} of this checkpoint.",
            "If the next checkpoints are as small, the log was rolled back: run custody verify.",
        )
    return cosigned


def _post_to_all(bodies: Mapping[RemoteWitness, bytes]) -> dict[RemoteWitness, Reply | CustodyError]:
    """Post to all at once; whoever has not answered in time counts as silent, and is not waited for."""
    replies: dict[RemoteWitness, Reply | CustodyError] = {
        one: CannotCheckError(f"{one.url} has not answered within {SECONDS_TO_ANSWER} s.") for one in bodies
    }

    def ask(one: RemoteWitness, body: bytes) -> None:
        try:
            replies[one] = post(one.url, body)
        except CustodyError as error:
            replies[one] = error

    threads = [Thread(target=ask, args=item, daemon=True) for item in bodies.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(replies)


def post(url: str, body: bytes) -> Reply:
    """Post a request to a witness. Follows no redirect. Raises ``CannotCheckError`` if it is not answered."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=SECONDS_TO_ANSWER)
    headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": f"custody/{__version__}"}
    try:
        connection.connect()
        with _cut_off(connection.sock):
            connection.request("POST", parts.path + ADD_CHECKPOINT, body, headers)
            answer = connection.getresponse()
            data = answer.read(_MAX_ANSWER_BYTES + 1)
        return Reply(answer.status, answer.getheader("Content-Type", ""), data)
    except (OSError, HTTPException, ValueError) as error:
        raise CannotCheckError(f"{url} cannot be asked: {error!r}.") from error
    finally:
        connection.close()


@contextmanager
def _cut_off(sock: socket) -> Iterator[None]:
    """End a connection in time: its own limit begins anew with every byte that comes."""

    def end() -> None:
        with suppress(OSError):
            sock.shutdown(SHUT_RDWR)

    timer = Timer(SECONDS_TO_ANSWER, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
