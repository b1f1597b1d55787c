"""Whether a trail that somebody else has gives evidence, according to its settings.

Source: AWS CloudTrail API Reference, ``GetTrail``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.type_defs import TrailTypeDef


def shortcomings(trail: TrailTypeDef, bucket: str, folder: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a trail whose files of one account are read in a folder of a bucket.

    With each, the option of ``aws cloudtrail update-trail`` that mends it, if one does.
    """
    account_id = folder.rstrip("/").rpartition("/")[2]
    prefix = f"{trail['S3KeyPrefix']}/" if trail.get("S3KeyPrefix") else ""
    below = "o-" if trail.get("IsOrganizationTrail") else account_id
    if trail["S3BucketName"] != bucket or not folder.startswith(f"{prefix}AWSLogs/{below}"):
        yield (
            f"The trail delivers to s3://{trail['S3BucketName']}/{prefix}AWSLogs/{below}…, and "
            f"s3://{bucket}/{folder} is read.",
            "",
        )
    if not trail.get("LogFileValidationEnabled"):
        yield (
            "The trail writes no digests: nobody can tell whether its log files are whole.",
            "--enable-log-file-validation",
        )
    if not trail.get("IsMultiRegionTrail"):
        yield "The trail logs only one Region, and no global service.", "--is-multi-region-trail"
