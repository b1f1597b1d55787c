"""Administrative actions of tests and the demonstration that AWS does not offer (``/_local/``).

JSON in, JSON out, over POST. A wrong request is answered 400 with ``{"error": "…"}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

ADMIN_PREFIX = "/_local/"
Action = Callable[[dict[str, Any]], dict[str, Any]]


class Admin:
    """A WSGI application over named actions, each a function from a JSON object to a JSON object."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self._actions = actions

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        name = str(environ["PATH_INFO"]).removeprefix(ADMIN_PREFIX)
        body = environ["wsgi.input"].read()
        status, document = self._run(name, body)
        answer = json.dumps(document).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
        start_response(status, headers)
        return [answer]

    def _run(self, name: str, body: bytes) -> tuple[str, dict[str, Any]]:
        action = self._actions.get(name)
        if action is None:
            known = ", ".join(sorted(self._actions))
            return "404 Not Found", {"error": f"There is no {name!r}; there are: {known}."}
        try:
            return "200 OK", action(dict(json.loads(body or b"{}")))
        except (LookupError, NotImplementedError, TypeError, ValueError) as error:
            return "400 Bad Request", {"error": f"{type(error).__name__}: {error}"}
