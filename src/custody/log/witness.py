"""A witness: cosigns a log's checkpoint only if it extends the last one that it cosigned.

Standard: C2SP tlog-witness and tlog-cosignature at commit 5ba5ee8 (https://c2sp.org/tlog-witness). A witness
knows logs by their keys, and keeps for each the last checkpoint that it cosigned; the new one is on the disk
before the cosignature leaves. Whoever runs it must be another than who runs the log: then the log cannot show
different people different entries, nor take entries back.

The server is for a network of one's own, or behind a proxy that speaks TLS; a request needs no credentials,
since the log's signature is one.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from custody import __version__
from custody.errors import CannotCheckError, CustodyError, EvidenceError, UsageError
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.cosignature import cosignature, cosigned_message
from custody.log.extension import (
    ADD_CHECKPOINT,
    MAX_EXTENSION_BYTES,
    SIZE_TYPE,
    Extension,
    parse_extension,
)
from custody.log.merkle import EMPTY_ROOT, verify_consistency
from custody.log.note import Algorithm, NoteKey, NoteSignature
from custody.log.note_keys import verify_note
from custody.log.seen import read_seen, write_seen

_MAX_KEY_BYTES = 16 * 1024
_NAME = re.compile(r"[^ +\s\ud800-\udfff]+")
_SECONDS_TO_SPEAK = 30


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness's name and private key."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def key(self) -> NoteKey:
        """Its public key."""
        public = self.private_key.public_key().public_bytes_raw()
        return NoteKey(self.name, Algorithm.ED25519_COSIGNATURE, public)

    def cosign(self, text: str, seconds: int) -> NoteSignature:
        """The cosignature of a checkpoint's text, seen at a time (seconds since 1970)."""
        return cosignature(self.key, seconds, self.private_key.sign(cosigned_message(text, seconds)))


def load_cosigner(name: str, path: Path) -> Cosigner:
    """Read a private key: Ed25519 in PEM (PKCS #8, RFC 5958), which only its owner may read.

    Raises ``UsageError``.
    """
    if not _NAME.fullmatch(name):
        raise UsageError("A witness's name has no spaces and no plus.", "Write a URL without its scheme.")
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()[: _MAX_KEY_BYTES + 1]
    except OSError as error:
        raise UsageError(
            f"The key {path} cannot be read: {error.strerror}.",
            "Make one: openssl genpkey -algorithm ed25519 -out FILE",
        ) from error
    if mode & 0o077:
        raise UsageError(f"Others may read the key {path}.", f"Run chmod 600 {path}.")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is not a private key in PEM without a password.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"The key {path} is not one for Ed25519.")
    return Cosigner(name, key)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: HTTPStatus
    body: str
    content_type: str = "text/plain; charset=utf-8"


class Witness:
    """Cosigns the checkpoints of some logs. May be used from several threads, but by one process."""

    def __init__(
        self, logs: Iterable[NoteKey], cosigner: Cosigner, state: Path, clock: Callable[[], float]
    ) -> None:
        self._logs = list(logs)
        self._cosigner = cosigner
        self._state = state
        self._clock = clock
        self._lock = Lock()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request (tlog-witness, "add-checkpoint").

        Raises ``CustodyError`` if the witness's own state cannot be read or kept.
        """
        try:
            request = parse_extension(body)
            checkpoint = parse_checkpoint(request.checkpoint.text)
        except EvidenceError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, error.message)
        keys = [key for key in self._logs if key.name == checkpoint.origin]
        if not keys:
            return _refusal(HTTPStatus.NOT_FOUND, "This witness does not know the log.")
        try:
            verify_note(request.checkpoint, keys)
        except EvidenceError as error:
            return _refusal(HTTPStatus.FORBIDDEN, error.message)
        if request.old > checkpoint.size:
            return _refusal(HTTPStatus.BAD_REQUEST, "The old size is larger than the checkpoint's.")
        with self._lock:
            return self._advance(request, checkpoint)

    def _advance(self, request: Extension, checkpoint: Checkpoint) -> Answer:
        """Compare with the last checkpoint cosigned, keep the new one, and cosign it."""
        file = self._state / f"{hashlib.sha256(checkpoint.origin.encode()).hexdigest()}.checkpoint"
        last = read_seen(file) or Checkpoint(checkpoint.origin, 0, EMPTY_ROOT)
        if last.size != request.old:
            return Answer(HTTPStatus.CONFLICT, f"{last.size}\n", SIZE_TYPE)
        try:
            verify_consistency(last.size, checkpoint.size, last.root, checkpoint.root, request.path)
        except EvidenceError as error:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, error.message)
        write_seen(file, request.checkpoint)
        line = self._cosigner.cosign(request.checkpoint.text, int(self._clock())).to_line()
        return Answer(HTTPStatus.OK, line)


def _refusal(status: HTTPStatus, words: str) -> Answer:
    return Answer(status, f"{words}\n")


@contextmanager
def serve(
    witness: Witness, state: Path, address: tuple[str, int], tell: Callable[[str], None]
) -> Iterator[ThreadingHTTPServer]:
    """A server at an address, for this process alone; call its ``serve_forever``.

    ``tell`` gets a line for each request. Raises ``UsageError`` if another process has the state, or the
    address.
    """

    class Handler(_Handler):
        pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """One line for a client that is too slow or has gone, instead of a traceback."""
            tell(f"{client_address} {sys.exception()!r}")

    Handler.witness, Handler.tell = witness, staticmethod(tell)
    with _alone(state):
        try:
            server = Server(address, Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(f"There can be no server at {address[0]}:{address[1]}: {error}.") from error
        try:
            yield server
        finally:
            server.server_close()


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Keep other processes from the state: two would cosign two histories."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / "lock").open("w")
    except OSError as error:
        raise CannotCheckError(f"{state} cannot be used: {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"Another witness uses {state}.", "Stop it first.") from error
        yield


class _Handler(BaseHTTPRequestHandler):
    witness: Witness
    tell: Callable[[str], None]
    protocol_version = "HTTP/1.1"
    server_version = f"custody/{__version__}"
    sys_version = ""
    timeout = _SECONDS_TO_SPEAK

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            return self._send(Answer(HTTPStatus.LENGTH_REQUIRED, "The request has no length.\n"))
        if len(length) > 9 or int(length) > MAX_EXTENSION_BYTES:
            self.close_connection = True
            return self._send(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too long.\n"))
        body = self.rfile.read(int(length))
        if self.path != ADD_CHECKPOINT:
            return self._send(Answer(HTTPStatus.NOT_FOUND, f"There is only {ADD_CHECKPOINT}.\n"))
        try:
            answer = self.witness.add_checkpoint(body)
        except CustodyError as error:  # of its own state
            self.tell(str(error))
            answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The witness cannot keep its state.\n")
        return self._send(answer)

    def _send(self, answer: Answer) -> None:
        data = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        self.tell(f"{self.address_string()} {format % args}")
