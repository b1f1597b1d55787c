"""What a server does to an answer, and what is raised then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest

from custody.evidence.direct import DirectReader
from custody.evidence.fetch import READ_ATTEMPTS, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion

VERSION = ObjectVersion("bucket", "key", "version")


class Refused(BaseHTTPRequestHandler):
    """Answers with an error whose body, in chunks, ends before it is whole."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(403)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\n<?xml\r\n")

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def s3() -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), Refused) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Refused.asked = 0
        yield boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            region_name="us-east-1",
            aws_access_key_id="somebody",
            aws_secret_access_key="secret",
        )
        server.shutdown()


@pytest.mark.parametrize("direct", [False, True])
def test_a_refusal_that_is_cut_is_asked_for_again_and_concerns_that_object(s3: Any, direct: bool) -> None:
    with pytest.raises(UnreadableError, match=r"s3://bucket/key\S* could not be read"):
        fetch_bytes(DirectReader(s3) if direct else s3, VERSION, 100)
    assert Refused.asked >= READ_ATTEMPTS
