"""An Airflow on this machine that runs the DAGs: its command, with a database of its own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scripts.toolchain.environment import without_aws
from scripts.toolchain.toolchain import REPO, ToolError

DAGS = REPO / "dags"


@dataclass(frozen=True)
class Airflow:
    """One environment, and the folder of its state."""

    folder: Path
    home: Path
    programs: Path | None = None
    """A folder of programs that tasks find first."""

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        """A process's whole environment; ``more`` is the deployment's."""
        first = [] if self.programs is None else [str(self.programs)]
        programs = os.pathsep.join((*first, str(self.folder / "bin"), os.environ["PATH"]))
        return {
            **without_aws(os.environ),
            **more,
            "PATH": programs,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__API__BASE_URL": "https://airflow.example.com/",
        }

    def run(self, *words: str, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; what it printed is both streams together."""
        return subprocess.run(
            [str(self.folder / "bin" / words[0]), *words[1:]],
            cwd=self.home,
            env=self.environ(more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def migrate(self, more: Mapping[str, str]) -> None:
        """Make the database. Raises ``ToolError``."""
        done = self.run("airflow", "db", "migrate", more=more)
        if done.returncode:
            raise ToolError(f"airflow db migrate ended with {done.returncode}:\n{done.stdout}")

    def run_day(self, dag_id: str, day: str, more: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """Run a DAG for a day, ``YYYY-MM-DD``: the states as below, and what was printed."""
        done = self.run("airflow", "dags", "test", dag_id, day, more=more)
        return self.states(dag_id), done.stdout

    def states(self, dag_id: str) -> dict[str, str]:
        """The states of the tasks of the newest run, and of the run itself as ``""``, from the database.

        Nothing if there was no run.
        """
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            newest = database.execute(
                "SELECT run_id, state FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1", (dag_id,)
            ).fetchone()
            if newest is None:
                return {}
            run_id, state = newest
            tasks = database.execute(
                "SELECT task_id, state FROM task_instance WHERE dag_id = ? AND run_id = ?", (dag_id, run_id)
            ).fetchall()
        return {"": state, **dict(tasks)}
