"""Optional parts of an environment, locally: people in Identity Center, Lake Formation, a network.

Each module is applied separately, in a root made here: it works, plans no further change, and can be
destroyed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from scripts.local_aws import LocalAws
from scripts.terraform import SOURCE
from scripts.toolchain.environment import without_aws
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import lock_file, terraform_environ, terraform_program

pytestmark = pytest.mark.xdist_group("optional-modules")

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/custody-local"
GROUP = "On call"
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
  source        = "SOURCE/modules/workforce"
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
  source           = "SOURCE/modules/governance"
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
  source      = "SOURCE/modules/network"
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

# The database comes after the settings by which nothing new is open.
resource "aws_glue_catalog_database" "this" {
  name = module.governance.database
}
"""


class Applied:
    """The root above, applied; with clients to examine it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def terraform(self, *words: str) -> int:
        done = subprocess.run(
            [terraform_program(), *words, "-input=false", "-no-color"],
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return done.returncode

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._environ["AWS_ENDPOINT_URL"],
            region_name=self._environ["AWS_REGION"],
            aws_access_key_id=self._environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environ["AWS_SECRET_ACCESS_KEY"],
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
        "SOURCE": SOURCE,
        "ACCOUNT": ACCOUNT,
        "ROLE": ROLE,
        "GROUP": GROUP,
        "TABLES": TABLES,
    }.items():
        text = text.replace(word, str(meant))
    (folder / "main.tf").write_text(text)
    shutil.copy(lock_file(), folder)
    with (
        LocalAws(folder / "aws") as aws,
        served_provider(
            terraform_environ(without_aws(os.environ)) | aws.environ(), tmp_path_factory.mktemp("provider")
        ) as environ,
    ):
        root = Applied(folder, environ)
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


def test_it_settles(applied: Applied) -> None:
    assert applied.terraform("plan", "-detailed-exitcode") == 0


def test_a_grant_is_taken_back(applied: Applied) -> None:
    applied.terraform(
        "destroy", "-auto-approve", "-target=module.governance.aws_lakeformation_permissions.read"
    )
    table = {"Table": {"CatalogId": ACCOUNT, "DatabaseName": "custody_local", "TableWildcard": {}}}
    assert applied.may("people-auditor", table) == set()
    assert applied.may("etl", table) == {"ALTER", "DESCRIBE", "INSERT", "SELECT"}
