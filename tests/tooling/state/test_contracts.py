"""Which changes of contracts a plan is refused for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.state.contracts import contract_losses
from scripts.terraform import refuse_losses
from scripts.toolchain.toolchain import ToolError

CONTRACT: dict[str, Any] = {
    "table": "machines",
    "meaning": "One row per machine.",
    "key": ["machine_id"],
    "source": {"prefix": "incoming/machines/", "format": "csv", "wins": "latest", "unknown_columns": "keep"},
    "columns": [
        {"name": "machine_id", "type": "string", "required": True, "meaning": "Number."},
        {"name": "at", "type": "timestamp", "required": True, "meaning": "Since when."},
        {"name": "hours", "type": "integer", "meaning": "How long."},
    ],
}
GOLD = {**CONTRACT, "source": None, "inputs": [{"table": "machines"}], "sql": "SELECT 1"}


def plan(before: Any, after: Any, address: str = "module.jobs[0]") -> dict[str, Any]:
    def values(contract: Any) -> dict[str, Any]:
        name = "aws_s3_object"
        other = {"address": "aws_s3_bucket.this", "mode": "managed", "type": "aws_s3_bucket", "values": {}}
        found = {
            "address": f'{address}.{name}.contract["machines"]',
            "mode": "managed",
            "type": name,
            "values": {"content": json.dumps(contract)},
        }
        return {"root_module": {"resources": [other, *([found] if contract else [])]}}

    return {"prior_state": {"values": values(before)}, "planned_values": values(after)}


def lost(before: Any, after: Any) -> list[str]:
    document = plan(before, after)
    return [sentence for _, sentence in contract_losses(document["prior_state"], document)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"columns": CONTRACT["columns"][:2]}, "The column hours is gone"),
        (
            {"columns": [*CONTRACT["columns"][:2], {**CONTRACT["columns"][2], "name": "h"}]},
            "column hours is gone",
        ),
        (
            {"columns": [*CONTRACT["columns"][:2], {**CONTRACT["columns"][2], "type": "string"}]},
            "The column hours is integer and would become string",
        ),
        ({"key": ["machine_id", "at"]}, "The key is machine_id and would become machine_id, at"),
        ({"source": CONTRACT["source"] | {"wins": "first"}}, "the latest stays, and the first would"),
        ({"source": CONTRACT["source"] | {"prefix": "incoming/m/"}}, "and would under incoming/m/"),
        (
            {
                "source": CONTRACT["source"]
                | {"from": "stream", "prefix": "incoming/stream/machines/", "format": "jsonl"}
            },
            "Its objects arrive under incoming/machines/",
        ),
    ],
)
def test_what_would_lose_data_is_refused_in_a_sentence(changes: dict[str, Any], words: str) -> None:
    (sentence,) = lost(CONTRACT, CONTRACT | changes)
    assert words in sentence
    with pytest.raises(ToolError) as refused:
        refuse_losses(plan(CONTRACT, CONTRACT | changes))
    assert str(refused.value).startswith(f"The contract of machines changes. {sentence}\nNothing is planned.")


def test_a_table_that_gets_a_day_gets_another_key_too() -> None:
    """The day is part of the key: rows are looked for only among those of their day."""
    daily = {"day": {"column": "day", "of": "at"}, "key": ["machine_id", "day"]}
    told = " ".join(lost(CONTRACT, CONTRACT | daily))
    assert "The key is machine_id and would become machine_id, day" in told
    assert "The day is none and would become day of at" in told


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, CONTRACT),
        (CONTRACT, None),
        (CONTRACT, CONTRACT),
        (GOLD, CONTRACT | {"source": None, "inputs": [{"table": "other"}], "sql": "SELECT 2", "key": ["at"]}),
        (CONTRACT, CONTRACT | {"meaning": "Another.", "checks": [{"kind": "row_count", "at_least": "1"}]}),
        (
            CONTRACT,
            CONTRACT | {"source": CONTRACT["source"] | {"format": "jsonl", "unknown_columns": "reject"}},
        ),
        (
            CONTRACT,
            CONTRACT
            | {
                "key": ["id"],
                "columns": [
                    {**CONTRACT["columns"][0], "name": "id", "aliases": ["machine_id"], "pattern": "m[0-9]"},
                    *CONTRACT["columns"][1:],
                    {"name": "more", "type": "date", "required": True, "meaning": "New."},
                ],
            },
        ),
    ],
)
def test_what_keeps_everything_is_planned(before: Any, after: Any) -> None:
    for address in ("module.jobs", "module.jobs[0]"):
        refuse_losses(plan(before, after, address))


def test_a_silver_table_that_would_be_made_of_others_is_refused() -> None:
    assert "would be made of other tables" in lost(CONTRACT, GOLD)[0]


def test_a_contract_that_cannot_be_read_is_not_passed_over() -> None:
    odd = CONTRACT | {"colour": "red"}
    assert "cannot be compared with the one that is deployed" in lost(odd, CONTRACT)[0]


def test_a_column_that_takes_in_another_ones_name_is_no_rename() -> None:
    """Both have values there: of a row one of them would be lost."""
    first, second, third = CONTRACT["columns"]
    merged = CONTRACT | {"columns": [first, {**second, "aliases": ["hours"]}]}
    assert "The column hours is gone" in lost(CONTRACT, merged)[0]
    assert third["name"] == "hours"
