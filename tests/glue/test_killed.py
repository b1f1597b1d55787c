"""Jobs that are killed at any point: the next run has the same result as without the kill.

The engine is in the killed process, so it may be in the middle of writing a table. The killed process is a
fork of one that has everything imported: starting a new one takes longer than the job.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import IO

import pytest

from custody.etl.gold_run import Request, processed_to_analytics
from custody.etl.lineage import published, read_lineage
from custody.etl.silver_run import Lake
from examples.streaming.generate import customer_files, event_files
from scripts.local_etl.engine import pysail_session
from scripts.local_etl.folder_store import FolderStore
from tests.glue.local import CUSTOMERS, EVENTS, REPO, Raw, contract, process, rows, run

SEED = 4
KILLS = {"silver": 8, "gold": 4}
STREAM, GOLD = "viewing_events", ("daily_engagement", "customer_value")
GO = "go\n"
TABLES = {"silver": (STREAM, f"{STREAM}_rejected"), "gold": GOLD}


def work(job: str, lake: Lake, raw: Raw) -> None:
    """Run one job."""
    if job == "silver":
        process(
            lake,
            [entry for entry in raw.entries if entry.version.key.startswith(EVENTS)],
            raw,
            contract(STREAM),
        )
    else:
        for name in GOLD:
            processed_to_analytics(lake, lake, contract(name), Request(), run("processed_to_analytics"))


def say(step: str) -> None:
    """Say a step, and take it when told to."""
    print(step, flush=True)
    os.read(0, len(GO))


def main() -> None:
    """For each line ``<job> <folder>``, fork, and report the process, its steps and its end."""
    raw = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - written by the test
    child = None
    for line in sys.stdin:
        if line == GO:
            continue  # the reader is dead
        if child:
            os.waitpid(child, 0)
        job, folder = line.split()
        child = os.fork()
        if child == 0:
            print(os.getpid(), flush=True)
            with pysail_session() as (spark, stage):
                work(job, Lake(spark, FolderStore(), folder, stage, say), raw)
            os._exit(0)
        end = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # so that its number is not reused
        assert end
        print(f"ended {end.si_status if end.si_code == os.CLD_EXITED else -end.si_status}", flush=True)


@dataclass
class Jobs:
    """The process that forks."""

    asks: IO[str]
    says: IO[str]

    def run(
        self, job: str, tables: str, kill_after: tuple[str, float] | None = None
    ) -> tuple[int, dict[str, float]]:
        """Run a job, and kill it so long after a step begins, or before the next one begins.

        Returns its status, and how long each step took.
        """
        self._ask(f"{job} {tables}\n")
        killed = False
        pid, steps, begin, last = int(self.says.readline()), {}, time.monotonic(), "start"
        for line in self.says:
            steps[last] = time.monotonic() - begin
            begin, last = time.monotonic(), line.strip()
            if last.startswith("ended"):
                return int(last.split()[1]), steps
            if not killed:
                self._ask(GO)
            if kill_after and last == kill_after[0]:
                time.sleep(kill_after[1])
                os.kill(pid, signal.SIGKILL)
                killed = True
        raise AssertionError("the process that forks is gone")

    def _ask(self, line: str) -> None:
        self.asks.write(line)
        self.asks.flush()


@contextmanager
def forking(given: Path) -> Iterator[Jobs]:
    environ = os.environ | {"PYTHONPATH": f"{REPO}:{REPO / 'src'}", "TMPDIR": str(given.parent)}
    command = [sys.executable, "-m", "tests.glue.test_killed", str(given)]
    with subprocess.Popen(
        command,
        cwd=REPO,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Jobs(process.stdin, process.stdout)
        process.stdin.close()


def facts(lake: Lake, job: str) -> list[object]:
    """What must be the same: the rows of all tables, and the row counts in the documents."""
    tables: list[object] = [rows(lake.table(name).frame()) for name in TABLES[job]]
    for name in (STREAM,) if job == "silver" else GOLD:
        table = lake.table(name)
        (one,) = published(lake.store, table.uri)
        document = read_lineage(lake.store, one)
        at = table.frame(one.delta_version)
        assert at.count() == document["outputs"][0]["rows"], "the version is there and has its rows"
        assert [Path(one.uri).name] == list(lake.store.names(f"{table.uri}/_openlineage/"))
        tables.append(
            (document["counts"], document.get("days"), [item.get("valid") for item in document["inputs"]])
        )
    return tables


@pytest.mark.parametrize("job", ["silver", "gold"])
def test_a_killed_job_leaves_nothing_behind(
    job: str, make_lake: Callable[..., Lake], raw: Raw, tmp_path: Path
) -> None:
    for truth, chunks in (*customer_files(200, seed=5), *event_files(5_000, seed=5, customers=200, days=1)):
        raw.put(truth.key, chunks)
    given = tmp_path / "given"
    given.write_bytes(pickle.dumps(raw))
    before = make_lake("before")
    if job == "gold":
        work("silver", before, raw)
        drops = [entry for entry in raw.entries if entry.version.key.startswith(CUSTOMERS)]
        process(before, drops, raw, contract("customers"))
    else:
        Path(before.tables).mkdir()

    def lake(name: str) -> Lake:
        copytree(before.tables, tmp_path / name)
        return make_lake(name)

    rng = random.Random(f"{SEED} {job}")
    statuses = []
    with forking(given) as jobs:
        calm = lake("calm")
        status, steps = jobs.run(job, calm.tables)
        assert status == 0
        wanted = facts(calm, job)
        steps.pop("start")
        for number in range(KILLS[job]):
            shaken = lake(f"shaken-{number}")
            step = rng.choice(list(steps))
            seconds = 1.5 * rng.random() * steps[step]
            status, _ = jobs.run(job, shaken.tables, (step, seconds))
            print(f"seed {SEED}: killed {seconds:.3f} s into {step!r}: {status}")
            statuses.append(status)
            work(job, shaken, raw)
            assert facts(shaken, job) == wanted
    assert set(statuses) <= {-signal.SIGKILL, 0}
    assert statuses.count(-signal.SIGKILL) >= len(statuses) // 2


if __name__ == "__main__":
    main()
