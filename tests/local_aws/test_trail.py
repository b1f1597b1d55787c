from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws
from tests.local_aws.account import ACCOUNT, Account, eventually
from tests.support.aws_cli import AWS_CLI

FILE = re.compile(
    r"AWSLogs/123456789012/CloudTrail/us-east-1/\d{4}/\d\d/\d\d/"
    r"123456789012_CloudTrail_us-east-1_\d{8}T\d{4}Z_[0-9A-Za-z]{16}\.json\.gz"
)
TLS = "TLS_AES_128_GCM_SHA256"


class Trail:
    """A trail that logs one bucket into another."""

    def __init__(self, account: Account, server: LocalAws, **more: Any) -> None:
        self.account, self._server = account, server
        self.bucket, self.log_bucket = account.bucket(), account.bucket()
        self.client = account.client("cloudtrail")
        self.name = account.name("trail")
        self.arn = self.client.create_trail(
            Name=self.name, S3BucketName=self.log_bucket, EnableLogFileValidation=True, **more
        )["TrailARN"]
        fields = {
            "eventCategory": {"Equals": ["Data"]},
            "resources.type": {"Equals": ["AWS::S3::Object"]},
            "resources.ARN": {"StartsWith": [f"arn:aws:s3:::{self.bucket}/"]},
        }
        selector = {"FieldSelectors": [{"Field": name, **test} for name, test in fields.items()]}
        self.client.put_event_selectors(TrailName=self.name, AdvancedEventSelectors=[selector])
        self.client.start_logging(Name=self.name)

    def flush(self, *, digest: bool = False) -> None:
        self._server.admin("trail/flush", digest=digest)

    def files(self, kind: str = "CloudTrail/") -> list[str]:
        listed = self.account.client("s3").list_objects_v2(Bucket=self.log_bucket).get("Contents", [])
        return [entry["Key"] for entry in listed if kind in entry["Key"]]

    def read(self, key: str) -> dict[str, Any]:
        body = self.account.client("s3").get_object(Bucket=self.log_bucket, Key=key)["Body"].read()
        return dict(json.loads(gzip.decompress(body)))

    def records(self) -> list[dict[str, Any]]:
        self.flush()
        found = [record for key in self.files() for record in self.read(key)["Records"]]
        return sorted(found, key=lambda record: record["eventTime"])

    def only(self) -> dict[str, Any]:
        [record] = self.records()
        return record


@pytest.fixture
def trail(aws: Account, server: LocalAws) -> Iterator[Trail]:
    yield Trail(aws, server)
    # A trail that goes on would tell of what other tests do.
    cloudtrail = aws.client("cloudtrail")
    for each in cloudtrail.describe_trails()["trailList"]:
        cloudtrail.delete_trail(Name=each["TrailARN"])


def test_a_put_is_recorded_as_cloudtrail_records_it(trail: Trail) -> None:
    put = trail.account.client("s3").put_object(Bucket=trail.bucket, Key="incoming/a b+c%é", Body=b"12345")
    record = trail.only()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", record.pop("eventID"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.pop("eventTime"))
    assert re.fullmatch(r"\[Boto3/.*\]", record.pop("userAgent"))
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDALOCALOPERATOR0000",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/operator",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIALOCALOPERATOR000",
            "userName": "operator",
        },
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "127.0.0.1",
        "requestParameters": {
            "bucketName": trail.bucket,
            "Host": f"{trail.bucket}.s3.us-east-1.amazonaws.com",
            "key": "incoming/a b+c%é",
        },
        "responseElements": {"x-amz-version-id": put["VersionId"]},
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": TLS,
            "bytesTransferredIn": 5,
            "bytesTransferredOut": 0,
            "AuthenticationMethod": "AuthHeader",
            "SSEApplied": "Default_SSE_S3",
            "x-amz-id-2": put["ResponseMetadata"]["HostId"],
        },
        "requestID": put["ResponseMetadata"]["RequestId"],
        "readOnly": False,
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{trail.bucket}/incoming/a b+c%é"},
            {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{trail.bucket}"},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": TLS,
            "clientProvidedHostHeader": f"{trail.bucket}.s3.us-east-1.amazonaws.com",
        },
    }


