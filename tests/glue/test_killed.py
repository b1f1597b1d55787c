"""A run that is killed, wherever it is: the next one comes out as if nothing had been.

The engine is in the process that is killed, so it may be in the middle of writing a table.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from custody.etl.lineage import published, read_lineage
from custody.etl.silver_run import Lake
from scripts.folder_store import FolderStore
from scripts.generate import event_files
from scripts.local_engine import pysail_session
from tests.glue.local import REPO, Raw, contract, process, rows

STREAM = contract("viewing_events")
TABLES = ("viewing_events", "viewing_events_rejected")


def main() -> None:
    """Process what the first argument names, into the folder of the second; say each step."""
    raw = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - written by the test
    with pysail_session() as (spark, stage):
        lake = Lake(spark, FolderStore(), sys.argv[2], stage, lambda step: print(step, flush=True))
        process(lake, raw.entries, raw, STREAM)


def killed_after(seconds: float, step: str, given: Path, tables: str) -> int:
    """Run in a process of its own, and kill it so long after it has said a step."""
    environ = os.environ | {"PYTHONPATH": f"{REPO}:{REPO / 'src'}", "TMPDIR": str(given.parent)}
    command = [sys.executable, "-m", "tests.glue.test_killed", str(given), tables]
    with subprocess.Popen(command, cwd=REPO, env=environ, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if step in line:
                time.sleep(seconds)
                child.send_signal(signal.SIGKILL)
                break
    return child.returncode


def test_a_killed_run_leaves_nothing_behind(make_lake: Callable[..., Lake], raw: Raw, tmp_path: Path) -> None:
    for truth, chunks in event_files(20_000, seed=5, customers=500, days=1):
        raw.put(truth.key, chunks)
    given = tmp_path / "given"
    given.write_bytes(pickle.dumps(raw))
    calm = make_lake("calm")
    document = process(calm, raw.entries, raw, STREAM)
    wanted = {name: rows(calm.table(name).frame()) for name in TABLES}
    for number, (step, seconds) in enumerate(
        (("reading", 0.2), ("merging", 0.03), ("merging", 0.1), ("rejected", 0.02), ("lineage", 0.0))
    ):
        shaken = make_lake(f"shaken-{number}")
        status = killed_after(seconds, step, given, shaken.tables)
        assert status in {-signal.SIGKILL, 0}
        again = process(shaken, raw.entries, raw, STREAM)
        assert again["inputs"] == document["inputs"]
        assert {name: rows(shaken.table(name).frame()) for name in TABLES} == wanted
        (left,) = published(shaken.store, shaken.table("viewing_events").uri)
        output = read_lineage(shaken.store, left)["outputs"][0]
        assert shaken.table("viewing_events").frame(output["delta_version"]).count() == output["rows"]


if __name__ == "__main__":
    main()
