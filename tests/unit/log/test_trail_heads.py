"""The newest digest of each chain of the trail becomes a leaf of the log, once."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from custody.errors import CannotCheckError, EvidenceError
from custody.log.batch import Sealable
from custody.log.trail_heads import TrailHead, find_heads, parse_trail_head
from tests.support.evidence import ACCOUNT, World, refused, worlds
from tests.support.log import ENVELOPES, read_whole, sealer, store_receipts
from tests.support.memory_s3 import MemoryS3

NOW = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


def digest_key(time: str, region: str = "us-east-1", trail: str = "custody-test", late: str = "") -> str:
    folder = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{region}/{time[:4]}/{time[4:6]}/{time[6:8]}"
    return f"{folder}/{ACCOUNT}_CloudTrail-Digest_{region}_{trail}_us-east-1_{time}{late}.json.gz"


def deliver(world: World, key: str, data: bytes | None = None) -> None:
    body = gzip.compress(key.encode()) if data is None else data
    world.s3.put_object(Bucket=world.trail, Key=key, Body=body)


def entries_of(world: World) -> list[Sealable]:
    found = [*find_heads(world.s3, world.trail, world.deployment.trail_folder, NOW)]
    return [item for item in found if isinstance(item, Sealable)]


def errors_of(world: World) -> list[str]:
    found = [*find_heads(world.s3, world.trail, world.deployment.trail_folder, NOW)]
    return [str(item) for item in found if isinstance(item, EvidenceError)]


def heads(world: World) -> dict[str, TrailHead]:
    found = [parse_trail_head(item.entry) for item in entries_of(world)]
    return {head.key: head for head in found if head is not None}


def test_the_newest_of_each_chain(world: World) -> None:
    newest = [
        digest_key("20260301T000000Z"),
        digest_key("20260228T230000Z", "eu-west-1"),
        digest_key("20260228T220000Z", trail="another"),
        digest_key("20260228T210000Z", late="_backfill"),
    ]
    older = [digest_key("20260228T230000Z"), digest_key("20260225T230000Z", "ap-south-1")]
    for key in (*newest, *older, f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/us-east-1/2026/03/01/notes.txt"):
        deliver(world, key)

    found = heads(world)

    assert sorted(found) == sorted(newest)
    for key, head in found.items():
        assert head.bucket == world.trail
        assert head.sha256 == hashlib.sha256(key.encode()).hexdigest()
        assert head.version_id == world.s3.head_object(Bucket=world.trail, Key=key)["VersionId"]


def test_of_an_organizations_trail_the_accounts_own_in_a_bucket_without_versions(world: World) -> None:
    """Such a bucket is somebody else's, who may not keep versions."""
    world.use_trail_of_organization()
    world.s3.create_bucket(Bucket=f"{world.trail}.organization")
    world.trail = f"{world.trail}.organization"
    key = digest_key("20260301T000000Z").replace(f"AWSLogs/{ACCOUNT}/", world.deployment.trail_folder)
    deliver(world, key)
    deliver(world, key.replace(ACCOUNT, "999999999999"))

    assert {key: head.version_id for key, head in heads(world).items()} == {key: "null"}


def test_a_trail_without_digests_has_no_head(world: World) -> None:
    assert heads(world) == {}


@pytest.mark.parametrize(
    "data", [b"no gzip", b"", gzip.compress(b"{}", mtime=0)[:-9], gzip.compress(b"{}", mtime=0) * 2]
)
def test_a_file_that_is_no_digest_is_named_and_hides_no_other(world: World, data: bytes) -> None:
    """Neither the one before it in its chain, nor those of later Regions."""
    earlier, elsewhere = digest_key("20260228T230000Z"), digest_key("20260228T220000Z", "us-west-2")
    deliver(world, earlier)
    deliver(world, elsewhere)
    deliver(world, digest_key("20260301T000000Z"), data)
    assert sorted(heads(world)) == [earlier, elsewhere]
    (error,) = errors_of(world)
    assert re.search(r"20260301T000000Z\.json\.gz cannot be sealed: it is not", error)


def test_a_file_that_is_gone_or_refused_hides_no_other(world: World) -> None:
    earlier, newest = digest_key("20260228T230000Z"), digest_key("20260301T000000Z")
    deliver(world, earlier)
    deliver(world, newest)
    for status, code in ((403, "AccessDenied"), (404, "NoSuchKey")):
        with refused(world.s3, "GetObject", status, code, key=newest):
            assert list(heads(world)) == [earlier]
            assert f"{newest} cannot be sealed" in errors_of(world)[0]
    with (
        refused(world.s3, "GetObject", 403, "ExpiredToken", key=newest),
        pytest.raises(CannotCheckError, match="cannot be used"),
    ):
        heads(world)


def test_a_head_is_a_leaf_once(world: World) -> None:
    s3 = MemoryS3(now=datetime.now(UTC))  # moto's clock, as both buckets have that of Amazon S3
    sealer(s3).seal(store_receipts(s3, range(2)))
    deliver(world, digest_key("20260228T230000Z"))
    items = entries_of(world)

    assert [sealer(s3).anchor(items) for _ in range(2)] == [1, 0]
    deliver(world, digest_key("20260301T000000Z"))
    assert sealer(s3).anchor(entries_of(world)) == 1

    _, entries = read_whole(s3)
    assert entries[:2] == [envelope for _, envelope in ENVELOPES[:2]]
    anchored = [parse_trail_head(entry) for entry in entries[2:]]
    assert [head.key for head in anchored if head] == [
        digest_key("20260228T230000Z"),
        digest_key("20260301T000000Z"),
    ]


def test_a_receipt_is_no_head() -> None:
    assert parse_trail_head(ENVELOPES[0][1]) is None


@pytest.mark.parametrize("missing", ["bucket", "key", "version_id", "content_sha256"])
def test_a_malformed_head_is_refused(world: World, missing: str) -> None:
    deliver(world, digest_key("20260301T000000Z"))
    (item,) = entries_of(world)
    statement: dict[str, Any] = json.loads(item.entry)
    del statement["predicate"][missing]
    with pytest.raises(EvidenceError, match=missing):
        parse_trail_head(json.dumps(statement).encode())
