"""The key registry: which key may sign when, and that keys are only added or ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.errors import EvidenceError
from custody.evidence.dsse import sign_envelope
from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry, read_history
from custody.evidence.receipt import PAYLOAD_TYPE
from custody.evidence.registry import CurrentKeyRing, KeyRing, NotRegisteredError
from tests.support.evidence import KEY_ID, LocalSigner

SIGNER = LocalSigner()
OTHER = LocalSigner("other")
ENVELOPE = parse_envelope(sign_envelope(b"payload", PAYLOAD_TYPE, SIGNER))


def registry(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def ring(**changes: Any) -> KeyRing:
    return parse_registry(registry(SIGNER.registered(**changes)))


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 20, hour, minute, tzinfo=UTC)


def test_a_registered_key_verifies_its_signature() -> None:
    ring().verify(ENVELOPE)


def test_a_key_that_is_not_registered_does_not_count() -> None:
    with pytest.raises(EvidenceError, match="not in the key registry"):
        parse_registry(registry(OTHER.registered())).verify(ENVELOPE)


def test_another_key_under_the_same_id_does_not_verify() -> None:
    with pytest.raises(EvidenceError, match="does not verify"):
        parse_registry(registry(LocalSigner().registered())).verify(ENVELOPE)


def test_every_signature_of_an_envelope_must_hold() -> None:
    document = json.loads(sign_envelope(b"payload", PAYLOAD_TYPE, SIGNER))
    forged = json.loads(sign_envelope(b"other payload", PAYLOAD_TYPE, OTHER))
    document["signatures"] += forged["signatures"]
    both = parse_registry(registry(SIGNER.registered(), OTHER.registered()))
    with pytest.raises(EvidenceError, match="does not verify"):
        both.verify(parse_envelope(json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("changes", "recorded", "stored", "why"),
    [
        ({}, at(13), at(13), None),
        ({"valid_from": "2026-11-20T13:00:00Z"}, at(13), at(13), None),
        ({"valid_from": "2026-11-20T13:00:00.001Z"}, at(13), at(13), "before its key was valid"),
        ({"valid_until": "2026-11-20T13:00:00.001Z"}, at(13), at(13), None),
        ({"valid_until": "2026-11-20T13:00:00Z"}, at(13), at(13), "ended"),
        ({"revoked_at": "2026-11-20T13:00:01Z"}, at(13), at(13), None),
        ({"revoked_at": "2026-11-20T13:00:00Z"}, at(13), at(12), "revoked"),
        # A thief of the key can write any time into a receipt, but not the time at which Amazon S3 stored it.
        ({"revoked_at": "2026-11-20T13:00:00Z"}, at(12), at(13), "revoked"),
        ({"revoked_at": "2026-11-20T13:00:00Z"}, at(12, 59), at(12, 59), None),
        # A key that was rotated, not revoked, keeps its receipts, whenever they are stored.
        ({"valid_until": "2026-11-20T13:00:00Z"}, at(12, 59), at(13, 1), None),
    ],
)
def test_a_key_counts_while_it_is_in_force(
    changes: dict[str, Any], recorded: datetime, stored: datetime, why: str | None
) -> None:
    if why is None:
        ring(**changes).require_in_force(ENVELOPE, recorded, stored)
    else:
        with pytest.raises(EvidenceError, match=why):
            ring(**changes).require_in_force(ENVELOPE, recorded, stored)


def pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key_id": ""}, "key_id is empty"),
        ({"algorithm": "ed25519"}, "ed25519"),
        ({"public_key": "nonsense"}, "cannot be read"),
        ({"public_key": pem(ec.generate_private_key(ec.SECP384R1()))}, "not on the curve P-256"),
        ({"public_key": pem(ed25519.Ed25519PrivateKey.generate())}, "not on the curve P-256"),
        ({"valid_from": None}, "valid_from"),
        ({"valid_from": "2026-11-20"}, "valid_from"),
        ({"valid_until": "never"}, "valid_until"),
        ({"revoked_at": 1}, "revoked_at"),
    ],
)
def test_a_malformed_registry_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        ring(**changes)


def test_one_key_twice_is_refused() -> None:
    with pytest.raises(EvidenceError, match="twice"):
        parse_registry(registry(SIGNER.registered(), SIGNER.registered()))


END = "2026-11-20T13:00:00Z"
LATER = "2026-11-20T14:00:00Z"


@pytest.mark.parametrize(
    "versions",
    [
        [[SIGNER.registered()]],
        [[SIGNER.registered()], [SIGNER.registered()]],
        [[SIGNER.registered()], [SIGNER.registered(), OTHER.registered()]],
        [[SIGNER.registered()], [SIGNER.registered(valid_until=END)]],
        [[SIGNER.registered()], [SIGNER.registered(revoked_at=END)]],
        [[SIGNER.registered(valid_until=END)], [SIGNER.registered(valid_until=END, revoked_at=LATER)]],
        [[OTHER.registered(), SIGNER.registered()], [SIGNER.registered(), OTHER.registered()]],
    ],
)
def test_a_history_that_only_grows_is_sound(versions: list[list[dict[str, Any]]]) -> None:
    _, problems = read_history(
        (str(number), at(number), registry(*keys)) for number, keys in enumerate(versions)
    )
    assert problems == []


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ([SIGNER.registered(), OTHER.registered()], [OTHER.registered()], f"removes the key {KEY_ID}"),
        ([SIGNER.registered()], [LocalSigner().registered()], "replaces the public key"),
        ([SIGNER.registered()], [SIGNER.registered(valid_from=END)], "changes valid_from"),
        ([SIGNER.registered(valid_until=END)], [SIGNER.registered()], "changes valid_until"),
        ([SIGNER.registered(valid_until=END)], [SIGNER.registered(valid_until=LATER)], "changes valid_until"),
        ([SIGNER.registered(revoked_at=END)], [SIGNER.registered()], "changes revoked_at"),
        ([SIGNER.registered(revoked_at=END)], [SIGNER.registered(revoked_at=LATER)], "changes revoked_at"),
    ],
)
def test_a_history_that_takes_back_is_tampering(
    first: list[dict[str, Any]], then: list[dict[str, Any]], why: str
) -> None:
    _, (problem,) = read_history([("v1", at(1), registry(*first)), ("v2", at(2), registry(*then))])
    assert problem.startswith("Version v2")
    assert why in problem


def test_a_version_that_cannot_be_read_is_tampering_and_hides_nothing() -> None:
    keys, (problem,) = read_history([("v1", at(1), registry(SIGNER.registered())), ("v2", at(2), b"{")])
    assert problem.startswith("Version v2")
    keys.verify(ENVELOPE)


def test_what_a_later_version_takes_back_stands() -> None:
    """The ring holds the first public key, and the first end that was ever written."""
    swapped = LocalSigner().registered()
    keys, _ = read_history(
        [
            ("v1", at(1), registry(SIGNER.registered())),
            ("v2", at(2), registry(SIGNER.registered(revoked_at=END))),
            ("v3", at(3), registry(swapped)),
            ("v4", at(4), registry()),
        ]
    )
    keys.verify(ENVELOPE)
    with pytest.raises(EvidenceError, match="revoked"):
        keys.require_in_force(ENVELOPE, at(13), at(13))


@pytest.mark.parametrize(("first", "then"), [(None, END), (END, None), (END, LATER), (LATER, END)])
def test_the_earliest_end_that_was_ever_written_stands(first: str | None, then: str | None) -> None:
    versions = [registry(SIGNER.registered(valid_until=end)) for end in (first, then)]
    keys, _ = read_history((str(number), at(number), version) for number, version in enumerate(versions))
    with pytest.raises(EvidenceError, match="ended"):
        keys.require_in_force(ENVELOPE, at(13), at(13))


def test_a_date_that_has_not_come_may_be_corrected() -> None:
    """Before that, none of the key's signatures are valid."""
    wrong, right = SIGNER.registered(valid_from=LATER), SIGNER.registered(valid_from=END)
    keys, problems = read_history([("v1", at(11), registry(wrong)), ("v2", at(12), registry(right))])
    assert problems == []
    keys.require_in_force(ENVELOPE, at(13), at(13))


