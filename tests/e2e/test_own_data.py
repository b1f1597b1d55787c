"""A deployment's life: without data sets, with a stranger's, a contract changed, keys rotated, destroyed.

A bucket that was there before is adopted meanwhile, and stays as it was. A network comes and goes; evidence
is locked for longer, and then for shorter.

The data sets are the README's, elsewhere, and of other domains. Of the generated domains there are samples
alone: their contracts are as ``make new-table`` writes them. Each test goes on after the one before.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from custody.evidence.objects import RECEIPT_PREFIX, ObjectVersion, parse_s3_uri
from custody.times import format_time
from examples.minimal.generate import HEADER
from scripts.demo.dataset import Truth, deliveries
from scripts.demo.lake import Lake
from scripts.demo.pipeline import POLL_SECONDS, Pipeline, apply
from scripts.local_aws.account import ACCOUNT_ID, OTHER_ACCESS_KEY, OTHER_ACCOUNT_ID, OTHER_SECRET_KEY, REGION
from scripts.local_aws.launch import LocalAws
from scripts.terraform import SOURCE, serverless_environ, working_root
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import BUILD, LOCK_FILE, REPO, ToolError, lock_file, terraform_program
from tests.docs.test_own_data import own_data
from tests.support.domains import SHAPES, Domain, domain

pytestmark = pytest.mark.xdist_group("own data")

EPOCH = "2025-01-01T00:00:00Z"
NETWORK = {"azs": ["us-east-1a", "us-east-1b"], "cidr": "10.20.0.0/16"}
LOCAL_RETENTION = {"key_window_days": 7, "log_days": 365, "noncurrent_days": 7}
READER = f"arn:aws:iam::{OTHER_ACCOUNT_ID}:role/reader"
COPY = f"""
provider "aws" {{
  region              = "{REGION}"
  allowed_account_ids = ["{OTHER_ACCOUNT_ID}"]
  access_key          = "{OTHER_ACCESS_KEY}"
  secret_key          = "{OTHER_SECRET_KEY}"
}}

module "evidence_copy" {{
  source            = "./modules/evidence_copy"
  account_id        = "{OTHER_ACCOUNT_ID}"
  name              = "custody-local-copy"
  retention         = {{ days = 1, mode = "GOVERNANCE" }}
  source_account_id = "{ACCOUNT_ID}"
  source_prefix     = "custody-local"
  readers           = ["arn:aws:iam::{ACCOUNT_ID}:role/custody-local-people-auditor", "{READER}"]
}}

output "evidence_copy" {{
  value = module.evidence_copy.evidence_copy
}}
"""
"""The root of docs/second_copy.md, on this machine."""


class Archive:
    """A bucket that somebody has, with an object and notifications of its own, adopted from now on."""

    name = "archive-of-somebody"

    def __init__(self, pipeline: Pipeline) -> None:
        self._s3 = pipeline.client("s3")
        sqs = pipeline.client("sqs")
        url = sqs.create_queue(QueueName="queue-of-somebody")["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = queue["Attributes"]["QueueArn"]
        self._s3.create_bucket(Bucket=self.name)
        self._s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self._s3.put_bucket_notification_configuration(
            Bucket=self.name,
            NotificationConfiguration={
                "QueueConfigurations": [{"Id": "own", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}],
                "EventBridgeConfiguration": {},
            },
        )
        self._configuration = self._notifications()
        self.older = self.put(self._s3, "letters/older.txt")
        self.adopted = {
            "archive": {
                "bucket": self.name,
                "prefixes": ["letters/"],
                "since": format_time(datetime.now(UTC)),
            }
        }

    def must_be_as_it_was(self) -> None:
        assert self._notifications() == self._configuration

    def _notifications(self) -> dict[str, Any]:
        found = self._s3.get_bucket_notification_configuration(Bucket=self.name)
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}

    def put(self, s3: Any, key: str) -> ObjectVersion:
        return ObjectVersion(
            self.name, key, s3.put_object(Bucket=self.name, Key=key, Body=key.encode())["VersionId"]
        )


def second_copy(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """Make the copy's bucket in the other account, as its administrator does; the deployment's input."""
    (folder / "main.tf").write_text(COPY)
    (folder / "modules").symlink_to(SOURCE / "modules")
    shutil.copy(lock_file(), folder / LOCK_FILE.name)
    for words in (
        ("init", "-input=false"),
        ("apply", "-auto-approve", "-input=false"),
        ("output", "-json", "evidence_copy"),
    ):
        done = subprocess.run(
            [terraform_program(), *words, "-no-color"],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    made: dict[str, str] = json.loads(done.stdout)
    return made


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> list[Domain]:
    folder = tmp_path_factory.mktemp("domains")
    return [domain(number, folder) for number in range(len(SHAPES))]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A deployment without data sets, whose evidence has a second copy."""
    work_dir = BUILD / "test" / "own-data"
    shutil.rmtree(work_dir, ignore_errors=True)
    with (
        LocalAws(work_dir / "aws") as aws,
        served_provider(serverless_environ() | aws.environ(), working_root(work_dir)) as environ,
    ):
        copy = second_copy(tmp_path_factory.mktemp("copy"), environ)
        variables = {"datasets": [], "evidence_copy": copy}
        yield apply(aws, work_dir, lambda _: None, variables, environ)


