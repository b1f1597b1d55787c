"""Raw to processed, on pysail: the result for every row, exactly once in all cases."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F  # noqa: N812

from custody.errors import EvidenceError, UsageError
from custody.etl import source
from custody.etl.lineage import published, read_lineage
from custody.etl.manifest import Entry
from custody.etl.silver_run import Lake
from custody.etl.source import ranked, read_entries
from custody.lineage.document import Place, TableVersion, parse_lineage
from examples.streaming.generate import customer_files, event_files
from tests.glue.local import (
    ALL_TYPES,
    ALL_VALUES,
    CUSTOMERS,
    EVENTS,
    Raw,
    contract,
    contract_with,
    customer,
    customers,
    event,
    manifest,
    process,
    rows,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from custody.etl.contract import Contract
    from custody.etl.silver_run import Stage

RULES, STREAM = contract("customers"), contract("viewing_events")
MakeLake = Callable[..., Lake]


class CrashError(Exception):
    """The process ends here."""


def crash_at(step: int) -> Callable[[str], None]:
    steps = iter(range(step + 1))

    def say(_: str) -> None:
        if next(steps) == step:
            raise CrashError

    return say


def table(lake: Lake, name: str) -> list[tuple[str, ...]]:
    return rows(lake.table(name).frame())


def names_of(lake: Lake) -> dict[str, str]:
    found = lake.table("customers").frame().select("customer_id", "first_name").collect()
    return {row[0]: row[1] for row in found}


def test_becomes_what_the_generator_says(lake: Lake, raw: Raw) -> None:
    """Every row is valid, rejected for the reason it was spoilt for, or a duplicate; file by file."""
    for rules, files in (
        (RULES, customer_files(600, seed=7, dirt=0.15)),
        (STREAM, event_files(4_000, seed=7, customers=600, dirt=0.08)),
    ):
        truths, entries = [], []
        for truth, chunks in files:
            entries.append(raw.put(truth.key, chunks))
            truths.append(truth)
        document = process(lake, entries, raw, rules)
        by_key = {item["key"]: item for item in document["inputs"]}
        refused = lake.table(rules.rejected_table).frame().select("source_key", "reason").collect()
        reasons = Counter((row[0], row[1]) for row in refused)
        for truth in truths:
            item = by_key[truth.key]
            assert (item["rows"], item["rejected"]) == (truth.rows, sum(truth.rejected.values()))
            assert item["valid"] + item["rejected"] + item["duplicates"] == item["rows"]
            if rules is STREAM:
                assert item["duplicates"] == truth.repeated
            for reason, number in truth.rejected.items():
                assert reasons.pop((truth.key, reason)) == number
        assert not reasons
        counts = document["counts"]
        assert lake.table(rules.table).frame().count() == counts["valid"]
        assert counts["rows"] == sum(truth.rows for truth in truths)


def test_rejected_rows_name_reason_version_and_row(lake: Lake, raw: Raw) -> None:
    lines = (customer(1), "C00002,short\n", customer(3, spent="much", country="XX"), customer(4))
    entry = raw.put(f"{CUSTOMERS}2026-01-15.csv", customers(*lines))
    process(lake, [entry], raw, contract_with("customers", ('at_most: "0.20"', 'at_most: "1"')))
    found = {row["source_row"]: row for row in lake.table("customers_rejected").frame().collect()}
    assert {number: row["reason"] for number, row in found.items()} == {
        2: "record:field_count",
        3: "country:not_allowed; total_spent_usd:not_decimal",
    }
    assert (found[2]["unreadable"], found[2]["customer_id"]) == ("C00002,short", None)
    assert (found[3]["unreadable"], found[3]["total_spent_usd"], found[3]["source_key"]) == (
        None,
        "much",
        entry.version.key,
    )
    assert found[3]["source_version_id"] == entry.version.version_id


@pytest.mark.parametrize(
    "name",
    [
        "=HYPERLINK(1)",
        "<script>alert(1)</script>",
        "'); DROP TABLE customers; --",
        "`t` $x {{y}} %s",
        "芽衣 🎬",
        "a\\nb",
    ],
)
def test_odd_text_stays_text(lake: Lake, raw: Raw, name: str) -> None:
    entry = raw.put(f"{CUSTOMERS}2026-01-15.csv", customers(customer(1, first=name)))
    process(lake, [entry], raw, RULES)
    assert names_of(lake) == {"C00001": name}


def test_whitespace_is_collapsed_and_line_ends_do_not_matter(lake: Lake, raw: Raw) -> None:
    (body,) = customers(customer(1, first='"Anna\n  Maria "'), customer(2))
    entry = raw.put(f"{CUSTOMERS}2026-01-15.csv", [b"\xef\xbb\xbf", body.replace(b"\n", b"\r\n")])
    process(lake, [entry], raw, RULES)
    assert names_of(lake) == {"C00001": "Anna Maria", "C00002": "Amara"}


def deliveries(raw: Raw) -> list[list[object]]:
    """Three manifests: two days, a day again with a correction, and a repeated row."""
    monday = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1, first="Old"), customer(2)))
    tuesday = raw.put(
        f"{CUSTOMERS}2026-01-13.csv", customers(customer(1, first="First"), customer(1, first="New"), "x\n")
    )
    again = raw.put(
        f"{CUSTOMERS}2026-01-12.csv", customers(customer(1, first="Old"), customer(2), customer(3))
    )
    correction = raw.put(f"{CUSTOMERS}2026-01-13-corrected.csv", customers(customer(2, first="Corrected")))
    return [[monday], [tuesday, again], [correction]]


WANTED = {"C00001": "New", "C00002": "Corrected", "C00003": "Amara"}
LENIENT = contract_with("customers", ('at_most: "0.20"', 'at_most: "1"'))


def test_the_order_of_processing_does_not_matter(make_lake: MakeLake, raw: Raw) -> None:
    batches = deliveries(raw)
    seen = set()
    for number, order in enumerate(permutations(batches)):
        lake = make_lake(f"tables-{number}")
        for batch in order:
            process(lake, batch, raw, LENIENT)
        assert names_of(lake) == WANTED
        seen.add((tuple(table(lake, "customers")), tuple(table(lake, "customers_rejected"))))
    assert len(seen) == 1


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_the_first_delivery_of_an_event_stays_in_any_order(
    make_lake: MakeLake, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = Raw(tmp_path_factory.mktemp("raw"))
    sent = data.draw(st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=3))
    first: dict[int, int] = {}
    entries = []
    for number, names in enumerate(sent):
        lines = []
        for place, name in enumerate(names):
            first.setdefault(name, 100 * number + place)
            lines.append(event(f"x-{name}", "2026-01-15T10:00:00Z", watched=100 * number + place))
        entries.append(raw.put(f"{EVENTS}2026/01/15/{number:02d}/e.jsonl", ["".join(lines).encode()]))
    lake = make_lake(str(raw.folder.name))
    for entry in data.draw(st.permutations(entries)):
        process(lake, [entry], raw, STREAM)
    found = lake.table("viewing_events").frame().select("event_id", "watched_seconds").collect()
    assert {row[0]: row[1] for row in found} == {f"e-x-{name}": seconds for name, seconds in first.items()}


def test_a_crash_at_any_step_loses_and_doubles_nothing(make_lake: MakeLake, raw: Raw) -> None:
    batches = deliveries(raw)
    calm = make_lake("calm")
    documents = [process(calm, batch, raw, LENIENT) for batch in batches]
    crashed = 0
    for step in range(6):
        shaken = make_lake(f"shaken-{step}")
        for batch, calm_document in zip(batches, documents, strict=True):
            try:
                process(make_lake(f"shaken-{step}", crash_at(step)), batch, raw, LENIENT)
            except CrashError:
                crashed += 1
            document = process(shaken, batch, raw, LENIENT)
            assert document["inputs"] == calm_document["inputs"]
        for name in ("customers", "customers_rejected"):
            assert table(shaken, name) == table(calm, name)
        assert_every_document_is_true(shaken, len(batches))
    assert crashed >= 3 * 4, "the crashes must hit the steps"


def assert_every_document_is_true(lake: Lake, number: int) -> None:
    """One document per manifest, each with its own existing version and OpenLineage event."""
    silver = lake.table("customers")
    found = published(lake.store, silver.uri)
    assert len({item.id for item in found}) == len({item.delta_version for item in found}) == number
    for item in found:
        document = read_lineage(lake.store, item)
        assert document["outputs"][0] == {
            "table": silver.uri,
            "delta_version": item.delta_version,
            "rows": document["counts"]["valid"],
        }
        at = silver.frame(item.delta_version)
        assert at.where(at["manifest_id"] == item.id).count() == document["counts"]["valid"]
    events = list(lake.store.names(f"{silver.uri}/_openlineage/"))
    assert events == [Path(item.uri).name for item in found]


def test_a_manifest_is_processed_once(lake: Lake, raw: Raw) -> None:
    entry = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1)))
    first = process(lake, [entry], raw, RULES)
    version = lake.table("customers").version()
    assert process(lake, [entry], raw, RULES) == first
    assert lake.table("customers").version() == version


def test_a_run_that_was_cut_off_before_openlineage_is_completed(lake: Lake, raw: Raw) -> None:
    entry = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1)))
    process(lake, [entry], raw, RULES)
    (event_file,) = Path(lake.table("customers").uri, "_openlineage").iterdir()
    written = event_file.read_bytes()
    event_file.unlink()
    process(lake, [entry], raw, RULES)
    assert event_file.read_bytes() == written
    assert json.loads(written)["inputs"][0]["facets"]["version"]["datasetVersion"] == "v0000"


def spoil(raw: Raw, entry: Entry) -> str:
    """Replace a version's rows; return the expected message."""
    body = b"".join(customers(customer(8), customer(9)))
    (raw.folder / entry.version.version_id).write_bytes(body)
    wanted = f"{entry.size_bytes} bytes with {entry.sha256}"
    return f"has {len(body)} bytes with SHA-256 {hashlib.sha256(body).hexdigest()}, not {wanted}"


