"""TLS in front of a local server, for clients that require it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.account_server import self_signed

_CHUNK_BYTES = 64 * 1024


@contextmanager
def tls_front(endpoint: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The HTTPS endpoint that forwards all bytes to ``endpoint``, and its CA certificate."""
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    where = urlsplit(endpoint)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        served = threading.Thread(
            target=_accept, args=(listener, context, (str(where.hostname), where.port or 80)), daemon=True
        )
        served.start()
        yield f"https://127.0.0.1:{port}", certificate
        listener.shutdown(socket.SHUT_RDWR)
        served.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, to: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):  # the listener is shut down
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, context, to), daemon=True).start()


def _serve(connection: socket.socket, context: ssl.SSLContext, to: tuple[str, int]) -> None:
    with (
        contextlib.suppress(OSError),
        socket.create_connection(to) as server,
        context.wrap_socket(connection, server_side=True) as client,
    ):
        back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
        back.start()
        _pass_on(client, server)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
