"""Benchmark of verifying receipts: processor seconds and requests for each, against bare signature checks.

    python -m scripts.bench.verify_sealed    what scripts.bench.store printed comes on standard input

Verifies everything, with the bytes of one object in two hundred. Prints a JSON document: ``receipts`` whose
signature was checked, the processor ``seconds`` of all processes from the end of the listings to the last
receipt, those of the ``whole`` verification, the ``requests`` to the provenance bucket, listings included,
``bare`` processor seconds to check as many signatures with nothing else, in as many processes at once, and
``peak_bytes`` of the memory of the largest process.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from custody.cli.options import VERIFY_WORKERS, s3_client, verify_processes
from custody.deployment import Deployment
from custody.findings import Claim
from custody.trail.public_keys import ListedKeys
from custody.verify.verify import verify

SAMPLE = 0.005
SIGNATURES = 10_000
RECEIPT_BYTES = 900


@dataclass
class Stage:
    """Measures the last stage of a verification, by its progress."""

    began: float = 0.0
    ended: float = 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Take note of the end of the stage before, and of this one."""
        if done != total:
            return
        if stage == "trail files read":
            self.began = processor_seconds()
        elif stage == "receipts checked":
            self.ended = processor_seconds()


def processor_seconds() -> float:
    """Of this process, of those that it has ended, and of those that it has running."""
    running = [process.pid for process in multiprocessing.active_children()]
    return sum(os.times()[:4]) + sum(_seconds_of(process) for process in running if process)


def _seconds_of(process: int) -> float:
    stat = Path(f"/proc/{process}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    words = ["/bin/ps", "-o", "time=", "-p", str(process)]  # of macOS: M:SS.hh
    told = subprocess.check_output(words, text=True)
    minutes, _, seconds = told.strip().rpartition(":")
    return 60 * int(minutes) + float(seconds)


def bare_signature(processes: int) -> float:
    """Processor seconds to check one signature, while as many processes do."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return statistics.mean(pool.map(_check_signatures, range(processes), chunksize=1))


def _check_signatures(_: int) -> float:
    key = ec.generate_private_key(ec.SECP256R1())
    message = os.urandom(RECEIPT_BYTES)
    signature, public, how = key.sign(message, ec.ECDSA(SHA256())), key.public_key(), ec.ECDSA(SHA256())
    start = time.process_time()
    for _ in range(SIGNATURES):
        public.verify(signature, message, how)
    return (time.process_time() - start) / SIGNATURES


def main() -> None:
    """Verify once, and print what it took."""
    told: dict[str, Any] = json.load(sys.stdin)
    deployment = Deployment(**told["deployment"])
    processes = verify_processes(deployment.region)
    stage, before = Stage(), bare_signature(processes.count)
    began = processor_seconds()
    report = verify(
        s3_client(deployment.region),
        deployment,
        digest_keys=ListedKeys(lambda region: boto3.client("cloudtrail", region_name=region)),
        now=datetime.fromisoformat(told["now"]),
        sample=SAMPLE,
        progress=stage,
        workers=VERIFY_WORKERS,
        processes=processes,
    )
    if report.exit_code != 0:
        raise RuntimeError(f"Verification found {report.findings[:3]} {report.unchecked[:3]}.")
    whole = processor_seconds() - began
    receipts = report.claims[Claim.RECEIPT_SIGNATURE].checked
    with urllib.request.urlopen(told["endpoint"]) as answer:  # noqa: S310 - of the store
        requests = json.load(answer)[deployment.buckets["provenance"]]
    kilobytes = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(
        json.dumps(
            {
                "receipts": receipts,
                "seconds": stage.ended - stage.began,
                "whole": whole,
                "requests": requests,
                "bare": statistics.mean([before, bare_signature(processes.count)]) * receipts,
                "peak_bytes": kilobytes * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