def refused_by(lake: Lake, entries: list[Entry], raw: Raw) -> tuple[str, dict[str, Any]]:
    """Run, with an error that names refused versions: its sentence, and the document."""
    with pytest.raises(EvidenceError) as caught:
        process(lake, entries, raw, RULES)
    return str(caught.value), read_lineage(lake.store, published(lake.store, lake.table("customers").uri)[-1])


def test_what_is_not_the_manifests_is_refused_by_name_and_the_rest_is_published(lake: Lake, raw: Raw) -> None:
    good, changed, gone = (
        raw.put(f"{CUSTOMERS}2026-01-1{day}.csv", customers(customer(day), "x\n" if day else ""))
        for day in range(3)
    )
    reason = spoil(raw, changed)
    (raw.folder / gone.version.version_id).unlink()
    sentence, document = refused_by(lake, [good, changed, gone], raw)
    assert sentence == (
        "2 of 3 object versions of the manifest are not what it says, and none of their rows were used: "
        f"{changed.version.uri} {reason}; {gone.version.uri} no longer exists. All others are published. "
        "Find out who changed them; upload again what is still needed."
    )
    assert [(item["key"], item["sha256"], item["reason"]) for item in document["refused"]] == [
        (changed.version.key, changed.sha256, reason),
        (gone.version.key, gone.sha256, "no longer exists"),
    ]
    assert [item["key"] for item in document["inputs"]] == [good.version.key]
    assert document["counts"] == {"rows": 1, "valid": 1, "rejected": 0, "duplicates": 0}
    assert names_of(lake) == {"C00000": "Amara"}
    assert table(lake, "customers_rejected") == []
    assert_every_document_is_true(lake, 1)
    assert refused_by(lake, [good, changed, gone], raw) == (sentence, document), "again says the same"


