"""Plausible pull requests on the kit itself: the verdict a security reviewer would give, in one finding.

They are made from the plan of the kit with all optional parts.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scripts.access.planned import planned_parts
from scripts.review.__main__ import compare
from scripts.review.findings import Finding
from scripts.review.moves import Moves, read_moves
from scripts.review.sides import applied_sides

pytestmark = pytest.mark.xdist_group("pipeline")

Plan = dict[str, Any]
Edit = Callable[[Plan], Plan]


@pytest.fixture(scope="module")
def base() -> Plan:
    return planned_parts(print)


def found(base: Plan, edit: Edit, code: Moves | None = None) -> list[Finding]:
    return compare(*applied_sides(base, edit(copy.deepcopy(base)), code))


def lists(plan: Plan) -> Iterator[list[dict[str, Any]]]:
    """Yield every module's list of resources."""
    waiting = [plan["planned_values"]["root_module"]]
    while waiting:
        module = waiting.pop()
        yield module.setdefault("resources", [])
        waiting += module.get("child_modules", ())


def each(plan: Plan, kind: str, module: str = "") -> list[dict[str, Any]]:
    chosen = [
        entry
        for entries in lists(plan)
        for entry in entries
        if entry["type"] == kind and entry["mode"] == "managed" and entry["address"].startswith(module)
    ]
    assert chosen, (kind, module)
    return chosen


def memory_raised(plan: Plan) -> Plan:
    for entry in each(plan, "aws_lambda_function"):
        entry["values"]["memory_size"] *= 2
    return plan


def alarm_deleted(plan: Plan) -> Plan:
    (alarm,) = [
        entry
        for entry in each(plan, "aws_cloudwatch_metric_alarm", "module.recorder")
        if "throttles" in entry["address"]
    ]
    for entries in lists(plan):
        if alarm in entries:
            entries.remove(alarm)
    return plan


def retention_longer(plan: Plan) -> Plan:
    for entry in each(plan, "aws_cloudwatch_log_group"):
        entry["values"]["retention_in_days"] = 3653
    return plan


def people(*names: str) -> Edit:
    """Add the role of a persona, as ``people`` in the tfvars makes it, for these users."""

    def edit(plan: Plan) -> Plan:
        module = 'module.people_role["analyst"]'
        copied(plan, "module.etl_role[0]", module, ("-etl", "-people-analyst"))
        (role,) = each(plan, "aws_iam_role", module)
        users = [f"arn:aws:iam::123456789012:user/{name}" for name in names]
        trust = {"Sid": "People", "Effect": "Allow", "Principal": {"AWS": users}, "Action": "sts:AssumeRole"}
        role["values"]["assume_role_policy"] = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        return plan

    return edit


def tighter_policy(plan: Plan) -> Plan:
    (entry,) = [
        entry
        for entry in each(plan, "aws_iam_role_policy", "module.ingest_role")
        if entry["values"]["name"] == "objects"
    ]
    document = json.loads(entry["values"]["policy"])
    document["Statement"][0]["Action"] = "s3:PutObject"
    entry["values"]["policy"] = json.dumps(document)
    return plan


def copied(plan: Plan, module: str, to: str, *names: tuple[str, str]) -> Plan:
    """Add a module that says what another one does, under other names."""
    (source,) = [
        entry
        for entry in plan["planned_values"]["root_module"]["child_modules"]
        if entry["address"] == module
    ]
    text = json.dumps(source).replace(json.dumps(module)[1:-1], json.dumps(to)[1:-1])
    for old, new in names:
        text = text.replace(old, new)
    plan["planned_values"]["root_module"]["child_modules"].append(json.loads(text))
    return plan


def new_bucket(plan: Plan) -> Plan:
    return copied(plan, "module.athena_results", "module.scratch", ("-athena-results-", "-scratch-"))


def new_module(plan: Plan) -> Plan:
    return copied(plan, "module.ingest_role[0]", "module.helper_role", ("-ingest", "-helper"))