def test_a_date_that_has_come_may_not() -> None:
    wrong, right = SIGNER.registered(valid_from=END), SIGNER.registered(valid_from=LATER)
    keys, (problem,) = read_history([("v1", at(11), registry(wrong)), ("v2", at(13), registry(right))])
    assert "changes valid_from" in problem
    keys.require_in_force(ENVELOPE, at(13), at(13))


def test_a_ring_is_read_again_for_a_key_it_does_not_know() -> None:
    rings = iter(
        [parse_registry(registry(OTHER.registered())), parse_registry(registry(SIGNER.registered()))]
    )
    current = CurrentKeyRing(lambda: next(rings))
    current.verify(ENVELOPE)
    current.require_in_force(ENVELOPE, at(13), at(13))


def test_a_ring_is_read_again_once_for_each_stranger() -> None:
    reads: list[None] = []

    def read() -> KeyRing:
        reads.append(None)
        return parse_registry(registry(OTHER.registered()))

    current = CurrentKeyRing(read)
    for _ in range(3):
        with pytest.raises(NotRegisteredError):
            current.verify(ENVELOPE)
    assert len(reads) == 2


def test_many_strangers_do_not_have_the_ring_read_for_ever() -> None:
    reads: list[None] = []

    def read() -> KeyRing:
        reads.append(None)
        return parse_registry(registry(OTHER.registered()))

    current = CurrentKeyRing(read)
    for number in range(300):
        stranger = parse_envelope(sign_envelope(b"{}", "text/plain", LocalSigner(f"arn:stranger/{number}")))
        with pytest.raises(NotRegisteredError):
            current.verify(stranger)
    assert len(reads) == 101
