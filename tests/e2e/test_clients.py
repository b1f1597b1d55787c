"""Third-party clients of S3 and Athena: what works on AWS works here, and what AWS denies is denied.

Each uploads as a producer with its own name; every upload gets its receipt and a ``verified`` row with that
name. All calls of a client are read from the trail and evaluated with the policies of the deployment, which
the local AWS does not enforce: ``docs/clients.md`` has the results.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

from custody.evidence.objects import ObjectVersion
from scripts.access.evaluate import evaluate
from scripts.access.matrix import Matrix, Row, Topic
from scripts.access.world import World
from scripts.demo.pipeline import Pipeline
from scripts.toolchain import node
from scripts.toolchain.setup import CLIENTS, set_up_clients
from scripts.toolchain.toolchain import REPO
from tests.e2e.conftest import Made
from tests.support.aws_cli import AWS_CLI
from tests.support.tls_front import tls_front

pytestmark = pytest.mark.xdist_group("pipeline")

HERE = Path(__file__).parent / "clients"
PAGE = REPO / "docs" / "clients.md"
BODIES = {"small.csv": b"customer_id\nC00001\n", "large.csv": b"0123456789abcde\n" * (640 * 1024)}
AT_ONCE = 4
ACTIONS = {
    "AbortMultipartUpload": {"s3:AbortMultipartUpload"},
    "CompleteMultipartUpload": {"s3:PutObject"},
    "CopyObject": {"s3:PutObject", "s3:GetObject"},
    "CreateBucket": {"s3:CreateBucket"},
    "CreateMultipartUpload": {"s3:PutObject"},
    "GetObject": {"s3:GetObject"},
    "HeadBucket": {"s3:ListBucket"},
    "HeadObject": {"s3:GetObject"},
    "ListMultipartUploads": {"s3:ListBucketMultipartUploads"},
    "ListObjects": {"s3:ListBucket"},
    "PostObject": {"s3:PutObject"},
    "PutObject": {"s3:PutObject"},
    "UploadPart": {"s3:PutObject"},
}
"""The IAM action of an event in the trail."""
PYTHON = (
    "boto3",
    "boto3[crt]",
    "rclone",
    "rclone, as it comes",
    "s3fs, open",
    "s3fs, pipe_file",
    "s3fs, put",
    "s3fs, put_file",
    "s3cmd put",
    "obstore",
    "minio",
)
CLI = ("aws s3 cp", "aws s3api put-object", "aws s3 sync")
OTHER = ("curl --aws-sigv4", "curl, presigned URL", "curl, form", "JavaScript SDK v3")
NAMES = (*PYTHON, *CLI, *OTHER)
ENCRYPTING = [name for name in NAMES if name != "rclone, as it comes"]
"""Those that can be told to encrypt otherwise than the bucket takes."""

Done = subprocess.CompletedProcess[str]


def session_of(client: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", client.lower()).strip("-")


def key_of(client: str, name: str) -> str:
    return f"incoming/clients/{session_of(client)}/{name}"


@dataclass
class Uploads:
    """Who uploaded what, and how."""

    pipeline: Pipeline
    tls: dict[str, str]
    folder: Path
    taken: dict[str, list[Done]] = field(default_factory=dict)
    """How the uploads of ``BODIES`` ended, by client."""
    refused: dict[str, Done] = field(default_factory=dict)
    """How the upload of what the bucket refuses ended, by client."""
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """The ledger's rows, by key."""
    _boto3: Lock = field(default_factory=Lock)
    """Its default session is for one thread at a time."""

    @property
    def bucket(self) -> str:
        return self.pipeline.deployment.buckets["raw-data"]

    def environ(self, client: str) -> dict[str, str]:
        environ = self.pipeline.environ(role="people-producer", session=session_of(client))
        return {**environ, "CLIENTS": str(node.CLIENTS), **(self.tls if client == "boto3[crt]" else {})}

    def upload_all(self, client: str) -> None:
        """Have the client upload every file, and then one that the bucket refuses."""
        self.taken[client] = [self._upload(client, name, body) for name, body in BODIES.items()]
        if client in ENCRYPTING:
            self.refused[client] = self._upload(client, "refused.csv", b"x", "AES256")

    def _upload(self, client: str, name: str, body: bytes, encryption: str = "") -> Done:
        file = self.folder / session_of(client) / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(body)
        with self._boto3:
            command, environ = self._command(client, name, file, encryption), self.environ(client)
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)

    def _command(self, client: str, name: str, file: Path, encryption: str) -> list[str]:
        key = key_of(client, name)
        place = [self.bucket, key, str(file), *([encryption] if encryption else [])]
        if client in PYTHON:
            return [str(CLIENTS / "bin" / "python"), str(HERE / "upload.py"), client, *place]
        sse = ["--sse", encryption] if encryption else []
        match client:
            case "JavaScript SDK v3":
                found = node.on_path() or node.in_wheel()
                assert found is not None
                return [str(found.program), str(HERE / "upload.mjs"), *place]
            case "aws s3 cp":
                return [*AWS_CLI, "s3", "cp", "--no-progress", *sse, str(file), f"s3://{self.bucket}/{key}"]
            case "aws s3 sync":
                to = f"s3://{self.bucket}/{key.rpartition('/')[0]}/"
                return [*AWS_CLI, "s3", "sync", "--no-progress", *sse, str(file.parent), to]
            case "aws s3api put-object":
                encrypted = ["--server-side-encryption", encryption] if encryption else []
                where = ["--bucket", self.bucket, "--key", key, "--body", str(file)]
                return [*AWS_CLI, "s3api", "put-object", *where, *encrypted]
            case "curl --aws-sigv4":
                environ = self.environ(client)
                sent = [
                    f"x-amz-content-sha256: {sha256(file.read_bytes()).hexdigest()}",
                    f"x-amz-security-token: {environ['AWS_SESSION_TOKEN']}",
                    *([f"x-amz-server-side-encryption: {encryption}"] if encryption else []),
                ]
                headers = [word for header in sent for word in ("-H", header)]
                keys = f"{environ['AWS_ACCESS_KEY_ID']}:{environ['AWS_SECRET_ACCESS_KEY']}"
                signed = ["--aws-sigv4", f"aws:amz:{environ['AWS_REGION']}:s3", "--user", keys]
                return [*_CURL, *signed, *headers, "-T", str(file), self.url(key)]
            case "curl, presigned URL":
                more = {"ServerSideEncryption": encryption} if encryption else {}
                url = self.signer(client).generate_presigned_url(
                    "put_object", Params={"Bucket": self.bucket, "Key": key, **more}
                )
                headers = ["-H", f"x-amz-server-side-encryption: {encryption}"] if encryption else []
                return [*_CURL, "-X", "PUT", *headers, "--data-binary", f"@{file}", url]
            case _:
                more = {"x-amz-server-side-encryption": encryption} if encryption else {}
                form = self.signer(client).generate_presigned_post(
                    self.bucket, key, Fields=dict(more), Conditions=[dict(more)] if more else []
                )
                fields = [
                    part for name, value in form["fields"].items() for part in ("-F", f"{name}={value}")
                ]
                return [*_CURL, *fields, "-F", f"file=@{file}", form["url"]]

    def url(self, key: str) -> str:
        return f"{self.pipeline.aws.endpoint}/{self.bucket}/{key}"

    def signer(self, client: str, version: str = "s3v4") -> Any:
        """The signing client. boto3 signs URLs with version 2 in us-east-1 by default."""
        environ = self.environ(client)
        return boto3.client(
            "s3",
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            region_name=environ["AWS_REGION"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environ["AWS_SESSION_TOKEN"],
            config=Config(signature_version=version),
        )


_CURL = ["curl", "--silent", "--show-error", "--fail-with-body"]


@pytest.fixture(scope="module")
def uploads(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    """Every client has uploaded, several at once; receipts, trail and the ledger's answer are there."""
    set_up_clients()
    folder = tmp_path_factory.mktemp("clients")
    with tls_front(pipeline.aws.endpoint, folder) as (endpoint, certificate):
        done = Uploads(pipeline, {"AWS_ENDPOINT_URL": endpoint, "AWS_CA_BUNDLE": str(certificate)}, folder)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(done.upload_all, NAMES))
        pipeline.await_receipts(versions(done))
        pipeline.deliver_trail()
        ledger = pipeline.custody("ledger", "--format", "json")
        assert ledger.returncode == 0, ledger.stderr
        for row in json.loads(ledger.stdout)["rows"]:
            done.rows[row["object_key"]].append(row)
        yield done


def versions(uploads: Uploads) -> list[ObjectVersion]:
    s3 = uploads.pipeline.client("s3")
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=uploads.bucket, Prefix="incoming/clients/"
    )
    found = [entry for page in pages for entry in page.get("Versions", ())]
    return [ObjectVersion(uploads.bucket, entry["Key"], entry["VersionId"]) for entry in found]


