"""Processed to analytics, on pysail: only what changed, and the same rows each time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from custody.errors import UsageError
from custody.etl.contract import Contract
from custody.etl.gold_run import Request, processed_to_analytics
from custody.etl.lineage import published, read_lineage
from custody.etl.quality import QualityError
from custody.etl.silver_run import Lake
from scripts.datasets import load_dataset
from tests.glue.local import (
    CUSTOMERS,
    EVENTS,
    REPO,
    Raw,
    contract,
    contract_with,
    customer,
    customers,
    event,
    process,
    rows,
    run,
)
from tests.glue.test_silver import CrashError, crash_at

CONTRACTS = {name: contract(name) for name in ("daily_engagement", "customer_value")}
MakeLake = Callable[..., Lake]


def make(silver: Lake, gold: Lake, request: Request | None = None) -> list[dict[str, Any]]:
    """Both tables; the documents of what was published."""
    documents = [
        processed_to_analytics(silver, gold, rules, request or Request(), run("processed_to_analytics"))
        for rules in CONTRACTS.values()
    ]
    return [document for document in documents if document is not None]


def deliver(lake: Lake, raw: Raw, day: str, *lines: str) -> None:
    entry = raw.put(f"{EVENTS}{day.replace('-', '/')}/e{len(raw.entries)}.jsonl", ["".join(lines).encode()])
    process(lake, [entry], raw, contract("viewing_events"))


def deliver_customers(lake: Lake, raw: Raw, day: str, *lines: str) -> None:
    process(lake, [raw.put(f"{CUSTOMERS}{day}.csv", customers(*lines))], raw, contract("customers"))


@pytest.fixture
def silver(make_lake: MakeLake, raw: Raw) -> Lake:
    lake = make_lake("processed")
    deliver_customers(lake, raw, "2026-01-15", customer(1, spent="150.00"), customer(2, spent="0.00"))
    deliver(
        lake,
        raw,
        "2026-01-15",
        event("one", "2026-01-15T10:00:00Z", watched=100),
        event("two", "2026-01-15T23:30:00-01:00", watched=50),
        event("who", "2026-01-16T10:00:00Z", customer_id="C99999"),
    )
    return lake


@pytest.fixture
def gold(make_lake: MakeLake) -> Lake:
    return make_lake("analytics")


def test_what_the_tables_say(silver: Lake, gold: Lake) -> None:
    make(silver, gold)
    names = ("event_date", "country", "device", "viewers", "titles", "events", "plays", "watched_seconds")
    found = gold.table("daily_engagement").frame().select(*names).collect()
    assert {tuple(row) for row in found} == {
        (date(2026, 1, 15), "NG", "tv", 1, 1, 1, 1, 100),
        (date(2026, 1, 16), "NG", "tv", 2, 1, 2, 2, 110),
    }
    names = ("customer_id", "segment", "active_days", "titles", "watched_seconds", "last_event_date")
    found = gold.table("customer_value").frame().select(*names).collect()
    assert {tuple(row) for row in found} == {
        ("C00001", "medium", 2, 1, 150, date(2026, 1, 16)),
        ("C00002", "none", 0, 0, 0, None),
    }
    person = {"first_name", "last_name", "email"}
    assert not person & set(gold.table("customer_value").frame().columns)


def test_nothing_new_publishes_nothing(silver: Lake, gold: Lake) -> None:
    assert [document["outputs"][0]["rows"] for document in make(silver, gold)] == [2, 2]
    versions = [gold.table(name).version() for name in CONTRACTS]
    assert make(silver, gold) == []
    assert [gold.table(name).version() for name in CONTRACTS] == versions


def test_a_late_event_has_its_day_made_anew_and_no_other(silver: Lake, gold: Lake, raw: Raw) -> None:
    make(silver, gold)
    deliver(silver, raw, "2026-01-17", event("late", "2026-01-15T11:00:00Z", watched=7))
    deliver(silver, raw, "2026-01-17", event("next", "2026-01-17T11:00:00Z"))
    engagement, _ = make(silver, gold)
    assert engagement["days"] == ["2026-01-15", "2026-01-17"]
    found = gold.table("daily_engagement").frame().select("event_date", "events").collect()
    assert {row[0].day: row[1] for row in found} == {15: 2, 16: 2, 17: 1}


def test_new_customers_alone_make_customer_value_anew(silver: Lake, gold: Lake, raw: Raw) -> None:
    make(silver, gold)
    deliver_customers(silver, raw, "2026-01-16", customer(1, spent="2000.00"), customer(3))
    (value,) = make(silver, gold)
    assert value["outputs"][0]["table"].endswith("customer_value")
    found = gold.table("customer_value").frame().select("customer_id", "segment").collect()
    assert {tuple(row) for row in found} == {("C00001", "high"), ("C00002", "none"), ("C00003", "low")}


def test_a_day_made_anew_from_the_same_versions_has_identical_rows(
    silver: Lake, gold: Lake, raw: Raw
) -> None:
    before = make(silver, gold)
    tables = {name: rows(gold.table(name).frame()) for name in CONTRACTS}
    customers_input, events_input = before[1]["inputs"]
    deliver(silver, raw, "2026-01-17", event("late", "2026-01-15T11:00:00Z"))
    deliver_customers(silver, raw, "2026-01-16", customer(1, spent="2000.00"))
    make(silver, gold)
    assert {name: rows(gold.table(name).frame()) for name in CONTRACTS} != tables
    versions = {
        "viewing_events": events_input["delta_version"],
        "customers": customers_input["delta_version"],
    }
    make(silver, gold, Request([date(2026, 1, 15)], versions))
    assert {name: rows(gold.table(name).frame()) for name in CONTRACTS} == tables
    engagement, value = make(silver, gold)
    assert engagement["days"] == ["2026-01-15"], "what was made from older versions is brought up to date"
    assert value["inputs"][0]["delta_version"] > customers_input["delta_version"]


def test_days_asked_for_do_not_hide_days_that_changed(silver: Lake, gold: Lake, raw: Raw) -> None:
    make(silver, gold)
    deliver(silver, raw, "2026-01-17", event("late", "2026-01-16T11:00:00Z"))
    assert make(silver, gold, Request([date(2026, 1, 15)]))[0]["days"] == ["2026-01-15"]
    assert make(silver, gold)[0]["days"] == ["2026-01-16"]


def test_a_silver_run_without_its_lineage_is_not_read(
    silver: Lake, gold: Lake, raw: Raw, make_lake: MakeLake
) -> None:
    make(silver, gold)
    entry = raw.put(f"{EVENTS}2026/01/17/x", [event("late", "2026-01-15T11:00:00Z").encode()])
    with pytest.raises(CrashError):
        process(make_lake("processed", crash_at(3)), [entry], raw, contract("viewing_events"))
    assert silver.table("viewing_events").frame().count() == 4, "merged, and not yet said to be"
    assert make(silver, gold) == []
    process(silver, [entry], raw, contract("viewing_events"))
    assert make(silver, gold)[0]["days"] == ["2026-01-15"]


def test_a_crash_at_any_step_comes_out_the_same(silver: Lake, make_lake: MakeLake) -> None:
    calm = make_lake("calm")
    make(silver, calm)
    crashed = 0
    for step in range(6):
        name = f"shaken-{step}"
        try:
            make(silver, make_lake(name, crash_at(step)))
        except CrashError:
            crashed += 1
        shaken = make_lake(name)
        make(silver, shaken)
        for table in CONTRACTS:
            assert rows(shaken.table(table).frame()) == rows(calm.table(table).frame())
            (document,) = published(shaken.store, shaken.table(table).uri)
            content = read_lineage(shaken.store, document)
            assert content["outputs"][0]["delta_version"] == document.delta_version
    assert crashed == 4, "the crashes must hit the steps"


def test_rows_that_break_the_contract_are_not_published(silver: Lake, gold: Lake) -> None:
    strict = contract_with(
        "daily_engagement",
        (
            'viewers, type: integer, required: true, minimum: "1"',
            'viewers, type: integer, required: true, minimum: "2"',
        ),
    )
    with pytest.raises(QualityError, match=r"daily_engagement is not published: .*viewers:too_low \(1\)"):
        processed_to_analytics(silver, gold, strict, Request(), run())
    assert not published(gold.store, gold.table("daily_engagement").uri)


@pytest.mark.parametrize(
    ("watched", "told"),
    [
        ("sum(watched_seconds) / 4", "watched_seconds:not_integer (1)"),
        ("cast(sum(watched_seconds) AS string)", None),
        ("CASE WHEN device = 'tv' THEN '007' END", "watched_seconds:not_integer (2)"),
    ],
)
def test_a_value_that_its_type_does_not_hold_is_not_rounded(
    silver: Lake, gold: Lake, watched: str, told: str | None
) -> None:
    rules = CONTRACTS["daily_engagement"]
    sql = str(rules.sql).replace("coalesce(sum(watched_seconds), 0)", watched)
    changed = replace(rules, sql=sql)
    if told is None:
        assert processed_to_analytics(silver, gold, changed, Request(), run())
        assert {*gold.table(rules.table).frame().columns} == {column.name for column in rules.columns}
        return
    with pytest.raises(QualityError, match=re.escape(told)):
        processed_to_analytics(silver, gold, changed, Request(), run())


def test_news_that_changes_no_day_is_taken_note_of_once(silver: Lake, gold: Lake, raw: Raw) -> None:
    """Or the gate would have the same made for ever."""
    make(silver, gold)
    table = gold.table("daily_engagement")
    before, version = rows(table.frame()), table.version()
    deliver(silver, raw, "2026-01-17", event("one", "2026-01-15T10:00:00Z", watched=100))
    silver.table("viewing_events").touch()
    deliver(silver, raw, "2026-01-17", event("one", "2026-01-15T10:00:00Z", watched=100))
    engagement, _ = make(silver, gold)
    assert engagement["days"] == []
    assert engagement["outputs"] == [{"table": table.uri, "delta_version": version, "rows": 0}]
    assert make(silver, gold) == []
    assert (rows(table.frame()), table.version()) == (before, version)
    deliver(silver, raw, "2026-01-17", event("late", "2026-01-16T11:00:00Z"))
    assert make(silver, gold)[0]["days"] == ["2026-01-16"]


MALFORMED: list[Callable[[dict[str, Any]], Any]] = [
    lambda document: document | {"covers": "x"},
    lambda document: document | {"covers": [{"table": document["covers"][0]["table"]}]},
    lambda document: document | {"covers": [document["covers"][0], None]},
    lambda document: document | {"covers": [document["covers"][0] | {"table": []}]},
    lambda document: document | {"covers": [document["covers"][0] | {"delta_version": "1"}]},
    lambda document: document | {"covers": [document["covers"][0] | {"delta_version": True}]},
    lambda document: {"covers": document["covers"]},
    lambda document: document | {"outputs": [None]},
    lambda document: [document],
]


def test_a_newest_document_that_is_malformed_has_all_made_anew(silver: Lake, gold: Lake) -> None:
    make(silver, gold)
    table = gold.table("daily_engagement")
    before = rows(table.frame())
    for spoil in MALFORMED:
        newest = published(gold.store, table.uri)[-1]
        Path(newest.uri).write_text(json.dumps(spoil(read_lineage(gold.store, newest))), encoding="utf-8")
        (engagement,) = make(silver, gold)
        assert engagement["days"] == ["2026-01-15", "2026-01-16"]
        assert engagement["covers"][0]["delta_version"] == silver.table("viewing_events").version()
    assert rows(table.frame()) == before
    assert make(silver, gold) == []


def test_silver_without_valid_rows_makes_an_empty_table(make_lake: MakeLake, gold: Lake, raw: Raw) -> None:
    lake = make_lake("processed")
    deliver(lake, raw, "2026-01-15")
    engagement = processed_to_analytics(lake, gold, CONTRACTS["daily_engagement"], Request(), run())
    assert engagement
    assert engagement["outputs"][0]["rows"] == gold.table("daily_engagement").frame().count() == 0


SENSORS = load_dataset(REPO / "examples" / "sensors")


def measure(lake: Lake, raw: Raw, day: int, device: str, celsius: str) -> None:
    line = f'{{"device_id":"{device}","measured_at":"2026-01-{day}T10:00:00Z","celsius":{celsius}}}\n'
    put(lake, raw, "readings", f"2026/01/{day}/10/{len(raw.entries)}", line)


def put(lake: Lake, raw: Raw, table: str, name: str, text: str) -> None:
    rules = SENSORS.silver[table]
    process(lake, [raw.put(f"{rules.raw().prefix}{name}", [text.encode()])], raw, rules)


def make_site_days(silver: Lake, gold: Lake, request: Request | None = None) -> dict[str, Any] | None:
    return processed_to_analytics(silver, gold, SENSORS.gold["site_days"], request or Request(), run())


@pytest.fixture
def measured(make_lake: MakeLake, raw: Raw) -> Lake:
    lake = make_lake("processed")
    put(lake, raw, "sites", "2026-01-15.csv", "site_id,site_name,warns_from\ns01,Roof,30\n")
    put(lake, raw, "devices", "2026-01-15.csv", "device_id;site_id;installed_on\nd001;s01;2025-01-01\n")
    measure(lake, raw, 19, "d001", "12.5")
    measure(lake, raw, 20, "d001", "31")
    return lake


def site_days(gold: Lake) -> set[tuple[Any, ...]]:
    found = (
        gold.table("site_days").frame().select("reading_date", "site_name", "warmest", "too_warm").collect()
    )
    return {(row[0].day, row[1], str(row[2]), row[3]) for row in found}


def test_a_table_of_three_by_the_day_of_one(measured: Lake, gold: Lake, raw: Raw) -> None:
    """Of new readings, their days are made anew; of a new list of sites, all of the table is."""
    first = make_site_days(measured, gold)
    assert first
    assert "days" not in first, "all of it"
    assert site_days(gold) == {(19, "Roof", "12.5", False), (20, "Roof", "31.0", True)}
    measure(measured, raw, 18, "d001", "40")
    second = make_site_days(measured, gold)
    assert second
    assert second["days"] == ["2026-01-18"]
    assert make_site_days(measured, gold) is None
    put(measured, raw, "sites", "2026-01-16.csv", "site_id,site_name,warns_from\ns01,Attic,35\n")
    third = make_site_days(measured, gold)
    assert third
    assert "days" not in third
    assert site_days(gold) == {
        (18, "Attic", "40.0", True),
        (19, "Attic", "12.5", False),
        (20, "Attic", "31.0", False),
    }
    assert make_site_days(measured, gold) is None


def test_days_asked_for_do_not_hide_that_another_input_moved(measured: Lake, gold: Lake, raw: Raw) -> None:
    make_site_days(measured, gold)
    put(measured, raw, "sites", "2026-01-16.csv", "site_id,site_name,warns_from\ns01,Attic,35\n")
    asked = make_site_days(measured, gold, Request([date(2026, 1, 20)]))
    assert asked
    assert asked["days"] == ["2026-01-20"]
    assert {name for _, name, *_ in site_days(gold)} == {"Roof", "Attic"}
    assert make_site_days(measured, gold)
    assert {name for _, name, *_ in site_days(gold)} == {"Attic"}


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT nothing FROM readings", "The SELECT of site_days cannot be run"),
        ("SELECT FROM WHERE", "The SELECT of site_days cannot be run"),
        ("SELECT reading_date FROM readings", "gives the columns reading_date; its contract has"),
    ],
)
def test_a_select_that_does_not_fit_is_refused(measured: Lake, gold: Lake, sql: str, sentence: str) -> None:
    rules = replace(SENSORS.gold["site_days"], sql=sql)
    with pytest.raises(UsageError, match=sentence):
        processed_to_analytics(measured, gold, rules, Request(), run())


PYTHON = """\
from pyspark.sql import functions as F


