"""An account whose password is set through an HTTPS API with AWS IAM authorisation.

The API is in front of the database or warehouse with the account, for example in Amazon API Gateway. Callers
authenticate with a role, not with a password: so the first password can be set without an earlier one, an
interrupted rotation is repaired by repeating it, and the function needs no database driver. There are two
calls, both with ``{"password": "…"}`` as JSON, signed with Signature Version 4 for ``execute-api``:

``PUT  <endpoint>/accounts/<name>/password``  sets it, returns 200 or 204
``POST <endpoint>/accounts/<name>/sign-in``   tests it, returns 200 and ``{"opens": true}`` or ``false``
"""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from custody.errors import UsageError
from custody.warehouse.rotation import RotationError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

TIMEOUT_SECONDS = 10.0
_ANSWER_BYTES = 65536


class ApiAccount:
    """One account behind such an API.

    ``endpoint`` is an https URL without query, ``region`` that of the API. ``context`` has the trusted
    certificates; the default is those of the machine. Redirects are not followed. Raises ``UsageError`` for
    any other endpoint.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        name: str,
        credentials: Credentials,
        region: str,
        context: ssl.SSLContext | None = None,
    ) -> None:
        url = urlsplit(endpoint)
        if url.scheme != "https" or not url.hostname or url.username or url.query or url.fragment:
            raise UsageError(
                "The account's endpoint is not an https URL of host and path.",
                "Set it to one such as https://accounts.example.org/v1.",
            )
        if not name:
            raise UsageError("The account has no name.", "Set it to the account's user name.")
        self._name = name
        self._host, self._port = url.hostname, url.port or 443
        self._url = f"{url.scheme}://{url.netloc}"
        self._path = f"{url.path.rstrip('/')}/accounts/{quote(name, safe='')}"
        self._signature = SigV4Auth(credentials, "execute-api", region)
        self._context = context or ssl.create_default_context()

    @property
    def name(self) -> str:
        """The account's user name."""
        return self._name

    def set_password(self, password: str) -> None:
        """Make this the account's password. Raises ``RotationError`` unless the API confirms it."""
        self._call("PUT", "password", password, {200, 204})

    def check(self, password: str) -> bool:
        """Whether sign-in works with it. Raises ``RotationError`` if the API gives no clear answer."""
        try:
            opens = json.loads(self._call("POST", "sign-in", password, {200}))["opens"]
        except (ValueError, KeyError, TypeError):
            raise RotationError("The account's API does not say whether sign-in works.") from None
        if not isinstance(opens, bool):
            raise RotationError("The account's API does not say whether sign-in works.")
        return opens

    def _call(self, method: str, action: str, password: str, expected: set[int]) -> bytes:
        path = f"{self._path}/{action}"
        body = json.dumps({"password": password})
        request: Any = AWSRequest(
            method, f"{self._url}{path}", headers={"Content-Type": "application/json"}, data=body
        )
        self._signature.add_auth(request)
        connection = HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._context)
        try:
            connection.request(method, path, body, dict(request.headers))
            response = connection.getresponse()
            answer = response.read(_ANSWER_BYTES)
        except OSError as error:
            raise RotationError(f"The account's API at {self._host} does not answer: {error}.") from error
        except HTTPException as error:
            # Without its message, which may quote the answer, and so the password.
            kind = type(error).__name__
            raise RotationError(
                f"The account's API at {self._host} does not answer with HTTP: {kind}."
            ) from None
        finally:
            connection.close()
        if response.status not in expected:
            raise RotationError(f"The account's API at {self._host} answers {response.status} to {action}.")
        return answer