@pytest.mark.parametrize("client", NAMES)
def test_what_a_client_uploads_is_verified_and_says_who(uploads: Uploads, client: str) -> None:
    for outcome in uploads.taken[client]:
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    for name, body in BODIES.items():
        key = key_of(client, name)
        got = uploads.pipeline.client("s3").get_object(Bucket=uploads.bucket, Key=key)
        assert got["Body"].read() == body
        (row,) = uploads.rows[key]
        assert (row["status"], row["user_name"]) == ("verified", session_of(client))
        assert (row["version_id"], row["size_bytes"]) == (got["VersionId"], len(body))


@pytest.mark.parametrize("client", ENCRYPTING)
def test_what_the_bucket_refuses_no_client_uploads(uploads: Uploads, client: str) -> None:
    outcome = uploads.refused[client]
    assert outcome.returncode != 0
    assert "AccessDenied" in outcome.stdout + outcome.stderr or "403" in outcome.stdout + outcome.stderr


def test_what_is_refused_leaves_nothing(uploads: Uploads) -> None:
    assert Counter(version.key for version in versions(uploads)) == Counter(
        key_of(client, name) for client in NAMES for name in BODIES
    )


def test_no_presigned_url_and_no_checksum_is_bent(uploads: Uploads) -> None:
    before = versions(uploads)
    s3 = uploads.signer("curl, presigned URL")
    url = s3.generate_presigned_url(
        "put_object", Params={"Bucket": uploads.bucket, "Key": "incoming/clients/a"}
    )
    assert requests.put(url.replace("clients/a?", "clients/b?"), data=b"x", timeout=30).status_code == 403
    assert requests.put(url, data=b"x", headers={"x-amz-acl": "public-read"}, timeout=30).status_code == 403
    old = uploads.signer("curl, presigned URL", "s3").generate_presigned_url(
        "put_object", Params={"Bucket": uploads.bucket, "Key": "incoming/clients/a"}
    )
    assert b"AWS4-HMAC-SHA256" in requests.put(old, data=b"x", timeout=30).content
    wrong = subprocess.run(
        [
            *(*AWS_CLI, "s3api", "put-object", "--bucket", uploads.bucket, "--key", "incoming/clients/a"),
            *("--checksum-sha256", b64encode(sha256(b"").digest()).decode()),
            *("--body", str(uploads.folder / "aws-s3-cp" / "small.csv")),
        ],
        env=uploads.environ("aws s3api put-object"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BadDigest" in wrong.stderr
    assert versions(uploads) == before


def calls_of(uploads: Uploads) -> dict[str, set[str]]:
    """The calls of the clients in the trail, by IAM action."""
    s3, bucket = uploads.pipeline.client("s3"), uploads.pipeline.deployment.buckets["cloudtrail-log"]
    clients = {session_of(client): client for client in NAMES}
    calls: dict[str, set[str]] = {client: set() for client in NAMES}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="AWSLogs/")
    for key in (entry["Key"] for page in pages for entry in page.get("Contents", ())):
        if "/CloudTrail/" not in key:
            continue
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        for record in json.loads(gzip.decompress(body))["Records"]:
            who = record["userIdentity"].get("principalId", "").rpartition(":")[2]
            if who in clients:
                calls[clients[who]] |= ACTIONS[record["eventName"]]
    return calls


def test_the_page_says_which_clients_call_more_than_a_producer_may(uploads: Uploads) -> None:
    calls = calls_of(uploads)
    asked = {action for actions in calls.values() for action in actions}
    rows = [
        Row("allow", "people/producer", action, _resource(action), (), {}, "it was called")
        for action in sorted(asked)
    ]
    matrix = Matrix((Topic("", "", tuple(rows)),), {})
    outcomes = evaluate(matrix, World(uploads.pipeline.terraform.show_json()))
    assert all(outcome.answer.decision for outcome in outcomes)
    refused = {outcome.row.action for outcome in outcomes if not outcome.holds}
    found = {client: sorted(actions & refused) for client, actions in calls.items()}
    told = {
        name: re.findall(r"`(s3:\w+)`", more)
        for name, more in re.findall(
            r"^\| ([^|]+?) \| (?:yes|no) \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE
        )
    }
    assert {name: told.get(name) for name in found} == found


def _resource(action: str) -> str:
    return "raw-data" if "Bucket" in action else "raw-data/incoming/a.csv"


def test_an_analyst_asks_with_pyathena_and_reads_no_file_of_results(uploads: Uploads, made: Made) -> None:
    """The cursors that fetch the result's file themselves are refused by the analyst's own policy."""
    deployment = uploads.pipeline.deployment
    assert made
    done = subprocess.run(
        [
            *(str(CLIENTS / "bin" / "python"), str(HERE / "query.py")),
            *(deployment.database, deployment.workgroup, "SELECT count(*) AS days FROM daily_engagement"),
        ],
        env=uploads.pipeline.environ(role="people-analyst", session="grace"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(json.loads(done.stdout)[0]["days"]) > 0
    row = Row("deny", "people/analyst", "s3:GetObject", "athena-results/results/q.csv", (), {}, "by design")
    (outcome,) = evaluate(Matrix((Topic("", "", (row,)),), {}), World(uploads.pipeline.terraform.show_json()))
    assert outcome.holds, str(outcome)
