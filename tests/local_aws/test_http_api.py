"""HTTP APIs of API Gateway call their functions, by their routes alone."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from scripts.local_aws.functions.http_api import EXECUTE_PREFIX
from tests.local_aws.account import ACCOUNT, Account

TELL = """
import json
def handler(event, context):
    if event.get("body") == "fail":
        raise ValueError
    if event.get("body") == "no answer":
        return 5
    return {"statusCode": 409, "headers": {"content-type": "text/x.tlog.size"}, "body": json.dumps(event)}
"""


def made(aws: Account, *, is_allowed: bool = True) -> str:
    """An API of one route; its path here."""
    name = aws.function(TELL)
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    gateway = aws.client("apigatewayv2")
    api_id = gateway.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    gateway.create_route(ApiId=api_id, RouteKey="POST /ask", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    source = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api_id if is_allowed else 'other'}/*/POST/ask"
    aws.client("lambda").add_permission(
        FunctionName=name,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceAccount=ACCOUNT,
        SourceArn=source,
    )
    return f"{EXECUTE_PREFIX}{api_id}"


def call(
    aws: Account, method: str, path: str, body: bytes = b"", kind: str = "text/plain"
) -> tuple[int, str, Any]:
    connection = HTTPConnection(urlsplit(aws.endpoint).netloc, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, answer.headers["content-type"], json.loads(answer.read())


def test_a_route_calls_its_function(aws: Account) -> None:
    api = made(aws)
    status, kind, event = call(aws, "POST", f"{api}/ask", "é\n".encode())
    assert (status, kind) == (409, "text/x.tlog.size")
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /ask", "/ask")
    assert (event["body"], event["isBase64Encoded"]) == ("é\n", False)
    assert event["requestContext"]["http"]["method"] == "POST"
    _, _, event = call(aws, "POST", f"{api}/ask", b"\xff", "application/octet-stream")
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    _, _, event = call(aws, "POST", f"{api}/ask")
    assert "body" not in event


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/ask"), ("POST", "/"), ("POST", "/ask/more"), ("POST", "")]
)
def test_there_is_nothing_but_routes(aws: Account, method: str, path: str) -> None:
    assert call(aws, method, made(aws) + path) == (404, "application/json", {"message": "Not Found"})


def test_a_function_that_fails_or_may_not_be_called(aws: Account) -> None:
    failed = (500, "application/json", {"message": "Internal Server Error"})
    api = made(aws)
    assert call(aws, "POST", f"{api}/ask", b"fail") == failed
    assert call(aws, "POST", f"{api}/ask", b"no answer") == failed
    assert call(aws, "POST", f"{made(aws, is_allowed=False)}/ask", b"") == failed
