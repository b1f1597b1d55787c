"""Lambda's Invoke, with functions that run here; moto's needs Docker.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.core.common_types import TYPE_RESPONSE

from scripts.local_aws.functions.runtime import Functions, ThrottledError

_LOG_TAIL_BYTES = 4096


def install(functions: Functions) -> None:
    """Serve Invoke, and what moto's other services invoke, with ``functions``."""

    def invoke(self: LambdaResponse) -> TYPE_RESPONSE:
        return _invoke(functions, self)

    def invoke_from_moto(self: LambdaFunction, body: str, *_: Any) -> bytes:
        functions.invoke_later(self, json.loads(body or "{}"))
        return b""

    LambdaResponse.invoke = invoke  # type: ignore[method-assign]
    LambdaFunction.invoke = invoke_from_moto  # type: ignore[method-assign,assignment]


def _invoke(functions: Functions, response: LambdaResponse) -> TYPE_RESPONSE:
    name = unquote(response.path.rsplit("/", 2)[-2])
    qualifier = response._get_param("Qualifier")
    function: LambdaFunction = response.backend.get_function(name, qualifier)
    try:
        event = json.loads(response.body or "{}")
    except ValueError as error:
        raise _client_error(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}", 400
        ) from error
    try:
        functions.require_room(function)
    except ThrottledError as error:
        raise _client_error("TooManyRequestsException", "Rate Exceeded.", 429) from error
    kind = response.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if kind == "DryRun":
        return 204, {"status": "204"}, ""
    if kind == "Event":
        functions.invoke_later(function, event)
        return 202, {"status": "202"}, ""
    outcome = functions.invoke(function, event)
    headers = {"content-type": "application/json", "x-amz-executed-version": "$LATEST"}
    if outcome.failed:
        headers["x-amz-function-error"] = "Unhandled"
    if response.headers.get("X-Amz-Log-Type") == "Tail":
        tail = "\n".join(outcome.log).encode()[-_LOG_TAIL_BYTES:]
        headers["x-amz-log-result"] = base64.b64encode(tail).decode()
    return 200, headers, outcome.payload


def _client_error(kind: str, message: str, status: int) -> LambdaClientError:
    error = LambdaClientError(kind, message)
    error.code = status
    return error
