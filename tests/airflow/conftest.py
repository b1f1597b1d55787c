"""Every test of the DAGs is of each Airflow; all of one are run by one process, beside the other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.toolchain.setup import AIRFLOW, AIRFLOW_NEWEST


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, id=each.name, marks=pytest.mark.xdist_group(each.name))
        for each in (AIRFLOW, AIRFLOW_NEWEST)
    ],
)
def folder(request: pytest.FixtureRequest) -> Path:
    """The environment of one Airflow."""
    found: Path = request.param
    return found
