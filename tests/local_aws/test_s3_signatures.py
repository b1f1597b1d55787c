"""Signatures: requests that a signature does not cover fail with S3's error code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import botocore.auth
import pytest
import requests
from botocore.awsrequest import AWSRequest

from tests.local_aws.account import Account
from tests.local_aws.s3_requests import Answer, Client, ago, signed_chunks


@pytest.fixture
def client(aws: Account) -> Client:
    return Client(aws)


@pytest.fixture
def place(aws: Account) -> str:
    return f"/{aws.bucket()}/key"


def test_what_was_signed_passes(client: Client, place: str) -> None:
    assert client.call("PUT", place, b"body", headers={"x-amz-meta-a": "two  spaces"}).status == 200
    assert client.call("GET", place).body == b"body"
    assert requests.get(client.presign("GET", place), timeout=10).content == b"body"


def _method(request: AWSRequest) -> None:
    request.method = "DELETE"


def _path(request: AWSRequest) -> None:
    request.url += "2"


def _query(request: AWSRequest) -> None:
    request.url += "?x-id=PutObject"


def _body(request: AWSRequest) -> None:
    request.data = b"another"


def _digest(request: AWSRequest) -> None:
    _body(request)
    del request.headers["X-Amz-Content-SHA256"]
    request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(b"another").hexdigest()


def _header(request: AWSRequest) -> None:
    del request.headers["x-amz-meta-who"]
    request.headers["x-amz-meta-who"] = "eve"


def _added(request: AWSRequest) -> None:
    request.headers["x-amz-tagging"] = "a=b"


def _late(request: AWSRequest) -> None:
    del request.headers["X-Amz-Date"]
    request.headers["X-Amz-Date"] = ago(minutes=16)


def _no_digest(request: AWSRequest) -> None:
    del request.headers["X-Amz-Content-SHA256"]


def _version_2(request: AWSRequest) -> None:
    del request.headers["Authorization"]
    request.headers["Authorization"] = "AWS AKIALOCALOPERATOR000:c2lnbmF0dXJl"


def _bearer(request: AWSRequest) -> None:
    del request.headers["Authorization"]
    request.headers["Authorization"] = "Bearer token"


def _unsigned(request: AWSRequest) -> None:
    del request.headers["Authorization"]


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (_method, "SignatureDoesNotMatch"),
        (_path, "SignatureDoesNotMatch"),
        (_query, "SignatureDoesNotMatch"),
        (_body, "XAmzContentSHA256Mismatch"),
        (_digest, "SignatureDoesNotMatch"),
        (_header, "SignatureDoesNotMatch"),
        (_added, "AccessDenied"),
        (_late, "RequestTimeTooSkewed"),
        (_no_digest, "InvalidRequest"),
        (_version_2, "InvalidRequest"),
        (_bearer, "InvalidArgument"),
        (_unsigned, "AccessDenied"),
    ],
)
def test_a_request_that_was_changed_is_refused(
    client: Client, place: str, tamper: Callable[[AWSRequest], None], code: str
) -> None:
    request = client.sign("PUT", place, b"body", headers={"x-amz-meta-who": "ada"})
    tamper(request)
    assert client.send(request).code == code
    assert client.call("HEAD", place).status == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"access_key": "AKIA" + 16 * "0"}, "InvalidAccessKeyId"),
        ({"access_key": "ASIA" + 16 * "0"}, "InvalidAccessKeyId"),
        ({"secret_key": "another"}, "SignatureDoesNotMatch"),
        ({"token": "another"}, "InvalidToken"),
    ],
)
def test_keys_that_nobody_issued_open_nothing(
    aws: Account, place: str, change: dict[str, str], code: str
) -> None:
    assert Client(aws, **change).call("PUT", place, b"").code == code


def test_a_session_needs_its_token_and_a_deleted_key_is_nobodys(aws: Account, place: str) -> None:
    role = f"arn:aws:iam::123456789012:role/{aws.name('role')}"
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="ada")["Credentials"]
    session = Client(aws, keys["AccessKeyId"], keys["SecretAccessKey"])
    assert session.call("PUT", place, b"").code == "InvalidAccessKeyId"
    session.token = keys["SessionToken"]
    assert session.call("PUT", place, b"").status == 200
    assert requests.get(session.presign("GET", place), timeout=10).status_code == 200

    iam, name = aws.client("iam"), aws.name("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = Client(aws, key["AccessKeyId"], key["SecretAccessKey"])
    assert user.call("PUT", place, b"").status == 200
    iam.update_access_key(UserName=name, AccessKeyId=user.access_key, Status="Inactive")
    assert user.call("PUT", place, b"").code == "InvalidAccessKeyId"
    iam.delete_access_key(UserName=name, AccessKeyId=user.access_key)
    assert user.call("PUT", place, b"").code == "InvalidAccessKeyId"


def _put(client: Client, url: str, **headers: str) -> Answer:
    target = url.removeprefix(client.account.endpoint)
    return client.raw("PUT", target, b"body", headers)


def test_a_presigned_url_is_good_for_what_it_says(client: Client, place: str) -> None:
    url = client.presign("PUT", place)
    assert _put(client, url).status == 200
    other = {
        "SignatureDoesNotMatch": url.replace("/key?", "/key2?"),
        "AuthorizationQueryParametersError": url.replace("X-Amz-Expires=60", "X-Amz-Expires=604801"),
    }
    for code, changed in other.items():
        assert _put(client, changed).code == code
    assert _put(client, url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")).code == "SignatureDoesNotMatch"
    assert (
        _put(client, client.presign("PUT", place, expires=604801)).code == "AuthorizationQueryParametersError"
    )
    assert _put(client, client.presign("PUT", place, expires=-1)).code == "AuthorizationQueryParametersError"
    assert (
        _put(client, url.replace("&X-Amz-SignedHeaders=host", "")).code == "AuthorizationQueryParametersError"
    )
    assert _put(client, url, **{"x-amz-meta-who": "eve"}).code == "AccessDenied"
    assert _put(client, url, Authorization="AWS4-HMAC-SHA256 Credential=x").code == "InvalidArgument"
    assert client.raw("GET", url.removeprefix(client.account.endpoint)).code == "SignatureDoesNotMatch"


def test_an_expired_presigned_url_is_refused(
    client: Client, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = botocore.auth.get_current_datetime
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *a, **k: now(*a, **k) - timedelta(minutes=2)
    )
    expired = client.presign("PUT", place, expires=60)
    valid = client.presign("PUT", place, expires=3600)
    assert _put(client, expired).code == "AccessDenied"
    assert b"Request has expired" in _put(client, expired).body
    assert _put(client, valid).status == 200


def test_a_presigned_url_of_version_2_is_refused(client: Client, place: str) -> None:
    url = f"{place}?AWSAccessKeyId={client.access_key}&Signature=c2ln&Expires=4102444800"
    assert client.raw("PUT", url, b"body").code == "InvalidRequest"


def test_headers_in_a_presigned_url_count_as_headers(client: Client, place: str) -> None:
    url = client.presign("PUT", place, **{"x-amz-meta-who": "ada"})
    assert _put(client, url).status == 200
    assert client.call("HEAD", place).headers["x-amz-meta-who"] == "ada"
    wrong = client.presign("PUT", place, **{"x-amz-checksum-crc32": "AAAAAA=="})
    assert _put(client, wrong).code == "BadDigest"


def test_chunks_are_signed_one_after_the_other(client: Client, place: str) -> None:
    body = b"a body of several chunks"
    headers = {
        "X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-decoded-content-length": str(len(body)),
        "Content-Encoding": "aws-chunked",
    }
    request = client.sign("PUT", place, headers=headers)
    encoded = signed_chunks(request, client.secret_key, body)
    sent = dict(request.headers.items())
    assert client.raw("PUT", place, encoded, sent).status == 200
    assert client.call("GET", place).body == body
    assert "content-encoding" not in client.call("HEAD", place).headers
    for changed, code in (
        (encoded.replace(b"severa", b"certai"), "SignatureDoesNotMatch"),
        (encoded[: encoded.rindex(b"0;chunk")], "IncompleteBody"),
        (encoded.replace(b";chunk-signature", b";signature"), "IncompleteBody"),
    ):
        assert client.raw("PUT", place, changed, sent).code == code
    assert len(client.account.client("s3").list_object_versions(Bucket=place.split("/")[1])["Versions"]) == 1


def test_a_signature_for_another_region_is_refused(aws: Account, place: str) -> None:
    s3 = aws.client("s3")
    elsewhere = aws.name("bucket")
    s3.create_bucket(Bucket=elsewhere, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    answer = Client(aws).call("PUT", f"/{elsewhere}/key", b"")
    assert (answer.status, answer.code) == (400, "AuthorizationHeaderMalformed")
    assert b"<Region>eu-west-1</Region>" in answer.body
