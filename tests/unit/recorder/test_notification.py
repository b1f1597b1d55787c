"""Messages in the recorder's queue; the key encodings are in tests/vectors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.evidence.objects import ObjectVersion
from custody.recorder.notification import (
    MalformedMessageError,
    ObjectCreated,
    Skipped,
    SkipReason,
    backfill_message,
    event_message,
    parse_message,
)
from tests.support.evidence import body, bus_event, s3_record
from tests.unit.evidence.test_objects import VERSIONS

VERSION = ObjectVersion("raw", "incoming/a b.csv", "v1")


def test_an_event_is_read_as_the_notification_gave_it() -> None:
    assert parse_message(body(s3_record(VERSION, "REQ7"))) == [
        ObjectCreated(
            version=VERSION,
            name="ObjectCreated:Put",
            time=datetime(2026, 11, 20, 13, 0, 0, 123000, tzinfo=UTC),
            request_id="REQ7",
            principal_id="AWS:AROAEXAMPLE:alice@example.com",
            source_ip="203.0.113.7",
            sequencer="0055AED6DCD90281E5",
        )
    ]


def test_every_record_of_an_event_is_read() -> None:
    """The original function read ``Records[0]`` and lost the rest."""
    versions = [ObjectVersion("raw", f"incoming/{number}", f"v{number}") for number in range(5)]
    events = parse_message(body(*(s3_record(version) for version in versions)))
    assert [event.version for event in events if isinstance(event, ObjectCreated)] == versions


def test_the_key_is_decoded() -> None:
    """The original function requested ``a+b.csv`` where the object is ``a b.csv``."""
    (event,) = parse_message(body(s3_record(VERSION)))
    assert isinstance(event, ObjectCreated)
    assert event.version.key == "incoming/a b.csv"


@pytest.mark.parametrize("version_id", [None, "", "null"])
def test_an_event_without_a_version_is_an_error_and_no_guess(version_id: str | None) -> None:
    """The original function took the latest version, whichever that was by then."""
    record = s3_record(VERSION)
    record["s3"]["object"]["versionId"] = version_id
    with pytest.raises(MalformedMessageError, match="names no version"):
        parse_message(body(record))


@pytest.mark.parametrize("schema", ["2.0", "2.1", "2.6", "2.10"])
def test_any_schema_of_the_second_series_is_read(schema: str) -> None:
    (event,) = parse_message(body(s3_record(VERSION, eventVersion=schema)))
    assert isinstance(event, ObjectCreated)


@pytest.mark.parametrize(
    "name", ["Put", "Post", "Copy", "CompleteMultipartUpload", "SomethingThatComesLater"]
)
def test_every_way_to_create_an_object_counts(name: str) -> None:
    (event,) = parse_message(body(s3_record(VERSION, eventName=f"ObjectCreated:{name}")))
    assert isinstance(event, ObjectCreated)
    assert event.name == f"ObjectCreated:{name}"


@pytest.mark.parametrize("field", ["userIdentity", "requestParameters", "responseElements"])
def test_what_a_notification_does_not_tell_is_none(field: str) -> None:
    (event,) = parse_message(body(s3_record(VERSION, **{field: None})))
    assert isinstance(event, ObjectCreated)
    assert None in (event.principal_id, event.source_ip, event.request_id)


def test_the_test_event_is_skipped_by_name() -> None:
    message = json.dumps(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": "2026-11-20T13:00:00.000Z",
            "Bucket": "raw",
            "RequestId": "R",
            "HostId": "H",
        }
    )
    assert parse_message(message) == [Skipped(SkipReason.TEST_EVENT, "s3://raw")]


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({"eventName": "ObjectRemoved:Delete"}, "incoming/a", SkipReason.NOT_CREATED),
        ({"eventName": "ObjectTagging:Put"}, "incoming/a", SkipReason.NOT_CREATED),
        ({"eventName": "Backfill"}, "incoming/a", SkipReason.NOT_CREATED),
        ({"eventName": "ObjectRemoved:DeleteMarkerCreated"}, "incoming/a", SkipReason.DELETE_MARKER),
    ],
)
def test_what_needs_no_receipt_is_skipped_by_name(
    changes: dict[str, Any], key: str, reason: SkipReason
) -> None:
    version = ObjectVersion("raw", key, "v1")
    assert parse_message(body(s3_record(version, **changes))) == [Skipped(reason, version.uri)]


def test_what_is_skipped_keeps_nothing_else_back() -> None:
    skipped = s3_record(VERSION, eventName="ObjectRemoved:Delete")
    assert [type(event) for event in parse_message(body(skipped, s3_record(VERSION), skipped))] == [
        Skipped,
        ObjectCreated,
        Skipped,
    ]


def without(record: dict[str, Any], *path: str) -> dict[str, Any]:
    *parents, last = path
    inner = record
    for name in parents:
        inner = inner[name]
    del inner[last]
    return record


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"Records":null}',
        '{"Records":[]}',
        '{"Records":[null]}',
        '{"Event":"s3:TestEvent"}',
        body(s3_record(VERSION, eventVersion="3.0")),
        body(s3_record(VERSION, eventVersion="2.")),
        body(s3_record(VERSION, eventVersion="2.1x")),
        body(s3_record(VERSION, eventSource="aws:sns")),
        body(s3_record(VERSION, eventTime="yesterday")),
        body(s3_record(VERSION, eventTime="2026-11-20T13:00:00")),
        body(s3_record(VERSION), {"eventSource": "aws:s3"}),
        *(
            body(without(s3_record(VERSION), *path))
            for path in [
                ("eventVersion",),
                ("eventSource",),
                ("eventName",),
                ("eventTime",),
                ("s3",),
                ("s3", "bucket"),
                ("s3", "bucket", "name"),
                ("s3", "object"),
                ("s3", "object", "key"),
                ("s3", "object", "versionId"),
            ]
        ),
        body(s3_record(ObjectVersion("raw", "k" * 1025, "v1"))),
        body(s3_record(ObjectVersion("raw", "", "v1"))),
    ],
)
def test_a_message_that_is_not_certain_is_refused_whole(message: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_message(message)


def test_a_key_of_1024_bytes_is_read() -> None:
    version = ObjectVersion("raw", "é" * 512, "v1")
    (event,) = parse_message(body(s3_record(version)))
    assert isinstance(event, ObjectCreated)
    assert event.version == version


@given(VERSIONS.filter(lambda version: version.version_id != "null"))
def test_a_backfill_asks_for_the_version_and_claims_nothing(version: ObjectVersion) -> None:
    asked = datetime(2026, 11, 20, 14, tzinfo=UTC)
    (event,) = parse_message(backfill_message(version, asked))
    assert event == ObjectCreated(version, "Backfill", asked)


FACT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)


@given(
    VERSIONS.filter(lambda version: version.version_id != "null"),
    st.sampled_from(["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "Backfill"]),
    st.tuples(FACT, FACT, FACT, FACT),
)
def test_an_event_that_is_handed_over_says_the_same(
    version: ObjectVersion, name: str, facts: tuple[str | None, ...]
) -> None:
    at = datetime(2026, 11, 20, 13, 0, 0, 123_000, tzinfo=UTC)
    event = ObjectCreated(version, name, at, *([None] * 4 if name == "Backfill" else facts))
    assert parse_message(event_message(event)) == [event]


def test_a_backfill_cannot_claim_who_wrote() -> None:
    """A sender to the queue may request receipts, but not add content to them."""
    record = s3_record(VERSION, eventSource="custody:backfill", eventName="Backfill")
    (event,) = parse_message(body(record))
    assert isinstance(event, ObjectCreated)
    assert (event.request_id, event.principal_id, event.source_ip, event.sequencer) == (None,) * 4


def test_a_backfill_of_another_name_creates_nothing() -> None:
    record = s3_record(VERSION, eventSource="custody:backfill", eventName="ObjectCreated:Put")
    assert parse_message(body(record)) == [Skipped(SkipReason.NOT_CREATED, VERSION.uri)]


# Events of adopted buckets, by EventBridge


@given(VERSIONS.filter(lambda version: version.version_id != "null"))
def test_an_event_of_the_bus_has_the_plain_key(version: ObjectVersion) -> None:
    (event,) = parse_message(json.dumps(bus_event(version, "REQ7")))
    assert event == ObjectCreated(
        version=version,
        name="ObjectCreated:Put",
        time=datetime(2026, 11, 20, 13, tzinfo=UTC),
        request_id="REQ7",
        source_ip="203.0.113.7",
        sequencer="0055AED6DCD90281E5",
    )


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("POST Object", "Post"),
        ("CopyObject", "Copy"),
        ("CompleteMultipartUpload", "CompleteMultipartUpload"),
        ("SomethingThatComesLater", "SomethingThatComesLater"),
    ],
)
def test_the_bus_names_ways_to_write_differently(reason: str, name: str) -> None:
    (event,) = parse_message(json.dumps(bus_event(VERSION, reason=reason)))
    assert isinstance(event, ObjectCreated)
    assert event.name == f"ObjectCreated:{name}"


def test_what_the_bus_tells_of_deletions_is_skipped() -> None:
    deleted = bus_event(VERSION, reason="DeleteObject") | {"detail-type": "Object Deleted"}
    assert parse_message(json.dumps(deleted)) == [Skipped(SkipReason.NOT_CREATED, VERSION.uri)]


@pytest.mark.parametrize("version_id", [None, "", "null"])
def test_an_event_of_an_unversioned_bucket_is_an_error(version_id: str | None) -> None:
    event = bus_event(VERSION)
    event["detail"]["object"]["version-id"] = version_id
    with pytest.raises(MalformedMessageError, match="is versioning on in that bucket"):
        parse_message(json.dumps(event))


@pytest.mark.parametrize(
    "event",
    [
        bus_event(VERSION) | {"source": "custody"},
        bus_event(VERSION) | {"time": "yesterday"},
        bus_event(VERSION) | {"detail": None},
        bus_event(VERSION) | {"detail-type": ["Object Created"]},
        bus_event(VERSION, object={"key": "k" * 1025, "version-id": "v1"}),
        bus_event(VERSION, object={"key": "\ud800", "version-id": "v1"}),
        *(
            without(bus_event(VERSION), *path)
            for path in [
                ("source",),
                ("time",),
                ("detail", "reason"),
                ("detail", "bucket", "name"),
                ("detail", "object", "key"),
            ]
        ),
    ],
)
def test_an_event_of_the_bus_that_is_not_certain_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessageError):
        parse_message(json.dumps(event))


# What a receipt repeats, it must have room for


@pytest.mark.parametrize(
    "message",
    [
        body(s3_record(VERSION, "R" * 513)),
        body(s3_record(VERSION, eventName=f"ObjectCreated:{'n' * 500}")),
        body(s3_record(VERSION, userIdentity={"principalId": "\u20ac" * 171})),
        body(s3_record(VERSION, requestParameters={"sourceIPAddress": "1" * 513})),
        body(s3_record(ObjectVersion(VERSION.bucket, VERSION.key, "v" * 1025))),
        body(s3_record(ObjectVersion("b" * 256, VERSION.key, VERSION.version_id))),
        json.dumps(bus_event(VERSION, "R" * 513)),
        json.dumps(bus_event(VERSION, reason="n" * 500)),
        json.dumps(bus_event(VERSION, **{"source-ip-address": "1" * 513})),
    ],
    ids=len,
)
def test_a_message_whose_receipt_nobody_could_read_is_refused(message: str) -> None:
    with pytest.raises(MalformedMessageError, match=r"bytes long, over \d+"):
        parse_message(message)
