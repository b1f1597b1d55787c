"""A deployment in moto with a gold table as jobs make it: raw objects, silver, gold, recorded and sealed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from custody.deployment import Deployment
from custody.etl.contract import Contract
from custody.evidence.objects import ObjectVersion
from tests.support.evidence import World
from tests.support.lake import Lake
from tests.support.proofs import ProvableWorld
from tests.warehouse.gold_files import BY_DAY, COLUMNS, contract

SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:custody-test-snowflake-a1B2c3"


class MadeLake:
    """``visits``, made of ``arrivals``; by day, if asked for."""

    def __init__(self, world: World, folder: Path, *, by: str | None = None) -> None:
        self.world, self.folder = world, folder / "gold" / "visits"
        self.provable = ProvableWorld(world)
        artifacts = world.raw.replace("raw-data", "artifacts")
        world.s3.create_bucket(Bucket=artifacts)
        self.contract: Contract = contract(by=by)
        self.deployment: Deployment = replace(
            world.deployment,
            buckets={**world.deployment.buckets, "artifacts": artifacts},
            tables={"arrivals": [], "visits": ["arrivals"]},
            topic_arn="arn:aws:sns:us-east-1:123456789012:custody-test-alerts",
            snowflake={
                "account": "account",
                "name": "CUSTODY_TEST",
                "stage_url": f"s3://{world.deployment.buckets['analytics']}/tables/",
                "integration_role_arn": "arn:aws:iam::111122223333:role/custody-test-snowflake",
                "external_id": "custody-test",
                "secret_arn": SECRET,
            },
        )
        self.bucket = self.deployment.buckets["analytics"]
        self.lake = Lake(self.deployment.buckets, self._put)
        self.unsealed: list[ObjectVersion] = []
        self.versions: dict[str, ObjectVersion] = {}
        """By key, what was put last."""
        self.deploy(self.contract, by=by)
        self.raw = self.lake.raw("incoming/arrivals/2026-01-15.csv", b"id,amount\na,1\n")
        self.lake.silver("arrivals", 1, [self.raw])
        self.seal()
        self._made = 0
        self._by = by

    def deploy(self, of: Contract, *, by: str | None = None) -> None:
        """Put a contract where the jobs read it."""
        document = {
            "table": of.table,
            "meaning": of.meaning,
            "key": list(of.key),
            "inputs": [{"table": "arrivals", **({} if by is None else {"by": by})}],
            "sql": "SELECT 1",
            "columns": COLUMNS if by is None else BY_DAY,
        }
        self.world.s3.put_object(
            Bucket=self.deployment.buckets["artifacts"],
            Key="glue/quality/visits.json",
            Body=json.dumps(document).encode(),
        )

    def make(self, rows: Sequence[Mapping[str, Any]], *, seal: bool = True, **changes: Any) -> int:
        """Make a version of the table with these rows alone; its number."""
        table = pa.Table.from_pylist(list(rows))
        partition = None if self._by is None else [self._by]
        write_deltalake(str(self.folder), table, mode="overwrite", partition_by=partition)
        number, self._made = self._made, self._made + 1
        for path in sorted(self.folder.rglob("*")):
            key = f"tables/visits/{path.relative_to(self.folder)}"
            if path.is_file() and key not in self.versions:
                self._put(self.bucket, key, path.read_bytes())
        uri = self.lake.uri("visits", "analytics")
        facts = {
            "contract_sha256": self.contract.sha256,
            "inputs": [{"table": self.lake.uri("arrivals"), "delta_version": 1}],
            "outputs": [{"table": uri, "delta_version": number, "rows": len(rows)}],
            "counts": {"rows": len(rows), "valid": len(rows), "rejected": 0, "duplicates": 0},
        }
        self.lake.publish("processed_to_analytics", uri, number, f"{number:064x}", facts | changes)
        if seal:
            self.seal()
        return number

    def seal(self) -> None:
        """Seal the receipts of all that was put."""
        self.provable.seal(*self.unsealed)
        self.unsealed.clear()

    def data_files(self) -> list[ObjectVersion]:
        """The data files that were put."""
        return [found for key, found in sorted(self.versions.items()) if key.endswith(".parquet")]

    def _put(self, bucket: str, key: str, body: bytes) -> ObjectVersion:
        drop = self.world.put(key, body, bucket)
        self.world.record(drop)
        self.unsealed.append(drop.version)
        self.versions[key] = drop.version
        return drop.version
