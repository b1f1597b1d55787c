"""Glue job: one gold table, from silver tables' newest published versions. Wiring only.

    --table …                the table
    --processed s3://…       the folder of silver tables
    --analytics s3://…       the folder of gold tables
    --contracts s3://…       the folder of contracts, <table>.json
    --code_sha256 …          the digest of the wheel and of this script, for the lineage
    --days 2026-01-15,…      optional: make these days again, instead of the days that changed
    --versions table@N,…     make it from these versions of its inputs (the gate names those with accepted
                             lineage); without them, from the newest
    --JOB_RUN_ID …           Glue gives it

It ends with status 1 and one sentence, which Glue shows as the run's error, if nothing could be published.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from pyspark.sql import SparkSession

from custody.errors import CustodyError
from custody.etl.contract import assert_inputs, parse_contract
from custody.etl.delta import configure
from custody.etl.gold_run import Request, processed_to_analytics
from custody.etl.lineage import Run
from custody.etl.parameters import Parameters
from custody.etl.silver_run import Lake, Stage, persist
from custody.etl.store import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

JOB = "processed_to_analytics"


def say(step: str) -> None:
    """Write a step to the run's log."""
    print(f"{JOB}: {step}", file=sys.stderr, flush=True)


def run(
    arguments: Sequence[str], session: Callable[[], SparkSession], s3: S3Client, stage: Stage = persist
) -> dict[str, Any] | None:
    """Run the job; return the lineage document, if there was something to make. Raises ``CustodyError``.

    ``session`` is called for the engine only after parameters and contracts have been checked.
    """
    parameters = Parameters(arguments)
    store = S3Store(s3)
    who = Run(JOB, parameters.text("JOB_RUN_ID"), parameters.text("code_sha256"), datetime.now(UTC))
    processed, analytics = parameters.folder("processed"), parameters.folder("analytics")
    folder = parameters.folder("contracts")
    contract = parse_contract(store.read(f"{folder}/{parameters.text('table')}.json"))
    inputs = {
        item.table: parse_contract(store.read(f"{folder}/{item.table}.json")) for item in contract.inputs
    }
    assert_inputs(contract, inputs)
    request = Request(parameters.days("days"), parameters.versions("versions", [*inputs]))
    spark = session()
    configure(spark)
    silver, gold = (Lake(spark, store, tables, stage, say) for tables in (processed, analytics))
    return processed_to_analytics(silver, gold, contract, request, who, inputs=inputs)


def main() -> None:
    """Run the job the way Glue does."""
    try:
        document = run(sys.argv[1:], SparkSession.builder.getOrCreate, boto3.client("s3"))
    except CustodyError as error:
        sys.exit(f"{JOB}: {error}")
    say(f"done: {document['counts'] if document else 'nothing is new'}")


if __name__ == "__main__":
    main()