def test_a_manifest_of_refused_versions_alone_is_done_all_the_same(lake: Lake, raw: Raw) -> None:
    entries = [raw.put(f"{CUSTOMERS}{number}.csv", customers(customer(number))) for number in range(5)]
    for entry in entries:
        spoil(raw, entry)
    sentence, document = refused_by(lake, entries, raw)
    assert "5 of 5 object versions" in sentence
    assert "; and 2 more. All others" in sentence
    assert (len(document["refused"]), document["inputs"], document["counts"]["rows"]) == (5, [], 0)
    assert names_of(lake) == {}
    assert_every_document_is_true(lake, 1)


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("first", ["", "Older"])
def test_what_was_merged_before_it_was_changed_is_taken_back(
    make_lake: MakeLake, raw: Raw, first: str, between: bool
) -> None:
    lake = make_lake()
    wanted = {"C00001": first} if first else {}
    if first:
        older = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1, first=first)))
        process(lake, [older], raw, RULES)
    entry = raw.put(f"{CUSTOMERS}2026-01-13.csv", customers(customer(1), customer(2)))
    with pytest.raises(CrashError):
        process(make_lake(say=crash_at(3)), [entry], raw, RULES)
    assert names_of(lake) == {"C00001": "Amara", "C00002": "Amara"}
    if between:
        process(lake, [raw.put(f"{CUSTOMERS}2026-01-14.csv", customers(customer(3)))], raw, RULES)
        wanted["C00003"] = "Amara"
    spoil(raw, entry)
    _, document = refused_by(lake, [entry], raw)
    assert document["refused"]
    assert names_of(lake) == wanted
    assert_every_document_is_true(lake, 1 + bool(first) + between)


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("cut_off", [(), (2,), (2, 3, 4)])
def test_days_that_are_taken_back_are_days_that_change(
    make_lake: MakeLake, raw: Raw, cut_off: tuple[int, ...], between: bool
) -> None:
    """Gold may have been made from them meanwhile; also if a run that undid them was interrupted itself."""
    lake = make_lake()
    earlier, good, other, later, even_later = (
        raw.put(f"{EVENTS}2026/01/1{day}/e", [event(f"day-{day}", f"2026-01-1{day}T10:00:00Z").encode()])
        for day in range(4, 9)
    )
    process(lake, [earlier], raw, STREAM)
    created_at = datetime.now(UTC)
    with pytest.raises(CrashError):
        process(make_lake(say=crash_at(3)), [good, other], raw, STREAM, created_at)
    if between:
        process(lake, [later], raw, STREAM)
    spoil(raw, other)
    for step in cut_off:
        with pytest.raises(CrashError):
            process(make_lake(say=crash_at(step)), [good, other], raw, STREAM, created_at)
    if between:
        process(lake, [even_later], raw, STREAM)
    with pytest.raises(EvidenceError):
        process(lake, [good, other], raw, STREAM, created_at)
    silver = lake.table(STREAM.table)
    found = sorted(row["event_id"] for row in silver.frame().collect())
    assert found == ["e-day-4", "e-day-5"] + between * ["e-day-7", "e-day-8"]
    document = published(lake.store, silver.uri)[-1]
    assert read_lineage(lake.store, document)["days"] == ["2026-01-15", "2026-01-16"]


