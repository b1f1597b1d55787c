"""A deployment that reads the trail of its account's organization, in a bucket of another account."""

from __future__ import annotations

from typing import Any

from tests.support.plans import local_plan

BUCKET = "trails-of-the-organization"
ROOT = "logs/AWSLogs/o-exampleorgid/"
FOLDER = f"{ROOT}123456789012/"
KEY_ARN = "arn:aws:kms:eu-west-1:210987654321:key/1234abcd-12ab-4cde-8123-1234567890ab"
TRAIL_ARN = "arn:aws:cloudtrail:us-east-1:210987654321:trail/everybody"


def plan_with_organizations_trail() -> dict[str, Any]:
    """The plan for ``local``, without data sets, that reads it."""
    trail = {
        "arn": TRAIL_ARN,
        "bucket": BUCKET,
        "prefix": "logs",
        "organization_id": "o-exampleorgid",
        "key_arn": KEY_ARN,
    }
    return local_plan({"datasets": [], "existing_trail": trail})