def test_every_operation_has_its_record(trail: Trail) -> None:
    s3, bucket = trail.account.client("s3"), trail.bucket
    key = trail.account.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
            ]
        },
    )
    put = s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.get_object(Bucket=bucket, Key="a", VersionId=put["VersionId"])["Body"].read()
    s3.head_object(Bucket=bucket, Key="a")
    s3.list_objects_v2(Bucket=bucket, Prefix="x/")
    copy = s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="c", UploadId=upload, PartNumber=1, Body=b"123")
    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="c",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    gone = s3.delete_object(Bucket=bucket, Key="b")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}]})
    records = {record["eventName"]: record for record in trail.records()}
    assert records.keys() == {
        "PutObject",
        "GetObject",
        "HeadObject",
        "ListObjects",
        "CopyObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
    }
    assert records["PutObject"]["additionalEventData"]["SSEApplied"] == "Default_SSE_KMS"
    assert records["PutObject"]["responseElements"] == {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": key,
        "x-amz-server-side-encryption-bucket-key-enabled": "false",
        "x-amz-version-id": put["VersionId"],
    }
    for name in ("GetObject", "HeadObject", "ListObjects"):
        assert records[name]["readOnly"] is True
        assert records[name]["responseElements"] is None
    assert records["GetObject"]["requestParameters"]["versionId"] == put["VersionId"]
    assert records["GetObject"]["additionalEventData"]["bytesTransferredOut"] == 1
    assert records["ListObjects"]["requestParameters"]["list-type"] == "2"
    assert records["ListObjects"]["resources"][0] == {
        "type": "AWS::S3::Object",
        "ARNPrefix": f"arn:aws:s3:::{bucket}/x/",
    }
    copied = records["CopyObject"]
    assert copied["requestParameters"]["x-amz-copy-source"] == f"{bucket}/a"
    assert copied["responseElements"]["x-amz-version-id"] == copy["VersionId"]
    assert copied["additionalEventData"]["bytesTransferredIn"] == 0
    assert [r["ARN"] for r in copied["resources"]] == [
        f"arn:aws:s3:::{bucket}/b",
        f"arn:aws:s3:::{bucket}",
        f"arn:aws:s3:::{bucket}/a",
    ]
    assert records["UploadPart"]["requestParameters"]["uploadId"] == upload
    assert records["UploadPart"]["additionalEventData"]["bytesTransferredIn"] == 3
    completed = records["CompleteMultipartUpload"]
    assert completed["requestParameters"]["uploadId"] == upload
    assert completed["responseElements"]["x-amz-version-id"] == done["VersionId"]
    assert records["DeleteObject"]["responseElements"] == {
        "x-amz-delete-marker": "true",
        "x-amz-version-id": gone["VersionId"],
    }
    assert "key" not in records["DeleteObjects"]["requestParameters"]
    assert all(record["eventCategory"] == "Data" for record in records.values())


def test_what_was_refused_is_recorded_too(trail: Trail) -> None:
    s3, bucket = trail.account.client("s3"), trail.bucket
    policy = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [policy]}))
    with pytest.raises(ClientError):
        s3.delete_object(Bucket=bucket, Key="kept")
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="absent")
    s3.put_object(Bucket=bucket, Key="once", Body=b"", IfNoneMatch="*")
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="once", Body=b"", IfNoneMatch="*")
    errors = {(record["eventName"], record.get("errorCode")): record for record in trail.records()}
    assert errors.keys() == {
        ("DeleteObject", "AccessDenied"),
        ("HeadObject", "NoSuchKey"),
        ("PutObject", None),
        ("PutObject", "PreconditionFailed"),
    }
    denied = errors["DeleteObject", "AccessDenied"]
    assert "with an explicit deny in a resource-based policy" in denied["errorMessage"]
    assert denied["responseElements"] is None


def test_a_session_is_told_with_its_role(trail: Trail) -> None:
    account = trail.account
    name = account.name("role")
    role = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]
    session = account.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="ana@example.com")
    s3 = Account(account.endpoint, session["Credentials"]).client("s3")
    s3.put_object(Bucket=trail.bucket, Key="k", Body=b"")
    identity = trail.only()["userIdentity"]
    created = identity["sessionContext"]["attributes"].pop("creationDate")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created)
    assert identity == {
        "type": "AssumedRole",
        "principalId": f"{role['RoleId']}:ana@example.com",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/ana@example.com",
        "accountId": ACCOUNT,
        "accessKeyId": session["Credentials"]["AccessKeyId"],
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role["RoleId"],
                "arn": role["Arn"],
                "accountId": ACCOUNT,
                "userName": name,
            },
            "attributes": {"mfaAuthenticated": "false"},
        },
    }