def test_an_object_that_misses_a_threshold_is_withheld_whole(lake: Lake, raw: Raw) -> None:
    bad = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1), customer(2, country="XX")))
    good = raw.put(f"{CUSTOMERS}2026-01-13.csv", customers(*map(customer, range(10, 30))))
    document = process(lake, [bad, good], raw, RULES)
    (withheld,) = document["withheld"]
    assert withheld == {
        "bucket": "raw",
        "key": bad.version.key,
        "version_id": bad.version.version_id,
        "sha256": bad.sha256,
        "size_bytes": bad.size_bytes,
        "rows": 2,
        "rejected": 1,
        "reason": "rejected_ratio at most 0.20 is required, found 0.5000. "
        "Most common reasons for rejection: country:not_allowed (1).",
    }
    assert [item["key"] for item in document["inputs"]] == [good.version.key]
    assert document["counts"] == {"rows": 20, "valid": 20, "rejected": 0, "duplicates": 0}
    assert sorted(names_of(lake)) == [f"C{number:05d}" for number in range(10, 30)]
    (row,) = lake.table("customers_rejected").frame().collect()
    assert (row["source_key"], row["reason"]) == (bad.version.key, "country:not_allowed")
    assert document["outputs"][1]["rows"] == 1
    assert_every_document_is_true(lake, 1)
    place = Place(
        TableVersion("s3://processed/tables/customers", document["outputs"][0]["delta_version"]),
        document["id"],
    )
    text = json.dumps(document).replace(lake.tables, "s3://processed/tables")
    assert [item.version for item in parse_lineage(text.encode(), place).refused] == [bad.version]


def test_a_first_run_that_publishes_nothing_leaves_a_quarantine_to_ask(lake: Lake, raw: Raw) -> None:
    entry = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1, spent="much")))
    document = process(lake, [entry], raw, RULES)
    assert (document["inputs"], len(document["withheld"])) == ([], 1)
    assert lake.table("customers").frame().count() == 0
    assert [row["reason"] for row in lake.table("customers_rejected").frame().collect()] == [
        "total_spent_usd:not_decimal"
    ]


def test_a_decision_releases_what_was_withheld(lake: Lake, raw: Raw) -> None:
    entry = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1), customer(2, country="XX")))
    process(lake, [entry], raw, RULES)
    decision = "s3://processed/decisions/customers/a.json?versionId=v1"
    document = process(lake, [replace(entry, decision=decision)], raw, RULES)
    assert (document["withheld"], document["inputs"][0]["decision"]) == ([], decision)
    assert sorted(names_of(lake)) == ["C00001"]
    assert lake.table("customers_rejected").frame().count() == 1, "once, however often it is handed out"


