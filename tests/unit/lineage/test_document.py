"""A lineage document is read exactly as written, or rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from custody.errors import EvidenceError
from custody.etl.lineage import LINEAGE_TYPE
from custody.lineage.document import Lineage, Place, TableVersion, parse_commit, parse_lineage, parse_place
from tests.support.lake import CODE, Lake, MemoryS3
from tests.unit.report.sample import DEPLOYMENT

HUGE = 10**30


@pytest.fixture
def lake() -> Lake:
    return Lake(DEPLOYMENT.buckets, MemoryS3().put)


def place_of(document: dict[str, Any]) -> Place:
    made = document["outputs"][0]
    return Place(TableVersion(made["table"], made["delta_version"]), document["id"])


def parsed(document: dict[str, Any]) -> Lineage:
    return parse_lineage(json.dumps(document).encode(), place_of(document))


def test_a_silver_document(lake: Lake) -> None:
    used, bad = lake.raw("incoming/c/1"), lake.raw("incoming/c/2")
    document = lake.silver("customers", 3, [used], refused=[bad], rejected=1)
    lineage = parsed(document)
    assert (lineage.job, lineage.run_id, lineage.code_sha256) == ("raw_to_processed", "jr_3", CODE)
    assert lineage.manifest_uri == document["manifest"]["uri"]
    assert [(item.version, item.sha256) for item in lineage.objects] == [(used.version, used.sha256)]
    assert lineage.objects[0].counts == {"rows": 1, "valid": 1, "rejected": 0, "duplicates": 0}
    assert [(item.version, item.reason) for item in lineage.refused] == [(bad.version, "is gone")]
    assert [str(item.made) for item in lineage.outputs] == [
        f"{lake.uri('customers')}@3",
        f"{lake.uri('customers_rejected')}@1",
    ]
    assert (lineage.tables, lineage.keeps) == ((), True)
    del document["refused"]
    assert parsed(document).refused == ()


def test_a_gold_document_keeps_rows_if_it_names_days(lake: Lake) -> None:
    whole = parsed(lake.gold("customer_value", 1, [("customers", 3), ("viewing_events", 2)]))
    assert whole.tables == (
        TableVersion(lake.uri("customers"), 3),
        TableVersion(lake.uri("viewing_events"), 2),
    )
    assert (whole.objects, whole.manifest_uri, whole.keeps) == ((), None, False)
    assert parsed(lake.gold("daily_engagement", 1, [("viewing_events", 2)], days=[])).keeps


@pytest.mark.parametrize("name", ["customers", "größe 100%?#", "\x1b[2J"])
def test_a_place_is_a_key_and_a_key_a_place(name: str) -> None:
    key = f"tables/{name}/_lineage/{7:020d}-{'a' * 64}.json"
    place = parse_place("b", key)
    assert place is not None
    assert (place.bucket, place.key, place.made.name, place.made.version) == ("b", key, name, 7)
    assert parse_commit("b", f"tables/{name}/_delta_log/{7:020d}.json") == place.made


@pytest.mark.parametrize(
    "key",
    [
        f"tables/_lineage/{7:020d}-{'a' * 64}.json",
        f"tables/a/b/_lineage/{7:020d}-{'a' * 64}.json",
        f"tables/a/_lineage/{7:020d}-{'A' * 64}.json",
        f"tables/a/_lineage/{7:020d}-{'a' * 64}.json\n",
        f"tables/a/_lineage/{10**20 - 1}-{'a' * 64}.json",
        f"tables/a/_openlineage/{7:020d}-{'a' * 64}.json",
        f"tables/a/_delta_log/{7:020d}.checkpoint.parquet",
        f"tables/a/_delta_log/{10**20 - 1}.json",
        "",
    ],
)
def test_any_other_key_is_none(key: str) -> None:
    assert parse_place("b", key) is None
    assert parse_commit("b", key) is None


def changed(document: dict[str, Any], path: str, value: Any) -> bytes:
    inside: Any = document
    *way, last = path.split(".")
    for step in way:
        inside = inside[int(step) if step.isdigit() else step]
    inside[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("type", "urn:else", f"not {LINEAGE_TYPE}"),
        ("id", "a" * 64, "its key says"),
        ("manifest.sha256", "a" * 64, "its key says"),
        ("manifest", "x", "is not a JSON object"),
        ("outputs", [], "the run made nothing"),
        ("outputs.0.delta_version", 2, "not s3://"),
        ("outputs.0.delta_version", HUGE, "is over 9223372036854775807"),
        ("outputs.0.rows", HUGE, "is over 9223372036854775807"),
        ("inputs.0.valid", HUGE, "is over 9223372036854775807"),
        ("inputs.0.size_bytes", HUGE, "is over 9223372036854775807"),
        ("outputs.0.table", "s3://b/elsewhere", "not a place for one"),
        ("outputs.0.table", "customers", "something that is not a table"),
        ("outputs.1.table", "s3://b/tables/another", "also made s3://b/tables/another@0"),
        ("inputs.0.sha256", "A" * 64, "is not a SHA-256"),
        ("inputs.0.rows", -1, "is not a whole number"),
        ("inputs.0.version_id", "", "is empty"),
        ("refused", {}, "is not a list"),
        ("code", None, "is not a JSON object"),
        ("committed_at", "yesterday", "is not a time"),
        ("run_id", "", "is empty"),
    ],
)
def test_what_is_no_document(lake: Lake, path: str, value: Any, says: str) -> None:
    document = lake.silver("customers", 1, [lake.raw("incoming/c/1")], rejected=0)
    place = place_of(document)
    with pytest.raises(EvidenceError) as error:
        parse_lineage(changed(document, path, value), place)
    assert says in error.value.message


def test_an_input_named_twice(lake: Lake) -> None:
    entry = lake.raw("incoming/c/1")
    for document in (
        lake.silver("customers", 1, [entry, entry], named=[entry]),
        lake.silver("customers", 2, [entry], refused=[entry], named=[entry]),
        lake.gold("customer_value", 1, [("customers", 1), ("customers", 1)]),
    ):
        with pytest.raises(EvidenceError, match="names an input twice"):
            parsed(document)


def test_what_is_no_json() -> None:
    place = Place(TableVersion("s3://b/tables/t", 1), "a" * 64)
    for data in (b"", b"[]", b'{"type": 1, "type": 2}', b"\xff"):
        with pytest.raises(EvidenceError, match="lineage document"):
            parse_lineage(data, place)