def role_renamed(plan: Plan) -> Plan:
    (role,) = each(plan, "aws_iam_role", "module.etl_role")
    name = role["values"]["name"]
    pattern = rf'(:role/|:assumed-role/|"(?:role|role_name)": ")({re.escape(name)})(?=["/\\])'
    renamed: Plan = json.loads(re.sub(pattern, rf"\1{name}-2", json.dumps(plan)))
    each(renamed, "aws_iam_role", "module.etl_role")[0]["values"]["name"] = f"{name}-2"
    return renamed


def at(plan: Plan, old: str, new: str) -> Plan:
    """Put a module at another address."""
    text = json.dumps(plan)
    moved: Plan = json.loads(
        text.replace(f'"{old}.', f'"{json.dumps(new)[1:-1]}.').replace(f'"{old}"', json.dumps(new))
    )
    return moved


def key_to_for_each(plan: Plan) -> Plan:
    return at(plan, "module.data_key", 'module.data_key["a"]')


def module_moved(plan: Plan) -> Plan:
    return at(plan, "module.workgroup", "module.asking")


def moved(folder: Any, old: str, new: str) -> Moves:
    (folder / "moved.tf").write_text(f"moved {{\n  from = {old}\n  to   = {new}\n}}\n")
    return read_moves(folder)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (alarm_deleted, r"cloudwatch metric alarm `\S+-recorder-throttles` is gone: "),
        (role_renamed, r"role `\S+-etl-2` was called `\S+-etl`: it is recreated"),
        (
            key_to_for_each,
            r"kms key `\S+` is at `module\.data_key\[\"a\"\]\.\S+` now, before `module\.data_key\.\S+`: ",
        ),
        (module_moved, r"athena workgroup `\S+` is at `module\.asking\.\S+` now, before "),
        (new_module, r"module `module\.helper_role` is new: \d+ differences, \d+ of them wider"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_needs_an_approval_and_is_one_finding(base: Plan, edit: Edit, said: str) -> None:
    (finding,) = found(base, edit)
    assert finding.direction == "wider"
    assert re.match(said, finding.text), finding.text


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (retention_longer, r"cloudwatch log group .*: `retention_in_days` `\d+` → `3653`"),
        (tighter_policy, r"role `\S+-ingest` may no longer `s3:AbortMultipartUpload` on "),
        (new_bucket, r"module `module\.scratch` is new: \d+ differences, 0 of them wider"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_needs_none_and_is_one_finding(base: Plan, edit: Edit, said: str) -> None:
    (finding,) = found(base, edit)
    assert finding.direction == "narrower"
    assert re.match(said, finding.text), finding.text


def test_a_person_more_needs_an_approval_and_is_one_finding(base: Plan) -> None:
    before = people("operator")(copy.deepcopy(base))
    (finding,) = compare(*applied_sides(before, people("operator", "ada")(copy.deepcopy(base))))
    assert finding.direction == "wider"
    assert finding.text.startswith("user `ada` may now `sts:AssumeRole` on `custody-local-people-analyst`")


def test_more_memory_is_nothing_to_tell(base: Plan) -> None:
    assert found(base, memory_raised) == []


def test_what_the_code_says_has_moved_is_nothing_to_tell(base: Plan, tmp_path: Any) -> None:
    key = moved(tmp_path, "module.data_key", 'module.data_key["a"]')
    assert found(base, key_to_for_each, key) == []
    assert found(base, module_moved, moved(tmp_path, "module.workgroup", "module.asking")) == []


def test_a_move_to_elsewhere_helps_nothing(base: Plan, tmp_path: Any) -> None:
    (without,) = found(base, key_to_for_each)
    (wrong,) = found(base, key_to_for_each, moved(tmp_path, "module.data_key", 'module.data_key["b"]'))
    assert {without.about, wrong.about} == {"destruction"}
