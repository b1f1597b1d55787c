"""The log of a deployment: the sealer's hourly run, and what fsck and verify say of it."""

from __future__ import annotations

import json
import time

import pytest

from custody.log.tiles import unpack_entries
from custody.log.trail_heads import parse_trail_head
from scripts.demo.pipeline import Landed, Pipeline
from tests.local_aws.account import PATIENCE_SECONDS

pytestmark = pytest.mark.xdist_group("pipeline")


def test_the_hourly_run_puts_the_trails_newest_digest_into_the_log(
    pipeline: Pipeline, landed: list[Landed]
) -> None:
    pipeline.deliver_trail()
    before, bucket = pipeline.log_size(), pipeline.deployment.buckets["provenance"]
    pipeline.aws.admin("events/tick", rule="custody-local-sealer-hourly")
    deadline = time.monotonic() + PATIENCE_SECONDS
    heads: list[str] = []
    while not heads and time.monotonic() < deadline:
        time.sleep(0.5)
        after = pipeline.log_size()
        if after > before and after % 256:
            key = f"log/tile/entries/{after // 256:03d}.p/{after % 256}"
            data = pipeline.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            found = [parse_trail_head(entry) for entry in unpack_entries(data, after % 256)]
            heads = [head.key for head in found if head is not None]
    assert heads
    assert all("/CloudTrail-Digest/" in key for key in heads)


def test_fsck_builds_the_log_again(pipeline: Pipeline, landed: list[Landed]) -> None:
    done = pipeline.custody("fsck", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["findings"] == []
