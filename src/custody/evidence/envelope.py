"""Reading DSSE envelopes: strictly, since an envelope is evidence.

Standard: DSSE v1.0.0, protocol.md and envelope.md (https://github.com/secure-systems-lab/dsse). The data
model and its encoding are those of securesystemslib; the checks here are stricter, so that no two different
texts are accepted as the same payload or signature.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from securesystemslib.dsse import Envelope

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES
from custody.evidence.hashing import Reader, ShortStreamError


def read_envelope(body: Reader, length: int) -> bytes:
    """Read an envelope's bytes from a stream of ``length``; if it is too long, only enough to detect that.

    Raises ``ShortStreamError`` if the stream ends early.
    """
    wanted = min(length, MAX_ENVELOPE_BYTES + 1)
    data = body.read(MAX_ENVELOPE_BYTES + 1)
    if len(data) < wanted:
        raise ShortStreamError(f"The stream gave {len(data)} bytes of {length}.")
    return data


def parse_envelope(data: bytes) -> Envelope:
    """Read an envelope; its ``payload`` is exactly the bytes to verify, its signatures are hexadecimal.

    Base64 may be standard or URL-safe (protocol.md: "verifiers MUST accept either"), padded and canonical
    (RFC 4648 section 3.5): a changed character always changes the value. At least one signature, each with a
    different key id. Unknown fields are ignored. Raises ``EvidenceError``.
    """
    document = parse_object(data, "envelope", MAX_ENVELOPE_BYTES)
    fields = Fields(document, "envelope")
    _require_canonical(fields.words("payload"), "payload")
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


def _require_canonical(text: str, what: str) -> None:
    for alphabet in (b"+/", b"-_"):
        try:
            raw = b64decode(text, altchars=alphabet, validate=True)
        except ValueError:
            continue
        if b64encode(raw, altchars=alphabet).decode() == text:
            return
    raise EvidenceError(f"The envelope's {what} is not canonical base64.")
