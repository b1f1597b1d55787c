"""Optional parts, locally: people in Identity Center, Lake Formation, a network, a task, a job.

Each module is applied separately, in a root made here: it works, plans no further change, and can be
destroyed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import parse_statement
from custody.findings import Claim
from custody.recorder.notification import ObjectCreated, event_message, parse_message
from custody.verify.verify import verify
from scripts.local_aws import LocalAws
from scripts.terraform import SOURCE
from scripts.toolchain.environment import without_aws
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import REPO, lock_file, terraform_environ, terraform_program
from tests.local_aws.account import eventually
from tests.support.digests import Keys
from tests.support.evidence import World, body, s3_record
from tests.support.sealed import SealedWorld, later

pytestmark = pytest.mark.xdist_group("optional-modules")

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/custody-local"
GROUP = "On call"
DIGEST = "ab" * 32
TABLES = f"arn:aws:s3:::custody-local-analytics-{ACCOUNT}/tables"

ROOT = """
provider "aws" {
  region = "us-east-1"
  default_tags {
    tags = { project = "custody" }
  }
}

data "aws_iam_policy_document" "persona" {
  statement {
    sid       = "ReadGold"
    actions   = ["s3:GetObject"]
    resources = ["TABLES/*"]
  }
}

module "workforce" {
  source        = "./modules/workforce"
  account_id    = "ACCOUNT"
  boundary_name = "custody-local-people-boundary"
  prefix        = "custody-local"
  personas = {
    analyst = {
      description   = "Asks the gold tables"
      group_names   = ["GROUP"]
      session_hours = 8
      policies = {
        read   = data.aws_iam_policy_document.persona.json
        reader = module.governance.reader_policy
      }
    }
  }
}

module "governance" {
  source           = "./modules/governance"
  account_id       = "ACCOUNT"
  administrators   = ["ROLE-administrator"]
  database         = "custody_local"
  deployers        = { apply = "ROLE-apply" }
  filtered_readers = { analyst = "ROLE-people-analyst" }
  locations        = { gold = { arn = "TABLES", role_arn = "ROLE-lake-formation" } }
  readers          = { auditor = "ROLE-people-auditor" }
  tables = {
    customers = { excluded_columns = ["email", "first_name"], row_filter = "country = 'DE'" }
    orders    = { excluded_columns = ["email"] }
  }
  writers = { etl = "ROLE-etl" }
}

module "network" {
  source      = "./modules/network"
  account_id  = "ACCOUNT"
  azs         = ["us-east-1a", "us-east-1b"]
  bucket_arns = ["arn:aws:s3:::custody-local-*-ACCOUNT"]
  cidr        = "10.20.0.0/16"
  name        = "custody-local"
  services    = ["kms", "logs"]
  flow_log = {
    key_arn        = "arn:aws:kms:us-east-1:ACCOUNT:key/network"
    retention_days = 365
    role_arn       = "ROLE-flow-logs"
  }
}

resource "aws_kms_key" "signing" {
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
}

module "task" {
  source        = "./modules/task"
  account_id    = "ACCOUNT"
  boundary_arn  = "arn:aws:iam::ACCOUNT:policy/custody-local-service-boundary"
  image         = "ACCOUNT.dkr.ecr.us-east-1.amazonaws.com/custody-local-tasks@sha256:DIGEST"
  key_arn       = "arn:aws:kms:us-east-1:ACCOUNT:key/provenance"
  name          = "custody-local-hasher"
  network = {
    security_group_ids = [module.network.security_group_id]
    subnet_ids         = values(module.network.subnet_ids)
  }
  queue         = { senders = ["ROLE-recorder"] }
  start         = { every_minutes = 15 }
  task_role_arn = "ROLE-hasher"
  topic_arn     = "arn:aws:sns:us-east-1:ACCOUNT:custody-local-alerts"
  environment = {
    AWS_DEFAULT_REGION           = "us-east-1"
    AWS_LAMBDA_FUNCTION_NAME     = "custody-local-hasher"
    POWERTOOLS_METRICS_NAMESPACE = "Custody"
    POWERTOOLS_SERVICE_NAME      = "hasher"
    PROVENANCE_BUCKET            = "custody-local-provenance"
    SIGNING_KEY_ID               = aws_kms_key.signing.arn
  }
}

