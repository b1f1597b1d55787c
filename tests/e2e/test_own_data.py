"""Data sets that nobody deployed here before, end to end: the README's, elsewhere, and of another domain."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.demo.dataset import load_generator
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline, deployed
from scripts.toolchain.toolchain import BUILD, REPO
from tests.docs.test_own_data import own_data

pytestmark = pytest.mark.xdist_group("own data")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    own = own_data(tmp_path_factory.mktemp("data") / "own")
    shutil.copy(REPO / "examples" / "minimal" / "generate.py", own)
    work_dir = BUILD / "test" / "own-data"
    shutil.rmtree(work_dir, ignore_errors=True)
    with deployed(
        work_dir, lambda _: None, variables={"datasets": [str(own), "examples/sensors"]}
    ) as running:
        yield running


def test_from_a_folder_to_gold_and_lineage(pipeline: Pipeline, tmp_path: Path) -> None:
    lake = Lake(pipeline)
    rows, rejected, versions = {}, {}, {}
    for folder in pipeline.datasets:
        generator = load_generator(folder)
        assert generator
        for table, files in generator.deliveries(400, seed=1).items():
            delivery = lake.deliver(table, files, tmp_path / table)
            rows[table], rejected[table] = delivery.rows, delivery.rejected.total()
            versions[table] = delivery.versions
    lake.process()
    for table in lake.silver:
        (document, *more) = lake.documents("processed", table)
        counts = [found["counts"] for found in (document, *more)]
        assert sum(found["rows"] for found in counts) == rows[table]
        assert sum(found["rejected"] for found in counts) == rejected[table]
    assert {table for table, count in rejected.items() if count} == {"machines", "readings"}

    (silver,) = lake.query("SELECT count(*) AS n FROM readings")
    (daily,) = lake.query("SELECT sum(readings) AS n FROM daily_readings")
    (sites,) = lake.query("SELECT sum(readings) AS n, count(DISTINCT site_name) AS sites FROM site_days")
    assert silver["n"] == daily["n"] == sites["n"]
    assert sites["sites"]

    done = pipeline.custody("lineage", "site_days", "--format", "json")
    assert done.returncode == 0, done.stderr
    for table in ("sites", "devices", "readings"):
        assert all(version.uri in done.stdout for version in versions[table])

    done = pipeline.custody("doctor", "--format", "json")
    told = {found["stage"]: found["detail"] for found in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, told
    assert told["table site_days"].startswith("was made of readings@")
    assert "waits" not in told["table site_days"]


def test_what_was_made_verifies(pipeline: Pipeline) -> None:
    """After the test before."""
    pipeline.deliver_trail()
    done = pipeline.custody("verify", "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["findings"]) == (0, []), done.stderr
    assert document["claims"]["lineage.inputs"]["passed"]
