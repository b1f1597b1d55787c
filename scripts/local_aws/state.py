"""Terraform's state, for its ``http`` backend: https://developer.hashicorp.com/terraform/language/backend/http."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from scripts.local_aws.admin import ADMIN_PREFIX

STATE_PATH = f"{ADMIN_PREFIX}state"


class State:
    """A WSGI application that keeps one state in memory: GET, POST and DELETE it. It has no lock."""

    def __init__(self) -> None:
        self._state: bytes | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        method, body, answer = environ["REQUEST_METHOD"], environ["wsgi.input"].read(), b""
        if method == "GET":
            answer = self._state or b""
        else:
            self._state = body if method == "POST" else None
        status = "204 No Content" if method == "GET" and not answer else "200 OK"
        start_response(status, [("Content-Length", str(len(answer)))])
        return [answer]
