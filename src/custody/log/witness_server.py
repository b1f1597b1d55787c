"""A witness as a server: its key in a file, its state in a folder.

It is for a network of one's own, or behind a proxy that speaks TLS. What it cosigns is decided in
``custody.log.witness``.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
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
from custody.errors import CannotCheckError, CustodyError, UsageError
from custody.log.extension import ADD_CHECKPOINT, MAX_EXTENSION_BYTES
from custody.log.note import Algorithm, Note, NoteKey
from custody.log.seen import read_seen, write_seen
from custody.log.witness import Answer, Kept, Witness

_MAX_KEY_BYTES = 16 * 1024
_NAME = re.compile(r"[^ +\s\ud800-\udfff]+")
_SECONDS_TO_SPEAK = 30


@dataclass(frozen=True, slots=True)
class FileCosigner:
    """A witness's name and private key."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def key(self) -> NoteKey:
        """Its public key."""
        public = self.private_key.public_key().public_bytes_raw()
        return NoteKey(self.name, Algorithm.ED25519_COSIGNATURE, public)

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message`` (RFC 8032)."""
        return self.private_key.sign(message)


def load_cosigner(name: str, path: Path) -> FileCosigner:
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
    return FileCosigner(name, key)


class FolderState:
    """The last checkpoints as files (``custody.log.witness.State``), for the threads of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()

    def read(self, origin: str) -> Kept:
        """What is kept of a log. Raises ``CustodyError``."""
        seen = read_seen(self._file(origin))
        return Kept.nothing(origin) if seen is None else Kept(seen, seen.to_text())

    def replace(self, before: Kept, note: Note) -> bool:
        """Keep a checkpoint, if what was read is still there. Raises ``CustodyError``."""
        origin = before.checkpoint.origin
        with self._lock:
            if self.read(origin) != before:
                return False
            write_seen(self._file(origin), note)
        return True

    def _file(self, origin: str) -> Path:
        return self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"


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
            words = str(error).rstrip(".")
            raise UsageError(f"There can be no server at {address[0]}:{address[1]}: {words}.") from error
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
