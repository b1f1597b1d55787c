"""Digest files: read strictly, and their signatures."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import CannotCheckError, EvidenceError
from custody.trail.digests import Chain, parse_chain, parse_digest
from custody.trail.public_keys import ListedKeys
from tests.support.digests import DigestFile, public_der, rsa_key

START = datetime(2026, 1, 15, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = DigestFile("log", START, START + HOUR)
SECOND = DigestFile(
    "log", START + HOUR, START + 2 * HOUR, files=(("AWSLogs/a.json.gz", b"{}"),), previous=FIRST
)
AWS_FOLDER = "AWSLogs/111122223333/CloudTrail-Digest/us-east-2/"
AWS_DOCUMENTATION = (
    f"{AWS_FOLDER}2015/08/17/"
    "111122223333_CloudTrail-Digest_us-east-2_your-trail-name_us-east-2_20150817T150131Z.json.gz"
)
"""The key of the example in the User Guide."""


def test_a_digest_says_what_it_is_of() -> None:
    digest = parse_digest(SECOND.stored, SECOND.metadata)
    assert (digest.bucket, digest.key) == ("log", SECOND.key)
    assert (digest.start, digest.end) == (START + HOUR, START + 2 * HOUR)
    assert [(file.bucket, file.key) for file in digest.files] == [("log", "AWSLogs/a.json.gz")]
    assert digest.previous is not None
    assert (digest.previous.key, digest.previous.signature) == (FIRST.key, FIRST.signature)
    assert parse_digest(FIRST.stored, FIRST.metadata).previous is None


@pytest.mark.parametrize("file", [FIRST, SECOND, SECOND.but(late=True)])
def test_a_signature_is_valid_for_its_digest_and_key_only(file: DigestFile) -> None:
    digest = parse_digest(file.stored, file.metadata)
    assert digest.is_signed_by(public_der(rsa_key()))
    assert not digest.is_signed_by(public_der(rsa_key("another")))
    assert not digest.is_signed_by(b"no key")
    changed = file.but(start=file.start - HOUR)
    assert not parse_digest(changed.stored, file.metadata).is_signed_by(public_der(rsa_key()))


@given(st.data())
def test_no_changed_byte_stays_unnoticed(data: st.DataObject) -> None:
    content, place = bytearray(SECOND.content), data.draw(st.integers(0, len(SECOND.content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        digest = parse_digest(gzip.compress(bytes(content)), SECOND.metadata)
    except EvidenceError:
        return
    assert not digest.is_signed_by(public_der(rsa_key()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"logFiles": None}, "not a digest file"),
        ({"logFiles": [{"s3Bucket": "b"}]}, "not a digest file"),
        ({"digestSignatureAlgorithm": "none"}, "not a digest file"),
        ({"digestEndTime": "yesterday"}, "not an RFC 3339 time"),
        ({"previousDigestHashValue": None}, "only in part"),
    ],
)
def test_what_is_not_a_digest_is_refused(changes: dict[str, Any], words: str) -> None:
    content = json.dumps(json.loads(SECOND.content) | changes).encode()
    with pytest.raises(EvidenceError, match=words):
        parse_digest(gzip.compress(content), SECOND.metadata)


@pytest.mark.parametrize("metadata", [{}, {"signature": ""}, {"signature": "zz"}, {"signature": "abc"}])
def test_a_digest_without_a_signature_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(EvidenceError, match="have no signature"):
        parse_digest(FIRST.stored, metadata)


def test_a_digest_of_late_files_says_when_it_was_made() -> None:
    late = FIRST.but(late=True)
    made = late.metadata | {"backfill-generation-timestamp": "2026-02-01T00:00:00Z"}
    assert parse_digest(late.stored, made).signed_about == datetime(2026, 2, 1, tzinfo=UTC)
    with pytest.raises(EvidenceError, match="not an RFC 3339 time"):
        parse_digest(late.stored, {"signature": late.signature})


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    for stored in (data, gzip.compress(data)):
        with pytest.raises(EvidenceError):
            parse_digest(stored, FIRST.metadata)


@pytest.mark.parametrize(
    ("key", "chain"),
    [
        (
            AWS_DOCUMENTATION,
            Chain(AWS_FOLDER, "us-east-2", "your-trail-name", "us-east-2", late=False),
        ),
        (
            AWS_DOCUMENTATION.replace("Z.json", "Z_backfill.json"),
            Chain(AWS_FOLDER, "us-east-2", "your-trail-name", "us-east-2", late=True),
        ),
        (
            "logs/AWSLogs/o-exampleorgid/111122223333/CloudTrail-Digest/eu-west-1/2026/01/15/"
            "111122223333_CloudTrail-Digest_eu-west-1_a_b_us-east-2_20260115T150131Z.json.gz",
            Chain(
                "logs/AWSLogs/o-exampleorgid/111122223333/CloudTrail-Digest/eu-west-1/",
                "eu-west-1",
                "a_b",
                "us-east-2",
                late=False,
            ),
        ),
        (AWS_DOCUMENTATION.replace("_us-east-2_your", "_eu-west-1_your"), None),
        (AWS_DOCUMENTATION.replace("-Digest/", "/"), None),
        (AWS_DOCUMENTATION + "x", None),
    ],
)
def test_a_key_says_which_chain_a_digest_belongs_to(key: str, chain: Chain | None) -> None:
    assert parse_chain(key) == chain


def test_public_keys_are_asked_of_each_region_once_a_day() -> None:
    client: Any = boto3.client("cloudtrail", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    listed = [{"Value": b"key", "Fingerprint": "f1"}]
    asked: list[str] = []

    def make(region: str) -> Any:
        asked.append(region)
        return client

    keys = ListedKeys(make)
    with Stubber(client) as stub:
        stub.add_response("list_public_keys", {"PublicKeyList": listed[:0], "NextToken": "more"})
        stub.add_response("list_public_keys", {"PublicKeyList": listed})
        assert keys.find("us-east-1", "f1", START) == b"key"
        assert keys.find("us-east-1", "f1", START + 400 * HOUR) == b"key"
        assert keys.find("us-east-1", "f2", START + HOUR) is None
        stub.add_response("list_public_keys", {"PublicKeyList": []})
        assert keys.find("eu-west-1", "f1", START) is None
        stub.add_client_error("list_public_keys", "AccessDeniedException")
        with pytest.raises(CannotCheckError, match="AccessDenied"):
            keys.find("us-east-1", "f2", START + 100 * HOUR)
    assert asked == ["us-east-1", "eu-west-1", "us-east-1"]
