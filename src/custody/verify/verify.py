"""Verification: every claim about every object, checked from bytes and public keys.

It uses only Amazon S3, for listings and bytes, and CloudTrail's public keys. Every claim that does not hold
is reported, not only the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING

from custody.deployment import Deployment
from custody.errors import CannotCheckError, UsageError
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.objects import S3Location
from custody.trail.public_keys import DigestKeys
from custody.verify.checksum_report import ChecksumReport
from custody.verify.index import Index
from custody.verify.reading import Processes, Readers
from custody.verify.report import ClaimCount, Progress, VerificationReport
from custody.verify.resume import Results
from custody.verify.run import Verification
from custody.verify.trail_index import TrailIndex

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = [
    "ClaimCount",
    "Processes",
    "Progress",
    "Results",
    "VerificationReport",
    "open_verification",
    "verify",
]


def verify(
    s3: S3Client,
    deployment: Deployment,
    *,
    digest_keys: DigestKeys,
    now: datetime,
    scope: S3Location | None = None,
    sample: float = 1.0,
    seed: str | None = None,
    progress: Progress | None = None,
    workers: int = 16,
    processes: Processes | None = None,
    results: Results | None = None,
    with_objects: bool = True,
    checksums: ChecksumReport | None = None,
) -> VerificationReport:
    """Check every claim for the recorded objects of a deployment, or for those in ``scope``.

    ``digest_keys`` are CloudTrail's public keys. ``scope`` is a bucket, a key prefix in one, or (with a
    version id) one object version. ``now`` (aware) decides with the deployment's watermark what may still be
    pending. ``sample`` (0..1] is the share of object versions whose bytes and receipts are read; listings and
    the trail are always fully checked. They are drawn by SHA-256 over ``seed`` and the version's identity:
    ``seed`` is random unless given, so that writers of objects cannot know what will be left out, and is in
    the report, so that anybody can draw the same sample again. ``workers`` requests run concurrently: give
    ``s3`` a connection pool of that size (``max_pool_connections``) and
    ``response_checksum_validation="when_required"``. If there is much to read, ``processes`` share it, each
    with the same number of requests and its own client of the same kind. ``results`` are those that earlier
    runs of the same arguments have left, and of this one if it is interrupted: then also its seed is theirs.
    Without ``with_objects`` only evidence is read, wherever ``s3`` has it from (``custody.evidence.copy``):
    what that leaves open about the objects is in ``unchecked``. Object versions that are in ``checksums`` and
    in the listing are not read: their SHA-256 is the report's, their size, ETag and time are the listing's.

    Raises ``UsageError`` for an invalid scope, sample or report, ``CannotCheckError`` if the listings, the
    registry or Amazon S3 as a whole cannot be reached before there were findings. What cannot be read is in
    ``unchecked``; if there was nothing to check, so is a sentence that says why.
    """
    with open_verification(
        s3,
        deployment,
        digest_keys=digest_keys,
        now=now,
        scope=scope,
        sample=sample,
        seed=seed,
        progress=progress,
        workers=workers,
        processes=processes,
        results=results,
        with_objects=with_objects,
        checksums=checksums,
    ) as (verification, _):
        return verification.run()


@contextmanager
def open_verification(
    s3: S3Client,
    deployment: Deployment,
    *,
    digest_keys: DigestKeys,
    now: datetime,
    scope: S3Location | None = None,
    since: datetime | None = None,
    sample: float = 1.0,
    seed: str | None = None,
    progress: Progress | None = None,
    workers: int = 16,
    processes: Processes | None = None,
    results: Results | None = None,
    with_objects: bool = True,
    checksums: ChecksumReport | None = None,
) -> Iterator[tuple[Verification, Index]]:
    """A verification that is still to be run, and its index, which can be asked afterwards.

    As ``verify``, which raises the same. If there is a ``since``, bytes and receipts are read only of what
    was recorded since then, or if the listings leave a question open.
    """
    if not 0 < sample <= 1:
        raise UsageError(f"A sample of {sample} is not possible.", "Give a share above 0 and up to 1.")
    lake = deployment.lake
    if scope is not None and scope.bucket not in lake:
        raise UsageError(
            f"{scope.bucket} is not a data bucket of this deployment.",
            f"Those are {', '.join(sorted(lake))}.",
        )
    chosen = token_hex(16) if seed is None else seed
    if results is not None:
        report = None if checksums is None else checksums.place
        command = asdict(deployment), str(s3.meta.endpoint_url), scope, sample, seed, with_objects, report
        results.open(command, chosen)
        chosen = results.seed or chosen
    try:
        with (
            results or nullcontext(),
            Index() as index,
            TrailIndex() as trail,
            Readers(s3, workers, processes, results) as readers,
        ):
            verification = Verification(
                deployment=deployment,
                index=index,
                trail=trail,
                digest_keys=digest_keys,
                scope=scope,
                sample=sample,
                seed=chosen,
                now=now,
                progress=progress or _no_progress,
                readers=readers,
                results=results,
                since=since,
                with_objects=with_objects,
                checksums=checksums,
            )
            yield verification, index
    except SERVICE_ERRORS as error:
        raise CannotCheckError(f"Amazon S3 cannot be used: {error}.") from error


def _no_progress(_stage: str, _done: int, _total: int | None) -> None:
    """The default: no progress."""
