"""The deployment file: Terraform's outputs, or a clear error."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.deployment import Deployment, SigningKey, Source, load_deployment
from custody.errors import UsageError

OUTPUTS: dict[str, Any] = {
    "buckets": {
        "raw-data": "raw",
        "processed": "processed",
        "analytics": "analytics",
        "provenance": "evidence",
        "cloudtrail-log": "log",
    },
    "keys": {"signing": "arn:aws:kms:us-east-1:123456789012:key/1"},
    "functions": {"recorder": "recorder", "gate": "gate"},
    "queues": {"recorder": "https://queue", "recorder-dlq": "https://dead-letters"},
    "jobs": {"raw-to-processed-customers": "custody-local-raw-to-processed-customers"},
    "streams": {"viewing-events": "custody-local-viewing-events"},
    "workgroup": "w",
    "database": "d",
    "trail_arn": "arn:aws:cloudtrail:us-east-1:123456789012:trail/t",
    "topic_arn": "arn:aws:sns:us-east-1:123456789012:s",
    "account_id": "123456789012",
    "region": "us-east-1",
    "watermark_minutes": 60,
    "recorded_prefixes": {"raw": ["incoming/"], "processed": [""], "analytics": []},
}


def load(tmp_path: Path, content: str) -> Deployment:
    path = tmp_path / "deployment.json"
    path.write_text(content, encoding="utf-8")
    return load_deployment(path)


def test_outputs_are_read_and_others_ignored(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS | {"roles": {}})) == Deployment(**OUTPUTS)


def test_an_apply_that_did_not_succeed_is_told(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS)).unfinished_apply is None
    begun = "2026-01-15T09:30:00Z"
    assert load(tmp_path, json.dumps(OUTPUTS | {"unfinished_apply": begun})).unfinished_apply == begun


def test_the_trail_of_management_events_is_read_and_may_be_missing(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS)).management_trail_arn == ""
    other = {"management_trail_arn": "arn:aws:cloudtrail:us-east-1:210987654321:trail/organization"}
    assert load(tmp_path, json.dumps(OUTPUTS | other)).management_trail_arn == other["management_trail_arn"]
    with pytest.raises(UsageError, match="management_trail_arn is not an ARN"):
        load(tmp_path, json.dumps(OUTPUTS | {"management_trail_arn": "organization"}))


def test_where_the_files_of_the_trail_lie_is_read_and_may_be_missing(tmp_path: Path) -> None:
    own = load(tmp_path, json.dumps(OUTPUTS | {"existing_trail_folder": ""}))
    assert (own.has_own_trail, own.trail_folder) == (True, "AWSLogs/123456789012/")
    folder = "logs/AWSLogs/o-exampleorgid/123456789012/"
    existing = load(tmp_path, json.dumps(OUTPUTS | {"existing_trail_folder": folder}))
    assert (existing.has_own_trail, existing.trail_folder) == (False, folder)


def test_the_consoles_pages_are_read_and_may_be_missing(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS)).monitoring_urls == {}
    urls = {"monitoring_urls": {"dashboard": "https://console"}}
    assert load(tmp_path, json.dumps(OUTPUTS | urls)).monitoring_urls == urls["monitoring_urls"]
    with pytest.raises(UsageError, match="monitoring_urls is not a map of names"):
        load(tmp_path, json.dumps(OUTPUTS | {"monitoring_urls": ["https://console"]}))


def test_the_tables_of_data_sets_are_read_and_may_be_missing(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS)).datasets == {}
    datasets = {"datasets": {"plant": ["devices"]}, "tables": {"devices": []}, "sources": SOURCES}
    assert load(tmp_path, json.dumps(OUTPUTS | datasets)).datasets == datasets["datasets"]
    with pytest.raises(UsageError, match="datasets is not a map of lists of texts"):
        load(tmp_path, json.dumps(OUTPUTS | {"datasets": {"plant": "devices"}}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datasets": {"plant": ["devices"]}}, "tables has no devices, of datasets"),
        ({"datasets": {"plant": ["a\x1b"]}}, r"datasets is not a map of lists of texts"),
        ({"datasets": {"plant": ["x"]}, "tables": {"x": []}}, "sources has no x, of datasets"),
        ({"adopted_since": {"archive": "2026-01-15T09:30:00Z"}}, "recorded_prefixes has no archive, of adop"),
        ({"existing_trail_folder": "AWSLogs/123456789012"}, "existing_trail_folder is not a folder AWSLogs/"),
        ({"existing_trail_folder": "AWSLogs/o-1/123456789012/"}, "existing_trail_folder is not a folder"),
        ({"ledger_since": "yesterday"}, "ledger_since is not a day"),
        ({"ledger_since": "2026-02-30"}, "ledger_since is not a day"),
        ({"ledger_since": "2026-W07"}, "ledger_since is not a day"),
    ],
)
def test_outputs_that_do_not_fit_together_are_wrong_use(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        load(tmp_path, json.dumps(OUTPUTS | changes))


ADOPTED: dict[str, Any] = {
    "adopted_since": {"archive": "2026-01-15T09:30:00Z"},
    "recorded_prefixes": OUTPUTS["recorded_prefixes"] | {"archive": [""]},
}


def test_adopted_buckets_are_read_and_may_be_missing(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS)).adopted_since == {}
    deployment = load(tmp_path, json.dumps(OUTPUTS | ADOPTED))
    since = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
    assert deployment.adopted_since == {"archive": since}
    assert "archive" in deployment.lake
    assert deployment.is_older_than_adoption("archive", since - timedelta(seconds=1))
    assert not deployment.is_older_than_adoption("archive", since)
    assert not deployment.is_older_than_adoption("raw", since - timedelta(days=1))


SOURCES = {"devices": {"prefix": "incoming/devices/", "format": "csv"}}


def test_the_sources_of_tables_are_read_and_may_be_missing(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS)).sources == {}
    assert load(tmp_path, json.dumps(OUTPUTS | {"sources": SOURCES})).sources == {
        "devices": Source("incoming/devices/", "csv")
    }


SIGNING_KEY = {
    "arn": "arn:aws:kms:us-east-1:123456789012:key/1",
    "signs": "receipts",
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "",
    "revoked_at": "2026-02-01T00:00:00Z",
}
WATCHED: dict[str, Any] = {
    "signing_keys": [SIGNING_KEY],
    "trusted_networks": ["203.0.113.0/24"],
    "deployer_arns": ["arn:aws:iam::123456789012:role/custody-dev-apply"],
    "expected_files": {"incoming/orders/": 24},
}


def test_what_the_rules_go_by_is_read_and_may_be_missing(tmp_path: Path) -> None:
    old, new = load(tmp_path, json.dumps(OUTPUTS)), load(tmp_path, json.dumps(OUTPUTS | WATCHED))

    assert (old.signing_keys, old.trusted_networks, old.expected_files) == ([], [], {})
    assert new.signing_keys == [SigningKey(**SIGNING_KEY)]
    assert (old.deployer_arns, new.deployer_arns) == ([], WATCHED["deployer_arns"])
    assert new.trusted_networks == ["203.0.113.0/24"]
    assert new.expected_files == {"incoming/orders/": 24}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signing_keys", {}),
        ("signing_keys", [SIGNING_KEY | {"signs": "cheques"}]),
        ("signing_keys", [SIGNING_KEY | {"arn": "key"}]),
        ("signing_keys", [SIGNING_KEY | {"valid_from": ""}]),
        ("signing_keys", [SIGNING_KEY | {"revoked_at": "never"}]),
        ("signing_keys", [SIGNING_KEY | {"other": ""}]),
        ("trusted_networks", "203.0.113.0/24"),
        ("trusted_networks", ["203.0.113.1/24"]),
        ("trusted_networks", ["::/0"]),
        ("trusted_networks", [7]),
        ("deployer_arns", "arn:aws:iam::123456789012:role/custody-dev-apply"),
        ("deployer_arns", ["custody-dev-apply"]),
        ("expected_files", {"incoming/": 0}),
        ("expected_files", {"incoming/": True}),
        ("expected_files", {"": 24}),
        ("expected_files", ["incoming/"]),
    ],
)
def test_what_the_rules_cannot_go_by_is_wrong_use(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{name} is not a"):
        load(tmp_path, json.dumps(OUTPUTS | {name: value}))


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00"])
def test_what_is_no_outputs_file_is_wrong_use(tmp_path: Path, content: str) -> None:
    with pytest.raises(UsageError, match="deployment file"):
        load(tmp_path, content)


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no deployment file"):
        load_deployment(tmp_path / "deployment.json")
    with pytest.raises(UsageError, match="cannot be read"):
        load_deployment(tmp_path)


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"lacks {name}"):
        load(tmp_path, json.dumps({key: value for key, value in OUTPUTS.items() if key != name}))


@pytest.mark.parametrize(
    ("bucket", "key", "recorded"),
    [
        ("raw", "incoming/a", True),
        ("raw", "incoming", False),
        ("raw", "scratch/incoming/a", False),
        ("processed", "anything", True),
        ("analytics", "anything", False),
        ("other", "incoming/a", False),
    ],
)
def test_what_is_recorded(bucket: str, key: str, recorded: bool) -> None:
    assert Deployment(**OUTPUTS).is_recorded(bucket, key) is recorded


WRONG = [
    *(
        (name, value)
        for name in OUTPUTS
        for value in (None, True, 1.5, -1, [], [1], {"a": 1}, {"a": [1]}, "\n")
    ),
    ("watermark_minutes", "60"),
    ("watermark_minutes", 1441),
    ("trail_arn", "custody"),
    ("account_id", 123456789012),
    ("recorded_prefixes", {"raw": "incoming/"}),
    ("recorded_prefixes", {"raw": ["a\u0000"]}),
    *(("adopted_since", value) for value in (None, [], {"archive": 1}, {"archive": "yesterday"})),
    *(
        ("sources", value)
        for value in (
            None,
            [],
            {"devices": "incoming/devices/"},
            {"devices": {"prefix": "incoming/devices/"}},
            {"devices": SOURCES["devices"] | {"more": "x"}},
            {"devices": SOURCES["devices"] | {"prefix": "incoming/devices"}},
            {"devices": SOURCES["devices"] | {"format": 1}},
            {"\x1b": SOURCES["devices"]},
        )
    ),
    ("buckets", OUTPUTS["buckets"] | {"raw-data": ["raw"]}),
]


@pytest.mark.parametrize("minutes", [0, 1440])
def test_every_watermark_that_terraform_accepts_is_read(tmp_path: Path, minutes: int) -> None:
    assert load(tmp_path, json.dumps(OUTPUTS | {"watermark_minutes": minutes})).watermark_minutes == minutes


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_output_of_another_type_is_named(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"{name} is not .*make apply"):
        load(tmp_path, json.dumps(OUTPUTS | {name: value}))


@pytest.mark.parametrize("name", ["buckets", "keys", "functions", "queues", "jobs", "streams"])
def test_a_resource_that_is_not_named_is_said_when_it_is_asked_for(tmp_path: Path, name: str) -> None:
    names = getattr(load(tmp_path, json.dumps(OUTPUTS | {name: {}})), name)
    with pytest.raises(UsageError, match=r"has no raw-data\..*make apply"):
        names["raw-data"]
    assert names.get("raw-data") is None
