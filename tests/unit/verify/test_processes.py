"""Verification in several processes finds what verification in one does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Any

import boto3
import pytest

from custody.findings import Claim, Status
from custody.verify import log as verify_log
from custody.verify import reading
from custody.verify.verify import Processes, verify
from scripts.bench.sealed import seal
from scripts.bench.store import BUCKETS, PREFIX, WRITTEN, Store, deployment, fill, serve
from tests.support.digests import Keys

OBJECTS = 60


def client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def tampered() -> Store:
    store = Store()
    fill(store, OBJECTS)
    raw, provenance, trail = BUCKETS["raw-data"], BUCKETS["provenance"], BUCKETS["cloudtrail-log"]
    versions = [store.put(raw, f"{PREFIX}part=0000/{number:07d}.csv", b"changed") for number in (3, 17)]
    store.put(provenance, versions[1].receipt_key, b"no envelope")
    for number in range(3):
        store.put(raw, f"{PREFIX}unrecorded/{number}", b"x")
    store.put(provenance, f"provenance/{raw}/incoming/never/1.json", b"{}")
    store.put(trail, "AWSLogs/123456789012/CloudTrail/us-east-1/2026/01/01/zzz.json.gz", b"no gzip")
    store.close()
    return store


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        Thread(target=serve, args=(tampered(), listener), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("sample", [1.0, 0.3])
def test_the_report_is_the_same(endpoint: str, sample: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WORTH_PROCESSES", 2)
    s3 = client(endpoint)
    read: list[str] = []
    s3.meta.events.register("before-call.s3.GetObject", lambda params, **_: read.append(params["url_path"]))

    def check(processes: Processes | None) -> dict[str, Any]:
        now = WRITTEN + timedelta(days=1)
        report = verify(
            s3,
            deployment(),
            digest_keys=Keys(),
            now=now,
            sample=sample,
            seed="s",
            workers=4,
            processes=processes,
        )
        return report.to_dict()

    here = check(None)
    assert len(read) > 10
    read.clear()
    assert check(Processes(partial(client, endpoint), 2)) == here
    assert [path for path in read if not path.endswith("keys/registry.json")] == []  # others read them

    found = {(finding["claim"], finding["status"]) for finding in here["findings"]}
    assert found >= {
        (Claim.RECEIPT_SIGNATURE, Status.FAILED),
        (Claim.RECEIPT_UNIQUE, Status.MISSING),
        (Claim.TRAIL_EVENT, Status.FAILED),
        (Claim.TRAIL_EVENT, Status.MISSING),
    }
    assert sample < 1 or (Claim.OBJECT_HASH, Status.FAILED) in found


def test_a_small_deployment_needs_no_other_process(endpoint: str) -> None:
    def never() -> Any:
        raise AssertionError

    now = WRITTEN + timedelta(days=1)
    report = verify(
        client(endpoint), deployment(), digest_keys=Keys(), now=now, workers=4, processes=Processes(never, 2)
    )
    assert report.findings


def test_bundles_of_the_log_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles, checkpoints and rows are read elsewhere with the same result."""
    monkeypatch.setattr(verify_log, "FEW_RECEIPTS", 0)
    store = Store()
    fill(store, 300, seal)
    store.put(BUCKETS["provenance"], "log/tile/0/001.p/44", b"x" * 32 * 44)
    store.close()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        Thread(target=serve, args=(store, listener), daemon=True).start()
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def check(worth: int) -> dict[str, Any]:
            monkeypatch.setattr(verify_log, "_WORTH_BUNDLES", worth)
            return verify(
                client(endpoint),
                deployment(),
                digest_keys=Keys(),
                now=WRITTEN + timedelta(hours=2),
                sample=0.1,
                seed="s",
                workers=4,
                processes=Processes(partial(client, endpoint), 2),
            ).to_dict()

        here = check(10_000)
        assert check(1) == here
    assert {(finding["claim"], finding["subject"].rpartition("/")[2]) for finding in here["findings"]} == {
        (Claim.LOG_INCLUSION, "44")
    }
    assert here["claims"]["receipt.signature"]["passed"] == here["claims"]["ledger.row"]["passed"] == 300
    assert here["receipts_read"] < 100
