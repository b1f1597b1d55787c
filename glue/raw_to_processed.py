"""Glue job: one manifest of verified object versions into its silver table. Wiring only.

    --manifest s3://…?versionId=…  what to read (the gate writes it)
    --contracts s3://…             the folder of contracts, <table>.json
    --tables s3://…                the folder of silver tables
    --code_sha256 …                the digest of the wheel and of this script, for the lineage
    --disregard …                  lineage documents that no run wrote, by name (found by the gate)
    --JOB_RUN_ID …                 set by Glue

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
from custody.etl.contract import parse_contract
from custody.etl.delta import configure
from custody.etl.lineage import Run
from custody.etl.manifest import parse_manifest
from custody.etl.parameters import Parameters
from custody.etl.silver_run import Lake, Stage, persist, raw_to_processed
from custody.etl.store import S3Store, open_s3_version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

JOB = "raw_to_processed"


def say(step: str) -> None:
    """Write a step to the run's log."""
    print(f"{JOB}: {step}", file=sys.stderr, flush=True)


def run(
    arguments: Sequence[str], session: Callable[[], SparkSession], s3: S3Client, stage: Stage = persist
) -> dict[str, Any]:
    """Run the job; return the lineage document. Raises ``CustodyError``.

    ``session`` is called for the engine only after parameters, manifest and contract have been checked.
    """
    parameters = Parameters(arguments)
    store, tables = S3Store(s3), parameters.folder("tables")
    who = Run(JOB, parameters.text("JOB_RUN_ID"), parameters.text("code_sha256"), datetime.now(UTC))
    uri, contracts = parameters.text("manifest"), parameters.folder("contracts")
    disregard = parameters.names("disregard")
    manifest = parse_manifest(store.read(uri))
    contract = parse_contract(store.read(f"{contracts}/{manifest.table}.json"))
    spark = session()
    configure(spark)
    lake = Lake(spark, store, tables, stage, say)
    return raw_to_processed(
        lake, manifest, uri, contract, open_version=open_s3_version, run=who, disregard=disregard
    )


def main() -> None:
    """Run the job the way Glue does."""
    try:
        document = run(sys.argv[1:], SparkSession.builder.getOrCreate, boto3.client("s3"))
    except CustodyError as error:
        sys.exit(f"{JOB}: {error}")
    say(f"done: {document['counts']}")


if __name__ == "__main__":
    main()
