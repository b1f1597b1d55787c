"""Delta tables in the local Athena: a query sees the state of their log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from scripts.local_aws.athena.engine import QueryError, ScanLimitExceededError
from tests.local_aws.lake import Lake

EVENTS = pa.schema(
    [
        ("day", pa.date32()),
        ("id", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
        ("seconds", pa.int64()),
        ("spent", pa.decimal128(18, 2)),
        ("premium", pa.bool_()),
    ]
)


class Folder:
    """The Delta table ``db.events``, made by ``deltalake`` in a folder and copied into the lake."""

    def __init__(self, lake: Lake, path: Path, parameters: dict[str, str] | None = None) -> None:
        self.lake, self.path = lake, path
        lake.table(
            "events",
            {"col": "array<string>"},  # what the catalogue says of columns, Athena does not read
            library="org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            input_format="org.apache.hadoop.mapred.SequenceFileInputFormat",
            parameters=parameters or {"EXTERNAL": "TRUE", "spark.sql.sources.provider": "delta"},
        )

    def write(self, rows: list[dict[str, Any]], schema: pa.Schema = EVENTS, **options: Any) -> None:
        write_deltalake(self.path, pa.Table.from_pylist(rows, schema), **{"mode": "append", **options})
        self.deliver()

    def deliver(self) -> None:
        """Bring the lake up to what is in the folder."""
        for file in self.path.rglob("*"):
            if file.is_file():
                self.lake.objects[f"events/{file.relative_to(self.path)}"] = file.read_bytes()

    def files(self) -> list[str]:
        return [f"events/{name}" for name in pa.table(self.table.get_add_actions())["path"].to_pylist()]

    @property
    def table(self) -> DeltaTable:
        return DeltaTable(self.path)


def event(day: int, number: int, **more: Any) -> dict[str, Any]:
    return {
        "day": date(2026, 1, day),
        "id": f"e-{number}",
        "at": datetime(2026, 1, day, 12, 30, 15, 123_999, UTC),
        "seconds": 10 * number,
        "spent": Decimal("1.50"),
        "premium": True,
        **more,
    }


@pytest.fixture
def lake() -> Lake:
    return Lake()


@pytest.fixture
def events(lake: Lake, tmp_path: Path) -> Folder:
    """Two days, two rows each."""
    folder = Folder(lake, tmp_path / "events")
    folder.write([event(1, 1), event(1, 2), event(2, 3), event(2, 4)], partition_by=["day"])
    return folder


def test_columns_and_their_types_are_the_logs_in_its_order(lake: Lake, events: Folder) -> None:
    result = lake.run("SELECT * FROM events ORDER BY id")
    assert result.columns == (
        ("day", "date"),
        ("id", "varchar"),
        ("at", "timestamp with time zone"),
        ("seconds", "bigint"),
        ("spent", "decimal(18, 2)"),
        ("premium", "boolean"),
    )
    assert result.rows[0] == ("2026-01-01", "e-1", "2026-01-01 12:30:15.123 UTC", "10", "1.50", "true")
    assert len(result.rows) == 4


@pytest.mark.parametrize(
    "parameters", [{"table_type": "DELTA"}, {"EXTERNAL": "TRUE", "spark.sql.sources.provider": "DELTA"}]
)
def test_either_property_makes_it_a_delta_table(
    parameters: dict[str, str], lake: Lake, tmp_path: Path
) -> None:
    folder = Folder(lake, tmp_path / "events", parameters)
    folder.write([event(1, 1)])
    assert lake.rows("SELECT count(*) FROM events") == [("1",)]


def test_files_of_older_versions_are_not_read(lake: Lake, events: Folder) -> None:
    events.write([event(2, 9)], mode="overwrite", predicate="day = '2026-01-02'")
    assert lake.rows("SELECT id FROM events ORDER BY id") == [("e-1",), ("e-2",), ("e-9",)]
    events.table.delete("id = 'e-1'")
    events.deliver()
    assert lake.rows("SELECT id FROM events ORDER BY id") == [("e-2",), ("e-9",)]


def test_a_partition_that_is_filtered_out_is_not_read(lake: Lake, events: Folder) -> None:
    result = lake.run("SELECT id, \"$path\" FROM events WHERE day = DATE '2026-01-02' ORDER BY id")
    (wanted,) = [key for key in events.files() if "2026-01-02" in key]
    assert result.rows == (("e-3", f"s3://lake/{wanted}"), ("e-4", f"s3://lake/{wanted}"))
    assert [key for key in lake.reads if key.endswith(".parquet")] == [wanted]
    assert result.scanned == {f"s3://lake/{wanted}"}
    assert result.scanned_bytes == len(lake.objects[wanted])
    with pytest.raises(ScanLimitExceededError):
        lake.run("SELECT * FROM events", scan_limit=result.scanned_bytes)


def test_a_moment_is_compared_as_one(lake: Lake, events: Folder) -> None:
    sql = "SELECT count(*) FROM events WHERE at < from_iso8601_timestamp('2026-01-01T13:00:00Z')"
    assert lake.rows(sql) == [("2",)]


def test_what_is_nested_is_read_as_rows_and_arrays(lake: Lake, tmp_path: Path) -> None:
    level = pa.struct([("Metres", pa.float64()), ("price", pa.decimal128(5, 2))])
    seen = pa.struct([("by", pa.string()), ("levels", pa.list_(level))])
    rows = [
        {"id": "a", "seen": {"by": "x", "levels": [{"Metres": 1.5, "price": Decimal("1.50")}, None]}},
        {"id": "b", "seen": {"by": None, "levels": []}},
        {"id": "c", "seen": None},
    ]
    Folder(lake, tmp_path / "events").write(rows, pa.schema([("id", pa.string()), ("seen", seen)]))
    result = lake.run("SELECT seen FROM events ORDER BY id")
    assert result.columns == (
        ("seen", "row(by varchar, levels array(row(metres double, price decimal(5, 2))))"),
    )
    assert [value for (value,) in result.rows] == [
        "{by=x, levels=[{metres=1.5, price=1.50}, null]}",
        "{by=null, levels=[]}",
        None,
    ]
    sql = "SELECT id, metres FROM events CROSS JOIN UNNEST(seen.levels) AS t(metres, price) WHERE price > 1"
    assert lake.rows(sql) == [("a", "1.5")]


def test_of_moments_in_what_is_nested_the_milliseconds_are_read(lake: Lake, tmp_path: Path) -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, 123_999, UTC)
    read = pa.struct([("at", pa.timestamp("us", "UTC")), ("name", pa.string())])
    schema = pa.schema([("id", pa.string()), ("reads", pa.list_(read)), ("last", read)])
    folder = Folder(lake, tmp_path / "events")
    folder.write([{"id": "a"}], pa.schema([("id", pa.string())]))
    one = {"at": moment, "name": "x"}
    folder.write([{"id": "b", "reads": [one, None], "last": one}], schema, schema_mode="merge")
    wanted = "timestamp '1969-12-31 23:59:59.123 UTC'"
    assert lake.rows(f"SELECT id FROM events WHERE last.at = {wanted}") == [("b",)]
    sql = f"SELECT id, name FROM events CROSS JOIN UNNEST(reads) AS t(at, name) WHERE at = {wanted}"
    assert lake.rows(sql) == [("b", "x")]
    assert lake.rows("SELECT id FROM events WHERE last IS NULL AND reads IS NULL") == [("a",)]


def test_a_column_that_came_later_is_null_in_older_rows(lake: Lake, events: Folder) -> None:
    wider = EVENTS.append(pa.field("device", pa.string()))
    events.write([event(3, 5, device="tv")], wider, schema_mode="merge")
    assert lake.rows("SELECT id, device FROM events WHERE id IN ('e-1', 'e-5') ORDER BY id") == [
        ("e-1", None),
        ("e-5", "tv"),
    ]


def test_partitions_are_read_by_their_values_not_by_their_folders(lake: Lake, tmp_path: Path) -> None:
    schema = pa.schema([("where", pa.string()), ("n", pa.int64())])
    folder = Folder(lake, tmp_path / "events")
    values = ["a b", "c/d=e", "f%20g", "é", None]
    rows = [{"where": value, "n": number} for number, value in enumerate(values)]
    folder.write(rows, schema, partition_by=["where"])
    assert lake.rows('SELECT n, "where" FROM events ORDER BY n') == [
        (str(number), value) for number, value in enumerate(values)
    ]
    assert lake.rows("SELECT n FROM events WHERE \"where\" = 'f%20g'") == [("2",)]
    assert lake.rows("SELECT n FROM events WHERE coalesce(\"where\", 'none') = 'none'") == [("4",)]


def test_a_checkpoint_stands_for_the_log_before_it(lake: Lake, events: Folder) -> None:
    events.write([event(3, 5)])
    events.table.create_checkpoint()
    events.deliver()
    del lake.objects["events/_delta_log/00000000000000000000.json"]
    assert lake.rows("SELECT count(*) FROM events") == [("5",)]


def test_a_table_that_is_not_there_yet_is_said_so(lake: Lake, tmp_path: Path) -> None:
    Folder(lake, tmp_path)
    with pytest.raises(QueryError, match="no Delta table lies at s3://lake/events/") as raised:
        lake.run("SELECT * FROM events")
    assert raised.value.code == "DELTA_LAKE_INVALID_SCHEMA"


def test_a_file_that_is_gone_fails_the_query(lake: Lake, events: Folder) -> None:
    gone = events.files()[0]
    del lake.objects[gone]
    with pytest.raises(QueryError, match=f"Error opening Delta file s3://lake/{gone}"):
        lake.run("SELECT count(*) FROM events")


def test_a_file_that_is_no_parquet_fails_the_query(lake: Lake, events: Folder) -> None:
    spoilt = events.files()[0]
    lake.objects[spoilt] = b"not Parquet"
    with pytest.raises(QueryError, match=f"DELTA_LAKE_BAD_DATA: s3://lake/{spoilt}"):
        lake.run("SELECT count(*) FROM events")


def test_a_log_that_cannot_be_read_fails_the_query(lake: Lake, events: Folder) -> None:
    lake.objects["events/_delta_log/00000000000000000000.json"] = b"{"
    with pytest.raises(QueryError, match=r"the log of table 'events': .*Json error"):
        lake.run("SELECT count(*) FROM events")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda log: log.update(
                protocol={
                    "minReaderVersion": 3,
                    "minWriterVersion": 7,
                    "readerFeatures": ["deletionVectors"],
                    "writerFeatures": ["deletionVectors"],
                }
            ),
            "with deletionVectors",
        ),
        (
            lambda log: log["metaData"].update(
                schemaString=log["metaData"]["schemaString"].replace(
                    '"string"',
                    '{"type":"map","keyType":"string","valueType":"long","valueContainsNull":true}',
                    1,
                )
            ),
            "of column 'id'",
        ),
    ],
)
def test_what_the_engine_has_not_is_refused(
    change: Callable[[dict[str, Any]], None], words: str, lake: Lake, events: Folder
) -> None:
    key = "events/_delta_log/00000000000000000000.json"
    actions = [json.loads(line) for line in lake.objects[key].splitlines()]
    log = {
        kind: body for action in actions for kind, body in action.items() if kind in {"protocol", "metaData"}
    }
    change(log)
    rest = [action for action in actions if not action.keys() & log.keys()]
    written = [*({kind: body} for kind, body in log.items()), *rest]
    lake.objects[key] = "\n".join(json.dumps(action) for action in written).encode()
    with pytest.raises(QueryError, match=words) as raised:
        lake.run("SELECT * FROM events")
    assert raised.value.code == "NOT_SUPPORTED"