resource "aws_s3_bucket" "artifacts" {
  bucket        = "custody-local-artifacts"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "artifacts" {
  bucket = aws_s3_bucket.artifacts.bucket
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_iam_role" "verifier" {
  name               = "custody-local-verifier"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}

module "jobs" {
  source             = "./modules/job"
  contracts          = {}
  key_arn            = "arn:aws:kms:us-east-1:ACCOUNT:key/data"
  log_retention_days = 365
  prefix             = "custody-local"
  role_arn           = aws_iam_role.verifier.arn
  size               = { timeout_minutes = 60, worker_type = "G.1X", workers = 2 }
  topic_arn          = "arn:aws:sns:us-east-1:ACCOUNT:custody-local-alerts"
  code = {
    bucket       = aws_s3_bucket_versioning.artifacts.bucket
    folder       = "REPOSITORY/glue"
    wheel_folder = "REPOSITORY/build/dist"
  }
  jobs = {
    verify-objects-all = {
      arguments = {
        provenance = "custody-hashed-provenance-ACCOUNT"
        results    = "s3://custody-local-artifacts/verifications"
      }
      description = "Hashes objects again"
      script      = "verify_objects.py"
    }
  }
}

resource "aws_glue_trigger" "verify_objects" {
  name     = "custody-local-verify-objects"
  type     = "SCHEDULED"
  schedule = "cron(0 3 ? * SUN *)"
  actions {
    job_name = module.jobs.names["verify-objects-all"]
  }
}

# The database comes after the settings by which nothing new is open.
resource "aws_glue_catalog_database" "this" {
  name = module.governance.database
}
"""


class Applied:
    """The root above, applied; with clients to examine it."""

    def __init__(self, folder: Path, environ: dict[str, str], aws: LocalAws) -> None:
        self._folder = folder
        self.environ = environ
        self.aws = aws

    def terraform(self, *words: str) -> int:
        done = subprocess.run(
            [terraform_program(), *words, "-input=false", "-no-color"],
            cwd=self._folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return done.returncode

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.environ["AWS_ENDPOINT_URL"],
            region_name=self.environ["AWS_REGION"],
            aws_access_key_id=self.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environ["AWS_SECRET_ACCESS_KEY"],
        )

    def instance(self) -> dict[str, str]:
        [instance] = self.client("sso-admin").list_instances()["Instances"]
        return dict(instance)

    def may(self, principal: str, resource: dict[str, Any]) -> set[str]:
        """What Lake Formation lets one do with one."""
        found = self.client("lakeformation").list_permissions(
            Principal={"DataLakePrincipalIdentifier": f"{ROLE}-{principal}"}, Resource=resource
        )["PrincipalResourcePermissions"]
        assert not any(grant["PermissionsWithGrantOption"] for grant in found)
        return {permission for grant in found for permission in grant["Permissions"]}


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    folder = tmp_path_factory.mktemp("root")
    text = ROOT
    for word, meant in {
        "ACCOUNT": ACCOUNT,
        "ROLE": ROLE,
        "GROUP": GROUP,
        "TABLES": TABLES,
        "DIGEST": DIGEST,
        "REPOSITORY": REPO,
    }.items():
        text = text.replace(word, str(meant))
    (folder / "main.tf").write_text(text)
    (folder / "modules").symlink_to(SOURCE / "modules")
    shutil.copy(lock_file(), folder)
    with (
        LocalAws(folder / "aws") as aws,
        served_provider(
            terraform_environ(without_aws(os.environ)) | aws.environ(), tmp_path_factory.mktemp("provider")
        ) as environ,
    ):
        root = Applied(folder, environ, aws)
        root.client("identitystore").create_group(
            IdentityStoreId=root.instance()["IdentityStoreId"], DisplayName=GROUP
        )
        root.terraform("init")
        root.terraform("apply", "-auto-approve")
        yield root


def test_a_persona_is_a_permission_set_of_its_group(applied: Applied) -> None:
    sso, instance = applied.client("sso-admin"), applied.instance()
    named = {"InstanceArn": instance["InstanceArn"]}
    [arn] = sso.list_permission_sets(**named)["PermissionSets"]
    named["PermissionSetArn"] = arn
    made = sso.describe_permission_set(**named)["PermissionSet"]
    assert (made["Name"], made["SessionDuration"]) == ("custody-local-analyst", "PT8H")
    policy = sso.get_inline_policy_for_permission_set(**named)["InlinePolicy"]
    assert "ReadGold" in policy
    assert "lakeformation:GetDataAccess" in policy
    boundary = sso.get_permissions_boundary_for_permission_set(**named)["PermissionsBoundary"]
    assert boundary["CustomerManagedPolicyReference"]["Name"] == "custody-local-people-boundary"
    [assigned] = sso.list_account_assignments(**named, AccountId=ACCOUNT)["AccountAssignments"]
    group = applied.client("identitystore").describe_group(
        IdentityStoreId=instance["IdentityStoreId"], GroupId=assigned["PrincipalId"]
    )
    assert (assigned["PrincipalType"], group["DisplayName"]) == ("GROUP", GROUP)


def test_nothing_new_is_open_by_default(applied: Applied) -> None:
    settings = applied.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
    # Where there are none, Lake Formation decides; the default of an account names IAMAllowedPrincipals.
    assert not settings.get("CreateDatabaseDefaultPermissions")
    assert not settings.get("CreateTableDefaultPermissions")
    assert [admin["DataLakePrincipalIdentifier"] for admin in settings["DataLakeAdmins"]] == [
        f"{ROLE}-administrator"
    ]


def test_an_analyst_reads_through_the_filters_alone(applied: Applied) -> None:
    named = {"TableCatalogId": ACCOUNT, "DatabaseName": "custody_local", "Name": "permitted"}
    for table, columns, rows in (
        ("customers", ["email", "first_name"], {"FilterExpression": "country = 'DE'"}),
        ("orders", ["email"], {"AllRowsWildcard": {}}),
    ):
        kept = applied.client("lakeformation").get_data_cells_filter(**named, TableName=table)[
            "DataCellsFilter"
        ]
        assert kept["ColumnWildcard"]["ExcludedColumnNames"] == columns
        assert rows.items() <= kept["RowFilter"].items()
        assert applied.may("people-analyst", {"DataCellsFilter": {**named, "TableName": table}}) == {"SELECT"}


def test_each_is_granted_what_is_his(applied: Applied) -> None:
    table = {"Table": {"CatalogId": ACCOUNT, "DatabaseName": "custody_local", "TableWildcard": {}}}
    assert {who: applied.may(who, table) for who in ("people-analyst", "people-auditor", "etl", "apply")} == {
        "people-analyst": set(),
        "people-auditor": {"DESCRIBE", "SELECT"},
        "etl": {"ALTER", "DESCRIBE", "INSERT", "SELECT"},
        "apply": {"ALTER", "DESCRIBE", "DROP"},
    }


def test_a_network_has_no_way_but_to_aws(applied: Applied) -> None:
    ec2 = applied.client("ec2")
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["custody-local"]}])["Vpcs"]
    within = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    endpoints = ec2.describe_vpc_endpoints(Filters=within)["VpcEndpoints"]
    assert sorted(each["ServiceName"].rpartition(".")[2] for each in endpoints) == ["kms", "logs", "s3"]
    routes = [
        route
        for table in ec2.describe_route_tables(Filters=within)["RouteTables"]
        for route in table["Routes"]
    ]
    assert {route["GatewayId"] for route in routes} <= {
        "local",
        *(each["VpcEndpointId"] for each in endpoints),
    }
    groups = ec2.describe_security_groups(Filters=within)["SecurityGroups"]
    [default] = [group for group in groups if group["GroupName"] == "default"]
    assert (default["IpPermissions"], default["IpPermissionsEgress"]) == ([], [])
    open_to = [
        address
        for group in groups
        for rule in (*group["IpPermissions"], *group["IpPermissionsEgress"])
        for address in (*rule["IpRanges"], *rule["Ipv6Ranges"])
    ]
    assert open_to == []


def container(applied: Applied) -> dict[str, Any]:
    """What runs, as Amazon ECS has it."""
    ecs = applied.client("ecs")
    found = ecs.describe_task_definition(taskDefinition="custody-local-hasher")["taskDefinition"]
    assert found["networkMode"] == "awsvpc"
    (made,) = found["containerDefinitions"]
    return dict(made)


def run_task(applied: Applied) -> None:
    """The task as a plain process: the environment of its definition, and the image's entry point."""
    environ = {one["name"]: one["value"] for one in container(applied)["environment"]}
    subprocess.run(
        [sys.executable, "-m", "hasher"],
        env={
            **{name: value for name, value in applied.environ.items() if name.startswith("AWS_")},
            **environ,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(str(REPO / folder) for folder in ("task", "lambda", "src")),
        },
        check=True,
        capture_output=True,
    )


def test_a_task_makes_the_receipts_that_its_queue_asks_for_once(applied: Applied) -> None:
    s3, sqs, kms = applied.client("s3"), applied.client("sqs"), applied.client("kms")
    raw, provenance = "custody-local-raw-data", "custody-local-provenance"
    for bucket in (raw, provenance):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version_id = s3.put_object(Bucket=raw, Key="incoming/large", Body=b"0123456789" * 1_000_000)["VersionId"]
    version = ObjectVersion(raw, "incoming/large", version_id)
    gone = ObjectVersion(raw, "incoming/large", "11111111-2222-3333-4444-555555555555")
    (event,) = parse_message(body(s3_record(version)))
    assert isinstance(event, ObjectCreated)
    url = sqs.get_queue_url(QueueName="custody-local-hasher")["QueueUrl"]
    for text in (event_message(event), body(s3_record(gone)), event_message(event)):
        sqs.send_message(QueueUrl=url, MessageBody=text)

    run_task(applied)

    listed = s3.list_object_versions(Bucket=provenance)["Versions"]
    assert [each["Key"] for each in listed] == [version.receipt_key]
    stored = s3.get_object(Bucket=provenance, Key=version.receipt_key)["Body"].read()
    receipt = parse_statement(parse_envelope(stored).payload)
    assert (receipt.event, receipt.size_bytes) == (event, 10_000_000)
    assert (receipt.recorder.function, receipt.recorder.code_sha256) == ("custody-local-hasher", DIGEST)
    (signature,) = json.loads(stored)["signatures"]
    public = kms.get_public_key(KeyId=signature["keyid"])["PublicKey"]
    key = {
        "key_id": signature["keyid"],
        "algorithm": "ecdsa-sha2-nistp256",
        "public_key": load_der_public_key(public)
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "valid_from": "2020-01-01T00:00:00Z",
        "valid_until": None,
        "revoked_at": None,
    }
    parse_registry(json.dumps({"keys": [key]}).encode()).verify(parse_envelope(stored))
    # The message of the object that is gone comes again later.
    name = "ApproximateNumberOfMessagesNotVisible"
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][name] == "1"


