"""The command line works with the packages of each Airflow: a task starts it there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.toolchain.setup import AIRFLOW, AIRFLOW_NEWEST
from tests.airflow.installed import Airflow
from tests.unit.test_deployment import OUTPUTS


@pytest.mark.parametrize("folder", [AIRFLOW, AIRFLOW_NEWEST], ids=lambda folder: folder.name)
def test_a_command_runs_and_wrong_use_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(OUTPUTS))
    where = {"CUSTODY_DEPLOYMENT": str(path), "AWS_ENDPOINT_URL": "nowhere"}
    for words, status, said in (
        (("--version",), 0, "custody 0."),
        (("verify", "--sampel"), 2, "custody: No such option"),
        (("verify",), 2, "custody: The AWS configuration is not valid"),
        (("warehouse", "load", "orders"), 2, "custody: This deployment has no warehouse."),
    ):
        done = Airflow(folder, tmp_path).run("custody", *words, more=where)
        assert (done.returncode, done.stdout[: len(said)], done.stdout.count("\n")) == (status, said, 1)
