"""The table of rules covers every argument of our resource types, and each row works as described."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.review.__main__ import compare
from scripts.review.comparisons import NAMED, Change, Ours, outside, rises
from scripts.review.rules import FILE, all_rules, rules_of
from scripts.review.sides import applied_sides
from scripts.toolchain.environment import without_aws
from scripts.toolchain.toolchain import LOCK_FILE, REPO, lock_file, terraform_environ, terraform_program
from tests.review.documents import resource, state

USED = sorted(
    {
        kind
        for path in (REPO / "terraform").rglob("*.tf")
        for kind in re.findall(r'^resource "(\w+)"', path.read_text(), re.MULTILINE)
        if kind.startswith("aws_")
    }
)
Schemas = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Schemas:
    """What the locked provider says of every resource type."""
    folder = tmp_path_factory.mktemp("schema")
    shutil.copy(REPO / "terraform" / "versions.tf", folder)
    shutil.copy(lock_file(), folder / LOCK_FILE.name)
    environ = terraform_environ(without_aws(os.environ))
    for words in (
        ("init", "-backend=false", "-input=false", "-lockfile=readonly"),
        ("providers", "schema", "-json"),
    ):
        done = subprocess.run(
            [terraform_program(), *words], cwd=folder, env=environ, capture_output=True, text=True, check=True
        )
    (provider,) = json.loads(done.stdout)["provider_schemas"].values()
    found: Schemas = provider["resource_schemas"]
    return found


def leaves(block: dict[str, Any], path: str = "") -> Iterator[tuple[str, bool, Any]]:
    """Yield every attribute and block by its path, whether AWS alone says it, and its type."""
    for name, said in block.get("attributes", {}).items():
        computed = said.get("computed", False) and not (said.get("optional") or said.get("required"))
        yield path + name, computed, said.get("type")
    for name, said in block.get("block_types", {}).items():
        yield path + name, False, "block"
        yield from leaves(said["block"], f"{path}{name}.")


@pytest.mark.xdist_group("plan")
def test_the_table_is_whole_over_what_the_tree_uses(schemas: Schemas) -> None:
    everywhere = yaml.safe_load(FILE.read_text())["every type"]["harmless"].keys() | {"id"}
    found = {}
    for kind in USED:
        rules = all_rules().get(kind)
        assert rules is not None, f"{kind} has no rules: add it to {FILE.name}"
        paths = {path: computed for path, computed, _ in leaves(schemas[kind]["block"])}
        attributes = schemas[kind]["block"]["attributes"].items()
        filled = {name for name, said in attributes if said.get("computed") and said.get("optional")}
        arguments = {path for path, computed in paths.items() if not computed and "." not in path}
        said = {path.partition(".")[0] for path in rules.rows} | set(rules.wider)
        found[kind] = {
            "no row": arguments - said - everywhere,
            "no such argument": (set(rules.rows) - everywhere | set(rules.wider)) - paths.keys(),
            "twice": set(rules.wider) & rules.rows.keys(),
            "filled": (filled - everywhere) ^ rules.filled,
            "computed": {path for path, computed in paths.items() if computed and path not in everywhere}
            ^ rules.computed,
        }
    assert {kind: gaps for kind, gaps in found.items() if any(gaps.values())} == {}


@pytest.mark.xdist_group("plan")
def test_any_other_value_of_an_argument_without_a_row_is_wider(schemas: Schemas) -> None:
    """Every leaf of every block, at any depth and in any form."""
    pairs: dict[str, list[tuple[Any, Any]]] = {
        "bool": [(True, False), (False, True)],
        "number": [(1, 0), (0, 1), (None, 1)],
    }
    texts = [("one", "other"), (None, "other"), ("one", None)]
    missed = []
    for kind in USED:
        rows = rules_of(kind).rows
        for path, computed, of_type in leaves(schemas[kind]["block"]):
            above = {path.rsplit(".", count)[0] for count in range(path.count(".") + 1)}
            below = any(row.startswith(f"{path}.") for row in rows)
            if computed or path == "id" or above & rows.keys() or below:
                continue
            for before, after in pairs.get(str(of_type), texts):
                if not any(found.direction == "wider" for found in changed(kind, path, before, after)):
                    missed.append((kind, path, before, after))
    assert missed == []


def changed(kind: str, path: str, before: Any, after: Any) -> list[Any]:
    sides = applied_sides(state(holder(kind, path, before)), state(holder(kind, path, after)))
    return compare(*sides)


def holder(kind: str, path: str, value: Any) -> dict[str, Any]:
    """A resource of a type, with a name, and a value at a path."""
    argument, *inner = path.split(".")
    for name in reversed(inner):
        value = [{name: value}]
    named = dict.fromkeys(rules_of(kind).named, "x")
    trust = {"assume_role_policy": "{}", "name": "x"} if kind == "aws_iam_role" else {}
    return resource(f"{kind}.x", **{**named, **trust, argument: value})


def test_the_tags_that_count_are_those_that_policies_ask_for() -> None:
    document = yaml.safe_load(FILE.read_text())["every type"]["harmless"]
    kit_tags = (REPO / "terraform" / "bootstrap" / "locals.tf").read_text()
    asked = set()
    for path in (REPO / "terraform").rglob("*.tf"):
        for name in re.findall(r"aws:(?:Request|Resource|Principal)Tag/([^\"]+)", path.read_text()):
            asked |= (
                set(re.findall(r"(\w+)\s*=", kit_tags.partition("kit_tags")[2].partition("}")[0]))
                if "$" in name
                else {name}
            )
    assert asked
    assert asked <= set(document["tags"]["when"]["outside"])
    assert document["tags"] == document["tags_all"]


def test_every_row_says_why() -> None:
    document = yaml.safe_load(FILE.read_text())
    for kind, entry in document["types"].items():
        rows = [*entry.get("safer", {}).values(), *entry.get("harmless", {}).values()]
        rows += [entry[name] for name in ("added", "gone") if name in entry]
        assert all(len(row["why"]) > 3 for row in rows), kind


OURS = Ours(frozenset({"arn:aws:s3:::ours"}), frozenset({"123456789012"}))
MINE, THEIRS = (f"arn:aws:sns:r:{account}:t" for account in ("123456789012", "999988887777"))


def expiring(days: int | None, status: str = "Enabled", **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": "r", "status": status, "filter": [{}], "expiration": [{"days": days}] if days else [], **more}
    ]


def archived(days: int, to: str = "GLACIER") -> list[dict[str, Any]]:
    return expiring(None, transition=[{"days": days, "storage_class": to}])


def superseded(days: int, kept: int | None) -> list[dict[str, Any]]:
    block = {"noncurrent_days": days, "newer_noncurrent_versions": kept}
    return expiring(None, noncurrent_version_expiration=[block])


def events(*names: str, **more: Any) -> str:
    return json.dumps({"source": ["aws.s3"], "detail": {"eventName": list(names), **more}})


SELECTOR = {
    "name": "objects",
    "field_selector": [
        {"field": "eventCategory", "equals": ["Data"], "starts_with": []},
        {"field": "resources.ARN", "equals": [], "starts_with": ["arn:aws:s3:::a/", "arn:aws:s3:::b/"]},
    ],
}
FEWER = json.loads(json.dumps(SELECTOR).replace('"arn:aws:s3:::a/", ', ""))
READS = {
    **SELECTOR,
    "field_selector": [*SELECTOR["field_selector"], {"field": "readOnly", "equals": ["true"]}],
}

KINDS: dict[str, tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]] = {
    # by comparison: changes of its kind, and others
    "any": ([(1, 2), (None, "x")], []),
    "cleared": ([("x", None)], [(None, "x"), ("x", "y")]),
    "cut": ([(["a"], []), (["a", "b"], ["b"])], [(["a"], ["b"]), ([], ["a"]), (None, ["a"])]),
    "first": (
        [(None, "alias/k"), (None, MINE), (None, json.dumps({"deadLetterTargetArn": MINE}))],
        [("a", "b"), (None, THEIRS), (None, [{"arn": THEIRS}]), ("a", None)],
    ),
    "grows": ([([], [MINE]), (["a"], ["a", "b"])], [(["a"], ["b"]), (["a"], []), ([], [THEIRS])]),
    "keeps more": (
        [
            (expiring(30), expiring(365)),
            (expiring(30), expiring(30, "Disabled")),
            (expiring(30), []),
            (archived(30), archived(90)),
            (superseded(30, 5), superseded(30, 9)),
        ],
        [
            (expiring(365), expiring(30)),
            (expiring(None), expiring(3650)),
            (expiring(365, "Disabled"), expiring(365)),
            (expiring(30), archived(30)),
            (archived(30), archived(30, "DEEP_ARCHIVE")),
            (archived(30), archived(0)),
            (superseded(30, 50), superseded(30, None)),
            (superseded(30, 5), superseded(29, 9)),
            (
                expiring(30, filter=[{"object_size_greater_than": 9}]),
                expiring(30, filter=[{"object_size_greater_than": 8}]),
            ),
            (expiring(30, filter=[{"prefix": "a/"}]), expiring(30)),
            (None, expiring(None, expiration=[{"expired_object_delete_marker": True}])),
            (None, expiring(None, expiration=[{"date": "2026-01-01T00:00:00Z"}])),
            (expiring(30), expiring(30, newer_block=[{"days": 1}])),
        ],
    ),
    "later": (
        [("2035-01-01T00:00:00Z", "2036-01-01T00:00:00Z"), (None, "2036-01-01T00:00:00Z")],
        [("2036-01-01T00:00:00Z", "2035-01-01T00:00:00Z"), ("2036-01-01T00:00:00Z", None)],
    ),
    "less": ([(90, 30), ("90", 30)], [(30, 90), (None, 30), (30, None), (True, False)]),
    "locks longer": (
        [
            ([{"days": 1, "mode": "GOVERNANCE"}], [{"days": 30, "mode": "GOVERNANCE"}]),
            ([{"days": 364, "mode": "GOVERNANCE"}], [{"years": 1, "mode": "COMPLIANCE"}]),
            (None, [{"days": 1, "mode": "GOVERNANCE"}]),
        ],
        [
            ([{"days": 30, "mode": "GOVERNANCE"}], [{"days": 1, "mode": "COMPLIANCE"}]),
            ([{"days": 30, "mode": "COMPLIANCE"}], [{"days": 99, "mode": "GOVERNANCE"}]),
            ([{"years": 1, "mode": "GOVERNANCE"}], [{"days": 364, "mode": "GOVERNANCE"}]),
            ([{"days": 30, "mode": "GOVERNANCE"}], None),
            ([{"days": 30, "mode": "GOVERNANCE"}], [{"days": 30, "mode": "NEWER"}]),
        ],
    ),
    "longer": ([(30, 365), (365, 0), (365, None)], [(365, 30), (0, 365), (None, 365), ("x", 365)]),
    "matches more": (
        [
            (events("StopLogging"), events("StopLogging", "DeleteTrail")),
            (events("StopLogging", region=["us-east-1"]), events("StopLogging")),
        ],
        [
            (events("StopLogging", "DeleteTrail"), events("StopLogging")),
            (events("StopLogging"), events("StopLogging", region=["us-east-1"])),
            (events("StopLogging"), None),
            (events("StopLogging"), "no JSON"),
        ],
    ),
    "more": ([(128, 256)], [(256, 128), (None, 128), (128, None)]),
    "reserves more": ([(0, 5), (5, 9)], [(-1, 0), (-1, 5), (5, -1), (9, 5), (None, 0)]),
    "selects more": (
        [([FEWER], [SELECTOR]), (None, [SELECTOR]), ([READS], [SELECTOR])],
        [([SELECTOR], [FEWER]), ([SELECTOR], [READS]), ([SELECTOR], []), ([SELECTOR], None)],
    ),
    "shorter": ([("PT8H", "PT4H"), ("PT1H", "PT30M")], [("PT1H", "PT8H"), ("PT1H", "P1D"), (None, "PT1H")]),
    "shrinks": ([(["a", "b"], ["a"])], [(["a"], ["b"]), (["a"], []), (["a"], ["a", "b"])]),
    "turned off": ([(True, False), (True, None)], [(False, True), (None, True)]),
    "turned on": ([(False, True), (None, True)], [(True, False), (True, None)]),
}


@pytest.mark.parametrize(
    ("when", "was", "now", "holds"),
    [
        (when, was, now, holds)
        for when, (kind, others) in KINDS.items()
        for pairs, holds in ((kind, True), (others, False))
        for was, now in pairs
    ],
)
def test_a_comparison_knows_its_kind(when: str, was: Any, now: Any, holds: bool) -> None:
    assert NAMED[when](Change(was, now, OURS)) is holds


def test_every_comparison_has_cases() -> None:
    of_others = {"content told", "tighter"}
    assert KINDS.keys() | of_others == NAMED.keys()


@pytest.mark.parametrize(
    ("operator", "was", "now", "holds"),
    [
        ("GreaterThanThreshold", 5, 1, True),
        ("GreaterThanOrEqualToThreshold", 1, 5, False),
        ("LessThanThreshold", 1, 5, True),
        ("LessThanOrEqualToThreshold", 5, 1, False),
        ("GreaterThanUpperThreshold", 5, None, False),
        ("newer", 5, 1, False),
    ],
)
def test_a_threshold_is_tighter_by_its_operator(operator: str, was: Any, now: Any, holds: bool) -> None:
    assert NAMED["tighter"](Change(was, now, OURS, {"comparison_operator": operator})) is holds


def test_a_digest_is_no_change_where_the_text_it_is_of_is_judged() -> None:
    assert NAMED["content told"](Change("1", "2", OURS, {"content": "x"}))
    assert not NAMED["content told"](Change("1", "2", OURS, {"source": "x"}))


def test_words_rise_along_their_list_and_no_other_way() -> None:
    holds = rises([None, "AES256", "aws:kms"])
    assert holds(Change(None, "AES256"))
    assert holds(Change("AES256", "aws:kms"))
    for was, now in (("aws:kms", "AES256"), ("AES256", None), ("aws:kms", "newer"), ("newer", "aws:kms")):
        assert not holds(Change(was, now))


def test_a_mapping_may_differ_outside_the_names() -> None:
    holds = outside(["project"])
    assert holds(Change({"project": "a", "team": "x"}, {"project": "a"}))
    assert not holds(Change({"project": "a"}, {"project": "b"}))
    assert not holds(Change({"project": "a"}, None))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{safer: {a: {when: bigger, why: x}}}", "aws_x.a: there is no comparison 'bigger'"),
        ("{saver: {}}", "aws_x: saver is unknown"),
        ("{added: {if: x}}", "aws_x: if is unknown"),
    ],
)
def test_a_table_that_means_nothing_is_refused(tmp_path: Path, entry: str, message: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(f"every type: {{computed: []}}\ntypes: {{aws_x: {entry}}}\nbeyond: {{types: []}}\n")
    with pytest.raises(ValueError, match=re.escape(message)):
        all_rules(path)