@pytest.fixture(scope="module")
def letter(evidence: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> ObjectVersion:
    """A file that the first key's receipt is about."""
    file = tmp_path_factory.mktemp("letter") / "letter.txt"
    file.write_text("Dear auditor")
    bucket = evidence.deployment.buckets["raw-data"]
    place = f"s3://{bucket}/incoming/letters/"
    who = {"role": "people-producer", "session": "alice@example.com"}
    done = evidence.custody("upload", str(file), "--to", place, "--wait", **who)
    assert done.returncode == 0, done.stderr
    evidence.deliver_trail()
    (stored,) = evidence.client("s3").list_object_versions(Bucket=bucket)["Versions"]
    return ObjectVersion(bucket, stored["Key"], stored["VersionId"])


@pytest.fixture(scope="module")
def keys(letter: ObjectVersion) -> dict[str, Any]:
    """The first key, soon out of its time, and the second, whose time began when the letter was there."""
    now = datetime.now(UTC)
    return {
        "a": {"valid_from": EPOCH, "valid_until": format_time(now + timedelta(hours=1))},
        "b": {"valid_from": format_time(now)},
    }


@pytest.fixture(scope="module")
def archive(evidence: Pipeline) -> Archive:
    return Archive(evidence)


@pytest.fixture(scope="module")
def pipeline(
    evidence: Pipeline,
    archive: Archive,
    keys: dict[str, Any],
    domains: list[Domain],
    tmp_path_factory: pytest.TempPathFactory,
) -> Pipeline:
    """With the data sets, added as the signing key was rotated for the first time, and a bucket adopted."""
    own = own_data(tmp_path_factory.mktemp("data") / "own")
    shutil.copy(REPO / "examples" / "minimal" / "generate.py", own)
    return evidence.changed(
        datasets=[str(own), "examples/sensors", *(str(item.folder) for item in domains)],
        signing_keys=keys,
        signing_key="b",
        adopted_buckets=archive.adopted,
        network=NETWORK,
        retention={**LOCAL_RETENTION, "evidence_days": 3},
    )


def locked_days(pipeline: Pipeline) -> int:
    """For how long what is new among the evidence is locked."""
    bucket = pipeline.deployment.buckets["provenance"]
    answer = pipeline.client("s3").get_object_lock_configuration(Bucket=bucket)
    return int(answer["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Days"])


def subnets(pipeline: Pipeline) -> tuple[set[str], set[frozenset[str]]]:
    """The subnets that the kit has made, and those that its functions run in, function by function."""
    functions, ec2 = pipeline.client("lambda"), pipeline.client("ec2")
    found = [
        functions.get_function_configuration(FunctionName=name).get("VpcConfig", {}).get("SubnetIds", [])
        for name in pipeline.deployment.functions.values()
    ]
    made = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["false"]}])["Subnets"]
    return {subnet["SubnetId"] for subnet in made}, {frozenset(ids) for ids in found}


def verified(pipeline: Pipeline) -> dict[str, Any]:
    done = pipeline.custody("verify", "--format", "json")
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["unchecked"] == [], done.stderr
    assert bool(document["findings"]) == (done.returncode == 1)
    return document


