"""The receipt of one object version: an in-toto Statement v1 with our own predicate.

Standard: https://github.com/in-toto/attestation/tree/main/spec/v1 (statement.md). As it requires of a
reader, unknown fields are ignored: a later recorder may add some. Known fields must be present and well
formed, and fields with the same meaning must agree.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custody.documents import Fields, is_sha256, parse_object
from custody.errors import EvidenceError, UsageError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES
from custody.evidence.objects import ObjectVersion
from custody.recorder.notification import ObjectCreated
from custody.times import format_time

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:custody:object-receipt:v1"


@dataclass(frozen=True, slots=True)
class RecorderIdentity:
    """The code that made a receipt: the function's name, the digest of its zip, the package's version."""

    function: str
    code_sha256: str
    version: str

    def __post_init__(self) -> None:
        if not is_sha256(self.code_sha256):
            raise UsageError(f"The digest of the code, {self.code_sha256[:80]!r}, is not a SHA-256.")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the recorder saw of one object version."""

    event: ObjectCreated
    sha256: str
    """SHA-256 of the stored bytes, in lower-case hexadecimal."""
    size_bytes: int
    etag: str
    """As returned by Amazon S3, with quotes; not a hash of the content."""
    last_modified: datetime
    content_type: str | None
    recorded_at: datetime
    recorder: RecorderIdentity

    @property
    def version(self) -> ObjectVersion:
        """The object version of this receipt."""
        return self.event.version

    def to_statement(self) -> bytes:
        """The statement's JSON in UTF-8: the bytes to sign."""
        version, event = self.version, self.event
        statement: dict[str, Any] = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": _subject_name(version), "digest": {"sha256": self.sha256}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "bucket": version.bucket,
                "key": version.key,
                "version_id": version.version_id,
                "size_bytes": self.size_bytes,
                "etag": self.etag,
                "last_modified": format_time(self.last_modified),
                "content_type": self.content_type,
                "event": {
                    "name": event.name,
                    "time": format_time(event.time),
                    "request_id": event.request_id,
                    "principal_id": event.principal_id,
                    "source_ip": event.source_ip,
                    "sequencer": event.sequencer,
                },
                "recorded_at": format_time(self.recorded_at),
                "recorder": {
                    "function": self.recorder.function,
                    "code_sha256": self.recorder.code_sha256,
                    "version": self.recorder.version,
                },
            },
        }
        return json.dumps(statement, ensure_ascii=False, separators=(",", ":")).encode()


def parse_statement(payload: bytes) -> Receipt:
    """Read the payload of a receipt's envelope.

    Raises ``EvidenceError`` naming the first field that is absent, malformed or contradicts another.
    """
    statement = Fields(parse_object(payload, "statement", MAX_ENVELOPE_BYTES), "statement")
    if (kind := statement.text("_type")) != STATEMENT_TYPE:
        raise EvidenceError(f"The statement's type is {kind[:80]!r}, not {STATEMENT_TYPE}.")
    if (kind := statement.text("predicateType")) != PREDICATE_TYPE:
        raise EvidenceError(f"The predicate's type is {kind[:80]!r}, not {PREDICATE_TYPE}.")
    subjects = statement.objects("subject")
    if len(subjects) != 1:
        raise EvidenceError(f"The statement has {len(subjects)} subjects, not one.")
    predicate = statement.object("predicate")
    event = predicate.object("event")
    recorder = predicate.object("recorder")
    version = ObjectVersion(predicate.words("bucket"), predicate.words("key"), predicate.words("version_id"))
    if subjects[0].text("name") != _subject_name(version):
        raise EvidenceError("The statement's subject is not the object of its predicate.")
    return Receipt(
        event=ObjectCreated(
            version=version,
            name=event.words("name"),
            time=event.time("time"),
            request_id=event.optional_text("request_id"),
            principal_id=event.optional_text("principal_id"),
            source_ip=event.optional_text("source_ip"),
            sequencer=event.optional_text("sequencer"),
        ),
        sha256=subjects[0].object("digest").sha256("sha256"),
        size_bytes=predicate.natural("size_bytes"),
        etag=predicate.words("etag"),
        last_modified=predicate.time("last_modified"),
        content_type=predicate.optional_text("content_type"),
        recorded_at=predicate.time("recorded_at"),
        recorder=RecorderIdentity(
            function=recorder.words("function"),
            code_sha256=recorder.sha256("code_sha256"),
            version=recorder.words("version"),
        ),
    )


def _subject_name(version: ObjectVersion) -> str:
    """For people and other tools, and so with the plain key; the identity is in the predicate."""
    return f"s3://{version.bucket}/{version.key}"
