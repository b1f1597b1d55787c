"""The versions of a log's checkpoint, and the newest that satisfies a policy.

A checkpoint is published before witnesses cosign it, and then replaced by itself with their lines: the newest
version may lack what the one before has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.fetch import GoneError, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion
from custody.listing import list_versions
from custody.log.checkpoint import parse_checkpoint
from custody.log.note import MAX_NOTE_BYTES, Note, parse_note
from custody.log.policy import LacksQuorumError, Policy
from custody.log.tiles import CHECKPOINT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_VERSIONS = 2000
"""More than are published in a day."""


def versions_in_bucket(s3: S3Client, bucket: str, prefix: str) -> Iterator[bytes]:
    """The versions of the checkpoint of a log in a bucket, newest first.

    Raises ``CannotCheckError`` if one cannot be read, botocore's ``ClientError`` if they cannot be listed.
    """
    key = prefix + CHECKPOINT
    for entry in list_versions(s3, bucket, key):
        if entry.key == key and not entry.is_delete_marker:
            version = ObjectVersion(bucket, key, entry.version_id)
            try:
                yield fetch_bytes(s3, version, MAX_NOTE_BYTES)
            except (GoneError, UnreadableError) as error:
                raise CannotCheckError(f"The checkpoint {version.uri} cannot be read: {error}") from error


def newest_valid(policy: Policy, newest: Note, versions: Iterable[bytes], least: int = 0) -> Note:
    """The newest checkpoint of at least ``least`` entries that satisfies a policy.

    ``versions`` are read, newest first, only if ``newest`` lacks cosignatures. Raises ``EvidenceError`` if
    ``newest`` is not valid whatever the quorum, ``CannotCheckError`` if no version has the cosignatures.
    """
    try:
        policy.judge(newest)
    except LacksQuorumError as error:
        lacking = error
    else:
        return newest
    for data in islice(versions, MOST_VERSIONS):
        try:
            note = parse_note(data)
            if parse_checkpoint(note.text).size < least:
                break
            policy.judge(note)
        except EvidenceError:  # it is for custody verify to tell of such a version
            continue
        return note
    raise CannotCheckError(
        f"{lacking.message} Neither has an earlier one"
        + (f" of at least {least} entries." if least else "."),
        "The sealer asks its witnesses every hour: try again later, and see custody doctor.",
    ) from lacking
