"""New files come, and Airflow makes the day of them: from arrived files to verified, loaded tables."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.demo.dataset import File, deliveries
from scripts.demo.lake import Lake
from scripts.demo.pipeline import PipelineError
from scripts.demo.warehouse import FOLDER, command, store_private_key
from scripts.local_airflow import DAGS, Airflow
from scripts.local_aws import LocalAws
from scripts.toolchain.setup import AIRFLOW, set_up_airflow
from scripts.toolchain.toolchain import REPO

ROWS, SEED = 1_000, 2
_DAG_IDS = """
import json, os, pathlib
from custody.deployment import load_deployment
from custody_orchestration.work import dag_ids
print(json.dumps([*dag_ids(load_deployment(pathlib.Path(os.environ["CUSTODY_DEPLOYMENT"]))).values()]))
"""


class Daily:
    """The DAG of each data set, run whole by ``airflow dags test`` in the Airflow of Amazon MWAA."""

    before_tampering = True
    title = "The daily run in Airflow: files, gate, jobs, quality, verified, loaded, told"

    def set_up(self) -> None:
        """Install Airflow."""
        set_up_airflow(AIRFLOW)

    def prepare(self, aws: LocalAws) -> Mapping[str, object]:
        """Nothing: a DAG is derived from any deployment."""
        return {}

    def run(self, lake: Lake, work_dir: Path, console: Console) -> None:
        """Deliver once more, run each DAG for today, and judge it by the states of its tasks."""
        if not lake.pipeline.datasets:
            raise PipelineError("There is no data set: there is no day to run.")
        for folder in lake.pipeline.datasets:
            for table, files in deliveries(folder, ROWS, SEED).items():
                with console.status(f"{table} …"):
                    delivery = lake.deliver(table, later(files), work_dir / "daily" / table)
                console.print(f"{table}: {delivery.rows:,} rows more")
        environ = lake.pipeline.environ()
        airflow = Airflow(AIRFLOW, work_dir / "airflow", work_dir / "programs")
        airflow.home.mkdir()
        self._programs(lake, work_dir)
        airflow.migrate(environ)
        done = airflow.run("python", "-c", _DAG_IDS, more=environ | {"PYTHONPATH": str(DAGS)})
        if done.returncode:
            raise PipelineError(f"There are no DAGs: {done.stdout}")
        for dag_id in json.loads(done.stdout.splitlines()[-1]):
            self._run(airflow, dag_id, environ, console)

    @staticmethod
    def _programs(lake: Lake, work_dir: Path) -> None:
        """What tasks start: ``custody``, which loads the Snowflake on this machine, if there is one."""
        folder = work_dir / "programs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if not lake.pipeline.deployment.snowflake:
            return
        store_private_key(lake)
        program = folder / "custody"
        program.write_text(
            "#!/bin/sh\n"
            f'[ "$1" != warehouse ] && exec {shlex.quote(str(AIRFLOW / "bin" / "custody"))} "$@"\n'
            f'cd {shlex.quote(str(REPO))} && exec {shlex.join(command(work_dir / FOLDER))} "$@"\n'
        )
        program.chmod(0o755)

    @staticmethod
    def _run(airflow: Airflow, dag_id: str, environ: Mapping[str, str], console: Console) -> None:
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        console.print(f"[dim]$ airflow dags test {escape(dag_id)} {day}[/dim]", soft_wrap=True)
        with console.status(f"{dag_id}: its tasks look every 30 seconds …"):
            states, printed = airflow.run_day(dag_id, day, environ)
        log = airflow.home / f"{dag_id}.log"
        log.write_text(printed)
        table = Table("task", "state", title=f"{dag_id}, {day}", title_justify="left")
        for task, state in sorted(states.items()):
            table.add_row(escape(task) or "the run", escape(str(state)))
        console.print(table)
        if set(states.values()) != {"success"}:
            raise PipelineError(f"Not all tasks of {dag_id} succeeded: see {log}.")


def later(files: Iterator[File]) -> Iterator[File]:
    """The files under other names: custody upload refuses other content under one that is there."""
    for truth, chunks in files:
        key = PurePosixPath(truth.key)
        truth.key = str(key.with_name(f"later-{key.name}"))
        yield truth, chunks
