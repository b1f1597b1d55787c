"""The HTTP server: one thread per connection, keep-alive connections, loopback only.

Werkzeug's own development server closes every connection after one response; the pipeline makes thousands of
small calls, so this one keeps connections open, and first drains the unread rest of a request's body.
"""

from __future__ import annotations

import io
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from http.server import HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

from scripts.local_aws.errors import LocalAwsError

LOOPBACK = "127.0.0.1"
DRAIN_LIMIT = 64 * 1024 * 1024
"""A client that still sends more than this after the answer loses its connection instead (bytes)."""

Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class RequestBody(io.RawIOBase):
    """The ``length`` bytes of one request's body: never reads into the next request on the connection."""

    def __init__(self, stream: io.BufferedIOBase, length: int) -> None:
        self._stream = stream
        self.remaining = length

    def readable(self) -> bool:
        """Whether it can be read: yes, as ``io.BufferedReader`` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as the body goes; 0 at its end or when the client went away."""
        view = memoryview(buffer)[: self.remaining]
        if not view:
            return 0
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self.remaining = self.remaining - len(data) if data else 0
        return len(data)


class Handler(MotoRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    server: Server  # type: ignore[assignment]

    def handle_expect_100(self) -> bool:
        """Tell a client that waits for it to send its body, at once."""
        answered = super().handle_expect_100()
        self.wfile.flush()
        return answered

    def run_wsgi(self) -> None:
        """Serve one request through the application."""
        self.environ = environ = self.make_environ()
        self._is_head_sent = False
        body: RequestBody | None = None
        if not environ.get("wsgi.input_terminated"):
            body = RequestBody(self.rfile, int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BufferedReader(body, 64 * 1024)
        try:
            self._answer(environ)
        except Exception as error:  # noqa: BLE001 - whatever the application raised is an answer of ours
            self._fail(error)
        self.wfile.flush()
        if body is None or body.remaining > DRAIN_LIMIT:
            self.close_connection = True
        else:
            while body.remaining:
                body.read(1024 * 1024)

    def _answer(self, environ: dict[str, Any]) -> None:
        status, headers = "", []

        def start_response(given_status: str, given_headers: Headers, exc_info: Any = None) -> None:
            nonlocal status, headers
            status, headers = given_status, given_headers

        chunks = self.server.app(environ, start_response)
        try:
            code, _, reason = status.partition(" ")
            bodiless = environ["REQUEST_METHOD"] == "HEAD" or code in {"204", "304"}
            if not bodiless and not any(name.lower() == "content-length" for name, _ in headers):
                whole = b"".join(chunks)
                headers, chunks = [*headers, ("Content-Length", str(len(whole)))], [whole]
            self._send_head(int(code), reason, headers)
            if not bodiless:
                for chunk in chunks:
                    self.wfile.write(chunk)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _send_head(self, code: int, reason: str, headers: Headers) -> None:
        self.send_response_only(code, reason)
        self.send_header("Date", self.date_time_string())
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self._is_head_sent = True

    def _fail(self, error: Exception) -> None:
        """Answer what the emulation cannot do: 501 (no client retries it) or 500; say it in the log."""
        self.close_connection = True
        if isinstance(error, ConnectionError):
            return
        print(f"{self.command} {self.path}", file=sys.stderr)
        traceback.print_exception(error)
        if self._is_head_sent:
            return  # The client sees an answer cut short.
        code = 501 if isinstance(error, NotImplementedError) else 500
        text = f"{type(error).__name__}: {error}".encode()
        self._send_head(
            code, "", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        )
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log no request: the trail is the record of calls."""


class Server(ThreadingMixIn, HTTPServer):
    """Listens on the loopback address only.

    Raises ``LocalAwsError`` if the port is taken.
    """

    daemon_threads = True
    request_queue_size = 512
    ssl_context = None
    multithread = True
    multiprocess = False
    passthrough_errors = True
    _server_version = "CustodyLocalAws"

    def __init__(self, app: Application, port: int) -> None:
        self.app = app
        try:
            super().__init__((LOOPBACK, port), Handler)
        except OSError as error:
            raise LocalAwsError(
                f"Port {port} on {LOOPBACK} cannot be used ({error.strerror}): "
                "stop the program that uses it, or choose another with --port."
            ) from error

    @property
    def endpoint(self) -> str:
        """The URL clients use as ``AWS_ENDPOINT_URL``."""
        return f"http://{LOOPBACK}:{self.server_port}"

    def server_bind(self) -> None:
        """Bind without the reverse DNS look-up of ``HTTPServer``."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]
