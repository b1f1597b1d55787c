"""The receipt; the golden one is in tests/vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import EvidenceError, UsageError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES, sign_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, RecorderIdentity, parse_statement
from tests.support.evidence import LocalSigner
from tests.unit.evidence.test_objects import VERSIONS

GOLDEN = (Path(__file__).parents[2] / "vectors" / "receipt.json").read_bytes()
RECEIPT = parse_statement(GOLDEN)
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(VERSIONS, TEXT, TEXT)
def test_a_receipt_is_read_as_it_was_written(
    version: ObjectVersion, content_type: str | None, principal_id: str | None
) -> None:
    event = replace(RECEIPT.event, version=version, principal_id=principal_id, request_id=None)
    receipt = replace(RECEIPT, event=event, content_type=content_type)
    assert parse_statement(receipt.to_statement()) == receipt


def test_the_longest_receipt_fits_an_envelope() -> None:
    """A key of 1,024 control characters, and as much header as Amazon S3 takes (8 KB)."""
    event = replace(RECEIPT.event, version=ObjectVersion("b" * 63, "\x01" * 1024, "v" * 1024))
    receipt = replace(RECEIPT, event=event, content_type="\x01" * 2048)
    assert len(sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, LocalSigner())) < MAX_ENVELOPE_BYTES


def test_fields_of_a_later_recorder_are_ignored() -> None:
    document = json.loads(GOLDEN)
    for part in (document, document["subject"][0], document["predicate"], document["predicate"]["event"]):
        part["later"] = {"a": 1}
    document["subject"][0]["digest"]["sha512"] = "00"
    assert parse_statement(json.dumps(document).encode()) == RECEIPT


def put(*path: str | int) -> Callable[[dict[str, Any], Any], None]:
    def change(document: dict[str, Any], value: Any) -> None:
        inner: Any = document
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (["_type"], "https://in-toto.io/Statement/v0.1", "type"),
        (["predicateType"], "urn:custody:object-receipt:v2", "predicate's type"),
        (["subject"], [], "0 subjects"),
        (["subject", 0, "name"], "s3://other/key", "not the object of its predicate"),
        (["subject", 0, "digest"], {"sha512": "00"}, "sha256"),
        (["subject", 0, "digest", "sha256"], "AB" * 32, "sha256"),
        (["predicate"], None, "predicate"),
        (["predicate", "bucket"], "other", "not the object of its predicate"),
        (["predicate", "key"], "other", "not the object of its predicate"),
        (["predicate", "key"], "\ud800", "a lone surrogate"),
        (["predicate", "version_id"], "", "version_id is empty"),
        (["predicate", "size_bytes"], -1, "size_bytes"),
        (["predicate", "size_bytes"], 5.0, "size_bytes"),
        (["predicate", "size_bytes"], True, "size_bytes"),
        (["predicate", "etag"], None, "etag"),
        (["predicate", "last_modified"], "yesterday", "last_modified"),
        (["predicate", "content_type"], 1, "content_type"),
        (["predicate", "event"], None, "event"),
        (["predicate", "event", "name"], "", "name"),
        (["predicate", "event", "time"], None, "time"),
        (["predicate", "event", "request_id"], 1, "request_id"),
        (["predicate", "recorded_at"], "2026-11-20T13:00:00+00:00", "recorded_at"),
        (["predicate", "recorder"], {}, "recorder's function"),
        (["predicate", "recorder", "code_sha256"], "x", "code_sha256"),
    ],
)
def test_a_statement_that_is_malformed_or_contradicts_itself_is_refused(
    path: list[str | int], value: Any, why: str
) -> None:
    document = json.loads(GOLDEN)
    put(*path)(document, value)
    with pytest.raises(EvidenceError, match=why):
        parse_statement(json.dumps(document).encode())


def test_two_subjects_are_refused() -> None:
    document = json.loads(GOLDEN)
    document["subject"] *= 2
    with pytest.raises(EvidenceError, match="2 subjects"):
        parse_statement(json.dumps(document).encode())


def test_a_recorder_that_cannot_say_which_code_it_runs_does_not_start() -> None:
    with pytest.raises(UsageError, match="SHA-256"):
        RecorderIdentity("recorder", "latest", "0.1.0")
