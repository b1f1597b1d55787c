"""Rotation by Secrets Manager, with functions that really run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws
from tests.local_aws.account import Account, eventually

ROTATE = """
import boto3
SECRETS = boto3.client("secretsmanager")
def handler(event, context):
    step, secret, token = event["Step"], event["SecretId"], event["ClientRequestToken"]
    print("step", step, secret, token)
    if step == "createSecret":
        SECRETS.put_secret_value(
            SecretId=secret,
            ClientRequestToken=token,
            SecretString="value-" + token,
            VersionStages=["AWSPENDING"],
        )
    if step == FAILS:
        raise ValueError("no")
    if step == "finishSecret":
        stages = SECRETS.describe_secret(SecretId=secret)["VersionIdsToStages"]
        [current] = [version for version, of in stages.items() if "AWSCURRENT" in of]
        SECRETS.update_secret_version_stage(
            SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
"""


def rotated(account: Account, fails: str = "") -> tuple[Any, str, str, str]:
    """The client, a secret that was told to rotate, the new version, and the function."""
    function = account.function(f"FAILS = {fails!r}\n{ROTATE}")
    secrets = account.client("secretsmanager")
    arn = secrets.create_secret(Name=account.name("secret"), SecretString="first")["ARN"]
    answer = secrets.rotate_secret(
        SecretId=arn,
        RotationLambdaARN=f"arn:aws:lambda:us-east-1:123456789012:function:{function}",
        RotationRules={"AutomaticallyAfterDays": 30},
    )
    return secrets, arn, answer["VersionId"], function


def stages(secrets: Any, arn: str, version: str) -> list[str]:
    return list(secrets.describe_secret(SecretId=arn)["VersionIdsToStages"].get(version, []))


def steps(server: LocalAws, function: str) -> list[list[str]]:
    log = server.home / "functions" / function / "log.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split()[1:] for line in lines if line.startswith("step ")]


def test_the_steps_come_in_order_and_the_function_makes_it_current(aws: Account, server: LocalAws) -> None:
    secrets, arn, version, function = rotated(aws)
    eventually(lambda: "AWSCURRENT" in stages(secrets, arn, version))
    eventually(lambda: len(steps(server, function)) >= 4)  # a step is told once it is done
    assert steps(server, function) == [
        [step, arn, version] for step in ("createSecret", "setSecret", "testSecret", "finishSecret")
    ]
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == f"value-{version}"
    assert secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")["SecretString"] == "first"
    described = secrets.describe_secret(SecretId=arn)
    assert described["RotationEnabled"]
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}


def test_a_step_that_fails_changes_nothing_and_is_in_the_way(aws: Account, server: LocalAws) -> None:
    secrets, arn, version, function = rotated(aws, fails="testSecret")
    eventually(lambda: len(steps(server, function)) == 9)
    assert {step for step, *_ in steps(server, function)} == {"createSecret", "setSecret", "testSecret"}
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "first"
    assert stages(secrets, arn, version) == ["AWSPENDING"]
    with pytest.raises(ClientError, match="previous rotation isn't complete"):
        secrets.rotate_secret(SecretId=arn)


def test_it_rotates_again_when_told_to(aws: Account) -> None:
    secrets, arn, version, _ = rotated(aws)
    eventually(lambda: "AWSCURRENT" in stages(secrets, arn, version))
    second = secrets.rotate_secret(SecretId=arn)["VersionId"]
    eventually(lambda: "AWSCURRENT" in stages(secrets, arn, second))
    assert stages(secrets, arn, version) == ["AWSPREVIOUS"]


def test_a_function_that_is_not_there_is_refused(aws: Account) -> None:
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name=aws.name("secret"), SecretString="first")["ARN"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.rotate_secret(
            SecretId=arn, RotationLambdaARN="arn:aws:lambda:us-east-1:123456789012:function:absent"
        )


def test_moto_makes_a_version_current_that_nobody_gave_a_value(moto: Account) -> None:
    secrets, arn, version, _ = rotated(moto)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=arn, VersionId=version)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=arn)


def test_values_of_secrets_are_not_written_down(aws: Account, server: LocalAws) -> None:
    secrets, arn, version, function = rotated(aws)
    eventually(lambda: "AWSCURRENT" in stages(secrets, arn, version))
    lines = (server.home / "functions" / function / "calls.jsonl").read_text().splitlines()
    [put] = [call for call in map(json.loads, lines) if call["operation"] == "PutSecretValue"]
    assert put["params"] == {"SecretId": arn, "ClientRequestToken": version}
