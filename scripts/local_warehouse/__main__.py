"""Run ``custody`` with a Snowflake on this machine that reads the stage from the local AWS.

    python -m scripts.local_warehouse FOLDER warehouse load TABLE

FOLDER keeps the databases. The stage is read as Snowflake reads it, with the role of the storage integration.
What an administrator runs first is run each time, as far as it can be.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from custody.cli import main as custody
from custody.deployment import load_deployment
from custody.warehouse.connection import open_session, settings_of
from custody.warehouse.gold import GoldReader
from custody.warehouse.setup import setup_statements
from scripts.local_warehouse import local_snowflake, of_amazon_s3, runs_here


def main() -> int:
    """Set up, and run the command; its exit status."""
    deployment = load_deployment(Path(os.environ["CUSTODY_DEPLOYMENT"]))
    settings = settings_of(deployment)
    issued = boto3.client("sts", region_name=deployment.region).assume_role(
        RoleArn=settings.integration_role_arn, RoleSessionName="snowflake", ExternalId=settings.external_id
    )["Credentials"]
    stage = of_amazon_s3(
        urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc,
        deployment.region,
        issued["AccessKeyId"],
        issued["SecretAccessKey"],
        issued["SessionToken"],
    )
    reader = GoldReader(boto3.client("s3", region_name=deployment.region), deployment)
    contracts = [reader.contract(table) for table, inputs in deployment.tables.items() if inputs]
    with local_snowflake(Path(sys.argv[1]), settings, stage):
        with open_session(settings, b"", "setup") as session:
            for statement in setup_statements(settings, contracts):
                if runs_here(statement):
                    session.run(statement)
        return custody(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
