"""API Gateway's HTTP APIs: a request of a route calls its function; moto keeps APIs and does not serve them.

An API is at ``/_aws/execute-api/<api id>/`` here, and not at a host of its own.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from moto.apigatewayv2.models import Api, apigatewayv2_backends
from moto.awslambda.models import lambda_backends

from scripts.local_aws.functions.runtime import Functions, ThrottledError
from scripts.local_aws.policy import require_service

EXECUTE_PREFIX = "/_aws/execute-api/"
_SERVICE = "apigateway.amazonaws.com"
_TEXT = ("text/", "application/json", "application/javascript", "application/xml")
_FAILED = {"statusCode": 500, "body": '{"message":"Internal Server Error"}'}


class HttpApis:
    """A WSGI application: every API of every account."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        api_id, _, path = str(environ["PATH_INFO"]).removeprefix(EXECUTE_PREFIX).partition("/")
        answer = self._answer(api_id, f"/{path}", environ)
        body = answer.get("body", "")
        data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        headers = {
            "content-type": "application/json",
            **answer.get("headers", {}),
            "content-length": str(len(data)),
        }
        status = HTTPStatus(answer["statusCode"])
        start_response(
            f"{status.value} {status.phrase}", [(name, str(value)) for name, value in headers.items()]
        )
        return [data]

    def _answer(self, api_id: str, path: str, environ: dict[str, Any]) -> dict[str, Any]:
        method = str(environ["REQUEST_METHOD"])
        for account_id, region, api in _apis():
            routes = {route.route_key: route for route in api.get_routes()}
            route = routes.get(f"{method} {path}")
            if api.api_id != api_id or route is None or "$default" not in api.stages:
                continue
            integration = api.get_integration(str(route.target).removeprefix("integrations/"))
            arn = str(integration.integration_uri)
            function = lambda_backends[account_id][region].get_function(arn)
            policy = {"Statement": function.policy.statements if function.policy else []}
            source = f"arn:aws:execute-api:{region}:{account_id}:{api_id}/$default/{method}{path}"
            try:
                require_service(_SERVICE, policy, "lambda:InvokeFunction", arn, source)
                outcome = self._functions.invoke(function, _event(api_id, f"{method} {path}", environ))
            except (PermissionError, ThrottledError):
                return _FAILED
            document = None if outcome.failed else json.loads(outcome.payload)
            return document if isinstance(document, dict) and "statusCode" in document else _FAILED
        return {"statusCode": 404, "body": '{"message":"Not Found"}'}


def _apis() -> Iterator[tuple[str, str, Api]]:
    for account_id, regions in list(apigatewayv2_backends.items()):
        for region, backend in list(regions.items()):
            for api in list(backend.apis.values()):
                yield account_id, region, api


def _event(api_id: str, route_key: str, environ: dict[str, Any]) -> dict[str, Any]:
    """The event of payload format 2.0."""
    body = environ["wsgi.input"].read()
    method, _, path = route_key.partition(" ")
    kind = str(environ.get("CONTENT_TYPE") or "")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": {"content-type": kind, "content-length": str(len(body))},
        "requestContext": {
            "apiId": api_id,
            "http": {"method": method, "path": path, "sourceIp": environ.get("REMOTE_ADDR", "")},
            "requestId": str(uuid.uuid4()),
            "routeKey": route_key,
            "stage": "$default",
        },
        "isBase64Encoded": not kind.startswith(_TEXT),
    }
    if body:
        event["body"] = (
            base64.b64encode(body).decode() if event["isBase64Encoded"] else body.decode(errors="replace")
        )
    return event
