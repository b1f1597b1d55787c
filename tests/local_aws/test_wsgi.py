from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any

import pytest

from scripts.local_aws.wsgi import LOOPBACK, Server

Start = Callable[..., Any]


def answer(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise ValueError("no good")
    if path == "/absent":
        raise NotImplementedError("not here")
    if path == "/parts":
        start_response("200 OK", [])
        return [b"one", b"two"]
    if path == "/none":
        start_response("204 No Content", [])
        return [b"dropped"]
    body = environ["wsgi.input"].read() if path == "/echo" else b"unread"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def port() -> Iterator[int]:
    server = Server(answer, 0)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def request(path: str, body: bytes = b"", method: str = "POST", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def talk(port: int, *requests: bytes) -> str:
    """Send requests over one connection, the last of which closes it; all that came back."""
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        connection.sendall(b"".join(requests) + request("/parts", b"", "GET", "Connection: close"))
        received = b""
        while data := connection.recv(65536):
            received += data
    assert received.endswith(b"onetwo")
    return received.decode()


def test_a_connection_serves_many_requests(port: int) -> None:
    said = talk(port, request("/echo", b"first"), request("/echo", b"second"))
    assert said.count("HTTP/1.1 200 OK") == 3
    assert "first" in said
    assert "second" in said


def test_an_unread_body_is_not_the_next_request(port: int) -> None:
    said = talk(port, request("/ignore", request("/echo", b"smuggled")))
    assert said.count("HTTP/1.1 200 OK") == 2
    assert "smuggled" not in said


def test_what_has_no_body_gets_none(port: int) -> None:
    said = talk(port, request("/echo", b"body", "HEAD"), request("/none"))
    assert "body" not in said
    assert "dropped" not in said


def test_a_client_that_waits_is_told_to_go_on(port: int) -> None:
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        connection.sendall(request("/echo", b"", "PUT", "Expect: 100-continue").replace(b": 0", b": 4"))
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"late")
        assert connection.recv(1024).endswith(b"late")


@pytest.mark.parametrize(("path", "status"), [("/broken", "500"), ("/absent", "501")])
def test_an_error_is_an_answer_and_in_the_log(
    port: int, path: str, status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        connection.sendall(request(path))
        received = b""
        while data := connection.recv(65536):
            received += data
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"no good" in received or b"not here" in received
    assert f"POST {path}" in capsys.readouterr().err
