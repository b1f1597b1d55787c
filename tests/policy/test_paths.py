"""The path of a folder does not change what the scanners find in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.scan.engine import Engine, engine
from scripts.scan.model import ScanError
from scripts.scan.tools import Scan, source

VALUES = {"function_name": "f", "environment": [{"variables": {"BUCKET": "example-data"}}]}
PLAN = {
    "format_version": "1.2",
    "terraform_version": "1.11.0",
    "planned_values": {
        "root_module": {
            "resources": [
                {
                    "address": "aws_lambda_function.this",
                    "mode": "managed",
                    "type": "aws_lambda_function",
                    "name": "this",
                    "provider_name": "registry.terraform.io/hashicorp/aws",
                    "values": VALUES,
                }
            ]
        }
    },
    "resource_changes": [
        {
            "address": "aws_lambda_function.this",
            "mode": "managed",
            "type": "aws_lambda_function",
            "name": "this",
            "change": {"actions": ["create"], "before": None, "after": VALUES, "after_unknown": {}},
        }
    ],
    "configuration": {"root_module": {}},
}
QUEUE = 'resource "aws_sqs_queue" "this" {\n  name = "q"\n}\n'
FOLDERS = (
    *(f"x-{'a' * length}" for length in range(31, 40)),  # with the file's name 40 letters and slashes, once
    "x-" + "a" * 40,
    "with a space",
    "policies",
    "node_modules",
    ".hidden",
    'it\'s "quoted" (1) [a] ${b} %{c} é',
    "/".join(["deep"] * 60),
)


@pytest.fixture(scope="module")
def of_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine("source", tmp_path_factory.mktemp("source")) as running:
        yield running


@pytest.mark.xdist_group("policy")
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_plan_is_judged_alike_wherever_it_lies(folder: str, tmp_path: Path, checkov: Engine) -> None:
    def failed(place: Path) -> tuple[int, list[str]]:
        place.mkdir(parents=True, exist_ok=True)
        (place / "plan.json").write_text(json.dumps(PLAN))
        answer = checkov.ask(file=str(place / "plan.json"), folder=None)
        assert answer["errors"] == []
        return answer["rules"], sorted(record["rule"] for record in answer["failed"])

    rules, found = failed(tmp_path / folder)
    assert "CKV_AWS_45" not in found
    assert (rules, found) == failed(tmp_path)
    assert rules > 5


@pytest.mark.xdist_group("policy")
def test_a_secret_in_a_plan_is_still_one(tmp_path: Path, checkov: Engine) -> None:
    text = json.dumps(PLAN).replace("example-data", "Ab1/" * 10)
    (tmp_path / "plan.json").write_text(text)
    answer = checkov.ask(file=str(tmp_path / "plan.json"), folder=None, checks=["CKV_AWS_45"])
    assert [record["rule"] for record in answer["failed"]] == ["CKV_AWS_45"]


@pytest.mark.xdist_group("policy")
@pytest.mark.parametrize("folder", FOLDERS)
def test_source_is_judged_alike_wherever_it_lies(folder: str, tmp_path: Path, of_source: Engine) -> None:
    place = tmp_path / folder / "terraform"
    (place / "modules" / "queue").mkdir(parents=True)
    (place / "modules" / "queue" / "main.tf").write_text(QUEUE)
    answer = of_source.ask(folder=str(place), checks=["CKV_AWS_27"])
    assert [(record["path"], record["lines"]) for record in answer["failed"]] == [
        ("/modules/queue/main.tf", [1, 3])
    ]


def test_a_source_in_which_nothing_is_found_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "terraform").mkdir()
    with pytest.raises(ScanError, match="holds nothing"):
        source(Scan(tmp_path, (), tmp_path / "work", (), lambda _: None))
