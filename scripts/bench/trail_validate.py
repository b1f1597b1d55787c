"""Benchmark of validating the trail: log files a second, against ``aws cloudtrail validate-logs``.

    python -m scripts.bench.trail_validate FILES

Both validate the same chain of hourly digests and the log files that it names, from a stand-in for Amazon S3
that answers each request as late as S3 does, each in a process of its own, whose start is measured too. The
kit's side is ``custody verify`` of a deployment without objects: signatures and hashes of the chain, and
besides what the AWS CLI does not look at (files outside of the chain, writes, deletions and signatures in the
files). Prints a JSON document: the seconds of the clock of the ``kit`` and of ``aws``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import boto3

from custody.cli.options import VERIFY_WORKERS, s3_client, verify_processes
from custody.evidence.registry import REGISTRY_KEY
from custody.findings import Claim
from custody.times import format_time
from custody.trail.public_keys import ListedKeys
from custody.verify.verify import verify
from scripts.bench.store import (
    ACCOUNT,
    BUCKETS,
    REGION,
    WRITTEN,
    Store,
    deployment,
    new_registry,
    serve,
)
from scripts.bench.trail import record
from scripts.local_aws.launch import operator_environment
from scripts.local_aws.trail.digests import Chain, Digest, LogFile, make_digest
from scripts.local_aws.trail.signing_key import DigestKey, load_or_create
from scripts.toolchain.environment import without_aws
from scripts.toolchain.toolchain import ToolError

FILES_AN_HOUR = 12
EVENTS_A_FILE = 100
S3_SECONDS = 0.1
"""S3 answers requests of small objects in 0.1 to 0.2 seconds.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
"""
TRAIL = deployment().trail_arn


def fill(store: Store, count: int, key: DigestKey) -> datetime:
    """Put so many log files, and the digests of their hours; when the last one ends."""
    bucket, folder = BUCKETS["cloudtrail-log"], f"AWSLogs/{ACCOUNT}/"
    chain = Chain(ACCOUNT, REGION, TRAIL.rpartition("/")[2], REGION, bucket, folder)
    chance, previous, start = random.Random(1), None, WRITTEN  # noqa: S311 - the same data each time
    store.put(BUCKETS["provenance"], REGISTRY_KEY, json.dumps(new_registry()[1]).encode())
    for first in range(0, count, FILES_AN_HOUR):
        end = start + timedelta(hours=1)
        files = []
        for number in range(first, min(first + FILES_AN_HOUR, count)):
            events = [record(number * EVENTS_A_FILE + place, chance) for place in range(EVENTS_A_FILE)]
            content = json.dumps({"Records": events}).encode()
            name = f"{ACCOUNT}_CloudTrail_{REGION}_{start:%Y%m%dT%H%MZ}_{number:016}.json.gz"
            path = f"{folder}CloudTrail/{REGION}/{start:%Y/%m/%d}/{name}"
            store.put(bucket, path, gzip.compress(content, 1))
            files.append(
                LogFile(
                    bucket, path, hashlib.sha256(content).hexdigest(), format_time(start), format_time(end)
                )
            )
        previous = _put_digest(
            store, make_digest(chain, key, start=start, end=end, files=files, previous=previous)
        )
        start = end
    public = {
        "Value": base64.b64encode(key.public_der).decode(),
        "Fingerprint": key.fingerprint,
        "ValidityStartTime": 0,
        "ValidityEndTime": start.timestamp() + 10**8,
    }
    store.posted = json.dumps({"PublicKeyList": [public]}).encode()
    return start


def _put_digest(store: Store, digest: Digest) -> Digest:
    store.put(
        digest.bucket,
        digest.key,
        digest.content,
        f"x-amz-meta-signature: {digest.signature}",
        "x-amz-meta-signature-algorithm: SHA256withRSA",
    )
    return digest


def kit(count: int, now: datetime) -> None:
    """Verify, and check that everything was looked at and holds."""
    here = deployment()
    report = verify(
        s3_client(here.region),
        here,
        digest_keys=ListedKeys(lambda region: boto3.client("cloudtrail", region_name=region)),
        now=now,
        workers=VERIFY_WORKERS,
        processes=verify_processes(here.region),
    )
    if report.findings or report.claims[Claim.TRAIL_COMPLETE].passed < count:
        raise ToolError(f"Verification found {report.findings[:3]} {report.unchecked[:3]} {report.claims}.")


def seconds(words: list[str], environ: dict[str, str]) -> tuple[float, str]:
    """How long a program takes, and what it printed."""
    begin = time.monotonic()
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"{words} ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-1500:]}")
    return time.monotonic() - begin, done.stdout


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1])
    if sys.argv[2:]:
        return kit(count, datetime.fromisoformat(sys.argv[2]))
    store = Store()
    with (
        tempfile.TemporaryDirectory() as home,
        socket.create_server(("127.0.0.1", 0), backlog=256) as listener,
    ):
        end = fill(store, count, load_or_create(Path(home)))
        store.close()
        threading.Thread(target=serve, args=(store, listener, S3_SECONDS), daemon=True).start()
        environ = without_aws(os.environ) | operator_environment(
            f"http://127.0.0.1:{listener.getsockname()[1]}"
        )
        now = format_time(end + timedelta(minutes=1))
        ours = [sys.executable, "-m", "scripts.bench.trail_validate", str(count), now]
        theirs = [sys.executable, "-m", "awscli", "cloudtrail", "validate-logs", "--trail-arn", TRAIL]
        theirs += ["--s3-bucket", BUCKETS["cloudtrail-log"]]
        theirs += ["--start-time", format_time(WRITTEN), "--end-time", now, "--region", REGION]
        found = {"kit": seconds(ours, environ)[0]}
        found["aws"], printed = seconds(theirs, environ)
        if f"{count}/{count} log files valid" not in printed:
            raise ToolError(f"The AWS CLI did not validate the files: {printed[-500:]}")
    print(json.dumps(found))
    return None


if __name__ == "__main__":
    main()
