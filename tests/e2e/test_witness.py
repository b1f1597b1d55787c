"""A witness in another account: made by its module, asked by the sealer, needed by a policy."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from custody.log.keys import parse_log_registry
from custody.log.note import parse_note
from scripts.demo.pipeline import Landed, Pipeline
from scripts.local_aws.account import (
    OPERATOR_NAME,
    OTHER_ACCESS_KEY,
    OTHER_ACCOUNT_ID,
    OTHER_SECRET_KEY,
    REGION,
)
from scripts.local_aws.functions.http_api import EXECUTE_PREFIX
from scripts.terraform import SOURCE, serverless_environ
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import BUILD, LOCK_FILE, lock_file, terraform_program
from tests.local_aws.account import PATIENCE_SECONDS

pytestmark = pytest.mark.xdist_group("pipeline")

ROOT = f"""
provider "aws" {{
  region              = "{REGION}"
  allowed_account_ids = ["{OTHER_ACCOUNT_ID}"]
  access_key          = "{OTHER_ACCESS_KEY}"
  secret_key          = "{OTHER_SECRET_KEY}"
}}

variable "logs" {{
  type = map(set(string))
}}

variable "signing_key_arn" {{
  type = string
}}

module "witness" {{
  source          = "./modules/witness"
  account_id      = "{OTHER_ACCOUNT_ID}"
  alert_emails    = ["witness@example.org"]
  deployers       = ["arn:aws:iam::{OTHER_ACCOUNT_ID}:user/{OPERATOR_NAME}"]
  logs            = var.logs
  name            = "custody-witness"
  retention       = {{ days = 1, mode = "GOVERNANCE" }}
  signing_key_arn = var.signing_key_arn
  witness_name    = "witness.example/custody"
  zip_path        = "{BUILD / "lambda" / "witness.zip"}"
}}

output "function_name" {{
  value = module.witness.function_name
}}

output "url" {{
  value = module.witness.url
}}
"""
"""The root of docs/proof.md, on this machine."""


@dataclass(frozen=True)
class Witness:
    """What the other account's administrator has."""

    pipeline: Pipeline
    folder: Path
    environ: dict[str, str]
    log_key: str

    def client(self, service: str) -> Any:
        session = boto3.Session(OTHER_ACCESS_KEY, OTHER_SECRET_KEY, region_name=REGION)
        return session.client(service, endpoint_url=self.pipeline.aws.endpoint)  # type: ignore[call-overload]

    def terraform(self, *words: str) -> str:
        done = subprocess.run(
            [terraform_program(), *words, "-no-color"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def key(self) -> str:
        """What the function answers that is invoked by hand."""
        name = json.loads(self.terraform("output", "-json", "function_name"))
        answer = self.client("lambda").invoke(FunctionName=name)
        return str(json.loads(answer["Payload"].read())["key"])

    @property
    def url(self) -> str:
        """Where the local AWS serves the API."""
        api_id = (
            json.loads(self.terraform("output", "-json", "url")).removeprefix("https://").partition(".")[0]
        )
        return f"{self.pipeline.aws.endpoint}{EXECUTE_PREFIX}{api_id}"


@pytest.fixture(scope="module")
def witness(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    folder = tmp_path_factory.mktemp("witness")
    (folder / "main.tf").write_text(ROOT)
    (folder / "modules").symlink_to(SOURCE / "modules")
    shutil.copy(lock_file(), folder / LOCK_FILE.name)
    provenance = pipeline.deployment.buckets["provenance"]
    registry = pipeline.client("s3").get_object(Bucket=provenance, Key="keys/registry.json")["Body"].read()
    keys = [key.to_verifier_key() for key in parse_log_registry(registry).note_keys()]
    with served_provider(
        serverless_environ() | pipeline.aws.environ(), tmp_path_factory.mktemp("provider")
    ) as environ:
        made = Witness(pipeline, folder, environ, keys[0])
        signing = made.client("kms").create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
        given = {"logs": {"prod": keys}, "signing_key_arn": signing["KeyMetadata"]["Arn"]}
        (folder / "terraform.tfvars.json").write_text(json.dumps(given))
        made.terraform("init", "-input=false")
        made.terraform("apply", "-auto-approve", "-input=false")
        yield made


@pytest.fixture(scope="module")
def _asked(pipeline: Pipeline, witness: Witness) -> Iterator[None]:
    """The sealer asks it: by http, which the input does not take, since this machine has no certificate."""
    functions, name = pipeline.client("lambda"), pipeline.deployment.functions["sealer"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    witnesses = json.dumps({"ours": {"key": witness.key, "url": witness.url}})
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": before | {"WITNESSES": witnesses}}
    )
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@pytest.fixture(scope="module")
def policy(witness: Witness, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("policy") / "policy.txt"
    file.write_text(f"log {witness.log_key}\nwitness ours {witness.key}\nquorum ours\n")
    return file


def test_no_checkpoint_has_the_quorum_before_it_is_asked(
    pipeline: Pipeline, landed: list[Landed], policy: Path, tmp_path: Path
) -> None:
    pipeline.await_receipts([entry.version for entry in landed])
    proof = str(tmp_path / "proof.zip")
    done = pipeline.custody("prove", landed[0].version.uri, "-o", proof, "--policy", str(policy))
    assert done.returncode == 3, done.stdout + done.stderr


@pytest.mark.usefixtures("_asked")
def test_a_proof_has_its_cosignature(
    pipeline: Pipeline, landed: list[Landed], policy: Path, witness: Witness, tmp_path: Path
) -> None:
    proof = tmp_path / "proof.zip"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        pipeline.aws.admin("events/tick", rule="custody-local-sealer-hourly")
        time.sleep(2)
        done = pipeline.custody("prove", landed[0].version.uri, "-o", str(proof), "--policy", str(policy))
        if done.returncode != 3 or time.monotonic() > deadline:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    done = pipeline.custody("verify", "--bundle", str(proof))
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(proof) as packed:
        assert packed.read("policy.txt") == policy.read_bytes()
        assert "— witness.example/custody " in packed.read("receipt.tlog-proof").decode()

    bucket = f"custody-witness-state-{OTHER_ACCOUNT_ID}"
    [kept] = witness.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert kept["Key"].startswith("checkpoints/")


@pytest.mark.usefixtures("_asked")
def test_what_it_has_cosigned_is_not_taken_away(witness: Witness) -> None:
    s3, bucket = witness.client("s3"), f"custody-witness-state-{OTHER_ACCOUNT_ID}"
    [kept] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    for attempt in (s3.delete_object, lambda **where: s3.put_object(**where, Body=b"")):
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            attempt(Bucket=bucket, Key=kept["Key"])


@pytest.mark.usefixtures("_asked")
def test_who_applies_it_can_read_what_it_has_cosigned(witness: Witness) -> None:
    """As the runbook's entry of a conflict has it."""
    s3, bucket = witness.client("s3"), f"custody-witness-state-{OTHER_ACCOUNT_ID}"
    [kept] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    data = s3.get_object(Bucket=bucket, Key=kept["Key"])["Body"].read()
    assert parse_note(data).text.startswith(witness.log_key.partition("+")[0])


def test_it_settles(witness: Witness) -> None:
    witness.terraform("plan", "-detailed-exitcode", "-input=false")
