"""The identity of an object, and the key of its receipt."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import UsageError
from custody.evidence.objects import (
    LONG_RECEIPT_PREFIX,
    MAX_KEY_BYTES,
    ObjectVersion,
    S3Location,
    parse_receipt_key,
    parse_s3_uri,
)

BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,30}[a-z0-9]", fullmatch=True)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1100).filter(
    lambda key: len(key.encode()) <= MAX_KEY_BYTES
)
VERSION_IDS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
VERSIONS = st.builds(ObjectVersion, BUCKETS, KEYS, VERSION_IDS)


@given(VERSIONS)
def test_a_uri_names_the_version_it_was_made_from(version: ObjectVersion) -> None:
    location = parse_s3_uri(version.uri)
    assert location == S3Location(version.bucket, version.key, version.version_id)
    assert version.uri.isascii()
    assert version.uri.isprintable()


@given(VERSIONS)
def test_a_receipt_key_is_a_key_that_s3_takes(version: ObjectVersion) -> None:
    assert version.receipt_key.startswith("provenance/")
    assert len(version.receipt_key.encode()) <= MAX_KEY_BYTES


@given(VERSIONS)
def test_a_plain_receipt_key_tells_its_version(version: ObjectVersion) -> None:
    long = version.receipt_key.startswith(LONG_RECEIPT_PREFIX)
    assert parse_receipt_key(version.receipt_key) == (None if long else version)


@given(VERSIONS, VERSIONS)
def test_no_two_versions_share_a_receipt_key(one: ObjectVersion, other: ObjectVersion) -> None:
    assert (one.receipt_key == other.receipt_key) == (one == other)


# Slashes and suffixes moved between the parts of an identity, where two of them could run together.
CLOSE = [
    ObjectVersion("aaa", "b/c", "d"),
    ObjectVersion("aaa", "b", "c"),
    ObjectVersion("aaa", "b/c/d.json", "e"),
    ObjectVersion("aaa", "b/c", "d.json"),
    ObjectVersion("aaa", "/b/c", "d"),
    ObjectVersion("aaa", "b/c/", "d"),
    ObjectVersion("aaa", "b//c", "d"),
    ObjectVersion("aaab", "c", "d"),
    ObjectVersion("aaa", "b" * 1000, "d"),
    ObjectVersion("aaa", "b" * 1024, "d"),
    ObjectVersion("aaa", "b" * 1023, "bd"),
]


def test_versions_that_look_alike_keep_apart() -> None:
    assert len({version.receipt_key for version in CLOSE}) == len(CLOSE)


def test_a_receipt_key_of_exactly_the_limit_stays_plain() -> None:
    around = len("provenance/aaa//v1.json")
    version = ObjectVersion("aaa", "k" * (MAX_KEY_BYTES - around), "v1")
    assert version.receipt_key == f"provenance/aaa/{version.key}/v1.json"

    longer = ObjectVersion("aaa", version.key + "k", "v1")
    digest = hashlib.sha256(f"aaa\n{longer.key}\nv1".encode()).hexdigest()
    assert longer.receipt_key == f"provenance/_long/{digest}.json"


@pytest.mark.parametrize(
    "key",
    [
        "keys/registry.json",
        "provenance/",
        "provenance/aaa/v1.json",
        "provenance/aaa/k/v1",
        "provenance/aaa/k/.json",
        "provenance//k/v1.json",
        f"provenance/_long/{'0' * 64}.json",
    ],
)
def test_a_key_that_is_no_plain_receipts(key: str) -> None:
    assert parse_receipt_key(key) is None


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("s3://b", S3Location("b", "")),
        ("s3://b/", S3Location("b", "")),
        ("s3://b/a b+c", S3Location("b", "a b+c")),
        ("s3://b/a%3Fb", S3Location("b", "a?b")),
        ("s3://b/a?versionId=v%2B1", S3Location("b", "a", "v+1")),
    ],
)
def test_uris(text: str, location: S3Location) -> None:
    assert parse_s3_uri(text) == location


@pytest.mark.parametrize(
    "text", ["", "b/k", "http://b/k", "s3://", "s3:///k", "s3://b/k?x=1", "s3://b/k?versionId=", "s3://b/%FF"]
)
def test_texts_that_are_no_uri(text: str) -> None:
    with pytest.raises(UsageError):
        parse_s3_uri(text)
