"""The effects of a changed byte in a receipt: docs/adr/0018."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from custody.errors import EvidenceError
from custody.evidence.dsse import sign_envelope
from custody.evidence.envelope import parse_envelope
from custody.evidence.keyring import parse_registry
from custody.evidence.receipt import PAYLOAD_TYPE
from tests.support.evidence import LocalSigner

SIGNER = LocalSigner()
RING = parse_registry(json.dumps({"keys": [SIGNER.registered()]}).encode())
PAYLOAD = bytes(range(256))
RECEIPT: dict[str, Any] = json.loads(sign_envelope(PAYLOAD, PAYLOAD_TYPE, SIGNER))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n of P-256 (NIST SP 800-186, section 3.2.1.3)."""


def with_signature(change: Callable[[bytes], bytes]) -> bytes:
    (signature,) = RECEIPT["signatures"]
    changed = b64encode(change(b64decode(signature["sig"]))).decode()
    return json.dumps(RECEIPT | {"signatures": [signature | {"sig": changed}]}).encode()


def other_half(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ORDER - s)


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(RECEIPT, indent=2).encode(),
        json.dumps(dict(reversed(RECEIPT.items()))).encode(),
        json.dumps(RECEIPT | {"unknown": 1}).encode(),
        json.dumps(RECEIPT | {"payload": urlsafe_b64encode(PAYLOAD).decode()}).encode(),
        with_signature(other_half),
    ],
    ids=["spaces", "order", "unknown field", "url-safe base64", "other half of the signature"],
)
def test_other_bytes_with_the_same_payload_hold(data: bytes) -> None:
    """Known and documented: in the bucket they are a second version, which ``receipt.unique`` finds."""
    envelope = parse_envelope(data)
    RING.verify(envelope)
    assert envelope.payload == PAYLOAD


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(RECEIPT | {"payload": b64encode(PAYLOAD[:-1]).decode()}).encode(),
        json.dumps(RECEIPT | {"payloadType": "text/plain"}).encode(),
        json.dumps(RECEIPT | {"payload": RECEIPT["payload"] + "\n"}).encode(),
        json.dumps(RECEIPT | {"payload": RECEIPT["payload"].rstrip("=")}).encode(),
        json.dumps(RECEIPT | {"signatures": []}).encode(),
        with_signature(lambda signature: signature + b"\x00"),
        with_signature(lambda signature: signature[:-1]),
    ],
    ids=[
        "payload cut",
        "payload type",
        "line break",
        "no padding",
        "no signature",
        "longer signature",
        "shorter signature",
    ],
)
def test_what_changes_the_payload_or_spoils_the_signature_does_not(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        RING.verify(parse_envelope(data))
