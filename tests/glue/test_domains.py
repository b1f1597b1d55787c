"""A sample of any domain becomes silver and gold by the contract that ``make new-table`` writes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.etl.gold_run import Request, processed_to_analytics
from custody.etl.silver_run import Lake
from scripts.datasets import load_dataset
from scripts.demo.dataset import deliveries
from tests.glue.local import Raw, process, run
from tests.support.domains import SHAPES, domain


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, len(SHAPES) - 1), st.integers(0, 1_000_000))
def test_from_a_sample_to_gold(make_lake: Callable[..., Lake], number: int, seed: int) -> None:
    with TemporaryDirectory() as name:
        folder, raw = Path(name), Raw(Path(name) / "raw")
        made = domain(number, folder, seed)
        data_set, silver, gold = load_dataset(made.folder), make_lake(f"{name}/s"), make_lake(f"{name}/g")
        for table, files in deliveries(made.folder, 1, 1).items():
            for truth, chunks in files:
                done = process(silver, [raw.put(truth.key, chunks)], raw, data_set.silver[table])
                assert done["counts"]["valid"] == truth.rows == made.silver[table]
        processed_to_analytics(silver, gold, data_set.gold[made.gold], Request(), run())
        rows = gold.table(made.gold).frame().select(made.group, "count").collect()
        assert {row[0]: row[1] for row in rows} == made.counts
