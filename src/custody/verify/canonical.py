"""Receipts written as the recorder writes them, read in a fraction of the time of the strict reader.

A text that is exactly what encoding its values again gives has one meaning: no name twice, no other spelling
of a number, a string or base64. So it is read here with a fast decoder, and anything else by
``custody.evidence.envelope`` and ``custody.evidence.receipt``, which decide what is a receipt: what is read
here, they read too, and to the same values.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error, a2b_base64
from typing import NamedTuple

import msgspec

from custody.documents import MAX_NATURAL, is_sha256
from custody.errors import EvidenceError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import (
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Receipt,
    RecorderIdentity,
)
from custody.recorder.notification import ObjectCreated
from custody.times import parse_time


class _Signature(msgspec.Struct):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct):
    payload: str
    payloadType: str  # noqa: N815 - the names are those of the documents
    signatures: list[_Signature]


class _Digest(msgspec.Struct):
    sha256: str


class _Subject(msgspec.Struct):
    name: str
    digest: _Digest


class _Event(msgspec.Struct):
    name: str
    time: str
    request_id: str | None
    principal_id: str | None
    source_ip: str | None
    sequencer: str | None


class _Recorder(msgspec.Struct):
    function: str
    code_sha256: str
    version: str


class _Predicate(msgspec.Struct):
    bucket: str
    key: str
    version_id: str
    size_bytes: int
    etag: str
    last_modified: str
    content_type: str | None
    event: _Event
    recorded_at: str
    recorder: _Recorder


class _Statement(msgspec.Struct):
    kind: str = msgspec.field(name="_type")
    subject: list[_Subject]
    predicateType: str  # noqa: N815
    predicate: _Predicate


class Canonical(NamedTuple):
    """What a receipt's bytes say; the signature is not checked."""

    receipt: Receipt
    payload: bytes
    key_id: str
    signature: bytes


_ENVELOPE, _STATEMENT, _ENCODER = (
    msgspec.json.Decoder(_Envelope),
    msgspec.json.Decoder(_Statement),
    msgspec.json.Encoder(),
)


def read_canonical(data: bytes) -> Canonical | None:
    """Read an envelope with one signature and the receipt in it; ``None`` if the strict reader must."""
    try:
        if len(data) > MAX_ENVELOPE_BYTES:
            return None
        envelope = _ENVELOPE.decode(data)
        if len(envelope.signatures) != 1 or envelope.payloadType != PAYLOAD_TYPE:
            return None
        (signature,) = envelope.signatures
        payload, raw = a2b_base64(envelope.payload), a2b_base64(signature.sig)
        statement = _STATEMENT.decode(payload)
        if (
            _ENCODER.encode(envelope) != data
            or _ENCODER.encode(statement) != payload
            or b64encode(payload).decode() != envelope.payload
            or b64encode(raw).decode() != signature.sig
        ):
            return None
        receipt = _receipt(statement)
    except (ValueError, Error, EvidenceError, RecursionError):  # msgspec's errors are of the first type
        return None
    if receipt is None or not signature.keyid or not raw:
        return None
    return Canonical(receipt, payload, signature.keyid, raw)


def _receipt(statement: _Statement) -> Receipt | None:
    """The receipt, if the statement is one. Raises ``EvidenceError`` for what is no time."""
    predicate = statement.predicate
    event, recorder = predicate.event, predicate.recorder
    version = ObjectVersion(predicate.bucket, predicate.key, predicate.version_id)
    words = (
        version.bucket,
        version.key,
        version.version_id,
        predicate.etag,
        event.name,
        recorder.function,
        recorder.version,
    )
    times = (event.time, predicate.last_modified, predicate.recorded_at)
    if (
        (statement.kind, statement.predicateType) != (STATEMENT_TYPE, PREDICATE_TYPE)
        or len(statement.subject) != 1
        or statement.subject[0].name != f"s3://{version.bucket}/{version.key}"
        or not is_sha256(statement.subject[0].digest.sha256)
        or not is_sha256(recorder.code_sha256)
        or not 0 <= predicate.size_bytes <= MAX_NATURAL
        or not all(words)
        or not all(time.endswith("Z") for time in times)
    ):
        return None
    written, last_modified, recorded_at = map(parse_time, times)
    return Receipt(
        event=ObjectCreated(
            version,
            event.name,
            written,
            event.request_id,
            event.principal_id,
            event.source_ip,
            event.sequencer,
        ),
        sha256=statement.subject[0].digest.sha256,
        size_bytes=predicate.size_bytes,
        etag=predicate.etag,
        last_modified=last_modified,
        content_type=predicate.content_type,
        recorded_at=recorded_at,
        recorder=RecorderIdentity(recorder.function, recorder.code_sha256, recorder.version),
    )