GOOD_EVENTS = "".join(event(f"good-{number}", "2026-01-15T10:00:00Z") for number in range(20)).encode()
GOOD_CUSTOMERS = customers(*map(customer, range(1, 21)))[0]
OF_OTHERS = b"order_no;amount\n" + b"".join(b"%d;%d\n" % (n, n) for n in range(100))
FOREIGN_CUSTOMERS = {
    "CR line ends": GOOD_CUSTOMERS.replace(b"\n", b"\r"),
    "CR line ends, large": customers(*map(customer, range(1, 50_000)))[0].replace(b"\n", b"\r"),
    "CR line ends after the header": GOOD_CUSTOMERS.replace(b"\n", b"\r").replace(b"\r", b"\n", 1),
    "CR line ends half way": GOOD_CUSTOMERS
    + customers(*map(customer, range(50, 90)))[0].replace(b"\n", b"\r"),
    "header in another case": GOOD_CUSTOMERS.replace(b"customer_id,first_name", b"Customer_ID,First_Name"),
    "no header": GOOD_CUSTOMERS.partition(b"\n")[2],
    "another table": OF_OTHERS,
    "another table with our key": b"customer_id,amount\n" + b"C00001,5\n" * 9,
    "semicolons": GOOD_CUSTOMERS.replace(b",", b";"),
    "UTF-16": GOOD_CUSTOMERS.decode().encode("utf-16"),
    "UTF-32": GOOD_CUSTOMERS.decode().encode("utf-32"),
    "gzip that breaks off": gzip.compress(GOOD_CUSTOMERS)[:-9],
    "gzip with a wrong checksum": gzip.compress(GOOD_CUSTOMERS)[:-8] + bytes(8),
    "binary": bytes(range(256)) * 20,
    "zeros": bytes(5_000),
    "JSON": GOOD_EVENTS,
    "XML": b"<customers><customer id='1'/></customers>",
    "empty": b"",
    "header alone": GOOD_CUSTOMERS.partition(b"\n")[0],
    "nothing but commas": GOOD_CUSTOMERS.partition(b"\n")[0] + b"\n" + b",,,,,,,,,\n" * 9,
    "an open quote": GOOD_CUSTOMERS.replace(b"\nC", b'\n"C'),
}
FOREIGN_EVENTS = {
    "no line ends": GOOD_EVENTS.replace(b"\n", b""),
    "two a line": GOOD_EVENTS.replace(b"}\n{", b"}{", 9),
    "no line ends half way": GOOD_EVENTS + GOOD_EVENTS.replace(b"good", b"lost").replace(b"\n", b""),
    "a large line": GOOD_EVENTS + GOOD_EVENTS.replace(b"\n", b"") * 1_000,
    "one array": b"[" + GOOD_EVENTS.replace(b"\n", b",")[:-1] + b"]",
    "indented": json.dumps([json.loads(line) for line in GOOD_EVENTS.splitlines()], indent=1).encode(),
    "other names": GOOD_EVENTS.replace(b"event_id", b"Event_ID"),
    "CSV": GOOD_CUSTOMERS,
    "UTF-16": GOOD_EVENTS.decode().encode("utf-16"),
    "gzip that breaks off after a member": gzip.compress(GOOD_EVENTS) + gzip.compress(GOOD_EVENTS)[:12],
    "binary": bytes(range(256)) * 20,
    "of 1970": GOOD_EVENTS.replace(b"2026-01", b"1970-01"),
    "of 2050": GOOD_EVENTS.replace(b"2026-01", b"2050-01"),
}


@pytest.mark.parametrize(
    ("rules", "prefix", "good", "foreign"),
    [
        (RULES, CUSTOMERS, GOOD_CUSTOMERS, FOREIGN_CUSTOMERS),
        (STREAM, f"{EVENTS}2026/01/15/10/", GOOD_EVENTS, FOREIGN_EVENTS),
    ],
    ids=["customers", "viewing_events"],
)
def test_whatever_else_lies_beside_it_the_good_object_is_published(
    lake: Lake, raw: Raw, rules: Contract, prefix: str, good: bytes, foreign: dict[str, bytes]
) -> None:
    wanted = raw.put(f"{prefix}good", [good])
    names = {raw.put(f"{prefix}{name}", [body]): name for name, body in foreign.items()}
    document = process(lake, raw.entries, raw, rules)
    assert [(item["key"], item["valid"]) for item in document["inputs"]] == [(wanted.version.key, 20)]
    assert {item["key"] for item in document["withheld"]} == {entry.version.key for entry in names}
    assert all(" is required, " in item["reason"] for item in document["withheld"])
    assert lake.table(rules.table).frame().count() == 20


def test_an_object_may_be_compressed(lake: Lake, raw: Raw) -> None:
    packed = [gzip.compress(GOOD_EVENTS), pa.Codec("zstd").compress(GOOD_EVENTS).to_pybytes()]
    entries = [raw.put(f"{EVENTS}2026/01/15/10/{n}", [body]) for n, body in enumerate([*packed, GOOD_EVENTS])]
    document = process(lake, entries, raw, STREAM)
    assert [(item["valid"], item["duplicates"]) for item in document["inputs"]] == [(20, 0), (0, 20), (0, 20)]
    assert document["withheld"] == []


def test_a_batch_delivered_again_is_harmless(lake: Lake, raw: Raw) -> None:
    process(lake, [raw.put(f"{EVENTS}2026/01/15/10/a", [GOOD_EVENTS])], raw, STREAM)
    before = table(lake, "viewing_events")
    again = [raw.put(f"{EVENTS}2026/01/15/10/{name}", [GOOD_EVENTS]) for name in "bc"]
    document = process(lake, again, raw, STREAM)
    assert (document["withheld"], document["counts"]["duplicates"]) == ([], 40)
    assert table(lake, "viewing_events") == before


def test_a_key_from_the_future_does_not_overrule_what_is_to_come(lake: Lake, raw: Raw) -> None:
    future = raw.put(f"{CUSTOMERS}9999-12-31.csv", customers(customer(1, first="Future")))
    newer = raw.put(f"{CUSTOMERS}2026-01-20.csv", customers(customer(1, first="Newer")))
    for entry in (future, newer):
        process(lake, [entry], raw, RULES)
    assert names_of(lake) == {"C00001": "Newer"}


