"""Glue job: every object of the sealed log is read and hashed again. Wiring only.

    --provenance …     the bucket of the log's segments
    --results s3://…   the folder that the report is written to, <JOB_RUN_ID>.json
    --since, --until   days such as 2026-01-15: only what was written then (both are included)
    --prefix s3://…    only what lies below it
    --JOB_RUN_ID …     set by Glue

The report is that of custody verify --format json. The run ends with status 1 and one sentence, which Glue
shows as its error, if there are findings, or if not everything could be checked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import boto3
from pyspark.sql import SparkSession

from custody.errors import CannotCheckError, CustodyError, UsageError
from custody.etl.parameters import Parameters
from custody.etl.store import S3Store
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.objects import parse_s3_uri
from custody.verify.rehash import Window, list_segments, outcomes, report
from custody.verify.report import VerificationReport

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

JOB = "verify_objects"


def run(
    arguments: Sequence[str], session: Callable[[], SparkSession], s3: S3Client
) -> tuple[str, VerificationReport]:
    """Run the job; return the URI of its report, and the report. Raises ``CustodyError``."""
    parameters = Parameters(arguments)
    provenance, results = parameters.text("provenance"), parameters.folder("results")
    prefix = parameters.optional("prefix")
    place = None if prefix is None else parse_s3_uri(prefix)
    if place is not None and place.version_id is not None:
        raise UsageError(f"--prefix is {prefix!r}, one version.", "custody verify checks one.")
    since, until = parameters.day("since"), parameters.day("until")
    if since is not None and until is not None and since > until:
        raise UsageError(f"--since {since} is after --until {until}.", "Both days are included.")
    window = Window(since, until, place)
    uri = f"{results}/{parameters.text('JOB_RUN_ID')}.json"
    segments = list(list_segments(s3, provenance, window))
    found = report(outcomes(session(), segments, provenance, window).toLocalIterator(), window)
    if not S3Store(s3).create(uri, json.dumps(found.to_dict(), indent=2).encode()):
        raise CannotCheckError(f"There is a report {uri} already.", "Each run writes its own.")
    return uri, found


def main() -> None:
    """Run the job the way Glue does."""
    try:
        uri, found = run(sys.argv[1:], SparkSession.builder.getOrCreate, boto3.client("s3"))
    except (CustodyError, *SERVICE_ERRORS) as error:
        sys.exit(f"{JOB}: {error}")
    if found.exit_code:
        sys.exit(f"{JOB}: {len(found.findings)} findings, {found.unchecked_count} unchecked: see {uri}.")
    print(f"{JOB}: the bytes of {found.receipts_read} objects are as recorded: see {uri}.", file=sys.stderr)


if __name__ == "__main__":
    main()
