"""A daily run that did not come to be is a failure in words: nothing that ran is not all that succeeded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from scripts.demo.airflow import Daily
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline, PipelineError
from scripts.local_airflow import Airflow


def test_a_dag_of_which_there_was_no_run_has_no_states(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
        database.execute("CREATE TABLE dag_run (id, run_id, dag_id, state)")
        database.execute("CREATE TABLE task_instance (task_id, run_id, dag_id, state)")
        database.execute("INSERT INTO dag_run VALUES (1, 'manual', 'of-another', 'success')")
        database.commit()
    assert Airflow(tmp_path, tmp_path).states("custody-local-streaming") == {}


def test_without_a_data_set_there_is_no_day_to_run(tmp_path: Path) -> None:
    nothing = cast("Any", None)
    lake = Lake(Pipeline(nothing, nothing, nothing, {}, []))
    with pytest.raises(PipelineError, match="no data set"):
        Daily().run(lake, tmp_path, Console(quiet=True))
