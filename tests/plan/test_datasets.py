"""What is deployed of data sets: of the examples, of one that lies elsewhere, and of none."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.datasets import load_dataset
from scripts.scan.known import Tree, known_plans
from scripts.state.policies import Resource, policies, resources, roles, statements
from scripts.terraform import SOURCE, Terraform
from scripts.toolchain.toolchain import LOCK_FILE, REPO, ToolError
from tests.glue.test_contract import SMALL

pytestmark = pytest.mark.xdist_group("plan")

Plan = dict[str, Any]
OF_TABLES = {
    "aws_glue_job",
    "aws_glue_data_quality_ruleset",
    "aws_glue_security_configuration",
    "aws_kinesis_firehose_delivery_stream",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of one's own, outside of the repository."""
    own = tmp_path_factory.mktemp("own data")
    (own / "silver").mkdir()
    (own / "silver" / "things.yaml").write_text(SMALL)
    return own


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> dict[str, Plan]:
    """``local`` with none, with another domain's, and with two of files: an example and one of one's own."""
    work = tmp_path_factory.mktemp("plans")
    local = (SOURCE / "env" / "local.tfvars").read_text()
    trees = []
    for name, datasets in (("none", "[]"), ("sensors", '["examples/sensors"]')):
        text, count = re.subn(r"^datasets = .*$", f"datasets = {datasets}", local, flags=re.MULTILINE)
        assert count == 1
        (work / f"{name}.tfvars").write_text(text)
        trees.append(Tree(name, SOURCE, work / f"{name}.tfvars"))
    planned = known_plans(trees, work / "known", say=lambda _: None)
    variables = {"datasets": ["examples/minimal", str(folder)]}
    terraform = Terraform("local", work_dir=work / "files", variables=variables, say=lambda _: None)
    return {**planned, "files": terraform.plan().document}


def of_type(plan: Plan, kind: str) -> list[Resource]:
    return [resource for resource in resources(plan) if resource.type == kind]


def tables(plan: Plan) -> set[str]:
    found = of_type(plan, "aws_glue_catalog_table")
    return {table.values["name"] for table in found if table.address.startswith("module.delta_table")}


def test_the_tables_of_each_data_set_are_told(plans: dict[str, Plan], folder: Path) -> None:
    told = plans["files"]["output_changes"]["datasets"]["after"]
    assert told == {"minimal": ["machines"], folder.name: ["things"]}


def test_without_a_data_set_there_is_evidence_alone(plans: dict[str, Plan]) -> None:
    plan = plans["none"]
    assert tables(plan) == set()
    assert not [resource.address for resource in resources(plan) if resource.type in OF_TABLES]
    functions = {function.values["function_name"] for function in of_type(plan, "aws_lambda_function")}
    assert functions == {"custody-local-auditor", "custody-local-recorder", "custody-local-sealer"}
    absent = {f"custody-local-{short}" for short in ("etl", "gate", "ingest")}
    assert not absent & roles(plan).keys()
    named = json.dumps([policy.document for policy in policies(plan)])
    assert not [name for name in absent if f"role/{name}" in named]
    given = json.dumps([policy.document for role in roles(plan).values() for policy in role.policies])
    assert "glue:StartJobRun" not in given
    assert "glue:GetJobRuns" not in given
    assert "firehose:" not in given


def test_no_policy_has_a_statement_about_nothing(plans: dict[str, Plan]) -> None:
    """AWS takes no statement without a resource, but for a role's trust."""
    for role in roles(plans["none"]).values():
        for policy in role.policies:
            for statement in statements(policy.document):
                assert statement.get("Resource") or statement.get("NotResource"), (role, statement)


def test_a_table_of_files_has_a_job_and_no_stream(plans: dict[str, Plan]) -> None:
    plan = plans["files"]
    assert tables(plan) == {"machines", "machines_rejected", "things", "things_rejected"}
    assert {job.values["name"] for job in of_type(plan, "aws_glue_job")} == {
        "custody-local-raw-to-processed-machines",
        "custody-local-raw-to-processed-things",
    }
    assert of_type(plan, "aws_kinesis_firehose_delivery_stream") == []
    assert "custody-local-ingest" not in roles(plan)
    assert plan["output_changes"]["sources"]["after"] == {
        "machines": {"format": "csv", "prefix": "incoming/machines/"},
        "things": {"format": "csv", "prefix": "incoming/things/"},
    }


