from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from custody.etl.silver_run import Lake
from scripts.local_etl.engine import pysail_session
from scripts.local_etl.folder_store import FolderStore
from tests.glue.local import Raw

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from custody.etl.silver_run import Stage


@pytest.fixture(scope="session")
def engine() -> Iterator[tuple[SparkSession, Stage]]:
    with pysail_session() as session:
        yield session


@pytest.fixture
def make_lake(engine: tuple[SparkSession, Stage], tmp_path: Path) -> Callable[..., Lake]:
    spark, stage = engine

    def make(name: str = "tables", say: Callable[[str], None] = lambda _: None) -> Lake:
        return Lake(spark, FolderStore(), str(tmp_path / name), stage, say)

    return make


@pytest.fixture
def lake(make_lake: Callable[..., Lake]) -> Lake:
    return make_lake()


@pytest.fixture
def raw(tmp_path: Path) -> Raw:
    return Raw(tmp_path / "raw")
