from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from custody.errors import UsageError
from custody.evidence.objects import S3Location
from custody.ledger.ledger import LedgerRow
from custody.ledger.story import Sentence, Stored, Story, Tone, gather_story, tell_lineage, tell_version
from tests.support.digests import Keys
from tests.unit.cloud import Cloud, deployed
from tests.unit.report.sample import DEPLOYMENT, RAW, START, ledger_row

KEY = "incoming/a.csv"
ACCESS_COLUMNS = {"who": "varchar", "access": "varchar", "layer": "varchar", "row_count": "bigint"}
ACCESS_COLUMNS |= {"last_time": "timestamp"}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        yield cloud


def gather(
    cloud: Cloud, key: str = KEY, version_id: str | None = None, rows: tuple[LedgerRow, ...] = ()
) -> Story:
    cloud.will_answer_rows(rows, LedgerRow)
    cloud.will_answer(ACCESS_COLUMNS, [["ana", "read", "bronze", 3, START]])
    return gather_story(
        cloud.client("s3"),
        cloud.athena(),
        cloud.deployment,
        S3Location(RAW, key, version_id),
        digest_keys=Keys(),
        now=datetime.now(UTC),
    )


def told(story: Story, index: int = 0) -> dict[str, Sentence]:
    return {each.about: each for each in tell_version(story.versions[index], is_recorded=story.is_recorded)}


def test_a_recorded_object_is_told_whole(cloud: Cloud) -> None:
    version = cloud.put(KEY)
    cloud.record(version)
    row = replace(ledger_row(1, KEY), version_id=version.version_id)
    cloud.put(KEY + "2")

    story = gather(cloud, rows=(row,))

    assert story.exit_code == 0
    [only] = story.versions
    assert (only.stored, only.size_bytes) == (Stored.CURRENT, 8)
    sentences = told(story)
    assert "by b.okafor@example.org from 203.0.113.2 with [aws-cli" in sentences["written"].words
    assert "by custody-local-recorder 0.1.0 (code c0c0c0c0c0c0…)" in sentences["recorded"].words
    assert len(sentences["sha-256"].words) == 64
    assert sentences["witnessed"] == Sentence(
        "witnessed",
        "verified: The trail and the receipt agree. Request 0000000000000001. Joined by request id.",
        Tone.GOOD,
    )
    assert sentences["object.hash"].tone is Tone.GOOD
    assert sentences["receipt.signature"].tone is Tone.GOOD
    assert story.accesses[0].who == "ana"
    document = story.to_dict()
    assert document["versions"][0]["receipt"]["predicate"]["key"] == KEY
    assert document["versions"][0]["verification"]["findings"] == []


def test_every_version_has_its_own_story_newest_first(cloud: Cloud) -> None:
    old, new = cloud.put(KEY), cloud.put(KEY)
    cloud.record(old)
    cloud.client("s3").delete_object(Bucket=RAW, Key=KEY)
    story = gather(cloud)
    assert [each.stored for each in story.versions] == [Stored.DELETE_MARKER, Stored.EARLIER, Stored.EARLIER]
    assert [each.version.version_id for each in story.versions[1:]] == [new.version_id, old.version_id]
    assert "delete marker since" in told(story)["deleted"].words
    assert told(story, 1)["recorded"] == Sentence("recorded", "There is no receipt.", Tone.BAD)
    assert told(story, 2)["receipt.signature"].tone is Tone.GOOD
    [chosen] = gather(cloud, version_id=old.version_id).versions
    assert chosen.version == old


def test_tampering_is_told(cloud: Cloud) -> None:
    version = cloud.put(KEY, b"now another\n")
    cloud.record(version, b"what it was\n")
    story = gather(cloud)
    assert story.exit_code == 1
    assert told(story)["object.hash"].tone is Tone.BAD


def test_a_receipt_that_cannot_be_read_is_told(cloud: Cloud) -> None:
    version = cloud.put(KEY)
    cloud.client("s3").put_object(
        Bucket=cloud.deployment.buckets["provenance"], Key=version.receipt_key, Body=b"{}"
    )
    story = gather(cloud)
    assert "cannot be read" in told(story)["recorded"].words
    assert story.exit_code == 1


def test_a_version_that_is_gone_is_known_from_its_receipt(cloud: Cloud) -> None:
    version = cloud.put(KEY)
    cloud.record(version)
    cloud.client("s3").delete_object(Bucket=RAW, Key=KEY, VersionId=version.version_id)
    story = gather(cloud)
    assert story.versions[0].stored is Stored.GONE
    assert told(story)["today"].tone is Tone.BAD
    assert told(story)["written"].tone is Tone.WAIT


def test_a_write_that_only_the_trail_knows_is_told(cloud: Cloud) -> None:
    gone = replace(ledger_row(1, KEY, "unprovenanced"), version_id="known-to-the-trail")
    nameless = replace(ledger_row(2, KEY, "mismatch"), version_id=None)
    story = gather(cloud, rows=(gone, nameless))
    assert [each.version.version_id for each in story.versions] == ["known-to-the-trail"]
    assert story.unassigned == (nameless,)
    assert told(story)["witnessed"].tone is Tone.BAD


def test_where_nothing_is_recorded_nothing_is_missed(cloud: Cloud) -> None:
    cloud.put("elsewhere/a.csv")
    story = gather(cloud, key="elsewhere/a.csv")
    assert story.exit_code == 0
    assert "outside the recorded prefixes" in told(story)["recorded"].words


@pytest.mark.parametrize(
    ("key", "version_id", "message"),
    [
        ("incoming/b", None, "is not in the bucket"),
        (KEY, "another", r"a\.csv\?versionId=another is not in the bucket"),
        ("", None, "no object"),
    ],
)
def test_what_nobody_knows_is_wrong_use(cloud: Cloud, key: str, version_id: str | None, message: str) -> None:
    cloud.put(KEY)
    with pytest.raises(UsageError, match=message):
        gather(cloud, key=key, version_id=version_id)


@pytest.mark.parametrize(
    ("short", "key", "words"),
    [
        ("raw-data", "incoming/a.csv", "custody lineage s3://{bucket}/incoming/a.csv shows what was made"),
        (
            "raw-data",
            "incoming/a';x.csv",
            "custody lineage 's3://{bucket}/incoming/a'\"'\"';x.csv' shows what",
        ),
        (
            "processed",
            "tables/customers/part-0.parquet",
            "Part of the table customers: custody lineage s3://",
        ),
        ("analytics", "tables/a b/_delta_log/0.json", "Part of the table a b: custody lineage 's3://"),
        ("processed", "manifests/customers/1.json", None),
        ("processed", "tables/stray", None),
    ],
)
def test_how_to_learn_its_lineage_is_told(short: str, key: str, words: str | None) -> None:
    bucket = DEPLOYMENT.buckets[short]
    story = Story(bucket, key, True, (), (), ())
    sentence = tell_lineage(story, DEPLOYMENT)
    if words is None:
        assert sentence is None
    else:
        assert sentence is not None
        assert sentence.words.startswith(words.format(bucket=bucket))
    assert tell_lineage(replace(story, is_recorded=False), DEPLOYMENT) is None
