"""A witness in an AWS account of its own: its key in AWS KMS, its state in Amazon S3, asked by an HTTP API.

The last checkpoint of each log is one object, replaced only by who names the ETag that was read
(compare-and-swap), so that of two functions at once one advances and the other answers anew.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from custody.documents import parse_object
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.log.checkpoint import parse_checkpoint
from custody.log.extension import MAX_EXTENSION_BYTES
from custody.log.keys import ed25519_public_key
from custody.log.note import MAX_NOTE_BYTES, Algorithm, Note, NoteKey, parse_note, parse_verifier_key
from custody.log.signing import KmsNoteSigner
from custody.log.store import DeletedError, LogStore
from custody.log.tree import AbsentError
from custody.log.witness import Answer, Kept, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_kms import KMSClient

STATE_PREFIX = "checkpoints/"

_MAX_LOGS_BYTES = 4096
"""Of an environment variable: AWS Lambda allows 4 KB for all."""


def parse_logs(text: str) -> dict[str, list[NoteKey]]:
    """Read a JSON object: the label of each log → its verifier keys, of one origin.

    Raises ``CustodyError``.
    """
    logs = {
        label: _parse_keys(label, each) for label, each in parse_object(text, "logs", _MAX_LOGS_BYTES).items()
    }
    origins = [keys[0].name for keys in logs.values()]
    if len(set(origins)) != len(origins):
        raise UsageError("Two of the logs have one origin.", "Give the keys of a log under one label.")
    return logs


def _parse_keys(label: str, keys: object) -> list[NoteKey]:
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise UsageError(f"The log {label[:80]!r} is no list of verifier keys.")
    found = [parse_verifier_key(key) for key in keys]
    if len({key.name for key in found}) > 1:
        raise UsageError(f"The keys of the log {label[:80]!r} have different names.")
    return found


def kms_cosigner(kms: KMSClient, key_arn: str, name: str) -> KmsNoteSigner:
    """The cosigner with a key of AWS KMS. Raises ``EvidenceError`` if it is not one of Ed25519."""
    public = ed25519_public_key(key_arn, kms.get_public_key(KeyId=key_arn)["PublicKey"])
    return KmsNoteSigner(kms, key_arn, NoteKey(name, Algorithm.ED25519_COSIGNATURE, public))


@dataclass(frozen=True, slots=True)
class BucketState:
    """The last checkpoints as objects of a bucket (``custody.log.witness.State``)."""

    store: LogStore

    def read(self, origin: str) -> Kept:
        """What is kept of a log. Raises ``CustodyError``, or botocore's ``ClientError``."""
        try:
            found = self.store.read(_key(origin), MAX_NOTE_BYTES)
        except DeletedError as error:
            raise CannotCheckError(
                f"The last checkpoint of {origin} was deleted.", "Remove its delete marker."
            ) from error
        except AbsentError:
            return Kept.nothing(origin)
        checkpoint = parse_checkpoint(parse_note(found.data).text)
        if checkpoint.origin != origin:
            raise EvidenceError(f"The last checkpoint of {origin} is one of {checkpoint.origin!r} there.")
        return Kept(checkpoint, found.etag)

    def replace(self, before: Kept, note: Note) -> bool:
        """Keep a checkpoint, if what was read is still there. Raises botocore's ``ClientError``."""
        key = _key(before.checkpoint.origin)
        return self.store.replace(key, note.to_bytes(), "text/plain; charset=utf-8", before.mark)


def _key(origin: str) -> str:
    return f"{STATE_PREFIX}{hashlib.sha256(origin.encode()).hexdigest()}"


def answer_event(witness: Witness, event: Mapping[str, Any]) -> Answer:
    """Answer an HTTP API's request (payload format 2.0), of the one route that it has.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    body: str = event.get("body", "")
    if len(body) > 2 * MAX_EXTENSION_BYTES:
        return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too long.\n")
    return witness.add_checkpoint(
        b64decode(body) if event["isBase64Encoded"] else body.encode("utf-8", "replace")
    )
