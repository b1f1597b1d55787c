"""Lineage: from a table back to raw objects and from a raw object to tables, by the same edges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import EvidenceError, UsageError
from custody.evidence.objects import ObjectVersion
from custody.lineage.graph import Graph, Kind
from custody.lineage.library import Library
from custody.lineage.walk import Walk, walk
from tests.support.lake import CODE, Lake, MemoryS3
from tests.unit.report.sample import DEPLOYMENT

HOSTILE = "incoming/\x1b[2J <b>%?#\u202e.csv"


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def lake(s3: MemoryS3) -> Lake:
    return Lake(DEPLOYMENT.buckets, s3.put)


def library(s3: MemoryS3) -> Library:
    return Library(cast("Any", s3), DEPLOYMENT, workers=2)


@contextmanager
def walked(s3: MemoryS3, target: str) -> Iterator[Walk]:
    with Graph() as graph:
        yield walk(library(s3), graph, target)


def ids(found: Walk, *kinds: Kind) -> set[str]:
    return {node["id"] for node in found.graph.nodes(*kinds)}


def edges(found: Walk) -> set[tuple[str, str, str]]:
    return {(edge["from"], edge["kind"], edge["to"]) for edge in found.graph.edges()}


def manifest(document: dict[str, Any]) -> str:
    return f"sha256:{document['manifest']['sha256']}"


def test_from_gold_to_the_objects(s3: MemoryS3, lake: Lake) -> None:
    old, new, event = lake.raw("incoming/c/1"), lake.raw(HOSTILE), lake.raw("incoming/e/1")
    first = lake.silver("customers", 1, [old], rejected=1)
    second = lake.silver("customers", 3, [new], rejected=4)
    stream = lake.silver("viewing_events", 2, [event])
    lake.gold("customer_value", 1, [("customers", 3), ("viewing_events", 2)])
    later = lake.raw("incoming/c/2")
    lake.silver("customers", 5, [later], rejected=5)

    with walked(s3, "customer_value") as found:
        customers, quarantine, value = (
            lake.uri("customers"),
            lake.uri("customers_rejected"),
            lake.uri("customer_value", "analytics"),
        )
        assert found.start == f"{value}@1"
        assert (found.missing, found.notes, found.exit_code) == ([], [], 0)
        assert edges(found) == {
            (old.version.uri, "named", manifest(first)),
            (new.version.uri, "named", manifest(second)),
            (event.version.uri, "named", manifest(stream)),
            (manifest(first), "processed", f"{customers}@1"),
            (manifest(second), "processed", f"{customers}@3"),
            (manifest(stream), "processed", f"{lake.uri('viewing_events')}@2"),
            (f"{customers}@1", "kept", f"{customers}@3"),
            (manifest(first), "processed", f"{quarantine}@1"),
            (manifest(second), "processed", f"{quarantine}@4"),
            (f"{quarantine}@1", "kept", f"{quarantine}@4"),
            (f"{customers}@3", "read", f"{value}@1"),
            (f"{lake.uri('viewing_events')}@2", "read", f"{value}@1"),
        }
        nodes = list(found.graph.nodes())
    assert [node["kind"] for node in nodes] == (
        ["gold"] + ["silver"] * 3 + ["rejected"] * 2 + ["manifest"] * 3 + ["object"] * 3
    )
    gold = nodes[0]
    assert (gold["rows"], gold["run_id"], gold["code_sha256"]) == (3, "jr_1", CODE)
    assert [node["delta_version"] for node in nodes if node["kind"] == "silver"] == [3, 1, 2]
    assert {node["sha256"] for node in nodes if node["kind"] == "object"} == {
        old.sha256,
        new.sha256,
        event.sha256,
    }


def test_a_gold_table_made_anew_stands_on_its_own_inputs_and_one_of_days_on_all_before(
    s3: MemoryS3, lake: Lake
) -> None:
    for version in (1, 2):
        lake.silver("viewing_events", version, [lake.raw(f"incoming/e/{version}")])
        lake.gold("daily_engagement", version, [("viewing_events", version)], days=["2026-01-15"])
        lake.gold("customer_value", version, [("viewing_events", version)])
    lake.gold("daily_engagement", 3, [("viewing_events", 1)], days=["2026-01-15"])
    lake.gold("customer_value", 3, [("viewing_events", 1)])

    with walked(s3, "daily_engagement") as found:
        assert {node["delta_version"] for node in found.graph.nodes(Kind.GOLD)} == {1, 2, 3}
        assert found.graph.count(Kind.OBJECT) == 2
    with walked(s3, "customer_value") as found:
        assert {node["delta_version"] for node in found.graph.nodes(Kind.GOLD)} == {3}
        assert found.graph.count(Kind.OBJECT) == 1
        assert "kept" not in {kind for _, kind, _ in edges(found)}


def test_from_an_object_to_the_tables(s3: MemoryS3, lake: Lake) -> None:
    early = lake.raw("incoming/c/0")
    lake.silver("customers", 1, [early], rejected=1)
    entry = lake.raw(HOSTILE)
    document = lake.silver("customers", 2, [entry, lake.raw("incoming/c/2")], rejected=1)
    lake.gold("customer_value", 1, [("customers", 1)])
    lake.gold("customer_value", 2, [("customers", 2)])
    lake.silver("customers", 4, [lake.raw("incoming/c/3")], rejected=3)
    lake.gold("customer_value", 3, [("customers", 4)])
    lake.gold("customer_value", 4, [("customers", 1)])
    lake.silver("viewing_events", 9, [lake.raw("incoming/e/1")])
    s3.read.clear()

    customers, value = lake.uri("customers"), lake.uri("customer_value", "analytics")
    with walked(s3, entry.version.uri) as found:
        assert edges(found) == {
            (entry.version.uri, "named", manifest(document)),
            (manifest(document), "processed", f"{customers}@2"),
            (manifest(document), "processed", f"{customers}_rejected@1"),
            (f"{customers}@2", "kept", f"{customers}@4"),
            (f"{customers}_rejected@1", "kept", f"{customers}_rejected@3"),
            (f"{customers}@2", "read", f"{value}@2"),
            (f"{customers}@4", "read", f"{value}@3"),
        }
        assert (found.start, found.missing, found.notes) == (entry.version.uri, [], [])
        assert ids(found, Kind.GOLD) == {f"{value}@2", f"{value}@3"}
    assert not [key for key in s3.read if f"{1:020d}" in key and "customers" in key], "it is older"


def test_all_versions_of_an_object_and_one_that_is_in_no_table(s3: MemoryS3, lake: Lake) -> None:
    first, second = lake.raw("incoming/c/1"), lake.raw("incoming/c/1", b"corrected")
    lake.silver("customers", 1, [first])
    unused = lake.raw("incoming/c/1", b"once more")
    lake.raw("incoming/c/10")
    lake.silver("customers", 2, [second])
    with walked(s3, f"s3://{DEPLOYMENT.buckets['raw-data']}/incoming/c/1") as found:
        assert ids(found, Kind.OBJECT) == {first.version.uri, second.version.uri}
        assert found.notes == [
            f"No lineage document names {unused.version.uri}: no table was made from it (yet)."
        ]
        assert found.exit_code == 0


def test_a_refused_object_is_no_input_and_is_told(s3: MemoryS3, lake: Lake) -> None:
    good, bad = lake.raw("incoming/c/1"), lake.raw("incoming/c/2")
    lake.silver("customers", 1, [good], refused=[bad])
    for target in (bad.version.uri, "customers"):
        with walked(s3, target) as found:
            assert bad.version.uri not in ids(found)
            (note,) = found.notes
            assert note.startswith(f"{bad.version.uri} was refused")
    with walked(s3, bad.version.uri) as found:
        assert ids(found) == set()


def test_an_object_that_is_gone_is_still_found_by_its_documents(s3: MemoryS3, lake: Lake) -> None:
    entry = lake.raw("incoming/c/1")
    lake.silver("customers", 1, [entry])
    s3.drop(entry.version.bucket, entry.version.key)
    with walked(s3, entry.version.uri) as found:
        assert ids(found, Kind.SILVER) == {f"{lake.uri('customers')}@1"}


def test_two_documents_of_one_version_are_both_walked(s3: MemoryS3, lake: Lake) -> None:
    """As left by a run without new data, on an engine that makes no empty commits."""
    entry, again = lake.raw("incoming/c/1"), lake.raw("incoming/c/2")
    lake.silver("customers", 1, [entry], rejected=0)
    outputs = [
        {"table": lake.uri("customers"), "delta_version": 1, "rows": 0},
        {"table": lake.uri("customers_rejected"), "delta_version": 0, "rows": 0},
    ]
    lake.silver("customers", 1, [again], outputs=outputs, run_id="jr_again")
    for target in ("customers", "customers_rejected"):
        with walked(s3, target) as found:
            assert ids(found, Kind.OBJECT) == {entry.version.uri, again.version.uri}
            (node,) = found.graph.nodes(Kind.SILVER)
            assert (node["rows"], node["run_id"]) == (1, "jr_1")
    with walked(s3, again.version.uri) as found:
        assert ids(found, Kind.SILVER) == {f"{lake.uri('customers')}@1"}


# What a version is named by


@pytest.fixture
def history(s3: MemoryS3, lake: Lake) -> Lake:
    for version, rejected in ((2, 1), (5, 4)):
        lake.commit("customers", version - 1, adds=f"part-{version - 1}.parquet")
        lake.silver("customers", version, [lake.raw(f"incoming/c/{version}")], rejected=rejected)
    return lake


@pytest.mark.parametrize(
    ("target", "version"),
    [
        ("customers", 5),
        ("customers@2", 2),
        ("{customers}", 5),
        ("{customers}/", 5),
        ("{customers}/_delta_log/00000000000000000001.json", 2),
        ("{customers}/_delta_log/00000000000000000003.json", 5),
        ("{customers}/part-1.parquet", 2),
        ("{customers}/part-5.parquet", 5),
    ],
)
def test_a_version_is_named_in_many_ways(s3: MemoryS3, history: Lake, target: str, version: int) -> None:
    uri = history.uri("customers")
    with walked(s3, target.format(customers=uri)) as found:
        assert found.start == f"{uri}@{version}"
        assert {node["delta_version"] for node in found.graph.nodes(Kind.SILVER)} == (
            {2, 5} if version == 5 else {2}
        )


@pytest.mark.parametrize(
    ("target", "version"),
    [
        ("customers_rejected", 4),
        ("customers_rejected@1", 1),
        ("{rejected}/bad-4.parquet", 4),
        ("{rejected}/_delta_log/00000000000000000002.json", 4),
    ],
)
def test_a_quarantine_is_made_by_the_runs_of_its_table(
    s3: MemoryS3, history: Lake, target: str, version: int
) -> None:
    uri = history.uri("customers_rejected")
    with walked(s3, target.format(rejected=uri)) as found:
        assert found.start == f"{uri}@{version}"
        assert found.graph.count(Kind.OBJECT) == (2 if version == 4 else 1)


def test_a_document_names_its_version(s3: MemoryS3, history: Lake) -> None:
    with walked(s3, "customers@2") as found:
        (node,) = found.graph.nodes(Kind.SILVER)
    with walked(s3, node["document"]) as found:
        assert found.start == f"{history.uri('customers')}@2"


def test_a_file_is_looked_for_by_its_time_and_its_encoded_name(s3: MemoryS3, lake: Lake) -> None:
    for version in range(1, 4):
        lake.silver("customers", version, [lake.raw(f"incoming/c/{version}")])
    s3.put(DEPLOYMENT.buckets["processed"], "tables/customers/day=1 2/part.parquet", b"PAR1")
    lake.commit("customers", 4, adds="day=1%202/part.parquet")
    lake.silver("customers", 5, [lake.raw("incoming/c/5")])
    s3.read.clear()
    with walked(s3, f"{lake.uri('customers')}/day=1 2/part.parquet") as found:
        assert found.start.endswith("@5")
    assert not [key for key in s3.read if f"_delta_log/{1:020d}" in key]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nothing", "There are: customer_value, customers, customers_rejected"),
        ("customers@", "There is no table 'customers@'"),
        ("customers@x", "There is no table 'customers@x'"),
        ("customers@3", "Versions near it that have one: 2, 5."),
        ("{customers}/part-9.parquet", "No commit of"),
        ("{bucket}", "There is no table at"),
        ("{bucket}/manifests/customers/1.json", "There is no table at"),
        ("{bucket}/tables/none", "There is no table at"),
        ("s3://elsewhere/tables/customers", "is not a data bucket of this deployment"),
        ("s3://{raw}", "names a bucket but no object"),
        ("s3://{raw}/incoming/none", "There is no object"),
        ("customer_value", "has no lineage document"),
    ],
)
def test_what_is_not_there_is_said(s3: MemoryS3, history: Lake, target: str, says: str) -> None:
    history.commit("customer_value", 0, "analytics")
    buckets = DEPLOYMENT.buckets
    uri = target.format(
        customers=history.uri("customers"), bucket=f"s3://{buckets['processed']}", raw=buckets["raw-data"]
    )
    with pytest.raises(UsageError) as error, walked(s3, uri):
        pass
    assert says in str(error.value)


def test_without_any_table_that_is_said(s3: MemoryS3) -> None:
    with pytest.raises(UsageError, match="There are no tables yet"), walked(s3, "customers"):
        pass


def test_a_name_in_both_layers_is_asked_back(s3: MemoryS3, history: Lake) -> None:
    history.gold("customers", 1, [("customers", 2)])
    with pytest.raises(UsageError, match="two tables 'customers'"), walked(s3, "customers"):
        pass
    with walked(s3, history.uri("customers", "analytics")) as found:
        assert found.graph.count(Kind.GOLD) == 1


# What is missing


def test_a_commit_without_a_document_is_told_and_a_file_of_it_is_a_finding(
    s3: MemoryS3, history: Lake
) -> None:
    history.commit("customers", 6, adds="part-6.parquet")
    with walked(s3, "customers") as found:
        assert found.notes == [f"{history.uri('customers')}@6 has no lineage document (yet)."]
    with (
        pytest.raises(EvidenceError, match="No lineage document covers"),
        walked(s3, f"{history.uri('customers')}/part-6.parquet"),
    ):
        pass


def test_a_source_without_a_document_is_missing_both_ways(s3: MemoryS3, history: Lake) -> None:
    history.gold("customer_value", 1, [("customers", 3)])
    with walked(s3, "customer_value") as found:
        assert found.exit_code == 1
        assert found.missing[0].startswith(f"{history.uri('customers')}@3 has no lineage document")
        assert found.graph.count(Kind.OBJECT) == 1
        (entry,) = ids(found, Kind.OBJECT)
    with walked(s3, entry) as found:
        assert len(found.missing) == 1
        assert found.graph.count(Kind.GOLD) == 1


def test_a_document_that_cannot_be_read_hides_no_other(s3: MemoryS3, history: Lake) -> None:
    with walked(s3, "customers") as found:
        nodes = list(found.graph.nodes(Kind.SILVER))
    place = nodes[0]["document"].partition(DEPLOYMENT.buckets["processed"] + "/")[2]
    s3.replace(DEPLOYMENT.buckets["processed"], place, b"{")
    with walked(s3, "customers") as found:
        assert found.exit_code == 1
        assert "is not a lineage document" in found.missing[0]
        assert {node["delta_version"] for node in found.graph.nodes(Kind.SILVER)} == {2, 5}


def test_a_document_that_was_deleted_or_written_over_is_read_and_that_is_told(
    s3: MemoryS3, history: Lake
) -> None:
    with walked(s3, "customers") as found:
        documents = [node["document"] for node in found.graph.nodes(Kind.SILVER)]
        objects = ids(found, Kind.OBJECT)
    bucket = DEPLOYMENT.buckets["processed"]
    newer, older = (uri.partition(bucket + "/")[2] for uri in documents)
    s3.hide(bucket, older)
    s3.put(bucket, newer, b"{}")
    for target in ("customers", *objects):
        with walked(s3, target) as found:
            assert found.missing == [f"{documents[1]} was deleted: it is hidden by a delete marker."]
            assert ids(found, Kind.OBJECT) <= objects
            assert found.graph.count(Kind.SILVER) >= 1


def test_a_gold_table_made_from_no_silver_is_missing(s3: MemoryS3, history: Lake) -> None:
    elsewhere = {"table": "s3://elsewhere/tables/customers", "delta_version": 1}
    history.gold("customer_value", 1, [], inputs=[elsewhere])
    with walked(s3, "customer_value") as found:
        assert "which is not a table of processed data" in found.missing[0]


# Both directions agree

Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["customers", "events", "days", "all"]), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=14,
)


def made_of(steps: list[Step]) -> tuple[MemoryS3, dict[str, set[ObjectVersion]]]:
    """A lake of runs, and independently computed, the object versions in each version of a table."""
    s3 = MemoryS3()
    lake = Lake(DEPLOYMENT.buckets, s3.put)
    truth: dict[str, set[ObjectVersion]] = {}
    documented: dict[str, list[int]] = {"customers": [], "events": [], "days": [], "all": []}
    entries = [lake.raw(f"incoming/{number}") for number in range(3)]
    for number, (table, one, other) in enumerate(steps, start=1):
        versions = documented[table]
        layer = "processed" if table in ("customers", "events") else "analytics"
        before = truth[f"{lake.uri(table, layer)}@{versions[-1]}"] if versions else set()
        if layer == "processed":
            used = [lake.raw(f"incoming/{number}/x"), entries[one % 3]][: 1 + other % 2]
            lake.silver(table, number, used, rejected=number)
            holds = before | {entry.version for entry in used}
        else:
            silver = [name for name in ("customers", "events") if documented[name]]
            if not silver:
                continue
            chosen = silver[: 1 + other % 2]
            inputs = [(name, documented[name][one % len(documented[name])]) for name in chosen]
            lake.gold(table, number, inputs, days=["2026-01-15"] if table == "days" else None)
            holds = set().union(*(truth[f"{lake.uri(name)}@{version}"] for name, version in inputs))
            holds |= before if table == "days" else set()
        versions.append(number)
        truth[f"{lake.uri(table, layer)}@{number}"] = holds
    return s3, truth


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_walking_forth_and_back_agree(steps: list[Step]) -> None:
    s3, truth = made_of(steps)
    forth: dict[ObjectVersion, set[str]] = {}
    for version in set().union(*truth.values()):
        with walked(s3, version.uri) as found:
            assert found.exit_code == 0
            forth[version] = ids(found, Kind.SILVER, Kind.GOLD)
    for made, holds in truth.items():
        table, _, number = made.rpartition("@")
        name = f"{table.rpartition('/')[2]}@{number}"
        with walked(s3, name) as found:
            assert ids(found, Kind.OBJECT) == {version.uri for version in holds}
        assert {version for version, versions in forth.items() if made in versions} == holds


def test_a_long_history_is_read_once_and_told(s3: MemoryS3, lake: Lake) -> None:
    for version in range(1, 301):
        lake.silver("customers", version, [lake.raw("incoming/c/1")])
    s3.read.clear()
    told: list[str] = []
    with Graph() as graph:
        walk(Library(cast("Any", s3), DEPLOYMENT, tell=told.append), graph, "customers")
        assert graph.count(Kind.OBJECT) == 300
    assert len(s3.read) == 300
    assert told[-1] == "customers: 300 of 300 lineage documents read"


def test_a_library_of_another_deployment_sees_nothing_of_this_one(s3: MemoryS3, history: Lake) -> None:
    buckets = {short: f"other-{name}" for short, name in DEPLOYMENT.buckets.items()}
    other = Library(cast("Any", s3), replace(DEPLOYMENT, buckets=buckets))
    assert other.tables(other.processed) == []
