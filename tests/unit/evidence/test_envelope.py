"""Writing and reading DSSE envelopes; the standard's own examples are in tests/vectors."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from custody.errors import EvidenceError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES, pae, sign_envelope
from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry
from custody.evidence.receipt import PAYLOAD_TYPE
from tests.support.evidence import KEY_ID, LocalSigner

SIGNER = LocalSigner()
PAYLOAD = b'{"a":"\xc3\xa9 >>> ???"}'  # its base64 has both characters that the alphabets differ in


@given(st.binary(max_size=200), st.text(max_size=40))
def test_the_encoding_is_securesystemslibs(payload: bytes, payload_type: str) -> None:
    assert pae(payload, payload_type) == Envelope(payload, payload_type, {}).pae()


@given(st.binary(min_size=1, max_size=200))
def test_an_envelope_holds_exactly_the_bytes_that_were_signed(payload: bytes) -> None:
    envelope = parse_envelope(sign_envelope(payload, PAYLOAD_TYPE, SIGNER))
    assert envelope.payload == payload
    assert envelope.payload_type == PAYLOAD_TYPE
    assert list(envelope.signatures) == [KEY_ID]


def test_another_implementation_verifies_what_we_sign() -> None:
    key = SSlibKey(KEY_ID, "ecdsa", "ecdsa-sha2-nistp256", {"public": SIGNER.public_key})
    envelope = Envelope.from_dict(json.loads(sign_envelope(PAYLOAD, PAYLOAD_TYPE, SIGNER)))
    assert envelope.verify([key], 1) == {KEY_ID: key}


def test_an_envelope_is_one_line_without_spaces() -> None:
    data = sign_envelope(PAYLOAD, PAYLOAD_TYPE, SIGNER)
    assert not set(data) & set(b" \t\r\n")
    assert list(json.loads(data)) == ["payload", "payloadType", "signatures"]


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_both_alphabets_are_read(encode: type[b64encode]) -> None:
    document = json.loads(sign_envelope(PAYLOAD, PAYLOAD_TYPE, SIGNER))
    document["payload"] = encode(PAYLOAD).decode()
    assert parse_envelope(json.dumps(document).encode()).payload == PAYLOAD


def test_unknown_fields_are_ignored() -> None:
    document = json.loads(sign_envelope(PAYLOAD, PAYLOAD_TYPE, SIGNER))
    document["later"] = 1
    document["signatures"][0]["later"] = 1
    assert parse_envelope(json.dumps(document).encode()).payload == PAYLOAD


PARTS = {"payload": "aGVsbG8gd29ybGQ=", "payloadType": "t", "signatures": [{"keyid": "k", "sig": "aGV5"}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": None},
        {"payload": ""},
        {"payload": "aGVsbG8gd29ybGR="},  # the bits that no byte holds are not zero
        {"payload": "aGVsbG8gd29ybGQ"},  # no padding
        {"payload": "aGVsbG8gd29ybGQ==="},
        {"payload": "aGVsbG8g\nd29ybGQ="},
        {"payload": " aGVsbG8gd29ybGQ="},
        {"payload": "+_-/"},  # both alphabets at once
        {"payload": "é==="},
        {"payloadType": None},
        {"payloadType": ""},
        {"signatures": None},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": ["x"]},
        {"signatures": [{"sig": "aGV5"}]},
        {"signatures": [{"keyid": "", "sig": "aGV5"}]},
        {"signatures": [{"keyid": "k"}]},
        {"signatures": [{"keyid": "k", "sig": ""}]},
        {"signatures": [{"keyid": "k", "sig": "aGV5="}]},
        {"signatures": [{"keyid": "k", "sig": "aGV5"}, {"keyid": "k", "sig": "aGV5"}]},
    ],
)
def test_what_could_be_read_two_ways_is_refused(changes: dict[str, object]) -> None:
    assert parse_envelope(json.dumps(PARTS).encode()).payload == b"hello world"
    with pytest.raises(EvidenceError):
        parse_envelope(json.dumps(PARTS | changes).encode())


def test_no_bit_of_an_envelope_may_change() -> None:
    """Every single byte: of the payload, its type, and the text around it."""
    data = sign_envelope(PAYLOAD, PAYLOAD_TYPE, SIGNER)
    ring = parse_registry(json.dumps({"keys": [SIGNER.registered()]}).encode())
    ring.verify(parse_envelope(data))
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EvidenceError):
            ring.verify(parse_envelope(bytes(changed)))


def test_an_envelope_of_no_receipts_size_is_refused() -> None:
    with pytest.raises(EvidenceError, match="over the limit"):
        parse_envelope(json.dumps(PARTS | {"more": "x" * MAX_ENVELOPE_BYTES}).encode())