def test_evidence_without_a_table(evidence: Pipeline, letter: ObjectVersion) -> None:
    """A file arrives, is recorded, and every claim about it holds."""
    assert evidence.datasets == []
    assert "gate" not in evidence.deployment.functions
    assert letter.key == "incoming/letters/letter.txt"
    document = verified(evidence)
    assert document["findings"] == []
    for claim in ("object.hash", "receipt.signature", "receipt.unique", "trail.event"):
        assert document["claims"][claim]["passed"] >= 1, claim
    for command in ("ledger", "doctor"):
        done = evidence.custody(command)
        assert done.returncode == 0, done.stdout + done.stderr


def compared(evidence: Pipeline) -> dict[str, Any]:
    """What comparing with the copy says, asked by an auditor, once all that is there is replicated."""
    assert evidence.aws.admin("replication/run")["failed"] == []
    done = evidence.custody(
        "verify", "--copy", "--format", "json", role="people-auditor", session="alice@example.com"
    )
    assert done.returncode in (0, 1), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_first_account_is_lost_and_its_evidence_is_not(evidence: Pipeline, letter: ObjectVersion) -> None:
    """The drill of docs/second_copy.md: whoever has the other account alone verifies all but the objects."""
    evidence.deliver_trail()
    document = compared(evidence)
    assert (document["findings"], document["unchecked"]) == ([], [])
    assert document["claims"]["copy.hash"]["passed"] == document["receipts_read"] > 0

    receipt = {"bucket": evidence.deployment.buckets["provenance"], "key": letter.receipt_key}
    for action, undo, claim in (
        ("flip_byte", "flip_byte", "copy.hash"),
        ("delete", "restore", "copy.complete"),
    ):
        version = evidence.receipt_version(letter)
        evidence.aws.admin("tamper", action=action, version_id=version, **receipt)
        while not (findings := compared(evidence)["findings"]):  # of a young one none is made
            time.sleep(POLL_SECONDS)
        evidence.aws.admin("tamper", action=undo, version_id=version, **receipt)
        assert [(each["claim"], each["severity"]) for each in findings] == [(claim, "critical")]

    copy = evidence.deployment.evidence_copy["bucket"]
    place = f"s3://{copy}/deployments/{evidence.deployment.workgroup}.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "custody.cli",
            "verify",
            "--from-copy",
            "--format",
            "json",
            "--deployment",
            place,
        ],
        env=evidence.environ() | reader(evidence.aws),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["findings"] == []
    (unchecked,) = document["unchecked"]
    assert unchecked.startswith("The bytes of 1 object,")
    for claim in ("receipt.signature", "receipt.unique", "trail.event", "log.checkpoint", "log.inclusion"):
        assert document["claims"][claim]["passed"] >= 1, claim
    assert document["claims"]["object.hash"]["checked"] == 0