def test_a_presigned_upload_keeps_no_secret(trail: Trail) -> None:
    s3 = trail.account.client("s3", signature_version="s3v4")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": trail.bucket, "Key": "up"})
    assert requests.put(url, data=b"12", timeout=10).ok
    record = trail.only()
    assert record["additionalEventData"]["AuthenticationMethod"] == "QueryString"
    assert not {"X-Amz-Signature", "Signature", "AWSAccessKeyId"} & record["requestParameters"].keys()


def test_an_anonymous_attempt_has_no_name(trail: Trail) -> None:
    assert requests.get(f"{trail.account.endpoint}/{trail.bucket}/k", timeout=10).status_code == 403
    record = trail.only()
    assert record["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": "",
        "accountId": "ANONYMOUS_PRINCIPAL",
    }
    assert record["errorCode"] == "AccessDenied"


def test_a_browsers_form_is_a_post_object(trail: Trail) -> None:
    files = {"file": ("name.txt", b"bytes")}
    trail.account.client("s3").put_bucket_policy(
        Bucket=trail.bucket,
        Policy=json.dumps(
            {
                "Statement": {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "s3:PutObject",
                    "Resource": "*",
                }
            }
        ),
    )
    requests.post(
        f"{trail.account.endpoint}/{trail.bucket}", data={"key": "form"}, files=files, timeout=10
    ).raise_for_status()
    record = trail.only()
    assert (record["eventName"], record["requestParameters"]["key"]) == ("PostObject", "form")


def test_a_file_comes_unasked_where_cloudtrail_puts_it(aws: Account, server: LocalAws) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    trail = Trail(aws, server, KmsKeyId=key)
    aws.client("s3").put_object(Bucket=trail.bucket, Key="k", Body=b"")
    eventually(trail.files)
    [name] = trail.files()
    assert FILE.fullmatch(name)
    stored = aws.client("s3").head_object(Bucket=trail.log_bucket, Key=name)
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", key)
    assert (stored["ContentType"], stored["ContentEncoding"]) == ("application/json", "gzip")
    assert list(trail.read(name)) == ["Records"]


def test_only_a_trail_that_logs_and_selects_gets_records(aws: Account, server: LocalAws) -> None:
    s3 = aws.client("s3")
    stopped, other = Trail(aws, server), Trail(aws, server, S3KeyPrefix="prefix")
    stopped.client.stop_logging(Name=stopped.name)
    s3.put_object(Bucket=stopped.bucket, Key="k", Body=b"")
    s3.put_object(Bucket=other.bucket, Key="k", Body=b"")
    stopped.flush()
    assert stopped.files() == []
    [name] = other.files()
    assert name.startswith("prefix/AWSLogs/")
    # Its own files are read through the API, but no trail selects that bucket.
    assert len(other.records()) == 1


def test_a_trail_of_the_organization_has_its_folder_above_the_accounts(
    aws: Account, server: LocalAws
) -> None:
    organization = aws.client("organizations").create_organization()["Organization"]["Id"]
    trail = Trail(aws, server, IsOrganizationTrail=True, S3KeyPrefix="prefix")
    aws.client("s3").put_object(Bucket=trail.bucket, Key="k", Body=b"")
    trail.flush(digest=True)
    account = f"prefix/AWSLogs/{organization}/123456789012"
    assert [name.startswith(f"{account}/CloudTrail/us-east-1/") for name in trail.files()] == [True]
    [digest] = trail.files("CloudTrail-Digest/")
    assert digest.startswith(f"{account}/CloudTrail-Digest/us-east-1/")
    assert [file["s3Object"] for file in trail.read(digest)["logFiles"]] == trail.files()


def test_retention_covers_the_files(aws: Account, server: LocalAws) -> None:
    trail = Trail(aws, server)
    trail.log_bucket = aws.bucket(lock=True)
    s3 = aws.client("s3")
    s3.put_object_lock_configuration(
        Bucket=trail.log_bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    trail.client.update_trail(Name=trail.name, S3BucketName=trail.log_bucket)
    s3.put_object(Bucket=trail.bucket, Key="k", Body=b"")
    trail.flush(digest=True)
    versions = s3.list_object_versions(Bucket=trail.log_bucket)["Versions"]
    assert len(versions) == 2
    for version in versions:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=trail.log_bucket, Key=version["Key"], VersionId=version["VersionId"])