def test_a_key_from_the_past_does_not_make_an_event_the_first(lake: Lake, raw: Raw) -> None:
    for key, watched in (("2026/01/15/10/a", 60), ("0001/01/01/00/b", 1)):
        entry = raw.put(f"{EVENTS}{key}", [event("x-1", "2026-01-15T10:00:00Z", watched=watched).encode()])
        process(lake, [entry], raw, STREAM)
    assert [row["watched_seconds"] for row in lake.table("viewing_events").frame().collect()] == [60]


def test_times_far_from_their_delivery_are_rejected(lake: Lake, raw: Raw) -> None:
    times = {"1970": "1970-01-01T00:00:00Z", "2050": "2050-01-01T00:00:00Z", "old": "2021-01-19T23:59:59Z"}
    kept = {"ahead": "2026-01-21T23:59:59Z", "late": "2021-01-21T00:00:00Z"}
    lines = "".join(event(f"t-{name}", time) for name, time in (times | kept).items())
    lines += "".join(event(f"f-{number}", "2026-01-20T00:00:00Z") for number in range(60))
    process(lake, [raw.put(f"{EVENTS}2026/01/20/00/a", [lines.encode()])], raw, STREAM)
    found = lake.table("viewing_events_rejected").frame().collect()
    assert {row["event_id"]: row["reason"] for row in found} == {
        "e-t-1970": "event_time:long_before_delivery",
        "e-t-2050": "event_time:after_delivery",
        "e-t-old": "event_time:long_before_delivery",
    }


def test_a_country_is_read_by_any_of_its_spellings(lake: Lake, raw: Raw) -> None:
    wanted = {"USA": "US", "usa": "US", "Canada": "CA", "UK": "GB", "Germany": "DE", "NOR": "NO", "US": "US"}
    lines = [customer(number, country=text) for number, text in enumerate(wanted)]
    lines.append(customer(99, country="Narnia"))
    process(lake, [raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(*lines))], raw, RULES)
    found = lake.table("customers").frame().select("customer_id", "country").collect()
    assert {row[0]: row[1] for row in found} == {
        f"C{number:05d}": code for number, code in enumerate(wanted.values())
    }
    (row,) = lake.table("customers_rejected").frame().collect()
    assert (row["country"], row["reason"]) == ("Narnia", "country:not_allowed")


def test_a_forged_document_does_not_make_a_manifest_done(lake: Lake, raw: Raw) -> None:
    """At any key, also that of the run's own document: the gate names it, and the run disregards it."""
    first = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1)))
    version = process(lake, [first], raw, RULES)["outputs"][0]["delta_version"]
    entry = raw.put(f"{CUSTOMERS}2026-01-13.csv", customers(customer(2)))
    digest = manifest("customers", [entry]).sha256
    silver = lake.table("customers")
    names = [f"{number:020d}-{digest}.json" for number in (*range(version + 4), 10**19)]
    for name in names:
        lake.store.create(f"{silver.uri}/_lineage/{name}", b"")
    document = process(lake, [entry], raw, RULES, disregard=names)
    assert sorted(names_of(lake)) == ["C00001", "C00002"]
    written = Path(silver.uri, "_lineage", f"{document['outputs'][0]['delta_version']:020d}-{digest}.json")
    assert json.loads(written.read_bytes()) == document
    assert process(lake, [entry], raw, RULES, disregard=names) == document


def test_a_manifest_of_something_else_is_refused(lake: Lake, raw: Raw) -> None:
    elsewhere = raw.put("incoming/other/2026-01-12.csv", customers(customer(1)))
    with pytest.raises(UsageError, match="not below incoming/customers/"):
        process(lake, [elsewhere], raw, RULES)


def test_a_new_column_is_added_and_older_rows_have_none(lake: Lake, raw: Raw) -> None:
    header, line = "".join(c.decode() for c in customers()).strip(), customer(2).strip()
    process(lake, [raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1)))], raw, RULES)
    newer = contract_with(
        "customers", ("checks:", "  - {name: tier, type: integer, meaning: Loyalty tier.}\nchecks:")
    )
    body = f"{header},tier\n{line},3\n".encode()
    early = process(lake, [raw.put(f"{CUSTOMERS}2026-01-13.csv", [body])], raw, RULES)
    assert early["counts"]["valid"] == 1
    assert lake.table("customers").frame().where('extra = \'{"tier": "3"}\'').count() == 1
    process(lake, [raw.put(f"{CUSTOMERS}2026-01-14.csv", [body])], raw, newer)
    found = lake.table("customers").frame().select("customer_id", "tier", "extra").collect()
    assert {tuple(row) for row in found} == {("C00001", None, None), ("C00002", 3, None)}


