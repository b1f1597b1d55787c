"""Writing DSSE envelopes: the bytes that a signature covers, and the JSON with payload and signature.

Standard: DSSE v1.0.0, protocol.md and envelope.md (https://github.com/secure-systems-lab/dsse). The recorder
needs only these functions, and avoids the cold start of securesystemslib; readers
(``custody.evidence.envelope``) use securesystemslib, so that an independent implementation checks what is
signed here.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError

if TYPE_CHECKING:
    from custody.evidence.signing import Signer

CONTENT_TYPE = "application/vnd.dsse.envelope.v1+json"
MAX_ENVELOPE_BYTES = 64 * 1024
"""Far above any receipt: with the longest key, escaped wherever the receipt repeats it, it has about 20
KB."""


def pae(payload: bytes, payload_type: str) -> bytes:
    """The pre-authentication encoding: the bytes to sign (protocol.md, "Signature Definition")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """Sign ``payload`` unchanged and return the envelope's bytes: JSON on one line, without spaces."""
    signature = signer.sign(pae(payload, payload_type))
    envelope = {
        "payload": b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": signer.keyid, "sig": b64encode(signature).decode()}],
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def read_payload(data: bytes, payload_type: str) -> bytes:
    """The payload of an envelope as written by ``sign_envelope``; its signatures are not checked.

    Raises ``EvidenceError`` if it is not an envelope, or its payload has another type.
    """
    fields = Fields(parse_object(data, "envelope", MAX_ENVELOPE_BYTES), "envelope")
    if (kind := fields.text("payloadType")) != payload_type:
        raise EvidenceError(f"The payload's type is {kind[:80]!r}, not {payload_type}.")
    try:
        return b64decode(fields.text("payload"), validate=True)
    except ValueError as error:
        raise EvidenceError(f"The envelope's payload is not base64: {error}.") from error
