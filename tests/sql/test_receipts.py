"""The view of receipts: the content of the envelopes, and that a broken one does not affect others."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from custody.evidence.objects import MAX_KEY_BYTES, ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE
from tests.sql.evidence import (
    ARTIFACTS,
    PROVENANCE,
    RAW,
    Signer,
    backfill_of,
    envelope,
    put_object,
    receipt_of,
    statement_envelope,
    with_event,
)
from tests.sql.test_flattened import KEYS
from tests.sql.warehouse import Warehouse

ALL = "SELECT * FROM object_receipts"


def test_a_receipt_in_columns(warehouse: Warehouse) -> None:
    receipt = receipt_of(put_object(RAW, "incoming/a.csv"))
    warehouse.record(receipt)

    assert warehouse.row(ALL) == {
        "event_date": "2026-03-10",
        "bucket_name": RAW,
        "object_key": "incoming/a.csv",
        "version_id": receipt.version.version_id,
        "layer": "bronze",
        "sha256": receipt.sha256,
        "size_bytes": "25701",
        "etag": '"d41d8cd98f00b204e9800998ecf8427e"',
        "content_type": "text/csv",
        "last_modified": "2026-03-10 12:00:00.000",
        "written_at": "2026-03-10 12:00:00.412",
        "event_name": "ObjectCreated:Put",
        "event_time": "2026-03-10 12:00:00.412",
        "request_id": receipt.event.request_id,
        "principal_id": "AWS:AIDACKCEVSQ6C2EXAMPLE",
        "source_ip": "192.0.2.10",
        "sequencer": "0055AED6DCD90281E5",
        "recorded_at": "2026-03-10 12:00:02.000",
        "recorder_function": "custody-local-recorder",
        "recorder_code_sha256": "ab" * 32,
        "recorder_version": "0.1.0",
        "key_id": Signer.keyid,
        "receipt_uri": f"s3://{PROVENANCE}/{receipt.version.receipt_key}",
        "leaf_index": "0",
    }


def test_keys_come_as_they_are(warehouse: Warehouse) -> None:
    warehouse.record(*(receipt_of(put_object(RAW, key)) for key in KEYS))

    assert sorted(str(row["object_key"]) for row in warehouse.rows(ALL)) == sorted(KEYS)


def test_a_later_receipt_is_of_the_day_of_its_object(warehouse: Warehouse) -> None:
    warehouse.record(backfill_of(put_object(RAW, "incoming/a.csv"), after=timedelta(days=40)))

    row = warehouse.row(ALL)

    assert (row["event_date"], row["written_at"]) == ("2026-03-10", "2026-03-10 12:00:00.000")
    assert (row["event_time"], row["recorded_at"]) == ("2026-04-19 12:00:00.000", "2026-04-19 12:00:00.000")
    assert (row["request_id"], row["principal_id"], row["source_ip"], row["sequencer"]) == (None,) * 4


def test_an_object_without_a_type_and_a_size_beyond_32_bits(warehouse: Warehouse) -> None:
    receipt = receipt_of(put_object(RAW, "incoming/a.csv"))
    warehouse.record(replace(receipt, content_type=None, size_bytes=5 * 2**40))

    row = warehouse.row(ALL)

    assert (row["content_type"], row["size_bytes"]) == (None, "5497558138880")


def test_a_time_without_a_fraction_and_one_with(warehouse: Warehouse) -> None:
    receipt = receipt_of(put_object(RAW, "incoming/a.csv"))
    warehouse.record(replace(receipt, recorded_at=datetime(2026, 3, 10, 12, 0, 2, 999_999, tzinfo=UTC)))

    assert warehouse.row(ALL)["recorded_at"] == "2026-03-10 12:00:02.999"


def test_an_unknown_bucket_has_an_unknown_layer(warehouse: Warehouse) -> None:
    warehouse.record(receipt_of(put_object(ARTIFACTS, "x")))

    assert warehouse.row(ALL)["layer"] == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"",
        b'{"payload":',
        json.dumps({"payload": "%%%", "payloadType": PAYLOAD_TYPE, "signatures": []}).encode(),
        json.dumps(
            {"payload": b64encode(b"{no").decode(), "payloadType": PAYLOAD_TYPE, "signatures": []}
        ).encode(),
        json.dumps(
            {"payload": b64encode(b"\xff").decode(), "payloadType": PAYLOAD_TYPE, "signatures": []}
        ).encode(),
        envelope(receipt_of(put_object(RAW, "incoming/b.csv"))).replace(b"in-toto+json", b"other+json"),
        json.dumps({"payload": None, "payloadType": PAYLOAD_TYPE, "signatures": None}).encode(),
        statement_envelope({"predicateType": "urn:other", "predicate": {"bucket": RAW}}),
        statement_envelope(["not", "a", "statement"]),
    ],
)
def test_a_broken_receipt_is_left_out_and_the_others_stay(warehouse: Warehouse, body: bytes) -> None:
    good = receipt_of(put_object(RAW, "incoming/a.csv"))
    warehouse.record(good)
    warehouse.store.objects[PROVENANCE, "provenance/broken.json"] = body

    assert warehouse.row(ALL)["sha256"] == good.sha256


def statement(**changes: object) -> dict[str, object]:
    """A receipt of version v of RAW's object k, as a document."""
    receipt = with_event(receipt_of(put_object(RAW, "k")), version=ObjectVersion(RAW, "k", "v"))
    document: dict[str, object] = json.loads(receipt.to_statement())
    return document | changes


