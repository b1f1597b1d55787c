"""Each reason for which an object version is withheld, next to a version that is accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from custody.etl.manifest import Entry
from custody.evidence.dsse import MAX_ENVELOPE_BYTES, sign_envelope
from custody.evidence.hashing import ShortStreamError
from custody.evidence.keyring import parse_registry
from custody.evidence.objects import LONG_RECEIPT_PREFIX, ObjectVersion
from custody.evidence.registry import RegisteredKey
from custody.evidence.signing import UnusableKeyError
from custody.gate.receipts import Pending, Reason, ReceiptGate, Withheld
from custody.listing import VersionEntry
from tests.support.evidence import LocalSigner
from tests.unit.gate_world import S3, SIGNER, START, GateWorld, Lifeline

HOUR = timedelta(hours=1)
KEY = "incoming/customers/2026-01-15.csv"


@pytest.fixture
def world() -> GateWorld:
    return GateWorld()


def listed(world: GateWorld, version: ObjectVersion, **changes: Any) -> VersionEntry:
    stored = world.stored(version)
    facts: dict[str, Any] = {
        "key": version.key,
        "version_id": version.version_id,
        "last_modified": stored.last_modified,
        "is_delete_marker": False,
        "size_bytes": len(stored.body or b""),
        "etag": stored.etag,
    }
    return VersionEntry(**(facts | changes))


def check(world: GateWorld, version: ObjectVersion, **changes: Any) -> Entry | Withheld | Pending:
    keys = changes.pop("keys", [SIGNER.registered()])
    ring = parse_registry(json.dumps({"keys": keys}).encode())
    s3: Any = S3(world, Lifeline())
    gate = ReceiptGate(s3, "provenance", ring, world.now, HOUR)
    return gate.check("raw", listed(world, version, **changes))


def reason(verdict: Entry | Withheld | Pending) -> str:
    assert isinstance(verdict, Withheld), verdict
    return verdict.reason


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        "incoming/a b+c%2F%.csv",
        "incoming/\x01\n\x1b[2J.csv",
        "incoming/../x//y/",
        "incoming/ü\u202e日",
        "/",
        "incoming/" + "k" * 1015,
    ],
)
def test_a_version_with_its_receipt_is_let_through(world: GateWorld, key: str) -> None:
    version = world.arrive(key, b"hello")
    assert check(world, version) == Entry(
        version, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", 5, START
    )
    assert version.receipt_key.startswith(LONG_RECEIPT_PREFIX) == (len(key) > 1000)


def test_a_receipt_may_come_within_the_watermark(world: GateWorld) -> None:
    version = world.arrive(KEY, recorded=False)
    world.now = START + HOUR - timedelta(seconds=1)
    assert check(world, version) == Pending(version)
    world.now = START + HOUR
    assert reason(check(world, version)) == Reason.NO_RECEIPT
    world.record(version)
    assert isinstance(check(world, version), Entry)


def test_a_receipt_under_a_delete_marker_is_no_receipt(world: GateWorld) -> None:
    version = world.arrive(KEY)
    world.put("provenance", version.receipt_key, None)
    assert reason(check(world, version)) == Reason.HIDDEN


def test_a_receipt_that_was_replaced_is_judged_as_it_is_now(world: GateWorld) -> None:
    version = world.arrive(KEY)
    world.record(version, LocalSigner())
    assert reason(check(world, version)) == Reason.SIGNATURE


def rewrite(edit: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def rewritten(body: bytes) -> bytes:
        document = json.loads(body)
        edit(document)
        return json.dumps(document).encode()

    return rewritten


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda body: body, None),
        (lambda _: b"", Reason.UNREADABLE),
        (lambda _: b"{", Reason.UNREADABLE),
        (lambda body: body[:-1] + b" " * MAX_ENVELOPE_BYTES + b"}", Reason.UNREADABLE),
        (rewrite(lambda envelope: envelope.update(signatures=[])), Reason.UNREADABLE),
        (rewrite(lambda envelope: envelope.update(payloadType="text/plain")), Reason.UNREADABLE),
        (rewrite(lambda envelope: envelope["signatures"][0].update(keyid="arn:other")), Reason.UNKNOWN_KEY),
        (rewrite(lambda envelope: envelope["signatures"][0].update(sig="AAAA")), Reason.SIGNATURE),
        (rewrite(lambda envelope: envelope.update(payload="e30=")), Reason.SIGNATURE),
        (lambda _: sign_envelope(b"{}", "application/vnd.in-toto+json", SIGNER), Reason.UNREADABLE),
    ],
)
def test_an_envelope_that_is_not_what_the_recorder_wrote(
    world: GateWorld, damage: Callable[[bytes], bytes], expected: Reason | None
) -> None:
    version = world.arrive(KEY)
    body = world.objects["provenance", version.receipt_key][-1].body
    world.put("provenance", version.receipt_key, damage(body or b""))
    verdict = check(world, version)
    assert (verdict.reason if isinstance(verdict, Withheld) else None) == expected


def test_the_receipt_of_another_version(world: GateWorld) -> None:
    one, other = world.arrive(KEY), world.arrive(KEY)
    receipt = world.objects["provenance", other.receipt_key][0].body
    world.put("provenance", one.receipt_key, receipt)
    verdict = check(world, one)
    assert reason(verdict) == Reason.OTHER_VERSION
    assert isinstance(verdict, Withheld)
    assert other.uri in verdict.detail
    assert isinstance(check(world, other), Entry)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"size_bytes": 9}, Reason.SIZE),
        ({"etag": '"0"'}, Reason.ETAG),
        ({"etag": ""}, Reason.ETAG),
        ({"last_modified": START + timedelta(milliseconds=900)}, None),
        ({"last_modified": START + timedelta(seconds=1)}, None),
        ({"last_modified": START + timedelta(seconds=2)}, Reason.LAST_MODIFIED),
        ({"last_modified": START - timedelta(days=1)}, Reason.LAST_MODIFIED),
    ],
)
def test_what_is_listed_is_what_the_receipt_says(
    world: GateWorld, changes: dict[str, Any], expected: Reason | None
) -> None:
    verdict = check(world, world.arrive(KEY), **changes)
    assert (verdict.reason if isinstance(verdict, Withheld) else None) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"valid_from": "2026-11-20T13:00:00Z"}, None),
        ({"valid_from": "2026-11-20T13:00:01Z"}, Reason.NOT_IN_FORCE),
        ({"valid_until": "2026-11-20T13:00:01Z"}, None),
        ({"valid_until": "2026-11-20T13:00:00Z"}, Reason.NOT_IN_FORCE),
        ({"revoked_at": "2026-11-20T13:00:01Z"}, None),
        ({"revoked_at": "2026-11-20T13:00:00Z"}, Reason.NOT_IN_FORCE),
        ({"key_id": "arn:another"}, Reason.UNKNOWN_KEY),
        ({"public_key": LocalSigner().public_key}, Reason.SIGNATURE),
    ],
)
def test_the_key_is_registered_and_was_in_force(
    world: GateWorld, changes: dict[str, Any], expected: Reason | None
) -> None:
    verdict = check(world, world.arrive(KEY), keys=[SIGNER.registered(**changes)])
    assert (verdict.reason if isinstance(verdict, Withheld) else None) == expected


def test_a_stolen_key_cannot_date_a_receipt_back(world: GateWorld) -> None:
    revoked = [SIGNER.registered(revoked_at="2026-11-20T13:30:00Z")]
    version = world.arrive(KEY, recorded=False)
    early = world.arrive(KEY)
    world.now = START + HOUR
    world.record(version, recorded_at=START)
    assert reason(check(world, version, keys=revoked)) == Reason.NOT_IN_FORCE
    assert isinstance(check(world, early, keys=revoked), Entry)


def test_a_key_that_cannot_be_asked(world: GateWorld) -> None:
    class Disabled:
        def require_readable(self, key: RegisteredKey) -> None: ...

        def is_signed(self, key: RegisteredKey, signature: bytes, message: bytes) -> bool:
            raise UnusableKeyError(f"{key.key_id}: DisabledException")

    ring = parse_registry(json.dumps({"keys": [SIGNER.registered()]}).encode())
    s3: Any = S3(world, Lifeline())
    gate = ReceiptGate(s3, "provenance", type(ring)(ring.keys, Disabled()), world.now, HOUR)
    version = world.arrive(KEY)
    assert reason(gate.check("raw", listed(world, version))) == Reason.UNUSABLE_KEY


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown", "InternalError", "ExpiredToken"])
def test_a_refusal_says_nothing_about_the_version(world: GateWorld, code: str) -> None:
    version = world.arrive(KEY)
    world.refused[version.receipt_key] = code
    with pytest.raises(ClientError, match=code):
        check(world, version)


def test_a_receipt_that_stops_before_its_end_says_nothing(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = world.arrive(KEY)
    whole = S3._get

    def cut(self: S3, **asked: Any) -> dict[str, Any]:
        answer = whole(self, **asked)
        return answer | {"ContentLength": answer["ContentLength"] + 1}

    monkeypatch.setattr(S3, "_get", cut)
    with pytest.raises(ShortStreamError):
        check(world, version)
