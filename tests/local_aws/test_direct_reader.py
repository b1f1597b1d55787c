"""The direct reader gives the same results as the client's own call, for every key and every answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from custody.evidence.direct import DirectReader
from tests.local_aws.account import Account

KEYS = (
    "a",
    "incoming/part=1/b.csv",
    "/leading//double/",
    "dots/../up/./here",
    "100%+&?=#;:@,'\"<>[]{}|\\^`~ $!*()",
    "percent%2Fencoded%20already",
    "ümläut/日本/🦀",
    "tab\tand\x7f",
)


class Counted:
    """A bucket, its reader, and the number of GETs through the client's own call."""

    def __init__(self, aws: Account) -> None:
        self.s3, self.bucket, self.through_client = aws.client("s3"), aws.bucket(), 0
        self.reader = DirectReader(self.s3)
        self.s3.meta.events.register("before-call.s3.GetObject", self._count)

    def _count(self, **_: Any) -> None:
        self.through_client += 1

    def put(self, key: str, body: bytes) -> str:
        version_id: str = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)["VersionId"]
        return version_id

    def read(self, key: str, version_id: str) -> dict[str, Any]:
        found = self.reader.get_object(Bucket=self.bucket, Key=key, VersionId=version_id)
        return _told(found)


def _told(found: Any) -> dict[str, Any]:
    told = {name: found[name] for name in ("ContentLength", "ETag", "LastModified")}
    return told | {"bytes": found["Body"].read()}


@pytest.fixture
def counted(aws: Account) -> Counted:
    world = Counted(aws)
    version_id = world.put("first", b"1")
    assert world.read("first", version_id)["bytes"] == b"1"
    assert world.through_client == 1
    world.through_client = 0
    return world


@pytest.mark.parametrize("key", KEYS)
def test_it_gives_what_the_client_gives(counted: Counted, key: str) -> None:
    versions = [counted.put(key, body) for body in (b"", b"second", b"x" * 300_000)]
    read = [counted.read(key, version_id) for version_id in versions]
    assert counted.through_client == 0
    get = counted.s3.get_object
    assert read == [_told(get(Bucket=counted.bucket, Key=key, VersionId=each)) for each in versions]
    assert [len(each["bytes"]) for each in read] == [0, 6, 300_000]


def test_an_error_is_the_clients(counted: Counted) -> None:
    version_id = counted.put("there", b"x")
    marker = counted.s3.delete_object(Bucket=counted.bucket, Key="there")["VersionId"]
    for key, version in (("not there", version_id), ("there", "no-version"), ("there", marker)):
        counted.through_client = 0
        with pytest.raises(ClientError) as direct:
            counted.read(key, version)
        assert counted.through_client == 1
        with pytest.raises(ClientError) as asked:
            counted.s3.get_object(Bucket=counted.bucket, Key=key, VersionId=version)
        assert direct.value.response["Error"] == asked.value.response["Error"]
    assert counted.read("there", version_id)["bytes"] == b"x"


def test_what_breaks_off_is_asked_for_again_through_the_client(counted: Counted) -> None:
    version_id = counted.put("key", b"x")
    places = counted.reader._places
    places[counted.bucket] = replace(places[counted.bucket], url="http://127.0.0.1:1/nobody-listens/")
    assert counted.read("key", version_id)["bytes"] == b"x"
    assert counted.through_client == 1


def test_another_bucket_is_first_asked_for_through_the_client(counted: Counted, aws: Account) -> None:
    other = aws.bucket()
    version_id = counted.s3.put_object(Bucket=other, Key="key", Body=b"y")["VersionId"]
    for _ in range(3):
        found = counted.reader.get_object(Bucket=other, Key="key", VersionId=version_id)
        assert (found["Body"].read(), counted.through_client) == (b"y", 1)


def test_unsigned_requests_stay_the_clients(aws: Account) -> None:
    world = Counted(aws)
    version_id = world.put("key", b"x")
    world.s3 = aws.client("s3", signature_version=UNSIGNED)  # type: ignore[arg-type]  # no name, but a mark
    world.reader = DirectReader(world.s3)
    for _ in range(2):
        with pytest.raises(ClientError):
            world.read("key", version_id)
    assert world.reader._places == {}
