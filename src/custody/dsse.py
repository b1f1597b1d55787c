"""DSSE envelopes: signed bytes, and the bytes that were signed.

Standard: DSSE v1.0.0, protocol.md and envelope.md (https://github.com/secure-systems-lab/dsse). The data
model and the pre-authentication encoding are securesystemslib's; reading is stricter here than there, because
an envelope is evidence: two different texts must never count as the same one.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from securesystemslib.dsse import Envelope

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError

if TYPE_CHECKING:
    from custody.signing import Signer

CONTENT_TYPE = "application/vnd.dsse.envelope.v1+json"
MAX_ENVELOPE_BYTES = 64 * 1024
"""No receipt comes near it: the longest key, escaped in every field that repeats it, is about 20 KB."""


def sign_envelope(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """Sign ``payload`` as it is and return the envelope's bytes: JSON on one line, without a space in it."""
    signature = signer.sign(pae(payload, payload_type))
    envelope = {
        "payload": b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": signer.keyid, "sig": b64encode(signature).decode()}],
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def parse_envelope(data: bytes) -> Envelope:
    """Read an envelope; its ``payload`` is exactly the bytes to verify, its signatures are hexadecimal.

    Base64 may be standard or URL-safe (protocol.md: "verifiers MUST accept either"), padded and canonical
    (RFC 4648 section 3.5): a changed character is never the same value. At least one signature, each with a
    key id of its own. Unknown fields are ignored. Raises ``EvidenceError``.
    """
    document = parse_object(data, "envelope", MAX_ENVELOPE_BYTES)
    fields = Fields(document, "envelope")
    _require_canonical(fields.text("payload"), "payload")
    fields.words("payloadType")
    signatures = fields.objects("signatures")
    if not signatures:
        raise EvidenceError("The envelope has no signature.")
    for signature in signatures:
        signature.words("keyid")
        _require_canonical(signature.words("sig"), "signature")
    try:
        return Envelope.from_dict(document)
    except ValueError as error:
        raise EvidenceError(f"The envelope cannot be read: {error}.") from error


def pae(payload: bytes, payload_type: str) -> bytes:
    """The bytes a DSSE signature covers (protocol.md, "Signature Definition")."""
    return bytes(Envelope(payload, payload_type, {}).pae())


def _require_canonical(text: str, what: str) -> None:
    for alphabet in (b"+/", b"-_"):
        try:
            raw = b64decode(text, altchars=alphabet, validate=True)
        except ValueError:
            continue
        if b64encode(raw, altchars=alphabet).decode() == text:
            return
    raise EvidenceError(f"The envelope's {what} is not canonical base64.")