PLACE = f"provenance/{RAW}/k/v.json"


def test_a_receipt_with_a_value_of_the_wrong_kind_is_none(warehouse: Warehouse) -> None:
    good = receipt_of(put_object(RAW, "incoming/a.csv"))
    warehouse.record(good)
    for number, change in enumerate(
        ({"size_bytes": "many"}, {"recorded_at": "soon"}, {"event": {"time": 7}})
    ):
        predicate = json.loads(good.to_statement())["predicate"] | {"key": f"k{number}"} | change
        key = f"provenance/{RAW}/k{number}/{predicate['version_id']}.json"
        subject = [{"name": f"s3://{RAW}/k{number}", "digest": {"sha256": "00" * 32}}]
        body = statement_envelope(statement(predicate=predicate, subject=subject))
        warehouse.store.objects[PROVENANCE, key] = body

    assert warehouse.row(ALL)["object_key"] == "incoming/a.csv"


def test_what_was_written_before_the_ledger_began_is_on_its_first_day(warehouse: Warehouse) -> None:
    old = datetime(2019, 5, 1, tzinfo=UTC)
    warehouse.record(backfill_of(put_object(RAW, "incoming/a.csv", old), after=timedelta(days=2500)))

    row = warehouse.row(ALL)

    assert (row["event_date"], row["written_at"]) == ("2025-01-01", "2019-05-01 00:00:00.000")


def test_what_claims_to_be_of_the_future_is_on_the_day_of_its_seal(warehouse: Warehouse) -> None:
    warehouse.record(receipt_of(put_object(RAW, "incoming/a.csv", datetime(2090, 1, 1, tzinfo=UTC))))

    row = warehouse.row(ALL)

    assert (row["event_date"], row["written_at"]) == (
        datetime.now(UTC).date().isoformat(),
        "2090-01-01 00:00:00.412",
    )


@pytest.mark.parametrize(
    "place",
    [
        "provenance/odd.json",
        f"provenance/{RAW}/k/w.json",
        f"provenance/{RAW}/j/v.json",
        f"provenance/{RAW}/k/v",
        f"provenance/{RAW}/k/v.json.json",
        f"provenance/copies/{RAW}/k/v.json",
        f"provenance/_long/{'0' * 64}.json",
        "provenance/_long/" + hashlib.sha256(f"{RAW}\nk\nv".encode()).hexdigest() + ".json",
    ],
)
def test_a_receipt_elsewhere_is_none(warehouse: Warehouse, place: str) -> None:
    body = statement_envelope(statement())
    warehouse.store.objects[PROVENANCE, PLACE] = body
    warehouse.store.objects[PROVENANCE, place] = body

    assert warehouse.row(ALL)["receipt_uri"] == f"s3://{PROVENANCE}/{PLACE}"


@pytest.mark.parametrize("signatures", [None, [], [{}], [{"keyid": "k"}], [{"keyid": "k", "sig": ""}]])
def test_what_nobody_signed_is_no_receipt(warehouse: Warehouse, signatures: object) -> None:
    signed = json.loads(statement_envelope(statement()))
    warehouse.store.objects[PROVENANCE, PLACE] = json.dumps(signed | {"signatures": signatures}).encode()

    assert warehouse.rows(ALL) == []


@pytest.mark.parametrize("subject", [[], [{"name": f"s3://{RAW}/j"}], None])
def test_a_receipt_of_two_minds_is_none(warehouse: Warehouse, subject: object) -> None:
    warehouse.store.objects[PROVENANCE, PLACE] = statement_envelope(statement(subject=subject))

    assert warehouse.rows(ALL) == []


@pytest.mark.parametrize("letter", ["k", "ü", "😀"])
def test_receipts_of_long_keys_are_read_where_they_lie(warehouse: Warehouse, letter: str) -> None:
    """On both sides of the length at which the receipt's key changes."""
    width = len(letter.encode())
    room = MAX_KEY_BYTES - len(f"provenance/{RAW}/incoming//EXAMPLE.1.json")
    keys = ["incoming/" + letter * (room // width + n) for n in range(-2, 3)] + ["incoming/" + "k" * 1000]
    receipts = [
        with_event(receipt_of(put_object(RAW, key)), version=ObjectVersion(RAW, key, "EXAMPLE.1"))
        for key in keys
    ]
    warehouse.record(*receipts)
    places = {f"s3://{PROVENANCE}/{receipt.version.receipt_key}" for receipt in receipts}

    assert any("/_long/" in place for place in places)
    assert not all("/_long/" in place for place in places)
    assert {row["receipt_uri"] for row in warehouse.rows(ALL)} == places


def test_only_the_receipts_folder_is_read(warehouse: Warehouse) -> None:
    warehouse.store.objects[PROVENANCE, "keys/registry.json"] = b'{"keys":[]}'

    assert warehouse.rows("SELECT * FROM receipt_envelopes") == []
