"""Receipts written as the recorder writes them, read in a fraction of the time of the strict reader.

A text that is exactly what encoding its values again gives has one meaning: no name twice, no other spelling
of a number, a string or base64. So it is read here with a fast decoder, and anything else by
``custody.evidence.envelope`` and ``custody.evidence.receipt``, which decide what is a receipt: what is read
here, they read too, and to the same values.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64
from datetime import datetime
from typing import NamedTuple

import msgspec

from custody.documents import MAX_NATURAL, is_sha256
from custody.evidence.dsse import MAX_ENVELOPE_BYTES
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import (
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Receipt,
    RecorderIdentity,
)
from custody.recorder.notification import BACKFILL_NAME, ObjectCreated

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z", re.ASCII)
"""As ``custody.times.format_time`` writes it."""


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


class _Row(msgspec.Struct):
    leaf_index: int
    bucket_name: str
    object_key: str
    version_id: str
    sha256: str
    size_bytes: int
    etag: str
    content_type: str | None
    last_modified: str
    written_at: str
    event_name: str
    event_time: str
    request_id: str | None
    principal_id: str | None
    source_ip: str | None
    sequencer: str | None
    recorded_at: str
    recorder_function: str
    recorder_code_sha256: str
    recorder_version: str
    key_id: str
    receipt_key: str


class Canonical(NamedTuple):
    """What a receipt's bytes say; the signature is not checked."""

    statement: _Statement
    version: ObjectVersion
    event_time: datetime
    last_modified: datetime
    recorded_at: datetime
    payload: bytes
    key_id: str
    signature: bytes

    @property
    def sha256(self) -> str:
        """The hash of the object version."""
        return self.statement.subject[0].digest.sha256

    @property
    def request_id(self) -> str | None:
        """The request that wrote it."""
        return self.statement.predicate.event.request_id

    def receipt(self) -> Receipt:
        """The receipt, as ``custody.evidence.receipt.parse_statement`` gives it."""
        predicate = self.statement.predicate
        event, recorder = predicate.event, predicate.recorder
        return Receipt(
            event=ObjectCreated(
                self.version,
                event.name,
                self.event_time,
                event.request_id,
                event.principal_id,
                event.source_ip,
                event.sequencer,
            ),
            sha256=self.sha256,
            size_bytes=predicate.size_bytes,
            etag=predicate.etag,
            last_modified=self.last_modified,
            content_type=predicate.content_type,
            recorded_at=self.recorded_at,
            recorder=RecorderIdentity(recorder.function, recorder.code_sha256, recorder.version),
        )

    def row(self, leaf: int, receipt_key: str) -> bytes:
        """The line of its row in the ledger, as ``custody.log.segments`` writes it."""
        predicate = self.statement.predicate
        event, recorder = predicate.event, predicate.recorder
        last_modified, event_time = _column(predicate.last_modified), _column(event.time)
        return _ENCODER.encode(
            _Row(
                leaf,
                predicate.bucket,
                predicate.key,
                predicate.version_id,
                self.sha256,
                predicate.size_bytes,
                predicate.etag,
                predicate.content_type,
                last_modified,
                last_modified if event.name == BACKFILL_NAME else event_time,
                event.name,
                event_time,
                event.request_id,
                event.principal_id,
                event.source_ip,
                event.sequencer,
                _column(predicate.recorded_at),
                recorder.function,
                recorder.code_sha256,
                recorder.version,
                self.key_id,
                receipt_key,
            )
        )


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
            not signature.keyid
            or not raw
            or _ENCODER.encode(envelope) != data
            or _ENCODER.encode(statement) != payload
            or b2a_base64(payload, newline=False) != envelope.payload.encode()
            or b2a_base64(raw, newline=False) != signature.sig.encode()
            or not _is_receipt(statement)
        ):
            return None
        predicate = statement.predicate
        return Canonical(
            statement,
            ObjectVersion(predicate.bucket, predicate.key, predicate.version_id),
            _read_time(predicate.event.time),
            _read_time(predicate.last_modified),
            _read_time(predicate.recorded_at),
            payload,
            signature.keyid,
            raw,
        )
    except (msgspec.MsgspecError, ValueError, Error, RecursionError):
        return None


def _is_receipt(statement: _Statement) -> bool:
    """Whether the statement is a receipt, its times not looked at."""
    predicate, subjects = statement.predicate, statement.subject
    recorder = predicate.recorder
    return (
        statement.kind == STATEMENT_TYPE
        and statement.predicateType == PREDICATE_TYPE
        and len(subjects) == 1
        and subjects[0].name == f"s3://{predicate.bucket}/{predicate.key}"
        and is_sha256(subjects[0].digest.sha256)
        and is_sha256(recorder.code_sha256)
        and 0 <= predicate.size_bytes <= MAX_NATURAL
        and bool(
            predicate.bucket
            and predicate.key
            and predicate.version_id
            and predicate.etag
            and predicate.event.name
            and recorder.function
            and recorder.version
        )
    )


def _read_time(text: str) -> datetime:
    """Raises ``ValueError`` for what is not written as the recorder writes a time."""
    if _TIME.fullmatch(text) is None:
        raise ValueError
    return datetime.fromisoformat(text)


def _column(time: str) -> str:
    """A time of a receipt as its row has it: to the millisecond, without a zone."""
    return f"{time[:10]} {time[11:19]}{time[19:-1] or '.000'}"
