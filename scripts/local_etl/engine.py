"""An engine for the ETL on one machine: pysail, a Spark Connect server without Java, in this process.

It reads and writes Amazon S3 with the usual ``AWS_…`` variables, which must be set before it starts. It keeps
no rows between two uses of a DataFrame (``persist`` does nothing), so rows that Glue's Spark persists are
staged here as Delta tables in a folder that is deleted when the session ends.

The local AWS runs jobs with it; importing this module must not require the package ``custody``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from custody.etl.silver_run import Stage

TASKS = str(os.cpu_count() or 1)
"""For ``spark.sql.shuffle.partitions``: tasks share one interpreter here, and more only stand in its way."""


@contextmanager
def pysail_server() -> Iterator[str]:
    """The address of an engine that runs until the block ends, as ``SPARK_REMOTE`` takes it."""
    os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")  # a virtual machine's host finds huge pages slowly
    from pysail.spark import SparkConnectServer  # noqa: PLC0415 - it reads the environment when it is loaded

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    try:
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.stop()


@contextmanager
def pysail_session() -> Iterator[tuple[SparkSession, Stage]]:
    """A session that is set up as the jobs want it, and what stages rows for it, until the block ends."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - the server alone needs none of it

    from custody.etl.delta import configure  # noqa: PLC0415 - as the module says

    with pysail_server() as address, staging() as stage:
        spark = SparkSession.builder.remote(address).create()
        configure(spark)
        spark.conf.set("spark.sql.shuffle.partitions", TASKS)
        yield spark, stage
        spark.stop()


@contextmanager
def staging() -> Iterator[Stage]:
    """Something that keeps the rows of a DataFrame on disk until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="custody-stage-"))
    numbers = count()

    def stage(frame: DataFrame) -> DataFrame:
        path = str(folder / str(next(numbers)))
        frame.write.format("delta").save(path)
        return frame.sparkSession.read.format("delta").load(path)

    try:
        yield stage
    finally:
        shutil.rmtree(folder)