def test_another_domain_has_all_of_it(plans: dict[str, Plan]) -> None:
    plan, data_set = plans["sensors"], load_dataset(REPO / "examples" / "sensors")
    rejected = {f"{table}_rejected" for table in data_set.silver}
    assert tables(plan) == {*data_set.contracts, *rejected}
    [stream] = of_type(plan, "aws_kinesis_firehose_delivery_stream")
    assert stream.values["name"] == "custody-local-readings"
    arguments = {job.values["name"]: job.values["default_arguments"] for job in of_type(plan, "aws_glue_job")}
    assert arguments["custody-local-processed-to-analytics-site-days"]["--table"] == "site_days"
    assert len(arguments) == len(data_set.contracts)
    contracts = {
        Path(stored.values["key"]).stem: json.loads(stored.values["content"])
        for stored in of_type(plan, "aws_s3_object")
        if stored.values["key"].startswith("glue/quality/")
    }
    assert contracts.keys() == data_set.contracts.keys()
    for table, contract in data_set.gold.items():
        assert contracts[table]["sql"] == contract.sql


def test_a_ruleset_says_the_contract_in_dqdl(plans: dict[str, Plan]) -> None:
    [ruleset] = [
        found
        for found in of_type(plans["files"], "aws_glue_data_quality_ruleset")
        if found.values["name"].endswith("things")
    ]
    assert ruleset.values["ruleset"] == (
        "Rules = [\n"
        '    IsPrimaryKey "id",\n'
        '    IsComplete "id",\n'
        '    ColumnValues "id" matches "^([A-Z]{3})$",\n'
        '    ColumnValues "size" >= 1 where "size is not null",\n'
        '    ColumnValues "size" <= 9 where "size is not null",\n'
        '    ColumnValues "kind" in [ "a", "b" ] where "kind is not null",\n'
        '    ColumnLength "kind" <= 1 where "kind is not null",\n'
        '    IsComplete "made",\n'
        '    ColumnValues "made" >= "2020-01-01",\n'
        "    RowCount >= 10,\n"
        '    Completeness "size" >= 0.5\n'
        "]\n"
    )


GOLD = """\
table: sizes
meaning: Sizes.
inputs: [{table: things}]
key: [id]
columns: [{name: id, type: string, required: true, meaning: Its name.}]
"""


def refused(datasets: dict[Path, dict[str, str]], work_dir: Path, source: Path = SOURCE) -> str:
    """What a plan says of folders with these files."""
    for folder, files in datasets.items():
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    variables = {"datasets": [str(folder) for folder in datasets]}
    terraform = Terraform("local", source=source, work_dir=work_dir, variables=variables, say=lambda _: None)
    with pytest.raises(ToolError) as caught:
        terraform.plan()
    return " ".join(str(caught.value).split())


def test_a_plan_tells_what_is_missing(tmp_path: Path) -> None:
    """Of the inputs alone, which say so."""
    source = tmp_path / "tree" / "terraform"
    (source / "env").mkdir(parents=True)
    for name in ("env/local.tfvars", "variables.tf"):
        (source / name).symlink_to(SOURCE / name)
    (source / LOCK_FILE.name).touch()
    folders: dict[Path, dict[str, str]] = {
        tmp_path / "empty": {},
        tmp_path / "whole": {"silver/things.yaml": SMALL},
        tmp_path / "other": {"silver/things.yaml": SMALL, "gold/sizes.yaml": GOLD},
    }
    said = refused(folders, tmp_path / "work", source)
    assert "A folder in datasets has no silver/<table>.yaml" in said
    assert "datasets has two contracts of one table" in said
    assert "A gold table in datasets has no SELECT and no function, or both" in said


def test_a_plan_tells_what_is_named_twice(tmp_path: Path) -> None:
    own = tmp_path / "own"
    said = refused({own: {"silver/things.yaml": SMALL}, own / ".." / "own": {}}, tmp_path / "work")
    assert said.count("Error: ") == 1
    assert "datasets names a folder twice: name each once." in said


def test_a_plan_tells_what_is_wrong_in_which_file(tmp_path: Path) -> None:
    """Found after Terraform's own plan, of whatever takes data sets."""
    own, source = tmp_path / "own", tmp_path / "tree" / "terraform"
    (source / "env").mkdir(parents=True)
    (source / "env" / "local.tfvars").touch()
    (source / "main.tf").write_text('variable "datasets" {}\n')
    (source / LOCK_FILE.name).touch()
    files = {"silver/things.yaml": SMALL, "gold/sizes.yaml": GOLD, "gold/sizes.sql": "SELECT id FROM other"}
    said = refused({own: files}, tmp_path / "work", source)
    assert said == f"{own}/gold/sizes.sql: reads other, which the contract does not name in inputs."
    assert not (tmp_path / "work" / "plan").exists(), "there is nothing to apply"


def test_a_plan_tells_when_there_are_too_many_tables(tmp_path: Path) -> None:
    """The longest names, in which nothing is alike."""
    names = [f"t{hashlib.sha256(bytes([number])).hexdigest()[:62]}" for number in range(70)]
    files = {f"silver/{name}.yaml": SMALL.replace("things", name) for name in names}
    said = refused({tmp_path / "own": files}, tmp_path / "work")
    assert "datasets has 70 tables, which are too many for one deployment" in said
