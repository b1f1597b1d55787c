"""A catalog and a store in memory, for tests of the engine only."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from scripts.local_aws.athena.engine import Engine, Result

NOW = datetime(2026, 11, 20, 13, 15, 0, 123456, UTC)
TEXT = "org.apache.hadoop.mapred.TextInputFormat"
OPENX = "org.openx.data.jsonserde.JsonSerDe"
CLOUDTRAIL = "com.amazon.emr.cloudtrail.CloudTrailInputFormat"
HCATALOG = "org.apache.hive.hcatalog.data.JsonSerDe"


class Lake:
    """Tables and objects; what was read from the store is noted."""

    def __init__(self) -> None:
        self.catalog: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.objects: dict[str, bytes] = {}
        self.reads: list[str] = []
        self.engine = Engine(self, self, clock=lambda: NOW)

    def get_table(self, database: str, name: str) -> Mapping[str, Any] | None:
        return self.catalog.get((database, name))

    def databases(self) -> list[str]:
        return ["db", "other"]

    def tables(self, database: str) -> list[str]:
        return [name for within, name in self.catalog if within == database]

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int, str]]:
        for key, body in list(self.objects.items()):
            if key.startswith(prefix):
                yield key, len(body), hashlib.sha256(body).hexdigest()

    def read(self, bucket: str, key: str) -> bytes:
        self.reads.append(key)
        return self.objects[key]

    def table(
        self,
        name: str,
        columns: Mapping[str, str],
        *,
        partitions: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        serde: Mapping[str, str] | None = None,
        library: str = OPENX,
        input_format: str = TEXT,
    ) -> None:
        """Declare ``db.<name>`` over ``s3://lake/<name>/``."""
        self.catalog["db", name] = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters or {},
            "PartitionKeys": [{"Name": n, "Type": t} for n, t in (partitions or {}).items()],
            "StorageDescriptor": {
                "Columns": [{"Name": n, "Type": t} for n, t in columns.items()],
                "Location": f"s3://lake/{name}/",
                "InputFormat": input_format,
                "SerdeInfo": {"SerializationLibrary": library, "Parameters": serde or {}},
            },
        }

    def view(self, name: str, sql: str, columns: Mapping[str, str], schema: str = "db") -> None:
        """Declare a view as Athena stores it."""
        document = {
            "originalSql": sql,
            "catalog": "awsdatacatalog",
            "schema": schema,
            "columns": [{"name": n, "type": t} for n, t in columns.items()],
        }
        encoded = base64.b64encode(json.dumps(document).encode()).decode()
        self.catalog["db", name] = {
            "Name": name,
            "TableType": "VIRTUAL_VIEW",
            "StorageDescriptor": {"Columns": [{"Name": n, "Type": "string"} for n in columns]},
            "ViewOriginalText": f"/* Presto View: {encoded} */",
        }

    def run(self, sql: str, *parameters: str, scan_limit: int | None = None) -> Result:
        self.reads.clear()
        return self.engine.run(sql, "db", parameters, scan_limit)

    def rows(self, sql: str, *parameters: str) -> list[tuple[str | None, ...]]:
        return list(self.run(sql, *parameters).rows)

    def value(self, expression: str, *parameters: str) -> str | None:
        """The value of one expression, as Athena prints it."""
        ((value,),) = self.rows(f"SELECT {expression}", *parameters)
        return value

    def days(self) -> None:
        """Declare ``events``: twenty days in two regions, one object each, in folders as CloudTrail has."""
        self.table(
            "events",
            {"id": "string", "at": "string", "n": "bigint", "tags": "array<string>"},
            partitions={"region": "string", "day": "string"},
            parameters={
                "projection.enabled": "true",
                "projection.region.type": "enum",
                "projection.region.values": "us-east-1,eu-west-1",
                "projection.day.type": "date",
                "projection.day.format": "yyyy/MM/dd",
                "projection.day.range": "2026/11/01,NOW",
                "storage.location.template": "s3://lake/events/${region}/${day}",
            },
        )
        for day in range(1, 21):
            for region in ("us-east-1", "eu-west-1"):
                row = {
                    "id": f"{region}/{day}",
                    "at": f"2026-11-{day:02d}T10:00:00Z",
                    "n": day,
                    "tags": ["a", "b"],
                }
                self.objects[f"events/{region}/2026/11/{day:02d}/f.json"] = json.dumps(row).encode()
