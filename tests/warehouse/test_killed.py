"""A load of a million rows, killed at ten random points and run again: exact counts."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tests.warehouse.gold_files import SCHEMA, Lake

ROWS, FILES, KILLS = 1_000_000, 4, 10
DONE = [ROWS, ROWS, ROWS * (ROWS - 1) // 2, 1]
NOTHING = [0, 0, 0, 0]


def start(folder: Path, snowflake: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A load that begins now, and what it found."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warehouse.killed", str(folder), str(snowflake), str(ROWS), str(FILES)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate()
    assert process.returncode == 0
    return output.strip()


def test_million_rows_killed_at_random_points_are_exact_at_last(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for number in range(FILES):
        numbers = pa.array(range(number * ROWS // FILES, (number + 1) * ROWS // FILES), pa.int64())
        ids = pc.binary_join_element_wise("C", pc.cast(numbers, pa.string()), "")
        lake.file(f"part-{number}.parquet", pa.table([ids, numbers], SCHEMA), number)
    process, found = start(tmp_path, tmp_path / "whole")
    begun = time.monotonic()
    assert (found, finish(process)) == (NOTHING, f"copied {FILES}")
    seconds = time.monotonic() - begun

    chance = random.Random()
    snowflake = tmp_path / "snowflake"
    points = []
    for _ in range(KILLS):
        process, found = start(tmp_path, snowflake)
        assert found in (NOTHING, DONE)
        if found == DONE:  # it was killed after its last step: what is left of the others begins anew
            finish(process)
            snowflake = tmp_path / f"snowflake-{len(points)}"
            process, found = start(tmp_path, snowflake)
            assert found == NOTHING
        points.append(chance.random() * seconds)
        time.sleep(points[-1])
        process.kill()
        process.wait()

    process, found = start(tmp_path, snowflake)
    assert (found, finish(process)) in [(NOTHING, f"copied {FILES}"), (DONE, "copied 0")], points
    process, found = start(tmp_path, snowflake)
    assert (found, finish(process)) == (DONE, "copied 0"), points
