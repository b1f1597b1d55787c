"""A contract that changes: the effect on rows there, on rows rejected before, and what is refused."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import functions as F  # noqa: N812

from custody.errors import UsageError
from custody.etl.change import losses, widens
from custody.etl.contract import Contract, parse_contract
from custody.etl.delta import conformed
from custody.etl.manifest import Entry
from custody.etl.silver_run import Lake
from tests.glue.local import Raw, process
from tests.glue.test_silver import CrashError, crash_at

MakeLake = Callable[..., Lake]
KINDS = [
    "string",
    "integer",
    "bigint",
    "decimal",
    "decimal(30,8)",
    "double",
    "binary",
    "array<string>",
    "date",
    "timestamp",
    "boolean",
]
DECISION = "s3://processed/decisions/machines/again.json?versionId=v1"
MACHINES: dict[str, Any] = {
    "table": "machines",
    "meaning": "One row per machine.",
    "key": ["machine_id"],
    "source": {
        "from": "files",
        "prefix": "incoming/machines/",
        "format": "csv",
        "wins": "latest",
        "unknown_columns": "keep",
    },
    "columns": [
        {
            "name": "machine_id",
            "type": "string",
            "required": True,
            "meaning": "Number.",
            "pattern": "m[0-9]+",
        },
        {"name": "hours", "type": "integer", "meaning": "How long it ran.", "maximum": "1000"},
        {"name": "price", "type": "decimal", "meaning": "What it cost."},
    ],
    "checks": [{"kind": "rejected_ratio", "at_most": "0.7"}],
}


def machines(columns: dict[str, dict[str, Any] | None] | None = None, **changes: Any) -> Contract:
    """The contract with some of its columns changed, added, or (``None``) taken away."""
    changed = columns or {}
    listed = [{**item, **(changed.get(item["name"]) or {})} for item in MACHINES["columns"]]
    listed = [
        item
        for item, before in zip(listed, MACHINES["columns"], strict=True)
        if changed.get(before["name"], {}) is not None
    ]
    there = {item["name"] for item in MACHINES["columns"]}
    listed += [
        {"name": name, "meaning": "New.", **item}
        for name, item in changed.items()
        if item and name not in there
    ]
    return parse_contract(json.dumps({**MACHINES, "columns": listed, **changes}))


def put(raw: Raw, *lines: str, header: str = "machine_id,hours,price") -> Entry:
    body = "\n".join((header, *lines, "")).encode()
    return raw.put(f"incoming/machines/{len(raw.entries):03}.csv", [body])


def again(entry: Entry, decision: str = DECISION, *, withheld: bool = False) -> Entry:
    return replace(entry, decision=decision, is_withheld=withheld)


def table(lake: Lake, *columns: str, name: str = "machines") -> set[tuple[Any, ...]]:
    return {tuple(row) for row in lake.table(name).frame().select(*columns).collect()}


def rejected(lake: Lake) -> list[tuple[Any, ...]]:
    frame = lake.table("machines_rejected").frame()
    return sorted(tuple(row) for row in frame.select("source_key", "source_row", "reason").collect())


def test_rows_that_are_valid_now_leave_the_quarantine(lake: Lake, raw: Raw) -> None:
    first = put(raw, "m1,5,1", "m2,1500,1", "m3,9999,1")
    other = put(raw, "m4,1001,1", "m5,1,1")
    process(lake, [first, other], raw, machines())
    assert [row[1] for row in rejected(lake)] == [2, 3, 1]

    document = process(lake, [again(first)], raw, machines({"hours": {"maximum": "5000"}}))
    assert table(lake, "machine_id", "hours") == {("m1", 5), ("m2", 1500), ("m5", 1)}
    assert rejected(lake) == [
        (first.version.key, 3, "hours:too_high"),
        (other.version.key, 1, "hours:too_high"),
    ]
    (item,) = document["inputs"]
    assert item["decision"] == DECISION
    assert (item["rows"], item["valid"], item["rejected"], item["duplicates"]) == (3, 1, 1, 1)


def test_rows_there_stay_as_they_were_judged(lake: Lake, raw: Raw) -> None:
    """A tighter rule is for what is not in the table: what is stays, and is not rejected as well."""
    entry = put(raw, "m1,5,1", "m2,900,1", "m3,9999,1")
    process(lake, [entry], raw, machines())
    process(lake, [again(entry)], raw, machines({"hours": {"maximum": "10"}}))
    assert table(lake, "machine_id", "hours") == {("m1", 5), ("m2", 900)}
    assert [row[1:] for row in rejected(lake)] == [(3, "hours:too_high")]


def test_what_was_withheld_is_judged_by_the_thresholds_again(lake: Lake, raw: Raw) -> None:
    entry = put(raw, "m1,5,1", "m2,1500,1", "m3,9999,1", "m4,9999,1")
    assert process(lake, [entry], raw, machines())["withheld"]
    document = process(lake, [again(entry, withheld=True)], raw, machines({"price": {"minimum": "0"}}))
    assert document["withheld"][0]["decision"] == DECISION
    assert [row[1] for row in rejected(lake)] == [2, 3, 4]
    document = process(
        lake, [again(entry, "s3://second", withheld=True)], raw, machines({"hours": {"maximum": "2000"}})
    )
    assert not document["withheld"]
    assert table(lake, "machine_id") == {("m1",), ("m2",)}
    assert [row[1] for row in rejected(lake)] == [3, 4]


def test_a_renamed_column_keeps_its_values(lake: Lake, raw: Raw) -> None:
    process(lake, [put(raw, "m1,5,1", "m2,1,2", "m3,many,3")], raw, machines())
    renamed = machines({"hours": {"name": "hours_run", "aliases": ["hours"]}})
    later = put(raw, "m2,7,2", "m4,x,4", "m5,1,1")
    process(lake, [later], raw, renamed)
    assert table(lake, "machine_id", "hours_run") == {("m1", 5), ("m2", 7), ("m5", 1)}
    assert table(lake, "machine_id", "hours_run", name="machines_rejected") == {("m3", "many"), ("m4", "x")}
    assert "hours" not in lake.table("machines").frame().columns


def test_a_wider_number_keeps_its_values(lake: Lake, raw: Raw) -> None:
    process(lake, [put(raw, "m1,5,1.25", "m2,1,2", "m3,1,2.125")], raw, machines())
    with pytest.raises(
        UsageError, match=r"price of .* has the type decimal\(18,2\), the contract says bigint"
    ):
        process(lake, [put(raw, "m4,5,1")], raw, machines({"price": {"type": "integer"}}))
    wider = machines({"price": {"type": "decimal(20,4)"}, "hours": {"type": "decimal(20,1)"}})
    process(lake, [again(raw.entries[0]), put(raw, "m5,0.5,0.0001")], raw, wider)
    assert table(lake, "machine_id", "hours", "price") == {
        ("m1", 5, Decimal("1.25")),
        ("m2", 1, 2),
        ("m3", 1, Decimal("2.125")),
        ("m5", Decimal("0.5"), Decimal("0.0001")),
    }
    assert rejected(lake) == []


def test_a_column_that_is_gone_is_refused(lake: Lake, raw: Raw) -> None:
    process(lake, [put(raw, "m1,5,1")], raw, machines())
    with pytest.raises(UsageError, match=r"lacks the column price of .*, whose values would be lost"):
        process(lake, [put(raw, "m3,5,1")], raw, machines({"price": None}))


@pytest.mark.parametrize(
    ("old", "new", "holds"),
    [
        ("integer", "bigint", True),
        ("bigint", "integer", False),
        ("integer", "decimal", False),
        ("integer", "decimal(18,0)", True),
        ("integer", "decimal(20,2)", True),
        ("bigint", "decimal(18,0)", False),
        ("bigint", "decimal(19,0)", True),
        ("decimal(19,0)", "bigint", False),
        ("decimal(18,0)", "bigint", True),
        ("decimal", "decimal(18,2)", True),
        ("decimal", "decimal(18,3)", False),
        ("decimal", "decimal(19,3)", True),
        ("decimal(10,2)", "decimal(18,1)", False),
        ("decimal", "double", False),
        ("integer", "double", False),
        ("integer", "string", False),
        ("string", "integer", False),
        ("date", "timestamp", False),
        ("timestamp", "date", False),
        ("array<integer>", "array<integer>", True),
    ],
)
def test_a_type_is_wider_if_it_holds_every_value_exactly(old: str, new: str, holds: bool) -> None:
    assert widens(old, new) == holds


def test_a_stored_number_becomes_wider_in_one_commit(lake: Lake) -> None:
    table = lake.table("numbers")
    schema = "day date, key string, small decimal(5,2), whole bigint"
    there = [(date(2026, 1, day), f"k{day}", Decimal("1.25"), 10**17 + day) for day in (1, 2)]
    rows = lake.spark.createDataFrame(there, schema)
    table.ensure(rows, "day")
    table.replace(rows)
    before = table.version() or 0
    wider = "day date, key string, small decimal(8,3), whole decimal(18,0), more string"
    table.ensure(lake.spark.createDataFrame([], wider), "day")
    assert table.version() == before + 1
    assert {tuple(row) for row in table.frame().select("day", "key", "small", "whole", "more").collect()} == {
        (day, key, Decimal("1.250"), Decimal(whole), None) for day, key, _, whole in there
    }
    table.replace(lake.spark.createDataFrame([(date(2026, 1, 3), "k3", None, None, None)], wider))
    table.ensure(lake.spark.createDataFrame([], wider), "day")


def test_a_stored_number_that_would_not_fit_is_refused(lake: Lake) -> None:
    table = lake.table("numbers")
    rows = lake.spark.createDataFrame([(10**18,)], "whole bigint")
    table.ensure(rows, None)
    table.replace(rows)
    with pytest.raises(UsageError, match=r"has the type bigint, the contract says decimal\(18,0\)"):
        table.ensure(lake.spark.createDataFrame([], "whole decimal(18,0)"), None)


def test_a_crash_at_any_step_of_judging_again_loses_and_doubles_nothing(
    make_lake: MakeLake, raw: Raw
) -> None:
    first, second = put(raw, "m1,5,1", "m2,1500,1", "m3,9999,1"), put(raw, "m2,1600,1", "m9,x,1")
    wanted = None
    for step in range(20):
        lake = make_lake(f"crash-{step}")
        process(lake, [first, second], raw, machines())
        newer = machines({"hours": {"name": "run_hours", "aliases": ["hours"], "maximum": "5000"}})
        dying = replace(lake, say=crash_at(step))
        try:
            process(dying, [again(first), again(second)], raw, newer)
        except CrashError:
            ended = False
            process(lake, [again(first), again(second)], raw, newer)
        else:
            ended = True
        found = (table(lake, "machine_id", "run_hours"), rejected(lake))
        wanted = wanted or found
        assert found == wanted
        if ended:
            break
    assert ended
    assert wanted == (
        {("m1", 5), ("m2", 1600)},
        [(first.version.key, 3, "run_hours:too_high"), (second.version.key, 2, "run_hours:not_integer")],
    )


def test_a_run_that_is_interrupted_and_comes_to_its_end_under_another_contract(
    make_lake: MakeLake, raw: Raw
) -> None:
    """What it had merged stays as it was judged, once, and is not rejected as well."""
    entry = put(raw, "m1,5,1", "m2,900,1", "m3,9999,1")
    for step in range(2, 6):
        lake = make_lake(f"crash-{step}")
        with pytest.raises(CrashError):
            process(replace(lake, say=crash_at(step)), [entry], raw, machines())
        document = process(lake, [entry], raw, machines({"hours": {"maximum": "10"}}))
        is_merged = document["counts"]["valid"] == 2
        assert table(lake, "machine_id") == ({("m1",), ("m2",)} if is_merged else {("m1",)})
        assert [row[1] for row in rejected(lake)] == ([3] if is_merged else [2, 3])
        if is_merged:
            return
    raise AssertionError


# 200 changes, each of one to four of these: what it does to the contract, and whether it keeps what is there.

EVERYTHING: dict[str, Any] = {
    "table": "everything",
    "meaning": "A column of each type.",
    "key": ["id", "on_day"],
    "day": {"column": "on_day", "of": "at"},
    "source": {
        "from": "files",
        "prefix": "incoming/everything/",
        "format": "jsonl",
        "wins": "latest",
        "unknown_columns": "keep",
    },
    "columns": [
        {"name": "id", "type": "string", "required": True, "meaning": "The key."},
        {"name": "at", "type": "timestamp", "required": True, "meaning": "When."},
        *(
            {"name": f"a_{kind}", "type": kind, "meaning": "Some.", "aliases": [f"other_{kind}"]}
            for kind in ("string", "integer", "bigint", "decimal", "double", "date", "boolean")
        ),
    ],
}
VALUES: dict[str, Any] = {
    "id": "one",
    "at": datetime(2026, 1, 15, 23, 59, 59, 999999, tzinfo=UTC),
    "a_string": "Ünï =1",
    "a_integer": 999_999_999_999_999_999,
    "a_bigint": -(2**63),
    "a_double": 0.1,
    "a_decimal": Decimal("-9999999999999999.99"),
    "a_date": date(1900, 1, 1),
    "a_boolean": False,
    "on_day": date(2026, 1, 15),
}
Change = Callable[[dict[str, Any], random.Random], bool]


def some(contract: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    column: dict[str, Any] = dice.choice(contract["columns"])
    return column


def gain(contract: dict[str, Any], dice: random.Random) -> bool:
    name = f"new_{dice.randrange(10**6)}"
    contract["columns"].insert(
        dice.randrange(len(contract["columns"])),
        {
            "name": name,
            "type": dice.choice(KINDS),
            "meaning": "New.",
            "required": dice.random() < 0.5,
        },
    )
    return True


def rename(contract: dict[str, Any], dice: random.Random) -> bool:
    column = some(contract, dice)
    old, new = column["name"], f"renamed_{dice.randrange(10**6)}"
    is_told = dice.random() < 0.7
    column["aliases"] = [*column.get("aliases", ()), *([old] if is_told else [])]
    column["name"] = new
    contract["key"] = [new if name == old else name for name in contract["key"]]
    contract["day"] = {
        **contract["day"],
        "of": new if contract["day"]["of"] == old else contract["day"]["of"],
    }
    return is_told or old not in VALUES


def rule(contract: dict[str, Any], dice: random.Random) -> bool:
    column = some(contract, dice)
    if column["type"] == "string":
        column |= dice.choice([{"pattern": "[a-z]+"}, {"max_length": 3}, {"allowed": ["x"]}, {"pii": True}])
    elif column["type"] in {"integer", "decimal"}:
        column |= {dice.choice(["minimum", "maximum"]): str(dice.randrange(100))}
    else:
        column["required"] = True
    contract["checks"] = [{"kind": "row_count", "at_least": str(dice.randrange(5))}]
    contract["source"]["unknown_columns"] = dice.choice(["keep", "reject"])
    return True


def order(contract: dict[str, Any], dice: random.Random) -> bool:
    dice.shuffle(contract["columns"])
    dice.shuffle(contract["key"])
    return True


def lose(contract: dict[str, Any], dice: random.Random) -> bool:
    columns = [
        item for item in contract["columns"] if item["name"] in VALUES and item["name"].startswith("a_")
    ]
    if columns:
        contract["columns"].remove(dice.choice(columns))
    return not columns


def retype(contract: dict[str, Any], dice: random.Random) -> bool:
    columns = [item for item in contract["columns"] if item["name"].startswith("a_") and len(item) == 4]
    if not columns:
        return True
    column = dice.choice(columns)
    kind = column["name"].removeprefix("a_")
    column["type"] = dice.choice([other for other in KINDS if other != kind])
    return widens(kind, column["type"])


def wins(contract: dict[str, Any], dice: random.Random) -> bool:
    del dice
    contract["source"]["wins"] = "first"
    return False


def move(contract: dict[str, Any], dice: random.Random) -> bool:
    del dice
    contract["source"]["prefix"] = "incoming/elsewhere/"
    return False


def rekey(contract: dict[str, Any], dice: random.Random) -> bool:
    del dice
    contract["key"] = [*dict.fromkeys([*contract["key"], contract["day"]["of"]])]
    return False


def undate(contract: dict[str, Any], dice: random.Random) -> bool:
    del dice
    day = contract.pop("day")
    contract["key"] = [name for name in contract["key"] if name != day["column"]]
    return False


GENTLE: list[Change] = [gain, rename, rule, order]
ROUGH: list[Change] = [lose, retype, wins, move, rekey]


def changed(seed: int) -> tuple[dict[str, Any], bool]:
    dice, document = random.Random(seed), copy.deepcopy(EVERYTHING)
    changes = dice.choices(GENTLE, k=dice.randint(1, 3)) + dice.choices(ROUGH, k=int(dice.random() < 0.3))
    keeps = [change(document, dice) for change in changes]
    if dice.random() < 0.05:
        keeps.append(undate(document, dice))
    return document, all(keeps)


DELIVERED = {
    **{name: str(value) for name, value in VALUES.items() if name.startswith("a_")},
    "at": "2026-01-15T23:59:59.999999Z",
}


def deliver(lake: Lake, raw: Raw, name: str, rules: Contract) -> dict[str, Any]:
    line = json.dumps(DELIVERED | {"id": name}).encode()
    return process(lake, [raw.put(f"incoming/everything/{len(raw.entries)}.jsonl", [line])], raw, rules)


def test_200_changes_keep_every_valid_row_or_are_refused(make_lake: MakeLake, raw: Raw) -> None:
    """Read with the columns of the new contract; some of the tables are also run on under it."""
    old = parse_contract(json.dumps(EVERYTHING))
    lake = make_lake("before")
    assert deliver(lake, raw, "one", old)["counts"]["valid"] == 1
    (before,) = lake.table("everything").frame().collect()
    assert before.asDict() | VALUES | {"at": before["at"]} == before.asDict()
    kept = 0
    for seed in range(200):
        document, keeps = changed(seed)
        new = parse_contract(json.dumps(document))
        assert (losses(old, new) == []) == keeps, (seed, losses(old, new))
        if not keeps:
            continue
        kept += 1
        frames = [lake.table("everything").frame()]
        if kept <= 6:
            after = make_lake(f"after-{seed}")
            deliver(after, raw, "one", old)
            deliver(after, raw, "two", new)
            frames.append(
                after.table("everything").frame().where(F.col("source_order") < raw.entries[-1].rank)
            )
        wanted = {column.name: column.kind.sql for column in new.columns}
        for frame in frames:
            (row,) = conformed(frame, wanted, new.aliases).collect()
            for column in new.columns:
                was = next((name for name in (column.name, *column.aliases) if name in VALUES), None)
                assert row[column.name] == (before[was] if was else None)
    assert 80 < kept < 160
