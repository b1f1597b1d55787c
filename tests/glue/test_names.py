"""Tables and columns may have any valid name: reserved words of SQL, and words that the jobs use."""

from __future__ import annotations

import json
from collections.abc import Callable

from custody.etl.contract import is_name, parse_contract
from custody.etl.gold_run import Request, processed_to_analytics
from custody.etl.silver_run import Lake
from tests.glue.local import Raw, process, rows, run

# fmt: off
WORDS = (
    "order", "group", "select", "table", "date", "from", "where", "end", "case", "interval",
    "timestamp", "true", "null", "not", "union", "user", "values", "count", "best", "contract",
    "rows", "stands", "t", "s", "there_order",
)
# fmt: on


def document(table: str, **more: object) -> dict[str, object]:
    columns = [{"name": name, "type": "string", "required": True, "meaning": "A word."} for name in WORDS]
    return {"table": table, "meaning": "Words.", "key": ["order", "t"], "columns": columns, **more}


def test_columns_of_every_name_become_silver_and_gold(make_lake: Callable[..., Lake], raw: Raw) -> None:
    assert all(map(is_name, WORDS))
    silver, gold = make_lake("silver"), make_lake("gold")
    source = {"prefix": "incoming/select/", "format": "csv", "wins": "latest", "unknown_columns": "reject"}
    contract = parse_contract(json.dumps(document("select", source=source)))
    lines = [",".join(WORDS), *(",".join(f"{word} {number}" for word in WORDS) for number in (1, 2))]
    for name in ("a", "b"):
        entry = raw.put(f"incoming/select/{name}.csv", ["\n".join(lines).encode()])
        assert process(silver, [entry], raw, contract)["counts"]["rejected"] == 0
    assert silver.table("select").frame().count() == 2

    select = f"SELECT {', '.join(f'`{word}`' for word in WORDS)} FROM `select`"
    made = parse_contract(json.dumps(document("group", inputs=[{"table": "select"}], sql=select)))
    processed_to_analytics(silver, gold, made, Request(), run())
    assert rows(gold.table("group").frame()) == rows(silver.table("select").frame().select(*WORDS))