def test_digests_name_their_files_and_the_digest_before(trail: Trail) -> None:
    s3 = trail.account.client("s3")
    for _ in range(2):
        s3.put_object(Bucket=trail.bucket, Key="k", Body=b"")
        trail.flush(digest=True)
    first_key, second_key = trail.files("CloudTrail-Digest/")
    first, second = trail.read(first_key), trail.read(second_key)
    assert first["previousDigestS3Object"] is None
    assert first["previousDigestSignature"] is None
    assert second["previousDigestS3Object"] == first_key == first["digestS3Object"]
    head = s3.head_object(Bucket=trail.log_bucket, Key=first_key)
    assert second["previousDigestSignature"] == head["Metadata"]["signature"]
    raw = gzip.decompress(s3.get_object(Bucket=trail.log_bucket, Key=first_key)["Body"].read())
    assert second["previousDigestHashValue"] == hashlib.sha256(raw).hexdigest()
    assert second["digestStartTime"] == first["digestEndTime"]
    assert head["Metadata"]["signature-algorithm"] == first["digestSignatureAlgorithm"] == "SHA256withRSA"
    named = [file["s3Object"] for digest in (first, second) for file in digest["logFiles"]]
    assert sorted(named) == sorted(trail.files())
    keys = trail.client.list_public_keys()["PublicKeyList"]
    assert first["digestPublicKeyFingerprint"] in [key["Fingerprint"] for key in keys]
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert trail.client.list_public_keys(StartTime=long_ago, EndTime=long_ago)["PublicKeyList"] == []


def test_a_trail_made_anew_begins_a_new_chain(trail: Trail, aws: Account) -> None:
    trail.flush(digest=True)
    trail.client.delete_trail(Name=trail.name)
    trail.client.create_trail(Name=trail.name, S3BucketName=trail.log_bucket, EnableLogFileValidation=True)
    trail.client.start_logging(Name=trail.name)
    time.sleep(2)  # Digests are named by the second, and none is shorter than one.
    trail.flush(digest=True)
    _, anew = trail.files("CloudTrail-Digest/")
    assert trail.read(anew)["previousDigestS3Object"] is None


def validate_logs(trail: Trail, server: LocalAws) -> subprocess.CompletedProcess[str]:
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    return subprocess.run(
        [
            *AWS_CLI,
            "cloudtrail",
            "validate-logs",
            "--trail-arn",
            trail.arn,
            "--start-time",
            since,
            "--verbose",
        ],
        env={**os.environ, **server.environ()},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_aws_cli_validates_them_and_sees_a_changed_file(trail: Trail, server: LocalAws) -> None:
    s3 = trail.account.client("s3")
    for key in ("a", "b"):
        s3.put_object(Bucket=trail.bucket, Key=key, Body=b"")
        trail.flush(digest=True)
    sound = validate_logs(trail, server)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "2/2 digest files valid" in sound.stdout
    assert "2/2 log files valid" in sound.stdout

    server.admin("tamper", action="flip_byte", bucket=trail.log_bucket, key=trail.files()[0], offset=60)
    changed = validate_logs(trail, server)
    assert changed.returncode == 1
    assert "1/2 log files valid, 1/2 log files INVALID" in changed.stdout

    first = trail.files("CloudTrail-Digest/")[0]
    server.admin("tamper", action="delete", bucket=trail.log_bucket, key=first)
    missing = validate_logs(trail, server)
    assert missing.returncode == 1
    assert f"{first}\tINVALID: not found" in missing.stderr


def test_the_key_outlives_the_server(tmp_path: Path) -> None:
    fingerprints = []
    for _ in range(2):
        with LocalAws(tmp_path) as aws:
            [key] = Account(aws.endpoint).client("cloudtrail").list_public_keys()["PublicKeyList"]
            fingerprints.append(key["Fingerprint"])
    assert fingerprints[0] == fingerprints[1]
    assert (tmp_path / "trail-digest-key.pem").stat().st_mode & 0o077 == 0