def test_unknown_columns_are_rejected_where_the_contract_says_so(lake: Lake, raw: Raw) -> None:
    strict = contract_with(
        "viewing_events",
        ("unknown_columns: keep", "unknown_columns: reject"),
        ('at_most: "0.10"', 'at_most: "1"'),
    )
    good = event("aaa", "2026-01-15T10:00:00Z")
    odd = event("bbb", "2026-01-15T10:00:00Z").replace('"title_id"', '"mood":1,"title_id"')
    process(lake, [raw.put(f"{EVENTS}2026/01/15/x", [(good + odd).encode()])], raw, strict)
    assert [row["event_id"] for row in lake.table("viewing_events").frame().collect()] == ["e-aaa"]
    (refused,) = lake.table("viewing_events_rejected").frame().collect()
    assert (refused["reason"], refused["extra"]) == ("extra:unknown_column", '{"mood": 1}')


def told(document: dict[str, Any]) -> tuple[list[str], list[str]]:
    return document["new_columns"], document["unknown_columns"]


def test_a_column_that_no_contract_lists_is_told_by_the_run_that_sees_it_first(lake: Lake, raw: Raw) -> None:
    """Also if it is in one record of one object of several, in a rejected row or in a withheld object."""
    number = iter(range(100))

    def run_with(*fields: str, time: str = "2026-01-15T10:00:00Z") -> tuple[list[str], list[str]]:
        name = f"{next(number):03d}"
        bodies = [event(f"{name}-{place}", "2026-01-15T10:00:00Z") for place in range(30)]
        bodies += [
            event(f"{name}-{field}", time).replace('"title_id"', f'"{field}":1,"title_id"')
            for field in fields
        ]
        entries = [
            raw.put(f"{EVENTS}2026/01/15/10/{name}", ["".join(bodies).encode()]),
            raw.put(f"{EVENTS}2026/01/15/10/{name}-b", [event(f"{name}-b", "2026-01-15T10:00:00Z").encode()]),
        ]
        return told(process(lake, entries, raw, contract("viewing_events")))

    assert run_with() == ([], [])
    assert run_with("mood", "app") == (["app", "mood"], ["app", "mood"])
    assert run_with("mood") == ([], ["app", "mood"])
    assert run_with() == ([], ["app", "mood"])
    assert run_with("weather", time="not a time") == (["weather"], ["app", "mood", "weather"])
    assert run_with(*(f"odd-{place}" for place in range(30)), time="not a time")[0][0] == "odd-0"
    assert run_with("n" * 300)[0] == ["n" * 200]


def test_no_number_is_too_long_and_nothing_too_deep_for_a_run(lake: Lake, raw: Raw) -> None:
    """What cannot be kept is a rejected row; no line of anybody ends the job."""
    good = [event(f"g{place:03d}", "2026-01-15T10:00:00Z") for place in range(20)]
    odd = [event("long", "2026-01-15T10:00:00Z").replace('"title_id"', f'"digits":{"1" * 5000},"title_id"')]
    for depth in range(930, 1000):
        for kind, begin, end in (("list", "[", "]"), ("object", '{"a":', "}")):
            deep = f'"deep":{begin * depth}1{end * depth},"pair":"\\ud83d\\ude00",'
            name = f"{kind}-{depth}"
            odd.append(event(name, "2026-01-15T10:00:00Z").replace('"title_id"', f'{deep}"title_id"'))
            plain = deep.replace(',"pair":"\\ud83d\\ude00"', "")
            odd.append(
                event(f"{name}-plain", "2026-01-15T10:00:00Z").replace('"title_id"', f'{plain}"title_id"')
            )
    entry = raw.put(f"{EVENTS}2026/01/15/10/odd", ["".join([*good, *odd]).encode()])
    lenient = contract_with("viewing_events", ('at_most: "0.10"', 'at_most: "1"'))
    document = process(lake, [entry], raw, lenient)
    assert document["counts"]["rows"] == len(good) + len(odd)
    assert document["counts"]["valid"] > len(good)
    assert told(document)[0] == ["deep", "digits", "pair"]
    kept = lake.table("viewing_events").frame().where("event_id = 'e-long'").select("extra").collect()
    assert [row["extra"] for row in kept] == [f'{{"digits": {"1" * 5000}}}']


def test_a_column_of_a_file_is_told_until_the_contract_lists_it(lake: Lake, raw: Raw) -> None:
    header, line = "".join(c.decode() for c in customers()).strip(), customer(2).strip()
    body = f"{header},tier,unused\n{line},3,\n".encode()
    early = process(lake, [raw.put(f"{CUSTOMERS}2026-01-13.csv", [body])], raw, RULES)
    assert told(early) == (["tier"], ["tier"])
    newer = contract_with(
        "customers", ("checks:", "  - {name: tier, type: integer, meaning: Loyalty tier.}\nchecks:")
    )
    late = process(lake, [raw.put(f"{CUSTOMERS}2026-01-14.csv", [body])], raw, newer)
    assert told(late) == ([], ["tier"])


