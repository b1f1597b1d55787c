"""The benchmark's reference does the same work as the kit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from custody.etl.columns import read_columns
from custody.etl.silver_run import Lake
from scripts.bench import formats
from scripts.bench.etl import DATA_SET, make_data, prepare_bare, prepare_kit


def test_both_sides_read_as_many_rows_and_make_all_tables(
    make_lake: Callable[..., Lake], tmp_path: Path
) -> None:
    rows = make_data(tmp_path / "data", 3_000)
    sizes = {}
    for name, prepare in (("kit", prepare_kit), ("bare", prepare_bare)):
        lake = make_lake(name)
        assert prepare(tmp_path / "data")(lake) == rows
        sizes[name] = {table: lake.table(table).frame().count() for table in DATA_SET.contracts}
    bare, kit = sizes["bare"], sizes["kit"]
    assert (bare["customers"], bare["viewing_events"], bare["customer_value"]) == (300, 3_000 - 48, 300)
    assert all(0.9 * bare[table] < kit[table] <= bare[table] for table in DATA_SET.contracts)


def test_every_format_has_the_same_rows() -> None:
    for table, found in formats.sources(400):
        rows = {
            name: sum(batch.num_rows for batch in read_columns([body], rules))
            for name, (body, rules) in found.items()
        }
        assert len(set(rows.values())) == 1, (table, rows)
        assert set(rows) >= {"plain", "gzip", "zstd", "parquet"}
