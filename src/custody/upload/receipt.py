"""Waiting for an uploaded object's receipt, to compare what was stored with what was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.dsse import MAX_ENVELOPE_BYTES
from custody.evidence.envelope import parse_envelope
from custody.evidence.hashing import read_body
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, parse_statement

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LONGEST_PAUSE_SECONDS = 15.0
"""Seconds between attempts. Without permission to list the bucket, a missing receipt gives AccessDenied, and
CloudTrail logs each: few attempts keep the trail free of lines that look like an attack."""

_ABSENT = {"NoSuchKey", "404"}
_DENIED = {"AccessDenied", "403"}


class NoReceiptError(CannotCheckError):
    """There is no receipt, or it may not be read."""


def read_receipt(s3: S3Client, provenance_bucket: str, version: ObjectVersion) -> Receipt:
    """The receipt of an object version; its signature is not checked here, but by ``custody verify``.

    Raises ``NoReceiptError`` if Amazon S3 returns none, ``EvidenceError`` if it is malformed or for another
    version, ``ShortStreamError`` if it was not read whole, and botocore's errors for anything else.
    """
    try:
        found = s3.get_object(Bucket=provenance_bucket, Key=version.receipt_key)
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code in _ABSENT:
            raise NoReceiptError("There is no receipt.") from error
        if code in _DENIED:
            raise NoReceiptError(
                "Amazon S3 denies access to the receipt: it is not there yet, or you may not read it."
            ) from error
        raise
    with closing(found["Body"]):
        envelope = parse_envelope(read_body(found, MAX_ENVELOPE_BYTES))
    if envelope.payload_type != PAYLOAD_TYPE:
        raise EvidenceError(f"The payload's type is {envelope.payload_type[:80]!r}, not {PAYLOAD_TYPE}.")
    receipt = parse_statement(envelope.payload)
    if receipt.version != version:
        raise EvidenceError(f"The object under the receipt's key is the receipt of {receipt.version.uri}.")
    return receipt


def await_receipt_of(
    s3: S3Client,
    provenance_bucket: str,
    version: ObjectVersion,
    *,
    timeout_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Receipt:
    """Return the receipt once it is there, with growing delays between attempts.

    Raises ``NoReceiptError`` if it does not arrive in time, and what ``read_receipt`` raises.
    """
    deadline = clock() + timeout_seconds
    pause = 1.0
    while True:
        try:
            return read_receipt(s3, provenance_bucket, version)
        except NoReceiptError as error:
            left = deadline - clock()
            if left <= 0:
                raise NoReceiptError(
                    f"No receipt within {timeout_seconds:.0f} s. {error.message}",
                    "Run custody doctor, or have somebody who may read receipts run custody show.",
                ) from error
        sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
