"""A secret, deployed by the real Terraform and rotated by the zip that ships: where its value is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from scripts.access.planned import planned_parts
from scripts.local_aws import LocalAws
from scripts.local_aws.functions.runtime import CALLS
from scripts.state.policies import roles, statements
from scripts.terraform import SOURCE
from scripts.toolchain.environment import without_aws
from scripts.toolchain.toolchain import BUILD, LOCK_FILE, lock_file, terraform_environ, terraform_program
from tests.local_aws.account import eventually
from tests.support.account_server import AccountServer, account_server

pytestmark = pytest.mark.xdist_group("secret")

ACCOUNT = "123456789012"
NAME = "custody-local-warehouse"

ROOT = """
provider "aws" {
  region = "us-east-1"
}

resource "aws_s3_bucket" "artifacts" {
  bucket = "custody-local-artifacts-@account"
}

# Enough to be a policy: none is enforced here.
data "aws_iam_policy_document" "rotator" {
  statement {
    actions   = ["secretsmanager:DescribeSecret"]
    resources = ["arn:aws:secretsmanager:us-east-1:@account:secret:custody-local-warehouse-??????"]
  }
}

module "rotator_role" {
  source       = "./modules/role"
  account_id   = "@account"
  boundary_arn = "arn:aws:iam::@account:policy/custody-local-service-boundary"
  description  = "Rotates"
  name         = "custody-local-rotator"
  policies     = { see-versions = data.aws_iam_policy_document.rotator.json }
  trust = {
    service = {
      name        = "lambda.amazonaws.com"
      source_arns = ["arn:aws:lambda:us-east-1:@account:function:custody-local-rotator"]
    }
  }
}

module "rotator_key" {
  source      = "./modules/key"
  account_id  = "@account"
  description = "Encrypts the rotator's settings"
  name        = "custody-local-rotator"
}

module "secret" {
  source           = "./modules/secret"
  account_id       = "@account"
  deployers        = ["arn:aws:iam::@account:user/operator"]
  description      = "Opens the account loader"
  name             = "custody-local-warehouse"
  readers          = []
  recovery_days    = 7
  rotator_role_arn = module.rotator_role.arn
  rotator = {
    code = {
      bucket   = aws_s3_bucket.artifacts.id
      handler  = "rotator.handler.handler"
      zip_path = "@zip"
    }
    environment = {
      ACCOUNT_ENDPOINT        = "@endpoint"
      ACCOUNT_NAME            = "loader"
      POWERTOOLS_LOG_LEVEL    = "DEBUG"
      POWERTOOLS_SERVICE_NAME = "rotator"
      SSL_CERT_FILE           = "@certificate"
    }
    key_arn            = module.rotator_key.arn
    log_retention_days = 365
    name               = "custody-local-rotator"
    role_arn           = module.rotator_role.ready_arn
    topic_arn          = "arn:aws:sns:us-east-1:@account:custody-local-alerts"
  }
}

output "arn" {
  value = module.secret.arn
}
"""


@dataclass(frozen=True)
class Deployed:
    """The root above, applied, and what it was applied to."""

    folder: Path
    aws: LocalAws
    accounts: AccountServer

    def terraform(self, *words: str) -> str:
        done = subprocess.run(
            [terraform_program(), *words],
            cwd=self.folder,
            env=terraform_environ(without_aws(os.environ)) | self.aws.environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, service: str) -> Any:
        environ = self.aws.environ()
        return boto3.client(
            service,
            endpoint_url=self.aws.endpoint,
            region_name="us-east-1",
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        )

    def value(self) -> dict[str, str]:
        answer = self.client("secretsmanager").get_secret_value(SecretId=NAME)
        return dict(json.loads(answer["SecretString"]))

    def password(self) -> str:
        """The current version, once a rotation has made it current."""
        eventually(lambda: self.value().get("password") == self.accounts.passwords["loader"] is not None)
        return self.value()["password"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Planned, and the plan applied: the first rotation follows automatically."""
    folder = tmp_path_factory.mktemp("root")
    accounts_folder = tmp_path_factory.mktemp("accounts")
    with account_server(accounts_folder, None) as accounts, LocalAws(folder / "aws") as aws:
        text = ROOT
        for word, meant in {
            "@account": ACCOUNT,
            "@certificate": accounts.certificate,
            "@endpoint": accounts.endpoint,
            "@zip": BUILD / "lambda" / "rotator.zip",
        }.items():
            text = text.replace(word, str(meant))
        (folder / "modules").symlink_to(SOURCE / "modules")
        (folder / "main.tf").write_text(text)
        (folder / LOCK_FILE.name).write_bytes(lock_file().read_bytes())
        made = Deployed(folder, aws, accounts)
        made.terraform("init", "-input=false", "-lockfile=readonly")
        made.terraform("plan", "-input=false", "-out=plan")
        (folder / "plan.json").write_text(made.terraform("show", "-json", "plan"))
        (folder / "apply.txt").write_text(made.terraform("apply", "-input=false", "plan"))
        yield made


