"""The kit with all optional parts, planned with every policy known."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from scripts.review.patterns import covers
from scripts.scan.known import Tree, known_plans
from scripts.state.policies import Role, policies, resources, roles, statements
from scripts.terraform import SOURCE

pytestmark = pytest.mark.xdist_group("plan")

PERSONAS = ("analyst", "auditor", "break-glass", "data-engineer", "producer", "security-admin")
GROUP = "12345678-1234-1234-1234-123456789012"
IDENTITY_CENTER = """
identity_center = {
  instance = { arn = "arn:aws:sso:::instance/ssoins-1234567890abcdef", identity_store_id = "d-1234567890" }
  personas = {
    PERSONAS
  }
}
""".replace("PERSONAS", "\n    ".join(f'{persona} = {{ group_ids = ["{GROUP}"] }}' for persona in PERSONAS))

LAKE_FORMATION = """
lake_formation = {
  administrators = ["arn:aws:iam::123456789012:role/administrator"]
  tables         = { customers = { excluded_columns = ["email"], row_filter = "country = 'DE'" } }
}
"""

INFRASTRUCTURE = """
network = {
  azs  = ["us-east-1a", "us-east-1b"]
  cidr = "10.20.0.0/16"
}

stream = { parquet = { table = "events" } }

warehouse = {
  account  = "loader"
  api_arn  = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1"
  endpoint = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1"
}
"""

Plan = dict[str, Any]


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """``local`` with all of it: with roles that people assume, and with Identity Center instead."""
    folder = tmp_path_factory.mktemp("plans")
    assumed = (SOURCE / "env" / "local.tfvars").read_text() + LAKE_FORMATION + INFRASTRUCTURE
    entered, people = re.subn(
        r"^people = {\n.*?^}\n", IDENTITY_CENTER, assumed, flags=re.MULTILINE | re.DOTALL
    )
    assert people == 1
    (folder / "assumed.tfvars").write_text(assumed)
    (folder / "entered.tfvars").write_text(entered)
    trees = [Tree(name, SOURCE, folder / f"{name}.tfvars") for name in ("assumed", "entered")]
    return known_plans(trees, folder / "work", say=lambda _: None)


@pytest.fixture(scope="module")
def sets(plans: dict[str, Plan]) -> dict[str, dict[str, Any]]:
    """The policies of the permission sets, by persona."""
    return {
        resource.address.split('"')[1]: json.loads(resource.values["inline_policy"])
        for resource in resources(plans["entered"])
        if resource.type == "aws_ssoadmin_permission_set_inline_policy"
    }


def comparable(found: list[dict[str, Any]]) -> dict[str, str]:
    return {statement["Sid"]: json.dumps(statement, sort_keys=True) for statement in found}


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_permission_set_gives_what_the_role_would(
    plans: dict[str, Plan], sets: dict[str, dict[str, Any]], persona: str
) -> None:
    role = roles(plans["assumed"])[f"custody-local-people-{persona}"]
    given = [each for policy in role.policies for each in statements(policy.document)]
    assert comparable(statements(sets[persona])) == comparable(given)


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_permission_set_has_room_for_it(sets: dict[str, dict[str, Any]], persona: str) -> None:
    """https://docs.aws.amazon.com/singlesignon/latest/userguide/limits.html: 32,768 characters."""
    assert len(json.dumps(sets[persona])) <= 32768


def test_there_are_no_roles_of_people_then(plans: dict[str, Plan]) -> None:
    assert not [name for name in roles(plans["entered"]) if "-people-" in name]
    assert [name for name in roles(plans["assumed"]) if "-people-" in name]


