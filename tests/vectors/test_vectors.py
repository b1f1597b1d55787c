"""Published examples: the results that the standards require."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from custody.errors import EvidenceError
from custody.evidence.dsse import pae
from custody.evidence.envelope import parse_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import Receipt, RecorderIdentity, parse_statement
from custody.recorder.notification import MalformedMessageError, ObjectCreated, parse_message
from custody.times import format_time, parse_time
from tests.support.evidence import body, s3_record

HERE = Path(__file__).parent


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


DSSE = load("dsse.json")
TIMES = load("rfc3339.json")
KEYS = load("s3_event_keys.json")


def test_pre_authentication_encoding_is_that_of_the_dsse_protocol() -> None:
    assert pae(DSSE["serialized_body"].encode(), DSSE["payload_type"]) == DSSE["pae"].encode()


def test_signing_the_encoding_gives_the_signature_of_the_dsse_protocol() -> None:
    numbers = DSSE["key"]
    key = ec.derive_private_key(int(numbers["d"]), ec.SECP256R1())
    public = key.public_key().public_numbers()
    assert (public.x, public.y) == (int(numbers["x"]), int(numbers["y"]))

    message = pae(DSSE["serialized_body"].encode(), DSSE["payload_type"])
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))

    assert r.to_bytes(32) + s.to_bytes(32) == b64decode(DSSE["envelope"]["signatures"][0]["sig"])


def test_envelope_of_the_dsse_protocol_is_read_once_it_names_a_key() -> None:
    envelope = json.loads(json.dumps(DSSE["envelope"]))
    with pytest.raises(EvidenceError, match="keyid"):
        parse_envelope(json.dumps(envelope).encode())

    envelope["signatures"][0]["keyid"] = "k"
    parsed = parse_envelope(json.dumps(envelope).encode())

    assert parsed.payload == DSSE["serialized_body"].encode()
    assert parsed.pae() == DSSE["pae"].encode()


@pytest.mark.parametrize(("text", "utc"), TIMES["valid"])
def test_times_of_rfc_3339(text: str, utc: str) -> None:
    assert format_time(parse_time(text)) == utc


@pytest.mark.parametrize("text", TIMES["invalid"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(EvidenceError, match="not an RFC 3339 time"):
        parse_time(text)


@pytest.mark.parametrize(("key", "encoded"), KEYS["keys"])
def test_keys_in_notifications(key: str, encoded: str) -> None:
    record = s3_record(ObjectVersion("raw", "x", "v1"))
    record["s3"]["object"]["key"] = encoded

    (event,) = parse_message(body(record))

    assert isinstance(event, ObjectCreated)
    assert event.version == ObjectVersion("raw", key, "v1")


@pytest.mark.parametrize("encoded", KEYS["refused"].values(), ids=KEYS["refused"].keys())
def test_keys_in_notifications_that_are_no_text(encoded: str) -> None:
    record = s3_record(ObjectVersion("raw", "x", "v1"))
    record["s3"]["object"]["key"] = encoded

    with pytest.raises(MalformedMessageError):
        parse_message(body(record))


def test_receipt_is_the_statement_it_has_always_been() -> None:
    """The golden receipt: receipts are kept for years, so their format must not change."""
    golden = (HERE / "receipt.json").read_bytes().rstrip(b"\n")
    receipt = Receipt(
        event=ObjectCreated(
            version=ObjectVersion(
                "custody-local-raw-data-123456789012", "incoming/größe 1+1=100%.csv", "3HL4kqtJvjVBH40Nrjfkd"
            ),
            name="ObjectCreated:Put",
            time=datetime(2026, 11, 20, 13, 0, 0, 123000, tzinfo=UTC),
            request_id="C3D13FE58DE4C810",
            principal_id="AWS:AROAEXAMPLE:alice@example.com",
            source_ip="203.0.113.7",
            sequencer="0055AED6DCD90281E5",
        ),
        sha256="2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        size_bytes=5,
        etag='"5d41402abc4b2a76b9719d911017c592"',
        last_modified=datetime(2026, 11, 20, 13, tzinfo=UTC),
        content_type="text/csv",
        recorded_at=datetime(2026, 11, 20, 13, 0, 1, 456000, tzinfo=UTC),
        recorder=RecorderIdentity("custody-local-recorder", "ab" * 32, "0.1.0"),
    )

    assert receipt.to_statement() == golden
    assert parse_statement(golden) == receipt