def reader(aws: LocalAws) -> dict[str, str]:
    """The environment of somebody in the other account, whom the copy lets read, and nothing else does."""
    keys = aws.other_environ()
    session = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    clients = {name: session.client(name, endpoint_url=aws.endpoint) for name in ("iam", "sts")}
    clients["iam"].create_role(RoleName="reader", AssumeRolePolicyDocument="{}")
    got = clients["sts"].assume_role(RoleArn=READER, RoleSessionName="bob")["Credentials"]
    return keys | {
        "AWS_ACCESS_KEY_ID": got["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": got["SecretAccessKey"],
        "AWS_SESSION_TOKEN": got["SessionToken"],
    }


def test_an_adopted_bucket_is_recorded_where_it_lies(pipeline: Pipeline, archive: Archive) -> None:
    """What comes is recorded and the trail says who wrote it; what lay there is recorded on request."""
    archive.must_be_as_it_was()
    ana = pipeline.client("s3", role_arn=pipeline.roles["people-producer"], session="ana@example.com")
    version = archive.put(ana, "letters/a b+c%é.txt")
    archive.put(ana, "elsewhere/not-recorded.txt")
    pipeline.await_receipts([version])
    pipeline.deliver_trail()
    done = pipeline.custody("ledger", "--key", version.key, "--format", "json")
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["bucket_name"], row["version_id"]) == (version.bucket, version.version_id)
    assert (row["status"], row["user_name"], row["layer"]) == ("verified", "ana@example.com", "adopted")
    assert (row["match_basis"], row["event_name"]) == ("request_id", "PutObject")
    scope = f"s3://{archive.name}/letters/"
    (lacking,) = json.loads(pipeline.custody("verify", scope, "--format", "json").stdout)["findings"]
    assert (lacking["claim"], lacking["subject"]) == ("receipt.unique", archive.older.uri)
    done = pipeline.custody("backfill", scope)
    assert done.returncode == 0, done.stderr
    pipeline.await_receipts([archive.older])
    done = pipeline.custody("verify", scope, "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["findings"]) == (0, []), done.stdout
    assert document["claims"]["object.hash"]["passed"] == 2
    assert document["claims"]["trail.event"]["passed"] == 1
    assert document["notes"][-1].startswith("1 object version lay in an adopted bucket before")
    done = pipeline.custody("doctor", "--format", "json")
    stages = {stage["stage"]: stage["state"] for stage in json.loads(done.stdout)["checks"]}
    assert stages[f"adopted {archive.name}"] == "ok"


def test_a_network_and_a_longer_lock_come_later(pipeline: Pipeline) -> None:
    assert locked_days(pipeline) == 3
    made, used = subnets(pipeline)
    assert len(made) == len(NETWORK["azs"])
    assert used == {frozenset(made)}


def test_from_a_folder_to_gold_and_lineage(pipeline: Pipeline, domains: list[Domain], tmp_path: Path) -> None:
    lake = Lake(pipeline)
    rows, rejected, versions = {}, {}, {}
    for folder in pipeline.datasets:
        for table, files in deliveries(folder, 400, seed=1).items():
            delivery = lake.deliver(table, files, tmp_path / table)
            rows[table], rejected[table] = delivery.rows, delivery.rejected.total()
            versions[table] = delivery.versions
    lake.process()
    for table in lake.silver:
        (document, *more) = lake.documents("processed", table)
        counts = [found["counts"] for found in (document, *more)]
        assert sum(found["rows"] for found in counts) == rows[table]
        assert sum(found["rejected"] for found in counts) == rejected[table]
    assert {table for table, count in rejected.items() if count} == {"machines", "readings"}

    (silver,) = lake.query("SELECT count(*) AS n FROM readings")
    (daily,) = lake.query("SELECT sum(readings) AS n FROM daily_readings")
    (sites,) = lake.query("SELECT sum(readings) AS n, count(DISTINCT site_name) AS sites FROM site_days")
    assert silver["n"] == daily["n"] == sites["n"]
    assert sites["sites"]

    made_of = {"site_days": ["sites", "devices", "readings"]}
    for item in domains:
        first, *_ = item.silver
        made_of[item.gold] = [first]
        assert {table: rows[table] for table in item.silver} == item.silver
        found = lake.query(f'SELECT "{item.group}", "count" FROM "{item.gold}"')
        assert {row[item.group]: row["count"] for row in found} == item.counts
    for gold, tables in made_of.items():
        done = pipeline.custody("lineage", gold, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert all(version.uri in done.stdout for table in tables for version in versions[table])

    done = pipeline.custody("doctor", "--format", "json")
    told = {found["stage"]: found["detail"] for found in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, told
    assert told["table site_days"].startswith("was made of readings@")
    assert "waits" not in told["table site_days"]


def machines(name: str, *numbers: str) -> tuple[Truth, Iterator[bytes]]:
    lines = [f"{number},Old hands,2025-01-01,1.50\n" for number in numbers]
    return Truth(f"incoming/machines/{name}.csv"), iter(["".join((HEADER, *lines)).encode()])


def test_a_contract_changes_and_what_it_is_about_is_judged_again(pipeline: Pipeline, tmp_path: Path) -> None:
    """Numbers that begin with x are rejected until the contract has them."""
    lake, path = Lake(pipeline), pipeline.datasets[0] / "silver" / "machines.yaml"
    some = machines("2026-01-17", "x99001", *(f"m{number}" for number in range(90_000, 90_040)))
    lake.upload(iter([some, machines("2026-01-18", "x99002", "x99003")]), tmp_path)
    lake.process()
    while not lake.gate(table="machines")["tables"]["machines"]["withheld"]:
        time.sleep(POLL_SECONDS)

    text = path.read_text()
    path.write_text(text.replace("key: [machine_id]", "key: [machine_id, installed_on]"))
    with pytest.raises(ToolError, match="The key is machine_id and would become machine_id, installed_on"):
        pipeline.terraform.plan()
    path.write_text(
        text.replace('"m[0-9]{3,6}"', '"[mx][0-9]{3,6}"').replace(
            "{name: operator, ", "{name: run_by, aliases: [operator], "
        )
    )
    pipeline.terraform.plan()
    pipeline.terraform.apply()

    def ask() -> dict[str, Any]:
        done = pipeline.custody(
            *("table", "reprocess", "machines", "--format", "json"),
            role="people-data-engineer",
            session="erin@example.com",
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    asked = ask()
    assert asked["withheld"] == 1
    (uri,) = asked["decisions"]
    decision = parse_s3_uri(uri)
    head = pipeline.client("s3").head_object(Bucket=decision.bucket, Key=decision.key)
    version = ObjectVersion(decision.bucket, decision.key, head["VersionId"])
    pipeline.await_receipts([version])
    lake.process()

    document = lake.documents("processed", "machines")[-1]
    assert {item["decision"] for item in document["inputs"]} == {version.uri}
    assert (document["withheld"], document["counts"]["valid"]) == ([], 3)
    found = lake.query("SELECT machine_id, run_by FROM machines WHERE machine_id LIKE 'x%' ORDER BY 1")
    assert [row["machine_id"] for row in found] == ["x99001", "x99002", "x99003"]
    (row,) = lake.query("SELECT count(*) AS n, count(run_by) AS run FROM machines")
    assert row["n"] == row["run"]
    (row,) = lake.query(
        "SELECT count_if(machine_id LIKE 'x%') AS x, count(run_by) AS n FROM machines_rejected"
    )
    assert (row["x"], row["n"] == 0) == (0, False)
    done = pipeline.custody("lineage", "machines", "--format", "json")
    assert (done.returncode, version.uri in done.stdout) == (0, True), done.stderr
    assert ask() == asked | {"withheld": 0, "rejected": 0, "decisions": []}


def test_what_was_made_verifies(pipeline: Pipeline, letter: ObjectVersion) -> None:
    """By whichever key the receipts are signed."""
    pipeline.deliver_trail()
    document = verified(pipeline)
    assert document["findings"] == []
    assert document["claims"]["lineage.inputs"]["passed"]
    raw = letter.bucket
    (first,), (second,) = (signers(pipeline, f"{raw}/incoming/{name}/") for name in ("letters", "machines"))
    assert first != second


def signers(pipeline: Pipeline, prefix: str) -> set[str]:
    """Return the ids of the keys that signed the receipts of objects under a bucket and prefix."""
    s3, bucket = pipeline.client("s3"), pipeline.deployment.buckets["provenance"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{RECEIPT_PREFIX}{prefix}")["Contents"]
    bodies = [s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed]
    return {json.loads(body)["signatures"][0]["keyid"] for body in bodies}


def test_a_revoked_key_and_the_end(
    pipeline: Pipeline, archive: Archive, letter: ObjectVersion, keys: dict[str, Any]
) -> None:
    again = pipeline.terraform.plan()
    assert not again.has_changes, again.summary()
    pipeline.changed(
        signing_keys={
            "a": keys["a"] | {"revoked_at": EPOCH},
            "b": keys["b"],
            "c": {"valid_from": format_time(datetime.now(UTC))},
        },
        signing_key="c",
        network=None,
        retention={**LOCAL_RETENTION, "evidence_days": 1},
    )
    assert locked_days(pipeline) == 1
    assert subnets(pipeline) == (set(), {frozenset()})
    found = verified(pipeline)["findings"]
    (revoked,) = [each for each in found if each["claim"] == "receipt.signature"]
    assert revoked["subject"] == letter.uri
    # A label's keys are revoked together: that of the log has signed checkpoints since.
    assert {each["claim"] for each in found} <= {"receipt.signature", "log.checkpoint", "key.use"}
    assert [each for each in found if "revoked" not in each["detail"]] == []

    pipeline.terraform.destroy()
    assert "values" not in pipeline.terraform.show_json()
    assert [bucket["Name"] for bucket in pipeline.client("s3").list_buckets()["Buckets"]] == [archive.name]
    archive.must_be_as_it_was()