def test_a_task_may_write_nowhere_and_is_nobody(applied: Applied) -> None:
    made = container(applied)
    assert (made["readonlyRootFilesystem"], made["user"], made["privileged"]) == (True, "65534:65534", False)
    assert "secrets" not in made
    (target,) = applied.client("events").list_targets_by_rule(Rule="custody-local-hasher-start")["Targets"]
    assert (
        target["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    )


def hashed_again(applied: Applied) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run of the job, and its report."""
    glue, name = applied.client("glue"), "custody-local-verify-objects-all"
    run_id = glue.start_job_run(JobName=name)["JobRunId"]

    def ended() -> dict[str, Any] | None:
        run = dict(glue.get_job_run(JobName=name, RunId=run_id)["JobRun"])
        return run if "CompletedOn" in run else None

    run = dict(eventually(ended))
    key = f"verifications/{run_id}.json"
    body = applied.client("s3").get_object(Bucket="custody-local-artifacts", Key=key)["Body"].read()
    return run, json.loads(body)


def test_the_job_that_ships_finds_what_verify_finds(applied: Applied) -> None:
    """By the script and the wheel that Terraform uploads."""
    sealed = SealedWorld(World(applied.client("s3"), "custody-hashed"))
    versions = sealed.drop(4)
    sealed.seal(versions)
    run, report = hashed_again(applied)
    assert (run["JobRunState"], run.get("ErrorMessage")) == ("SUCCEEDED", None)
    assert (report["findings"], report["receipts_read"]) == ([], 4)

    bad = versions[2]
    applied.aws.admin(
        "tamper", action="flip_byte", bucket=bad.bucket, key=bad.key, version_id=bad.version_id, offset=0
    )
    run, report = hashed_again(applied)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == (
        "verify_objects: 1 findings, 0 unchecked: "
        f"see s3://custody-local-artifacts/verifications/{run['Id']}.json."
    )
    found = verify(sealed.s3, sealed.world.deployment, now=later(), digest_keys=Keys(), workers=4).to_dict()
    assert report["findings"] == [each for each in found["findings"] if each["claim"] == Claim.OBJECT_HASH]
    assert [finding["subject"] for finding in report["findings"]] == [bad.uri]


def test_it_settles(applied: Applied) -> None:
    assert applied.terraform("plan", "-detailed-exitcode") == 0


def test_a_grant_is_taken_back(applied: Applied) -> None:
    applied.terraform(
        "destroy", "-auto-approve", "-target=module.governance.aws_lakeformation_permissions.read"
    )
    table = {"Table": {"CatalogId": ACCOUNT, "DatabaseName": "custody_local", "TableWildcard": {}}}
    assert applied.may("people-auditor", table) == set()
    assert applied.may("etl", table) == {"ALTER", "DESCRIBE", "INSERT", "SELECT"}
