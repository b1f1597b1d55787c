"""The whole application: administrative paths, S3 with its trail, and moto for every other service."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from scripts.local_aws import patches
from scripts.local_aws.admin import ADMIN_PREFIX, Admin
from scripts.local_aws.calls import is_s3
from scripts.local_aws.faults import Faults
from scripts.local_aws.functions.http_api import EXECUTE_PREFIX
from scripts.local_aws.s3.service import Observer, S3Service
from scripts.local_aws.state import STATE_PATH, State

Handler = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_S3_BACKENDS = {"s3", "s3bucket_path"}


class _Dispatcher(DomainDispatcherApplication):
    """moto's routing by host, which otherwise lists a directory of every service for each request."""

    get_backend_for_host = cache(DomainDispatcherApplication.get_backend_for_host)


class Application:
    """Routes a WSGI request to its handler."""

    def __init__(self, admin: Admin, observe: Observer, faults: Faults, call_api: Handler) -> None:
        self._admin = admin
        self._call_api = call_api
        self._faults = faults
        self._state = State()
        self._s3 = S3Service(observe)
        self._moto = _Dispatcher(self._backend)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        if environ["PATH_INFO"] == STATE_PATH:
            return self._state(environ, start_response)
        if str(environ["PATH_INFO"]).startswith(ADMIN_PREFIX):
            return self._admin(environ, start_response)
        if str(environ["PATH_INFO"]).startswith(EXECUTE_PREFIX):
            return self._call_api(environ, start_response)
        return self._faults.meet(environ, start_response, self._serve)

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_s3(environ):
            return self._s3(environ, start_response)
        answer: Iterable[bytes] = self._moto(environ, start_response)
        return answer

    def _backend(self, name: str) -> Any:
        """Requests that moto would route to its S3 are handled like any other S3 request."""
        if name in _S3_BACKENDS:
            return self._s3
        patches.at_first_use(name)
        return create_backend_app(name)  # type: ignore[arg-type]
