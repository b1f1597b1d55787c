"""A gold table is loaded into a Snowflake on this machine, and a row there traced to its raw objects."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console
from rich.markup import escape

from scripts.datasets import load_dataset
from scripts.demo.lake import Lake
from scripts.demo.pipeline import PipelineError
from scripts.local_aws import LocalAws
from scripts.toolchain.setup import WAREHOUSE_TEST, set_up_warehouse

FOLDER = "snowflake"
"""Where the databases are, in the demonstration's."""


class Warehouse:
    """``custody warehouse load`` and ``trace``."""

    before_tampering = False
    title = "Load Snowflake, and trace a row there to its raw objects and receipts"

    def set_up(self) -> None:
        """Install the connector, and fakesnow."""
        set_up_warehouse(test=True)

    def prepare(self, aws: LocalAws) -> Mapping[str, object]:
        """What the module ``warehouse`` is deployed for."""
        return {
            "snowflake": {
                "account": "local",
                "external_id": "custody-local",
                "iam_user_arn": "arn:aws:iam::210987654321:user/snowflake",
                "run_by": ["arn:aws:iam::123456789012:role/scheduler"],
            }
        }

    def run(self, lake: Lake, work_dir: Path, console: Console) -> None:
        """Store a private key, load the gold table with most inputs twice, and trace its first row."""
        if not lake.gold:
            raise PipelineError("No data set has a gold table: there is nothing to load.")
        table = max(lake.gold, key=lambda name: len(lake.gold[name]))
        store_private_key(lake)
        key = next(
            contract.key
            for folder in lake.pipeline.datasets
            for name, contract in load_dataset(folder).gold.items()
            if name == table
        )
        rows = lake.query(f"SELECT {', '.join(key)} FROM {table} ORDER BY {', '.join(key)} LIMIT 1")  # noqa: S608 - names of ours
        folder = work_dir / FOLDER
        for _ in range(2):
            self._custody(lake, folder, console, "load", table)
        words = [f"{name}={rows[0][name]}" for name in key]
        self._custody(lake, folder, console, "trace", table, *words)
        document = json.loads(self._custody(lake, folder, None, "trace", table, *words, "--format", "json"))
        if not document["raw"] or not all(found["receipt"] for found in document["raw"]):
            raise PipelineError("The row was not traced to a raw object with a receipt.")

    @staticmethod
    def _custody(lake: Lake, folder: Path, console: Console | None, *arguments: str) -> str:
        if console is not None:
            words = shlex.join(["custody", "warehouse", *arguments])
            console.print(f"[dim]$ {escape(words)}[/dim]", soft_wrap=True)
        done = subprocess.run(
            [*command(folder), "warehouse", *arguments],
            env=lake.pipeline.environ(role="loader", session="scheduler")
            | ({} if console is None else {"COLUMNS": str(console.width)}),
            capture_output=True,
            text=True,
            check=False,
        )
        if console is not None:
            console.print(escape(done.stdout + done.stderr), end="")
        if done.returncode:
            raise PipelineError(
                f"custody warehouse {arguments[0]} ended with {done.returncode}: {done.stderr}"
            )
        return done.stdout


def command(folder: Path) -> list[str]:
    """The command line with the Snowflake in this folder; it starts in the repository's folder."""
    return [str(WAREHOUSE_TEST / "bin" / "python"), "-m", "scripts.local_warehouse", str(folder)]


def store_private_key(lake: Lake) -> None:
    """Store the key with which the loader signs in."""
    key = rsa.generate_private_key(65537, 2048)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    lake.pipeline.client("secretsmanager").put_secret_value(
        SecretId=lake.pipeline.deployment.snowflake["secret_arn"],
        SecretString=str(key.private_bytes(*pem, serialization.NoEncryption()), "ascii"),
    )
