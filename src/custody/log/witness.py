"""A witness: cosigns a log's checkpoint only if it extends the last one that it cosigned.

Standard: C2SP tlog-witness and tlog-cosignature at commit 5ba5ee8 (https://c2sp.org/tlog-witness). A witness
knows logs by their keys, and keeps for each the last checkpoint that it cosigned; the new one is kept before
the cosignature leaves. Whoever runs it must be another than who runs the log: then the log cannot show
different people different entries, nor take entries back.

It runs as a server with a folder (``custody.log.witness_server``) and as a Lambda function with a bucket
(``custody.log.witness_account``), so it verifies what the log has signed without ``cryptography``. A request
needs no credentials, since the log's signature is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from custody.errors import CannotCheckError, EvidenceError
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.cosignature import cosignature, cosigned_message, require_ed25519, verify_ed25519
from custody.log.ecdsa import is_signature, parse_public_key
from custody.log.extension import SIZE_TYPE, Extension, parse_extension
from custody.log.merkle import EMPTY_ROOT, verify_consistency
from custody.log.note import Algorithm, Note, NoteKey, NoteSignature, verify_lines

_ATTEMPTS = 5
"""Each but the last was lost to a request that advanced: the one after it has an answer."""


class Cosigner(Protocol):
    """A witness's key."""

    @property
    def key(self) -> NoteKey:
        """Its name and public key."""

    def sign(self, message: bytes) -> bytes:
        """The signature of 64 bytes (RFC 8032)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The last checkpoint of a log that was cosigned, as it was read."""

    checkpoint: Checkpoint
    mark: str | None
    """What tells it from any other that was kept; ``None`` if none was."""

    @classmethod
    def nothing(cls, origin: str) -> Kept:
        """What a witness knows of a log before its first cosignature."""
        return cls(Checkpoint(origin, 0, EMPTY_ROOT), None)


class State(Protocol):
    """Where the last checkpoints are kept."""

    def read(self, origin: str) -> Kept:
        """What is kept of a log.

        Raises ``CustodyError``, or botocore's ``ClientError``, if it cannot be read: that is never nothing.
        """

    def replace(self, before: Kept, note: Note) -> bool:
        """Keep a checkpoint, for good, instead of the one that was read; not if another is there by now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: HTTPStatus
    body: str
    content_type: str = "text/plain; charset=utf-8"
    origin: str | None = None
    """The log, if it has signed the checkpoint that was asked for."""


class Witness:
    """Cosigns the checkpoints of some logs. May be used from several threads and processes at once.

    Raises ``EvidenceError`` if a log's key is not one with which a line can be checked here.
    """

    def __init__(
        self, logs: Iterable[NoteKey], cosigner: Cosigner, state: State, clock: Callable[[], float]
    ) -> None:
        self._logs = list(logs)
        self._cosigner = cosigner
        self._state = state
        self._clock = clock
        for key in self._logs:
            _require_log_key(key)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request (tlog-witness, "add-checkpoint").

        Raises ``CustodyError`` if the witness's own state cannot be read or kept.
        """
        try:
            request = parse_extension(body)
            checkpoint = parse_checkpoint(request.checkpoint.text)
        except EvidenceError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, error.message)
        keys = [key for key in self._logs if key.name == checkpoint.origin]
        if not keys:
            return _refusal(HTTPStatus.NOT_FOUND, "This witness does not know the log.")
        try:
            verify_lines(request.checkpoint, keys, _verify_line)
        except EvidenceError as error:
            return _refusal(HTTPStatus.FORBIDDEN, error.message)
        if request.old > checkpoint.size:
            return _refusal(HTTPStatus.BAD_REQUEST, "The old size is larger than the checkpoint's.")
        return self._advance(request, checkpoint)

    def _advance(self, request: Extension, checkpoint: Checkpoint) -> Answer:
        """Compare with the last checkpoint cosigned, keep the new one in its place, and cosign it."""
        origin = checkpoint.origin
        for _ in range(_ATTEMPTS):
            last = self._state.read(origin)
            if last.checkpoint.size != request.old:
                return Answer(HTTPStatus.CONFLICT, f"{last.checkpoint.size}\n", SIZE_TYPE, origin)
            try:
                verify_consistency(
                    request.old, checkpoint.size, last.checkpoint.root, checkpoint.root, request.path
                )
            except EvidenceError as error:
                return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, error.message, origin)
            if checkpoint == last.checkpoint or self._state.replace(last, request.checkpoint):
                text, seconds = request.checkpoint.text, int(self._clock())
                signature = self._cosigner.sign(cosigned_message(text, seconds))
                line = cosignature(self._cosigner.key, seconds, signature).to_line()
                return Answer(HTTPStatus.OK, line, origin=origin)
        raise CannotCheckError(
            f"The last checkpoint of {origin} cannot be replaced: another is always there."
        )


def _refusal(status: HTTPStatus, words: str, origin: str | None = None) -> Answer:
    return Answer(status, f"{words}\n", origin=origin)


def _require_log_key(key: NoteKey) -> None:
    if key.algorithm == Algorithm.ECDSA:
        parse_public_key(key.public_key)
    elif key.algorithm == Algorithm.ED25519:
        require_ed25519(key)
    else:
        raise EvidenceError(
            f"The key of {key.name[:200]!r} is of type 0x{key.algorithm:02x}, not one that signs a log's"
            " checkpoints here (0x01 or 0x02)."
        )


def _verify_line(text: str, line: NoteSignature, key: NoteKey) -> None:
    """Check one line of a checkpoint by a log's key. Raises ``EvidenceError``."""
    if key.algorithm == Algorithm.ED25519:
        verify_ed25519(key, line.signature, text.encode())
    elif not is_signature(parse_public_key(key.public_key), line.signature, text.encode()):
        raise EvidenceError(f"The signature of {key.name[:200]!r} does not verify.")
