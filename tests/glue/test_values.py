"""Typing and judging in Arrow gives the rows and reasons of the engine's expressions, whatever the texts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F  # noqa: N812

from custody.etl.contract import parse_contract
from custody.etl.frames import rejected
from custody.etl.source import entries_frame, ranked, read_entries
from scripts.bench import reference
from tests.glue.agreement import as_texts
from tests.glue.local import Raw, manifest, rows, stand
from tests.glue.test_engines import TEXTS

if TYPE_CHECKING:
    import pytest
    from pyspark.sql import DataFrame, SparkSession

    from custody.etl.silver_run import Stage

COLUMNS = [
    {"name": "id", "type": "string", "required": True, "max_length": 4},
    {"name": "name", "type": "string", "pattern": "[a-c ]{1,5}|x.+"},
    {
        "name": "size",
        "type": "string",
        "allowed": ["S", "XL"],
        "spellings": {"S": ["small", "Σmall ς"], "XL": ["very large", "x large"]},
    },
    {"name": "number", "type": "integer", "minimum": "-7", "maximum": "100"},
    {"name": "amount", "type": "decimal", "required": True, "minimum": "0.01", "maximum": "9"},
    {"name": "began", "type": "date", "minimum": "2000-01-01", "max_days_after_delivery": 1},
    {"name": "ended", "type": "date", "not_before": "began"},
    {
        "name": "at",
        "type": "timestamp",
        "max_days_before_delivery": 30,
        "max_days_after_delivery": 1,
    },
    {"name": "flag", "type": "boolean", "required": True},
]
RULES = parse_contract(
    json.dumps(
        {
            "table": "things",
            "meaning": "m",
            "key": ["id"],
            "source": {
                "prefix": "incoming/things/",
                "format": "jsonl",
                "wins": "latest",
                "unknown_columns": "reject",
            },
            "columns": [{"meaning": "m"} | column for column in COLUMNS],
        }
    )
)
SOME = [
    *TEXTS,
    *(" a  b ", "a\tb", "a b c", "abc", "SMALL", "σMALL Σ", "Very  Large", "x\u2028", "xy", "\v", "  "),
    *("2026-01-20", "2026-01-21", "2026-01-22", "2026-01-21T23:59:59.9Z", "2025-12-21T00:00:00Z", "9.00"),
]
TEXT = st.sampled_from(SOME) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
RIGHT = {
    "id": st.sampled_from(["1", "2", "3", "4"]),
    "name": st.sampled_from(["a", "a b", "xyz"]),
    "size": st.sampled_from(["S", "XL", "small"]),
    "number": st.integers(-7, 100).map(str),
    "amount": st.integers(1, 900).map(lambda cents: f"{cents / 100:.2f}"),
    "began": st.sampled_from(["2020-02-29", "2026-01-20"]),
    "ended": st.sampled_from(["2026-01-20", "2026-01-21"]),
    "at": st.sampled_from(["2026-01-20T10:00:00Z", "1768900000", "2026-01-15 23:30:00.123456-05:30"]),
    "flag": st.sampled_from(["true", "FALSE"]),
}
ROW = st.fixed_dictionaries(
    {},
    optional={name: st.one_of(right, right, right, TEXT) for name, right in RIGHT.items()} | {"more": TEXT},
)
LINE = ROW.map(lambda row: json.dumps(row) + "\n") | st.sampled_from(["[]\n", "\n", '{"id":"\\ud800"}\n'])


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.lists(LINE, max_size=40), min_size=1, max_size=3))
def test_rows_and_reasons_are_those_of_the_reference(
    engine: tuple[SparkSession, Stage], tmp_path_factory: pytest.TempPathFactory, files: list[list[str]]
) -> None:
    spark, stage = engine
    raw = Raw(tmp_path_factory.mktemp("raw"))
    found = [
        raw.put(f"incoming/things/{place}.jsonl", ["".join(lines).encode()])
        for place, lines in enumerate(files)
    ]
    order = ranked(manifest("things", found), RULES)
    entries, read = entries_frame(spark, order), stage(read_entries(spark, order, RULES, raw.open))
    wanted = stage(reference.typed(as_texts(spark, raw, found, RULES), RULES))

    def shown(frame: DataFrame) -> list[tuple[str, ...]]:
        return rows(frame.withColumn("at", F.col("at").cast("string")))

    assert shown(rejected(read, entries, RULES, "1")) == shown(reference.rejected(wanted, RULES, "1"))
    best = stand(read, entries, RULES).drop("manifest_id")
    assert shown(best) == shown(reference.winners(wanted, RULES))
