"""Witnesses on this machine: right ones, which are the real server, and servers that answer anything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.log.cosigning import RemoteWitness
from custody.log.note import NoteKey
from custody.log.witness import Witness
from custody.log.witness_server import FileCosigner, FolderState, serve

SECONDS = 1_763_640_000


@contextmanager
def running(
    state: Path, logs: list[NoteKey], name: str = "witness.example"
) -> Iterator[tuple[RemoteWitness, list[str]]]:
    """The server of ``custody witness``, and a line for each request that it got."""
    cosigner = FileCosigner(name, Ed25519PrivateKey.generate())
    lines: list[str] = []
    witness = Witness(logs, cosigner, FolderState(state), lambda: SECONDS)
    with serve(witness, state, ("127.0.0.1", 0), lines.append) as server, _serving(server):
        yield RemoteWitness(name, f"http://127.0.0.1:{server.server_port}", cosigner.key), lines


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Writes whatever it wants, given the body of the request."""


@contextmanager
def answering(answer: Answer, key: NoteKey, label: str = "other") -> Iterator[RemoteWitness]:
    """A server that answers every request as ``answer`` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server, _serving(server):
        yield RemoteWitness(label, f"http://127.0.0.1:{server.server_port}", key)


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