def places_of(value: str, folder: Path) -> list[str]:
    """The files below a folder that hold a value, also inside of zips (a saved plan is one)."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and ".terraform/" not in path.as_posix():
            content = path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    content += b"".join(archive.read(name) for name in archive.namelist())
            if value.encode() in content:
                found.append(path.relative_to(folder).as_posix())
    return found


def test_the_first_password_is_made_by_the_rotator(deployed: Deployed) -> None:
    password = deployed.password()
    assert deployed.value() == {"username": "loader", "password": password}
    assert len(password) == 40
    assert "No changes." in deployed.terraform("plan", "-input=false")


def test_a_secret_is_nowhere_but_in_secrets_manager(deployed: Deployed) -> None:
    first = deployed.password()
    secrets = deployed.client("secretsmanager")
    version = secrets.rotate_secret(SecretId=NAME)["VersionId"]
    eventually(lambda: secrets.get_secret_value(SecretId=NAME)["VersionId"] == version)
    second = deployed.password()
    assert first != second
    deployed.terraform("apply", "-refresh-only", "-auto-approve", "-input=false")

    functions = deployed.client("lambda")
    logs = deployed.client("logs")
    events = logs.filter_log_events(logGroupName="/aws/lambda/custody-local-rotator")["events"]
    said = [event["message"] for event in events]
    assert [json.loads(line)["step"] for line in said if '"Stepped"' in line][:5] == [
        "firstVersion",
        "createSecret",
        "setSecret",
        "testSecret",
        "finishSecret",
    ]
    (deployed.folder / "asked.json").write_text(
        json.dumps(
            [
                said,
                functions.get_function_configuration(FunctionName="custody-local-rotator"),
                secrets.describe_secret(SecretId=NAME),
            ],
            default=str,
        )
    )
    files = {path.name for path in deployed.folder.rglob("*") if path.is_file()}
    assert {"terraform.tfstate", "plan", "plan.json", "log.txt", "calls.jsonl", "server.log"} <= files
    for password in (first, second):
        assert places_of(password, deployed.folder) == []


def test_the_rotator_calls_what_its_role_allows_and_no_more(deployed: Deployed) -> None:
    deployed.password()
    lines = (deployed.aws.home / "functions" / "custody-local-rotator" / CALLS).read_text().splitlines()
    calls = {f"{call['service']}:{call['operation']}" for call in map(json.loads, lines)}
    role = roles(planned_parts(print))["custody-local-rotator"]
    [renew] = [policy for policy in role.policies if policy.name == "renew-secret"]
    given = [each["Action"] for each in statements(renew.document) if each["Effect"] == "Allow"]
    assert calls == set(given)


def test_a_value_that_is_somewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("password=hunter2\n")
    with zipfile.ZipFile(tmp_path / "plan", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate", json.dumps({"password": "hunter2"}))
    (tmp_path / "state").write_text("{}")
    assert places_of("hunter2", tmp_path) == ["log.txt", "plan"]
