from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from custody.errors import EvidenceError
from custody.etl.manifest import Entry, parse_manifest, write_manifest
from custody.evidence.objects import ObjectVersion

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)


def entry(key: str = "incoming/a.csv", version: str = "v1", modified: datetime = NOON) -> Entry:
    return Entry(ObjectVersion("raw", key, version), "a" * 64, 3, modified)


def test_gives_back_what_was_written_whatever_the_order() -> None:
    entries = [entry("incoming/ž\n.csv"), entry(version="v2"), entry()]
    written = write_manifest("customers", entries, NOON)
    assert written == write_manifest("customers", reversed(entries), NOON)
    read = parse_manifest(written)
    assert (read.table, read.created_at, set(read.entries)) == ("customers", NOON, set(entries))
    assert read.sha256 == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(type="x"), "type is 'x'"),
        (lambda d: d.update(entries=[]), "names no object versions"),
        (lambda d: d["entries"].append(d["entries"][0]), "names an object version twice"),
        (lambda d: d["entries"][0].update(sha256="abc"), "sha256 is not a SHA-256"),
        (lambda d: d["entries"][0].update(version_id=""), "version_id is empty"),
        (lambda d: d["entries"][0].update(size_bytes=-1), "size_bytes is not a whole number"),
    ],
)
def test_refused(change: object, sentence: str) -> None:
    document = json.loads(write_manifest("customers", [entry()], NOON))
    change(document)  # type: ignore[operator]
    with pytest.raises(EvidenceError) as caught:
        parse_manifest(json.dumps(document).encode())
    assert sentence in str(caught.value)


def test_ranks_put_the_day_of_the_data_first() -> None:
    later = NOON + timedelta(days=9)
    monday = entry("incoming/customers/2026-01-12.csv")
    monday_corrected = entry(
        "incoming/customers/2026-01-12-corrected.csv", modified=NOON + timedelta(hours=1)
    )
    tuesday = entry("incoming/customers/2026-01-13.csv")
    monday_again = entry("incoming/customers/2026-01-12.csv", "v2", later)
    undated = entry("incoming/customers/latest.csv")
    ranks = [item.rank for item in (monday, monday_corrected, monday_again, tuesday, undated)]
    assert ranks == sorted(ranks)
    assert undated.rank.startswith("2026-01-20|2026-01-20T12:00:00.000Z|")


@pytest.mark.parametrize(
    ("key", "day"),
    [
        ("incoming/stream/2026/01/15/07/x-2026-01-14-07", "2026-01-14"),
        ("incoming/stream/2026/01/15/07/x", "2026-01-15"),
        ("incoming/2026-13-15.csv", "2026-01-20"),
        ("incoming/12026-01-155.csv", "2026-01-20"),
        ("incoming/2026-01/15.csv", "2026-01-20"),
    ],
)
def test_the_day_in_a_key(key: str, day: str) -> None:
    assert entry(key).rank.startswith(f"{day}|")


def test_versions_of_one_moment_have_ranks_of_their_own() -> None:
    assert len({entry(version=f"v{number}").rank for number in range(100)}) == 100
