"""``make bootstrap`` on the local AWS: the bucket of the state, and who may access it.

The provider waits most of a minute for a bucket's lifecycle, whatever the server does. The pipeline's own
deployment does that; the copy of the code that is applied here has no lifecycle.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from scripts.bootstrap import Bootstrap, main, what_is_next
from scripts.first_apply import ADMINISTRATOR, bootstrap_source
from scripts.local_aws import LocalAws
from scripts.state.policies import roles
from scripts.terraform import Plan, serverless_environ
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import ToolError

pytestmark = pytest.mark.xdist_group("bootstrap")

ACCOUNT = "123456789012"
BUCKET = f"custody-local-state-{ACCOUNT}"
OWN_KEY = "custody/local/bootstrap.tfstate"


def client(environ: dict[str, str], service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
    )


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws.environ()


@pytest.fixture(scope="module")
def administrator(
    operator: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of one who is let into the state's bucket."""
    name = ADMINISTRATOR.rpartition("/")[2]
    client(operator, "iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    session = client(operator, "sts").assume_role(RoleArn=ADMINISTRATOR, RoleSessionName="bootstraps")
    credentials = session["Credentials"]
    own = operator | {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }
    with served_provider(serverless_environ() | own, tmp_path_factory.mktemp("provider")) as environ:
        yield environ


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with an environment of its own, whose backend file is not yet filled in."""
    copy = bootstrap_source(tmp_path_factory.mktemp("code"))
    bucket = copy / "modules" / "bucket" / "main.tf"
    before, lifecycle, rest = bucket.read_text().partition(
        'resource "aws_s3_bucket_lifecycle_configuration" "this" {'
    )
    assert lifecycle
    bucket.write_text(before + rest.partition("\n}\n")[2])
    return copy


@pytest.fixture(scope="module")
def bootstrap(
    source: Path, administrator: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Bootstrap:
    work_dir = tmp_path_factory.mktemp("work")
    return Bootstrap("local", source=source, work_dir=work_dir, environ=administrator, say=lambda _: None)


@pytest.fixture(scope="module")
def outputs(bootstrap: Bootstrap, source: Path) -> dict[str, Any]:
    """Applied, and the backend file filled in as the outputs say; the rest of it is the emulator's."""
    bootstrap.plan()
    made = bootstrap.apply()
    assert bootstrap.first_state.is_file()
    (source / "env" / "local.s3.tfbackend").write_text(
        made["backend"] + "use_path_style = true\nskip_credentials_validation = true\n"
        "skip_requesting_account_id = true\nskip_metadata_api_check = true\n"
    )
    return made


@pytest.fixture(scope="module")
def moved(bootstrap: Bootstrap, outputs: dict[str, Any]) -> Plan:
    """Run again: its state goes into the bucket, and nothing is left to change."""
    assert outputs
    return bootstrap.plan()


def test_its_state_moves_into_the_bucket_encrypted_with_its_key(
    moved: Plan, bootstrap: Bootstrap, outputs: dict[str, Any], administrator: dict[str, str]
) -> None:
    assert not moved.has_changes
    assert not bootstrap.first_state.exists()
    s3 = client(administrator, "s3")
    stored = s3.get_object(Bucket=BUCKET, Key=OWN_KEY)
    assert json.loads(stored["Body"].read())["resources"]
    assert stored["ServerSideEncryption"] == "aws:kms"
    assert f'kms_key_id   = "{stored["SSEKMSKeyId"]}"' in outputs["backend"].splitlines()
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [OWN_KEY]
    assert len(s3.list_object_versions(Bucket=BUCKET, Prefix=f"{OWN_KEY}.tflock")["DeleteMarkers"]) >= 1


def test_the_bucket_refuses_everybody_else(moved: Plan, operator: dict[str, str]) -> None:
    assert moved
    s3 = client(operator, "s3")
    for refused in (
        lambda: s3.get_object(Bucket=BUCKET, Key=OWN_KEY),
        lambda: s3.put_object(Bucket=BUCKET, Key=OWN_KEY, Body=b"{}"),
        lambda: s3.delete_object(Bucket=BUCKET, Key=OWN_KEY),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_the_bucket_refuses_another_encryption(moved: Plan, administrator: dict[str, str]) -> None:
    assert moved
    with pytest.raises(ClientError, match="AccessDenied"):
        client(administrator, "s3").put_object(
            Bucket=BUCKET, Key="custody/local/other", Body=b"", ServerSideEncryption="AES256"
        )


def test_roles_are_trusted_and_capped_as_planned(moved: Plan, outputs: dict[str, Any]) -> None:
    made = roles(moved.document["prior_state"])
    assert {role.arn for role in made.values()} == set(outputs["roles"].values())
    for role in made.values():
        assert role.boundary is not None
        assert role.boundary_arn == outputs["boundaries"]["ci"]
        [trust] = role.trust.document["Statement"] if role.trust.document else []
        assert trust["Principal"] == {
            "Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
        }
    subjects = {
        name: role.trust.document["Statement"][0]["Condition"]["StringEquals"]  # type: ignore[index]
        for name, role in made.items()
    }
    assert subjects == {
        name: {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": f"repo:example/pipeline:environment:{environment}",
        }
        for name, environment in {"custody-local-apply": "local", "custody-local-plan": "local-plan"}.items()
    }


def test_a_key_without_the_kits_name_is_refused(
    source: Path, moved: Plan, administrator: dict[str, str], tmp_path: Path
) -> None:
    assert moved
    other = shutil.copytree(source, tmp_path / "terraform")
    (other / "env" / "local.s3.tfbackend").write_text('bucket = "state"\nkey = "custody/state"\n')
    with pytest.raises(ToolError, match=r"must have a key that ends in /terraform\.tfstate"):
        Bootstrap("local", source=other, work_dir=tmp_path / "work", environ=administrator).plan()


def test_it_says_where_its_outputs_go(outputs: dict[str, Any]) -> None:
    said = what_is_next("local", outputs)
    assert f'bucket       = "{BUCKET}"' in said
    assert f'service      = "arn:aws:iam::{ACCOUNT}:policy/custody-local-service-boundary"' in said
    assert said.endswith(f"local-plan: arn:aws:iam::{ACCOUNT}:role/custody-local-plan")


def test_an_environment_with_placeholders_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bootstrap", "--env", "dev"])
    assert main() == 2
    assert re.match(
        r"terraform/bootstrap/env/dev\.tfvars:\d+ still has <[^>]+>: fill it in first\.\n",
        capsys.readouterr().err,
    )