def rows(spark, inputs):
    \"\"\"How warm it was at each site, by day.\"\"\"
    warmth = F.max("celsius")
    found = inputs["readings"].join(inputs["devices"], "device_id").join(inputs["sites"], "site_id")
    return found.groupBy("reading_date", "site_id", "site_name", "warns_from").agg(
        F.countDistinct("device_id").alias("devices"),
        F.count("*").alias("readings"),
        warmth.alias("warmest"),
        (warmth >= F.col("warns_from")).alias("too_warm"),
    ).drop("warns_from")
"""


def by_python(module: str) -> Contract:
    return replace(SENSORS.gold["site_days"], sql=None, python=module)


def test_a_function_makes_what_the_select_makes(measured: Lake, make_lake: MakeLake, raw: Raw) -> None:
    by_sql, gold, rules = make_lake("select"), make_lake("function"), by_python(PYTHON)
    for day in (17, 18):
        measure(measured, raw, day, "d001", "40")
        make_site_days(measured, by_sql)
        document = processed_to_analytics(measured, gold, rules, Request(), run())
        assert document
        assert rows(gold.table("site_days").frame()) == rows(by_sql.table("site_days").frame())
    assert document["days"] == ["2026-01-18"]
    assert processed_to_analytics(measured, gold, rules, Request(), run()) is None


UNFIT = [
    ("def rows(", "def row(", r"site_days\.py has no function rows\(spark, inputs\)\."),
    ("def rows(", "def rows(:", r"function of site_days fails in line 4 of site_days\.py: SyntaxError: "),
    ('inputs["sites"]', 'inputs["place"]', r"fails in line 7 of site_days\.py: KeyError: 'place'"),
    ('F.max("celsius")', "1 / 0", r"fails in line 6 of site_days\.py: ZeroDivisionError: division by zero"),
    ('F.max("celsius")', "exit('\\x1b[2J')", r"line 6 of site_days\.py: SystemExit: \\x1b\[2J"),
    ('F.max("celsius")', "1;return 7", r"The function of site_days returns int, not a DataFrame\."),
    ('F.max("celsius")', 'F.max("kelvin")', r"The function of site_days fails.*: .*kelvin"),
    (', "site_name"', "", r"The function of site_days gives the columns .*; its contract has "),
    (
        'inputs["readings"]',
        'inputs["readings"].withColumn("celsius", F.udf(lambda it: 1 / 0, "double")("celsius"))',
        r"fails in line 7 of site_days\.py: ZeroDivisionError: division by zero",
    ),
]


def test_a_function_that_does_not_fit_is_told_in_one_sentence(measured: Lake, gold: Lake) -> None:
    for old, new, sentence in UNFIT:
        assert old in PYTHON
        with pytest.raises(UsageError, match=sentence) as caught:
            processed_to_analytics(measured, gold, by_python(PYTHON.replace(old, new, 1)), Request(), run())
        assert "\n" not in str(caught.value)
    assert not published(gold.store, gold.table("site_days").uri)


def test_a_row_of_another_day_than_asked_for_is_not_published(measured: Lake, gold: Lake, raw: Raw) -> None:
    make_site_days(measured, gold)
    measure(measured, raw, 18, "d001", "40")
    moved = str(SENSORS.gold["site_days"].sql).replace(
        "    readings.reading_date,\n    sites",
        "    date_add(readings.reading_date, 1) AS reading_date,\n    sites",
    )
    rules = replace(SENSORS.gold["site_days"], sql=moved)
    with pytest.raises(QualityError, match=r"reading_date:not_of_the_days_asked_for \(1\)"):
        processed_to_analytics(measured, gold, rules, Request(), run())


def test_a_table_whose_contract_changed_is_made_anew_with_its_columns(silver: Lake, gold: Lake) -> None:
    rules = CONTRACTS["daily_engagement"]
    assert processed_to_analytics(silver, gold, rules, Request(), run())
    kept = [column for column in rules.columns if column.name in {"event_date", "country", "device"}]
    counted = replace(next(column for column in rules.columns if column.name == "viewers"), name="people")
    newer = replace(
        rules,
        columns=(*kept, counted),
        checks=(),
        sql=f"SELECT event_date, country, device, viewers AS people FROM ({rules.sql})",
        sha256="1" * 64,
    )
    document = processed_to_analytics(silver, gold, newer, Request(), run())
    assert document
    assert (document["counts"]["valid"], "days" in document) == (2, False)
    found = gold.table("daily_engagement").frame()
    assert {*found.columns} == {"event_date", "country", "device", "people"}
    assert found.count() == 2
    assert processed_to_analytics(silver, gold, newer, Request(), run()) is None


def test_an_input_of_before_its_contract_changed_is_read_as_if_made_by_it(silver: Lake, gold: Lake) -> None:
    """Its job may not have run since: the SELECT is of the contracts of today."""
    renamed = contract_with(
        "viewing_events",
        ("  - name: watched_seconds\n", "  - name: seconds\n    aliases: [watched_seconds]\n"),
        ("column: watched_seconds", "column: seconds"),
        ("checks:", "  - {name: mood, type: string, meaning: New., aliases: [manifest_id]}\nchecks:"),
    )
    rules = CONTRACTS["daily_engagement"]
    sql = str(rules.sql).replace("watched_seconds)", "seconds) + count(mood) + 0 * count(manifest_id)")
    assert sql != rules.sql
    newer = replace(rules, sql=sql, sha256="1" * 64)
    document = processed_to_analytics(
        silver, gold, newer, Request(), run(), inputs={"viewing_events": renamed}
    )
    assert document
    assert {row[0] for row in gold.table("daily_engagement").frame().select("watched_seconds").collect()} == {
        100,
        110,
    }
