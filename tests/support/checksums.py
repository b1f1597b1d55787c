"""Completion reports of *Compute checksum*, as S3 Batch Operations writes them.

Shapes are those of the Amazon S3 User Guide, "Examples: S3 Batch Operations completion reports".
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from custody.evidence.objects import ObjectVersion

JOB = "f8fb9d89-a3aa-461d-bddc-ea6a1b131955"
CREATED = "2026-11-20T17:48:39.725Z"
SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"


def result_of(sha256: str, **changes: Any) -> dict[str, Any]:
    """The result of a task, which its ``ResultMessage`` has as JSON."""
    return {
        "checksum_base64": b64encode(bytes.fromhex(sha256)).decode(),
        "etag": "3c3c1813042989094598e4b57ecbdc82",
        "checksumAlgorithm": "SHA256",
        "checksumType": "FULL_OBJECT",
        "checksum_hex": sha256.upper(),
    } | changes


def csv_row(
    version: ObjectVersion, sha256: str, status: str = "succeeded", message: str | None = None, **changes: Any
) -> str:
    """A row; the JSON in it is written as the User Guide's example is, with ``\\u003d`` for ``=``."""
    if message is None:
        message = json.dumps(result_of(sha256, **changes), separators=(",", ":")).replace("=", "\\u003d")
    file = io.StringIO(newline="")
    cells = [version.bucket, quote_plus(version.key), version.version_id, status, "200", "", message]
    csv.writer(file, lineterminator="\n").writerow(cells)
    return file.getvalue()


def manifest_of(files: Iterable[tuple[str, bytes]], **changes: Any) -> dict[str, Any]:
    """The manifest of these files, given by name."""
    return {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": CREATED,
        "Results": [
            {
                "TaskExecutionStatus": "succeeded",
                "Bucket": "reports",
                "MD5Checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "Key": f"checksums/job-{JOB}/results/{name}",
            }
            for name, data in files
        ],
        "ReportSchema": SCHEMA,
    } | changes


def write_report(folder: Path, *rows: str, **changes: Any) -> Path:
    """Write a report with one file of rows, laid out as it is in Amazon S3, and return its folder."""
    job = folder / f"job-{JOB}"
    (job / "results").mkdir(parents=True, exist_ok=True)
    data = "".join(rows).encode()
    (job / "results" / "6217b0fa.csv").write_bytes(data)
    (job / "manifest.json").write_text(json.dumps(manifest_of([("6217b0fa.csv", data)], **changes)))
    return job
