"""Glue job: the gold tables, from the silver tables' newest published versions. Wiring only.

    --processed s3://…       the folder of silver tables
    --analytics s3://…       the folder of gold tables
    --contracts s3://…       the folder of contracts, <table>.json
    --code_sha256 …          the digest of the wheel and of this script, for the lineage
    --days 2026-01-15,…      optional: make these days again, instead of the days that changed
    --events_version N       make them from these silver versions (the gate names those with accepted
    --customers_version N    lineage); without them, from the newest
    --JOB_RUN_ID …           set by Glue

It ends with status 1 and one sentence, which Glue shows as the run's error, if something could not be
published.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from pyspark.sql import SparkSession

from custody.errors import CustodyError, UsageError
from custody.etl.contract import parse_contract
from custody.etl.delta import configure
from custody.etl.gold_run import Request, processed_to_analytics
from custody.etl.lineage import Run
from custody.etl.parameters import Parameters
from custody.etl.silver_run import Lake, Stage, persist
from custody.etl.store import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

JOB = "processed_to_analytics"
TABLES = ("daily_engagement", "customer_value")


def say(step: str) -> None:
    """Write a step to the run's log."""
    print(f"{JOB}: {step}", file=sys.stderr, flush=True)


def run(
    arguments: Sequence[str], session: Callable[[], SparkSession], s3: S3Client, stage: Stage = persist
) -> list[dict[str, Any]]:
    """Run the job; return the lineage documents. Raises ``CustodyError``.

    ``session`` is called for the engine only after parameters and contracts have been checked.
    """
    parameters = Parameters(arguments)
    store = S3Store(s3)
    who = Run(JOB, parameters.text("JOB_RUN_ID"), parameters.text("code_sha256"), datetime.now(UTC))
    processed, analytics = parameters.folder("processed"), parameters.folder("analytics")
    folder = parameters.folder("contracts")
    contracts = {name: parse_contract(store.read(f"{folder}/{name}.json")) for name in TABLES}
    events, customers = parameters.number("events_version"), parameters.number("customers_version")
    if (events is None) != (customers is None):
        raise UsageError("Give both --events_version and --customers_version, or neither.")
    versions = None if events is None or customers is None else (events, customers)
    request = Request(parameters.days("days"), versions)
    spark = session()
    configure(spark)
    silver, gold = (Lake(spark, store, tables, stage, say) for tables in (processed, analytics))
    return processed_to_analytics(silver, gold, contracts, request, who)


def main() -> None:
    """Run the job the way Glue does."""
    try:
        documents = run(sys.argv[1:], SparkSession.builder.getOrCreate, boto3.client("s3"))
    except CustodyError as error:
        sys.exit(f"{JOB}: {error}")
    say(f"done: {len(documents)} tables published")


if __name__ == "__main__":
    main()