def test_of_a_table_whose_fields_have_no_fixed_names_a_thousand_are_told(lake: Lake, raw: Raw) -> None:
    for day in (15, 16):
        fields = ",".join(f'"{day}-{place:04d}":1' for place in range(700))
        body = event(f"d{day}", f"2026-01-{day}T10:00:00Z").replace('"title_id"', f'{fields},"title_id"')
        entry = raw.put(f"{EVENTS}2026/01/{day}/10/x", [body.encode()])
        document = process(lake, [entry], raw, contract("viewing_events"))
    assert [len(names) for names in told(document)] == [300, 1000]


def test_a_column_of_another_type_is_refused(lake: Lake, raw: Raw) -> None:
    entry = raw.put(f"{CUSTOMERS}2026-01-12.csv", customers(customer(1)))
    process(lake, [entry], raw, RULES)
    other = contract_with(
        "customers",
        ("name: total_orders\n    type: integer", "name: total_orders\n    type: decimal"),
    )
    later = raw.put(f"{CUSTOMERS}2026-01-13.csv", customers(customer(1)))
    with pytest.raises(
        UsageError, match=r"column total_orders of .* has the type bigint, the contract says decimal"
    ):
        process(lake, [later], raw, other)


@pytest.mark.parametrize("batch_rows", [1, 7, 8, 1000])
def test_no_row_is_lost_however_large_the_batches(
    lake: Lake, raw: Raw, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(source, "BATCH_ROWS", batch_rows)
    entries = [
        raw.put(f"{CUSTOMERS}2026-01-12-{size}.csv", customers(*map(customer, range(size * 10, size * 11))))
        for size in (1, 7, 9)
    ]
    document = process(lake, entries, raw, RULES)
    assert [item["valid"] for item in document["inputs"]] == [1, 7, 9]
    assert len(names_of(lake)) == 17


def test_every_type_is_published_as_it_is_or_rejected(lake: Lake, raw: Raw) -> None:
    entry = raw.put(f"{ALL_TYPES.raw().prefix}a.jsonl", [ALL_VALUES])
    for number in range(2):
        process(lake, [entry], raw, ALL_TYPES, datetime(2026, 1, 20 + number, tzinfo=UTC))
    frame = lake.table(ALL_TYPES.table).frame()
    row, nothing = frame.withColumn("seen", F.unix_micros("seen")).orderBy(F.col("id").desc()).collect()
    assert (
        row.asDict(recursive=True).items()
        >= {
            "id": 2**63 - 1,
            "price": Decimal("123456.12345678901234567890"),
            "share": 0.1,
            "born": date(2024, 2, 29),
            "seen": 1_782_900_000_123_456,
            "open": True,
            "photo": b"\xff\xe0",
            "tags": ["a", None, "ä b"],
            "parts": [{"id": 1, "made": [date(2026, 1, 15)]}, {"id": None, "made": None}],
        }.items()
    )
    assert row["place"]["names"]["de"] == "Berlin"
    assert [nothing[column.name] for column in ALL_TYPES.columns] == [1] + [None] * 9
    found = lake.table(ALL_TYPES.rejected_table).frame().select("reason", "source_row").distinct().collect()
    assert sorted((row[1], row[0]) for row in found) == [
        (3 + number, f"{column.name}:not_{column.kind.name}")
        for number, column in enumerate(ALL_TYPES.columns)
    ]


def test_an_object_without_rows_is_an_input_all_the_same(lake: Lake, raw: Raw) -> None:
    document = process(lake, [raw.put(f"{EVENTS}2026/01/12/00/a", [b""])], raw, STREAM)
    assert document["counts"] == {"rows": 0, "valid": 0, "rejected": 0, "duplicates": 0}
    assert document["inputs"][0]["version_id"] == "v0000"
    assert lake.table("viewing_events_rejected").frame().count() == 0


@pytest.mark.parametrize(("set_to", "objects", "tasks"), [("2", 30, 2), ("200", 30, 30)])
def test_reads_with_as_many_tasks_as_the_engine_is_set_to(
    engine: tuple[SparkSession, Stage], lake: Lake, raw: Raw, set_to: str, objects: int, tasks: int
) -> None:
    name = "spark.sql.shuffle.partitions"
    spark, before = engine[0], engine[0].conf.get(name)
    entries = [
        raw.put(f"{CUSTOMERS}2026-01-12-{number}.csv", customers(customer(number)))
        for number in range(objects)
    ]
    spark.conf.set(name, set_to)
    try:
        records = read_entries(spark, ranked(manifest("customers", entries), RULES), RULES, raw.open)
        found = records.select(F.spark_partition_id()).distinct().count()
        document = process(lake, entries, raw, RULES)
    finally:
        spark.conf.set(name, before)
    assert found == tasks
    assert [item["valid"] for item in document["inputs"]] == [1] * objects