def test_gold_is_read_by_lake_formation_and_not_by_analysts(plans: dict[str, Plan]) -> None:
    made = roles(plans["assumed"])
    [trust] = statements(made["custody-local-lake-formation"].trust.document)
    assert trust["Principal"] == {"Service": "lakeformation.amazonaws.com"}
    bucket = next(
        policy
        for policy in policies(plans["assumed"])
        if policy.owner == "arn:aws:s3:::custody-local-analytics-123456789012"
    )
    [refusal] = [each for each in statements(bucket.document) if each["Sid"] == "NobodyElseTouchesObjects"]
    spared = refusal["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert "arn:aws:iam::123456789012:role/custody-local-lake-formation" in spared
    analyst = [
        each
        for policy in made["custody-local-people-analyst"].policies
        for each in statements(policy.document)
    ]
    assert "ReadWhatLakeFormationGrants" in comparable(analyst)
    assert "ReadGoldThroughAthena" not in comparable(analyst)


def test_a_rotator_reads_what_is_pending_and_renews_one_secret(plans: dict[str, Plan]) -> None:
    rotator = roles(plans["assumed"])["custody-local-rotator"]
    given = [each for policy in rotator.policies for each in statements(policy.document)]
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:custody-local-warehouse-??????"
    reading = [each for each in given if "secretsmanager:GetSecretValue" in each["Action"]]
    assert [(each["Resource"], each["Condition"]) for each in reading] == [
        (secret, {"StringEquals": {"secretsmanager:VersionStage": ["AWSCURRENT", "AWSPENDING"]}})
    ]
    assert {each["Resource"] for each in given if "secretsmanager:" in str(each["Action"])} == {secret}


def test_parquet_is_made_by_one_table_beside_what_the_jobs_read(plans: dict[str, Plan]) -> None:
    [to] = [
        resource.values["extended_s3_configuration"][0]
        for resource in resources(plans["assumed"])
        if resource.type == "aws_kinesis_firehose_delivery_stream"
    ]
    assert to["prefix"] == "incoming/stream/viewing_events-parquet/!{timestamp:yyyy/MM/dd/HH}/"
    [conversion] = to["data_format_conversion_configuration"]
    assert conversion["schema_configuration"][0]["table_name"] == "events"
    ingest = roles(plans["assumed"])["custody-local-ingest"]
    reading = [
        each
        for policy in ingest.policies
        for each in statements(policy.document)
        if "glue:" in str(each["Action"])
    ]
    assert [sorted(each["Action"]) for each in reading] == [
        ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"]
    ]
    glue = "arn:aws:glue:us-east-1:123456789012"
    assert sorted(reading[0]["Resource"]) == [
        f"{glue}:catalog",
        f"{glue}:database/custody_local",
        f"{glue}:table/custody_local/events",
    ]


def test_a_secret_is_read_by_nobody_who_is_not_named(plans: dict[str, Plan]) -> None:
    [policy] = [
        json.loads(resource.values["policy"])
        for resource in resources(plans["assumed"])
        if resource.type == "aws_secretsmanager_secret"
    ]
    [refusal] = [each for each in statements(policy) if each["Sid"] == "NobodyElseReads"]
    assert refusal["Effect"] == "Deny"
    assert refusal["Principal"] == "*"
    assert refusal["Condition"] == {
        "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/custody-local-rotator"}
    }


def test_an_endpoint_leads_to_this_account_alone(plans: dict[str, Plan]) -> None:
    endpoints = {
        resource.values["service_name"].rsplit(".", 1)[1]: json.loads(resource.values["policy"])
        for resource in resources(plans["assumed"])
        if resource.type == "aws_vpc_endpoint"
    }
    assert endpoints.keys() == {
        "athena",
        "events",
        "execute-api",
        "glue",
        "kms",
        "logs",
        "s3",
        "secretsmanager",
        "sns",
        "sqs",
    }
    for policy in endpoints.values():
        for each in statements(policy):
            assert each["Condition"]["StringEquals"]["aws:PrincipalAccount"] == "123456789012"
            named = each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]]
            assert all("123456789012" in arn for arn in named)


def uncapped(role: Role) -> set[str]:
    """What a role's policies allow but its boundary does not, without conditions."""
    assert role.boundary is not None
    cap = [each for each in statements(role.boundary.document) if each["Effect"] == "Allow"]
    return {
        f"{action} {resource}"
        for policy in role.policies
        for each in statements(policy.document)
        if each["Effect"] == "Allow"
        for action in listed(each["Action"])
        for resource in listed(each["Resource"])
        if not any(
            any(covers(one, action) for one in listed(most["Action"]))
            and any(covers(one, resource) for one in listed(most["Resource"]))
            for most in cap
        )
    }


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_a_service_may_do_under_its_boundary_what_it_is_given(plans: dict[str, Plan]) -> None:
    made = {name: role for name, role in roles(plans["assumed"]).items() if "-people-" not in name}
    assert {name: uncapped(role) for name, role in made.items() if uncapped(role)} == {}
    etl = made["custody-local-etl"]
    assert "make-interfaces" in {policy.name for policy in etl.policies}
    weaker = json.loads(json.dumps(etl.boundary.document if etl.boundary else {}))
    next(one for one in weaker["Statement"] if one["Sid"] == "OfTheKit")["Action"].remove(
        "glue:GetConnection"
    )
    assert etl.boundary is not None
    assert {
        found.split()[0] for found in uncapped(replace(etl, boundary=replace(etl.boundary, document=weaker)))
    } == {"glue:GetConnection"}
