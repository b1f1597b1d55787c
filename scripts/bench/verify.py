"""Read everything in a stand-in for Amazon S3 once, timed: by verification, or with bare boto3.

    python -m scripts.bench.verify kit|bare    what scripts.bench.store printed comes on standard input

Prints the seconds it took as JSON. ``kit`` is ``custody verify`` with the processes that the command line
gives it; ``bare`` lists the objects and their receipts and GETs each once, by one process of as many threads.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config

from custody.cli.options import VERIFY_WORKERS, s3_client, verify_processes
from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.trail.public_keys import ListedKeys
from custody.verify.verify import verify


def kit(deployment: Deployment, now: datetime) -> None:
    """Verify, and check that there are no findings."""
    report = verify(
        s3_client(deployment.region),
        deployment,
        digest_keys=ListedKeys(lambda region: boto3.client("cloudtrail", region_name=region)),
        now=now,
        workers=VERIFY_WORKERS,
        processes=verify_processes(deployment.region),
    )
    if report.exit_code != 0:
        raise RuntimeError(f"Verification found {report.findings[:3]} {report.unchecked[:3]}.")


def bare(deployment: Deployment) -> None:
    """GET every object and its receipt."""
    s3 = boto3.client("s3", region_name=deployment.region, config=Config(max_pool_connections=VERIFY_WORKERS))
    listed = [
        (bucket, version["Key"], version["VersionId"])
        for bucket in (deployment.buckets["raw-data"], deployment.buckets["provenance"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for version in page["Versions"]
    ]

    def read(item: tuple[str, str, str]) -> None:
        bucket, key, version_id = item
        s3.get_object(Bucket=bucket, Key=key, VersionId=version_id)["Body"].read()

    for _ in map_concurrently(read, listed, VERIFY_WORKERS):
        pass


def main() -> None:
    """Read once, and print the seconds."""
    told: dict[str, Any] = json.load(sys.stdin)
    deployment = Deployment(**told["deployment"])
    start = time.perf_counter()
    if sys.argv[1] == "kit":
        kit(deployment, datetime.fromisoformat(told["now"]))
    else:
        bare(deployment)
    print(json.dumps(time.perf_counter() - start))


if __name__ == "__main__":
    main()
