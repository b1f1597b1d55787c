"""Uploads: ways, checksums and limits; a refused upload stores nothing."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anycrc
import pytest
import requests
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws
from tests.local_aws.account import Account
from tests.local_aws.s3_requests import Answer, Client, aws_chunked, base64

MIB = 1024 * 1024
BODY = b"id,name\n1,Ada\n" * 7
ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "CRC32C": lambda body: anycrc.Model("CRC32-ISCSI").calc(body).to_bytes(4, "big"),
    "CRC64NVME": lambda body: anycrc.Model("CRC64-NVME").calc(body).to_bytes(8, "big"),
    "MD5": lambda body: hashlib.md5(body, usedforsecurity=False).digest(),
    "SHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA512": lambda body: hashlib.sha512(body).digest(),
}
CHECKSUMS = {name: base64(compute(BODY)) for name, compute in ALGORITHMS.items()}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client(aws: Account) -> Client:
    return Client(aws)


@pytest.fixture
def bucket(aws: Account) -> str:
    return aws.bucket()


def stored(aws: Account, bucket: str) -> list[str]:
    return [
        entry["Key"] for entry in aws.client("s3").list_object_versions(Bucket=bucket).get("Versions", [])
    ]


def deny(aws: Account, bucket: str, prefix: str, action: str = "s3:PutObject", **condition: Any) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": f"arn:aws:s3:::{bucket}/{prefix}*",
        **({"Condition": condition} if condition else {}),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.mark.parametrize(
    "content_type", [FORM, f"{FORM}; charset=utf-8", "multipart/form-data; boundary=x", ""]
)
@pytest.mark.parametrize("body", [b"key=a&file=b&Action=AssumeRoleWithSAML", BODY, b""])
def test_a_payload_is_bytes_whatever_its_type(
    aws: Account, client: Client, bucket: str, body: bytes, content_type: str
) -> None:
    url, queue = aws.queue()
    aws.notify(bucket, queue)
    aws.messages(url, 1)  # S3's own test event
    headers = {"Content-Type": content_type} if content_type else {}
    target = client.presign("PUT", f"/{bucket}/presigned").removeprefix(aws.endpoint)
    assert client.raw("PUT", target, body, headers).status == 200
    assert client.call("PUT", f"/{bucket}/signed", body, headers=headers).status == 200
    for key in ("presigned", "signed"):
        answer = client.call("GET", f"/{bucket}/{key}")
        assert answer.body == body
        assert answer.headers["content-type"] == (content_type or "binary/octet-stream")
    events = [message["Records"][0] for message in aws.messages(url, 2)]
    assert {event["userIdentity"]["principalId"] for event in events} == {"AWS:AIDALOCALOPERATOR0000"}
    assert [event["s3"]["object"]["size"] for event in events] == [len(body)] * 2
    deny(aws, bucket, "")
    assert client.raw("PUT", target, body, headers).code == "AccessDenied"


def test_curl_uploads_by_a_presigned_url(aws: Account, client: Client, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes(BODY)
    for key, option in (("data", ["-X", "PUT", "--data-binary", f"@{file}"]), ("file", ["-T", str(file)])):
        url = client.presign("PUT", f"/{bucket}/{key}")
        subprocess.run(["curl", "--silent", "--fail", *option, url], check=True, timeout=60)
        assert client.call("GET", f"/{bucket}/{key}").body == BODY


# Forms.


def post(aws: Account, form: dict[str, Any], file: bytes = BODY, name: str = "customers.csv") -> Answer:
    answer = requests.post(
        form["url"], data=form["fields"], files={"file": (name, file)}, timeout=30, allow_redirects=False
    )
    return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)


def presigned_post(aws: Account, bucket: str, key: str, **options: Any) -> dict[str, Any]:
    return dict(aws.client("s3", signature_version="s3v4").generate_presigned_post(bucket, key, **options))


def test_a_form_uploads_what_its_policy_allows(aws: Account, bucket: str) -> None:
    url, queue = aws.queue()
    aws.notify(bucket, queue)
    aws.messages(url, 1)
    fields = {"x-amz-meta-who": "ada", "Content-Type": "text/csv", "success_action_status": "201"}
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    form = presigned_post(aws, bucket, "in/${filename}", Fields=fields, Conditions=conditions)
    answer = post(aws, form)
    assert (answer.status, answer.code) == (201, "")
    assert b"<Key>in/customers.csv</Key>" in answer.body
    got = aws.client("s3").get_object(Bucket=bucket, Key="in/customers.csv")
    assert got["Body"].read() == BODY
    assert (got["ContentType"], got["Metadata"]) == ("text/csv", {"who": "ada"})
    assert answer.headers["x-amz-version-id"] == got["VersionId"]
    (message,) = aws.messages(url, 1)
    (record,) = message["Records"]
    assert record["eventName"] == "ObjectCreated:Post"
    assert record["userIdentity"]["principalId"] == "AWS:AIDALOCALOPERATOR0000"
    assert record["s3"]["object"]["versionId"] == got["VersionId"]


def test_a_form_says_where_to_go(aws: Account, bucket: str) -> None:
    assert post(aws, presigned_post(aws, bucket, "plain")).status == 204
    fields = {"success_action_redirect": "https://example.com/done?a=1"}
    form = presigned_post(aws, bucket, "redirect", Fields=fields, Conditions=[fields])
    answer = post(aws, form)
    assert answer.status == 303
    assert answer.headers["location"].startswith(
        f"https://example.com/done?a=1&bucket={bucket}&key=redirect&etag="
    )
    assert stored(aws, bucket) == ["plain", "redirect"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"key": "elsewhere/a"}, "AccessDenied"),
        ({"x-amz-meta-extra": "a"}, "AccessDenied"),
        ({"policy": base64(b"{}")}, "SignatureDoesNotMatch"),
        ({"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        ({"x-amz-signature": None}, "InvalidArgument"),
        ({"key": None}, "InvalidArgument"),
        ({"key": "in/" + "k" * 1022}, "KeyTooLongError"),
        (
            {"x-amz-credential": "AKIA" + 16 * "0" + "/20260101/us-east-1/s3/aws4_request"},
            "AuthorizationQueryParametersError",
        ),
        ({"signature": "c2ln", "AWSAccessKeyId": "AKIALOCALOPERATOR000"}, "InvalidRequest"),
        ({"policy": None, "x-amz-signature": None}, "AccessDenied"),
    ],
)
def test_a_form_that_was_changed_is_refused(
    aws: Account, bucket: str, fields: dict[str, str | None], code: str
) -> None:
    form = presigned_post(aws, bucket, "in/${filename}", Conditions=[["content-length-range", 1, 100]])
    changed = {**form["fields"], **fields}
    form["fields"] = {name: value for name, value in changed.items() if value is not None}
    assert post(aws, form).code == code
    assert stored(aws, bucket) == []


def test_a_forms_file_has_the_size_and_its_policy_the_time_it_says(aws: Account, bucket: str) -> None:
    limits: list[Any] = [["content-length-range", 5, 10]]
    form = presigned_post(aws, bucket, "key", Conditions=limits)
    assert post(aws, form, b"1234").code == "EntityTooSmall"
    assert post(aws, form, b"12345678901").code == "EntityTooLarge"
    assert b"Policy expired" in post(aws, presigned_post(aws, bucket, "key", ExpiresIn=-1)).body
    assert stored(aws, bucket) == []
    assert post(aws, form, b"1234567890").status == 204
    form["url"] += "-elsewhere"
    assert post(aws, form, b"1234567890").code == "AccessDenied"


def test_a_form_meets_the_buckets_policy(aws: Account, client: Client, bucket: str) -> None:
    deny(aws, bucket, "closed/")
    assert post(aws, presigned_post(aws, bucket, "closed/${filename}")).code == "AccessDenied"
    deny(aws, bucket, "", StringEquals={"s3:authType": "POST"})
    assert post(aws, presigned_post(aws, bucket, "open")).code == "AccessDenied"
    assert client.call("PUT", f"/{bucket}/open", BODY).status == 200
    urlencoded = client.raw("POST", f"/{bucket}", b"key=a", {"Content-Type": FORM})
    assert (urlencoded.status, urlencoded.code) == (412, "PreconditionFailed")
    assert stored(aws, bucket) == ["open"]


# Checksums.


@pytest.mark.parametrize("algorithm", CHECKSUMS)
@pytest.mark.parametrize("way", ["header", "trailer"])
def test_a_checksum_is_checked_kept_and_told(
    aws: Account, client: Client, bucket: str, algorithm: str, way: str
) -> None:
    header, path = f"x-amz-checksum-{algorithm.lower()}", f"/{bucket}/key"

    def put(body: bytes, value: str) -> Answer:
        if way == "header":
            return client.call("PUT", path, body, headers={header: value})
        headers = {
            "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": str(len(body)),
            "x-amz-trailer": header,
            "x-amz-sdk-checksum-algorithm": algorithm,
            "Content-Encoding": "aws-chunked",
        }
        request = client.sign("PUT", path, headers=headers)
        return client.raw("PUT", path, aws_chunked(body, (header, value)), dict(request.headers.items()))

    assert put(BODY + b"x", CHECKSUMS[algorithm]).code == "BadDigest"
    assert put(BODY, "bm9uZQ==").code == ("BadDigest" if algorithm.startswith("CRC32") else "InvalidRequest")
    assert put(BODY, "?").code == "InvalidRequest"
    assert stored(aws, bucket) == []
    answer = put(BODY, CHECKSUMS[algorithm])
    assert (answer.status, answer.headers[header]) == (200, CHECKSUMS[algorithm])
    head = client.call("HEAD", path, headers={"x-amz-checksum-mode": "ENABLED"})
    assert (head.headers[header], head.headers["x-amz-checksum-type"]) == (
        CHECKSUMS[algorithm],
        "FULL_OBJECT",
    )
    assert not [name for name in client.call("HEAD", path).headers if "checksum" in name]


def test_content_md5_is_checked(aws: Account, client: Client, bucket: str) -> None:
    path = f"/{bucket}/key"
    for value, code in (
        (CHECKSUMS["MD5"], "BadDigest"),
        ("bm9uZQ==", "InvalidDigest"),
        ("?", "InvalidDigest"),
    ):
        assert client.call("PUT", path, BODY + b"x", headers={"Content-MD5": value}).code == code
    assert client.call("PUT", path, BODY, headers={"Content-MD5": CHECKSUMS["MD5"]}).status == 200
    assert stored(aws, bucket) == ["key"]


def test_what_says_two_checksums_or_none_that_it_announces_is_refused(client: Client, bucket: str) -> None:
    path = f"/{bucket}/key"
    two = {f"x-amz-checksum-{name.lower()}": CHECKSUMS[name] for name in ("CRC32", "SHA256")}
    assert client.call("PUT", path, BODY, headers=two).code == "InvalidRequest"
    assert (
        client.call("PUT", path, BODY, headers={"x-amz-sdk-checksum-algorithm": "CRC32"}).code
        == "InvalidRequest"
    )
    assert client.call("PUT", path, BODY, headers={"x-amz-checksum-xxhash3": "AAAAAAAAAAA="}).status == 501
    headers = {
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(BODY)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    sent = dict(client.sign("PUT", path, headers=headers).headers.items())
    assert client.raw("PUT", path, aws_chunked(BODY), sent).code == "MalformedTrailerError"
    assert client.raw("PUT", path, aws_chunked(BODY[1:]), sent).code == "IncompleteBody"


def test_s3_adds_a_checksum_of_its_own(client: Client, bucket: str) -> None:
    answer = client.call("PUT", f"/{bucket}/key", BODY)
    assert answer.headers["x-amz-checksum-crc64nvme"] == CHECKSUMS["CRC64NVME"]
    copied = client.call("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"{bucket}/key"})
    assert CHECKSUMS["CRC64NVME"].encode() in copied.body


# Uploads in parts.


def upload(aws: Account, bucket: str, key: str, bodies: list[bytes], **options: Any) -> dict[str, Any]:
    """Upload in parts, and complete the upload with what S3 returned for each."""
    s3 = aws.client("s3")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    place = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
    algorithm = options.get("ChecksumAlgorithm")
    parts = []
    for number, body in enumerate(bodies, start=1):
        checksum = {f"Checksum{algorithm}": base64(ALGORITHMS[algorithm](body))} if algorithm else {}
        answer = s3.upload_part(**place, PartNumber=number, Body=body, **checksum)
        said = {
            name: value for name, value in answer.items() if name == "ETag" or name.startswith("Checksum")
        }
        parts.append({"PartNumber": number, **said})
    return {**place, "MultipartUpload": {"Parts": parts}}


BODIES = [b"a" * 5 * MIB, b"b" * 5 * MIB, b"c"]


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "FULL_OBJECT"),
        ("CRC32", "COMPOSITE"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
        (None, "FULL_OBJECT"),
    ],
)
def test_a_completed_upload_says_its_checksum(
    aws: Account, bucket: str, algorithm: str | None, kind: str
) -> None:
    s3 = aws.client("s3")
    asked = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind} if algorithm else {}
    answer = s3.complete_multipart_upload(**upload(aws, bucket, "key", BODIES, **asked))
    name = f"Checksum{algorithm or 'CRC64NVME'}"
    assert answer["ChecksumType"] == kind
    assert answer[name].endswith("-3") is (kind == "COMPOSITE")
    if kind == "FULL_OBJECT":
        assert answer[name] == base64(ALGORITHMS[name.removeprefix("Checksum")](b"".join(BODIES)))
    if algorithm == "SHA256":
        digests = b"".join(hashlib.sha256(body).digest() for body in BODIES)
        assert answer[name] == f"{base64(hashlib.sha256(digests).digest())}-3"
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (answer[name], kind)


def test_a_completion_names_what_was_uploaded(aws: Account, bucket: str) -> None:
    s3 = aws.client("s3")
    whole = upload(aws, bucket, "key", BODIES, ChecksumAlgorithm="SHA256")
    parts = whole["MultipartUpload"]["Parts"]

    def code(parts: list[dict[str, Any]], **more: Any) -> str:
        with pytest.raises(ClientError) as refused:
            s3.complete_multipart_upload(**{**whole, "MultipartUpload": {"Parts": parts}, **more})
        return str(refused.value.response["Error"]["Code"])

    assert code([parts[1], parts[0]]) == "InvalidPartOrder"
    assert code([parts[0], parts[0]]) == "InvalidPartOrder"
    assert code([{**parts[0], "ETag": parts[1]["ETag"]}]) == "InvalidPart"
    assert code([{**parts[0], "ChecksumSHA256": parts[1]["ChecksumSHA256"]}]) == "InvalidPart"
    assert code([{name: parts[0][name] for name in ("PartNumber", "ETag")}]) == "InvalidRequest"
    assert code([{**parts[0], "PartNumber": 4}]) == "InvalidPart"
    assert code([parts[2], {**parts[2], "PartNumber": 4}]) in {"InvalidPart", "EntityTooSmall"}
    assert code(parts, MpuObjectSize=1) == "InvalidRequest"
    assert code(parts, ChecksumSHA256=CHECKSUMS["SHA256"]) == "BadDigest"
    assert code(parts, Key="other") == "NoSuchUpload"
    assert stored(aws, bucket) == []
    s3.complete_multipart_upload(**whole, MpuObjectSize=sum(map(len, BODIES)))
    assert stored(aws, bucket) == ["key"]


def test_an_upload_is_of_its_own_key(aws: Account, bucket: str) -> None:
    """So that no policy is asked about one object while another is written."""
    deny(aws, bucket, "closed/", "s3:PutObject", Bool={"s3:ObjectCreationOperation": "true"})
    s3 = aws.client("s3")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="open")["UploadId"]
    place = {"Bucket": bucket, "Key": "other", "UploadId": upload_id}
    for call in (
        lambda: s3.upload_part(**place, PartNumber=1, Body=b"x"),
        lambda: s3.list_parts(**place),
        lambda: s3.abort_multipart_upload(**place),
    ):
        with pytest.raises(ClientError, match="NoSuchUpload"):
            call()
    answer = Client(aws).call("PUT", f"/{bucket}/open", b"x", uploadId=upload_id)
    assert answer.code == "InvalidArgument"  # neither a part nor an object
    assert stored(aws, bucket) == []


@pytest.mark.parametrize("number", ["0", "10001", "-1", "one"])
def test_parts_are_numbered_from_1_to_10000(client: Client, bucket: str, number: str) -> None:
    s3 = client.account.client("s3")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    answer = client.call("PUT", f"/{bucket}/key", b"x", partNumber=number, uploadId=upload_id)
    assert answer.code == "InvalidArgument"
    assert client.call("PUT", f"/{bucket}/key", b"x", partNumber="10000", uploadId=upload_id).status == 200


# Limits.


def test_what_s3_takes_at_most(aws: Account, client: Client, bucket: str) -> None:
    def put(key: str = "key", body: bytes = b"", **headers: str) -> str:
        return client.call("PUT", f"/{bucket}/{key}", body, headers=headers).code

    assert put("k" * 1024) == ""
    assert put("k" * 1025) == "KeyTooLongError"
    assert put("%C3%A9" * 513) == "KeyTooLongError"
    assert put(**{"x-amz-meta-a": "v" * 2047}) == ""
    assert put(**{"x-amz-meta-a": "v" * 2048}) == "MetadataTooLarge"
    assert put(**{"x-amz-meta-a": "v" * 1024, "x-amz-meta-b": "v" * 1023}) == "MetadataTooLarge"
    assert put(**{"Cache-Control": "v" * 8192}) == "RequestHeaderSectionTooLarge"
    assert put(**{"x-amz-tagging": "&".join(f"t{n}=v" for n in range(11))}) == "BadRequest"
    assert put(**{"x-amz-tagging": "aws:who=eve"}) == "InvalidTag"
    assert put(**{"If-None-Match": '"etag"'}) == "NotImplemented"
    too_large = client.sign("PUT", f"/{bucket}/large", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    too_large.headers["Content-Length"] = str(5 * 1024**3 + 1)
    assert client.send(too_large).code == "EntityTooLarge"
    assert stored(aws, bucket) == ["k" * 1024, "key"][::-1] or sorted(stored(aws, bucket)) == [
        "k" * 1024,
        "key",
    ]
    s3 = aws.client("s3")
    for call in (s3.put_object, s3.create_multipart_upload):
        with pytest.raises(ClientError, match="MetadataTooLarge"):
            call(Bucket=bucket, Key="key", Metadata={"a": "v" * 2048})
    with pytest.raises(ClientError, match="MetadataTooLarge"):
        s3.copy_object(
            Bucket=bucket,
            Key="copy",
            CopySource=f"{bucket}/key",
            Metadata={"a": "v" * 2048},
            MetadataDirective="REPLACE",
        )


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("PUT", {"versionId": "mine"}, "InvalidArgument"),
        ("PUT", {"acl": "", "tagging": ""}, "InvalidArgument"),
        ("PUT", {"partNumber": "1"}, "InvalidArgument"),
        ("POST", {}, "MethodNotAllowed"),
        ("PATCH", {}, "MethodNotAllowed"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused(
    aws: Account, client: Client, bucket: str, method: str, query: dict[str, str], code: str
) -> None:
    assert client.call(method, f"/{bucket}/key", b"", **query).code == code
    assert stored(aws, bucket) == []


def test_what_must_come_with_a_checksum_is_refused_without(aws: Account, client: Client, bucket: str) -> None:
    client.call("PUT", f"/{bucket}/key", b"")
    body = b"<Delete><Object><Key>key</Key></Object></Delete>"
    assert client.call("POST", f"/{bucket}", body, delete="").code == "InvalidRequest"
    md5 = base64(hashlib.md5(body, usedforsecurity=False).digest())
    assert client.call("POST", f"/{bucket}", body, delete="", headers={"Content-MD5": md5}).status == 200
    locked = aws.bucket(lock=True)
    aws.client("s3").put_object_lock_configuration(
        Bucket=locked,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    assert client.call("PUT", f"/{locked}/key", BODY).code == "InvalidRequest"
    headers = {"x-amz-checksum-sha256": CHECKSUMS["SHA256"]}
    assert client.call("PUT", f"/{locked}/key", BODY, headers=headers).status == 200


def test_a_body_that_is_cut_short_is_not_stored(
    aws: Account, client: Client, bucket: str, server: LocalAws
) -> None:
    target = client.presign("PUT", f"/{bucket}/key").removeprefix(aws.endpoint)
    where = urlsplit(aws.endpoint)
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 100\r\n\r\nhalf"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        assert b"IncompleteBody" in connection.makefile("rb").read()
    assert stored(aws, bucket) == []


# One reading of an address.


def test_however_a_request_is_addressed_its_bucket_decides(aws: Account, client: Client, bucket: str) -> None:
    deny(aws, bucket, "closed")
    port = urlsplit(aws.endpoint).port
    other = aws.bucket()
    for host in (
        f"{bucket}.localhost:{port}",
        f"{bucket}.s3.us-east-1.amazonaws.com",
        f"{bucket}.s3.amazonaws.com",
    ):
        virtual = Client(aws, host=host)
        assert virtual.call("PUT", "/closed", b"").code == "AccessDenied"
        assert virtual.call("PUT", f"/{other}/open", b"virtual").status == 200
        assert client.call("GET", f"/{bucket}/{other}/open").body == b"virtual"
        assert virtual.call("PUT", f"/closed/../{other}", b"").code == "AccessDenied"
    signed = dict(client.sign("PUT", f"/{bucket}/closed").headers.items())
    encoded = f"/{bucket}/%63losed", f"/{bucket[:-1]}%{ord(bucket[-1]):x}/closed"
    for target in (*encoded, f"{aws.endpoint}/{bucket}/closed", f"//{bucket}/closed"):
        assert client.raw("PUT", target, b"", signed).code in {"AccessDenied", "SignatureDoesNotMatch"}, (
            target
        )
        assert client.raw("PUT", target, b"").code == "AccessDenied"
    assert client.call("PUT", f"/{bucket}/%ff", b"").code == "InvalidURI"
    assert stored(aws, bucket) == [f"{other}/open"] * 3
    assert stored(aws, other) == []


def test_nobody_makes_or_lists_buckets_unsigned(aws: Account, client: Client) -> None:
    assert client.raw("GET", "/").code == "AccessDenied"
    assert client.raw("PUT", f"/{aws.name('bucket')}").code == "AccessDenied"


def test_another_services_name_opens_no_bucket(aws: Account, client: Client, bucket: str) -> None:
    express = "20260101/us-east-1/s3express/aws4_request"
    for headers in (
        {"Authorization": "AWS AKIALOCALOPERATOR000:c2ln"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": f"AWS4-HMAC-SHA256 Credential={client.access_key}/{express}"},
        {"X-Amz-Target": "AWSGlue.GetTables"},
        {"Content-Type": FORM},
    ):
        client.raw("PUT", f"/{bucket}/key", b"Action=AssumeRoleWithSAML", headers)
        client.raw("POST", f"/{bucket}", b"key=key&file=x", headers)
    assert stored(aws, bucket) == []


# Deletes of many.


def test_a_delete_of_many_is_asked_about_as_what_it_is(aws: Account, bucket: str) -> None:
    s3 = aws.client("s3")
    version = s3.put_object(Bucket=bucket, Key="kept", Body=b"")["VersionId"]
    deny(aws, bucket, "", "s3:DeleteObjectVersion")
    objects = [{"Key": "kept", "VersionId": version}, {"Key": "kept"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [(error["VersionId"], error["Code"]) for error in answer["Errors"]] == [(version, "AccessDenied")]
    assert [deleted["DeleteMarker"] for deleted in answer["Deleted"]] == [True]
    assert stored(aws, bucket) == ["kept"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects[1:], "Quiet": True})
    assert "Deleted" not in quiet
    with pytest.raises(ClientError, match="MalformedXML"):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})
