"""The DAG of one data set: Airflow's part of it, which is order, waiting, retries and deadlines.

A task that is run again, for whatever day, finds what is done and does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from airflow.configuration import conf
from airflow.exceptions import AirflowFailException, AirflowSkipException
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.sdk import DAG, Param, PokeReturnValue

from custody.deployment import Deployment, load_deployment
from custody.errors import EvidenceError, UsageError
from custody_orchestration import notices
from custody_orchestration.work import GATE_SECONDS, Work, clients, expected, until

DEADLINE = timedelta(hours=18)
"""Of a run. Airflow 3.0 has no other deadline, and ends the run then."""
FILES_WAIT = timedelta(hours=6)
JOBS_WAIT = timedelta(hours=4)
POKE_SECONDS = 30
RETRIES = 2
RETRY_DELAY = timedelta(minutes=10)
VERIFY_TIME = timedelta(hours=6)
LOAD_TIME = timedelta(hours=2)
SHORT_TIME = timedelta(minutes=10)

_T = TypeVar("_T")


def daily(deployment: Deployment, path: Path, name: str, dag_id: str) -> DAG:
    """The DAG of the data set ``name``, by the deployment's file at ``path``."""
    tables = deployment.datasets[name]
    silver = [table for table in tables if not deployment.tables[table]]
    gold = {table: inputs for table in tables if (inputs := deployment.tables[table])}
    with DAG(
        dag_id=dag_id,
        description=f"Daily: the data set {name}, from arrived files to verified tables",
        schedule="@daily",
        start_date=datetime.fromisoformat(deployment.ledger_since or "2026-01-01").replace(tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=DEADLINE,
        on_failure_callback=_tell_late(path),
        default_args={
            "retries": RETRIES,
            "retry_delay": RETRY_DELAY,
            "on_failure_callback": _tell_failed(path),
        },
        params={
            "sample": Param(
                1.0,
                type="number",
                exclusiveMinimum=0,
                maximum=1,
                description="The share of the objects whose bytes custody verify reads",
            )
        },
        tags=["custody"],
    ) as dag:
        processed = {table: _silver(deployment, path, table) for table in silver}
        made = {
            table: _wait(
                f"gold.{table}", _gold(path, table, [i for i in inputs if i in processed], inputs), JOBS_WAIT
            )
            for table, inputs in gold.items()
        }
        for table, inputs in gold.items():
            for each in inputs:
                if each in processed:
                    processed[each] >> made[table]
        quality = _do("quality", _quality(path, silver), timedelta(seconds=2 * GATE_SECONDS))
        verify = _do("verify", _verify(path, tables), VERIFY_TIME)
        notify = _do("notify", _notify(path), SHORT_TIME)
        [*processed.values(), *made.values()] >> quality >> verify >> notify
        if deployment.snowflake:
            ask, history = _warehouse(
                deployment,
                path,
                "history",
                _history(path),
                arguments=lambda **context: until(_end(context)),
                time=SHORT_TIME,
            )
            for table, is_made in made.items():
                start, load = _warehouse(
                    deployment,
                    path,
                    f"load.{table}",
                    _load(path, table),
                    arguments=_named(table),
                    time=LOAD_TIME,
                    trigger_rule="all_success",
                )
                [is_made, verify] >> start
                load >> notify
                load >> ask
            verify >> ask
            history >> notify
    return dag


def _warehouse(
    deployment: Deployment,
    path: Path,
    task_id: str,
    step: Callable[..., None],
    *,
    arguments: Callable[..., tuple[str, ...]],
    time: timedelta,
    trigger_rule: str = "none_failed",
) -> tuple[PythonOperator | PythonSensor, PythonOperator | PythonSensor]:
    """The first and the last task of a step in the warehouse.

    They are one, unless the deployment has a loader's task, which is started and waited for.
    """
    if not deployment.loader_network:
        task = _do(task_id, step, time, trigger_rule)
        return task, task
    start = _do(f"start.{task_id}", _start(path, arguments), SHORT_TIME, trigger_rule)
    wait = _wait(task_id, _ended(path, start.task_id), LOAD_TIME)
    start >> wait
    return start, wait


def _silver(deployment: Deployment, path: Path, table: str) -> PythonSensor:
    """The tasks of a silver table; returns the last."""
    gate = _do(f"gate.{table}", _gate(path, table), timedelta(seconds=GATE_SECONDS + 60))
    if expected(deployment, table):
        _wait(f"files.{table}", _files(path, table), FILES_WAIT) >> gate
    processed = _wait(f"silver.{table}", _processed(path, table), JOBS_WAIT)
    gate >> processed
    return processed


def _do(
    task_id: str, step: Callable[..., Any], time: timedelta, trigger_rule: str = "none_failed"
) -> PythonOperator:
    return PythonOperator(
        task_id=task_id, python_callable=_judged(step), execution_timeout=time, trigger_rule=trigger_rule
    )


def _wait(task_id: str, step: Callable[..., Any], time: timedelta) -> PythonSensor:
    """A sensor that holds no worker while it waits; a poke may invoke the gate."""
    return PythonSensor(
        task_id=task_id,
        python_callable=_judged(step),
        mode="reschedule",
        poke_interval=POKE_SECONDS,
        timeout=time.total_seconds(),
        execution_timeout=timedelta(seconds=GATE_SECONDS + 60),
    )


def _files(path: Path, table: str) -> Callable[..., bool]:
    def step(**context: Any) -> bool:
        missing = _work(path).missing(table, _end(context), datetime.now(UTC))
        if missing:
            context["ti"].log.info("No file yet below %s", ", ".join(missing))
        return not missing

    return step


def _gate(path: Path, table: str) -> Callable[..., dict[str, Any]]:
    return lambda **_: _work(path).look(table)


def _processed(path: Path, table: str) -> Callable[..., PokeReturnValue]:
    def step(**context: Any) -> PokeReturnValue:
        manifests = context["ti"].xcom_pull(task_ids=f"gate.{table}")["manifests"]
        version = _work(path).silver(table, manifests, _begun(context))
        return PokeReturnValue(version is not None, version)

    return step


def _gold(path: Path, table: str, own: list[str], inputs: list[str]) -> Callable[..., PokeReturnValue]:
    def step(**context: Any) -> PokeReturnValue:
        there = {name: context["ti"].xcom_pull(task_ids=f"silver.{name}") for name in own}
        if empty := [name for name, version in there.items() if version == -1]:
            raise AirflowSkipException(f"No rows yet: {', '.join(empty)}")
        version = _work(path).gold(table, dict.fromkeys(inputs) | there, _begun(context))
        return PokeReturnValue(version is not None, version)

    return step


def _quality(path: Path, silver: list[str]) -> Callable[..., dict[str, dict[str, int]]]:
    def step(**context: Any) -> dict[str, dict[str, int]]:
        pull = context["ti"].xcom_pull
        return _work(path).check_quality({t: pull(task_ids=f"gate.{t}")["manifests"] for t in silver})

    return step


def _verify(path: Path, tables: list[str]) -> Callable[..., None]:
    return lambda **context: _work(path).verify(tables, context["params"]["sample"])


def _load(path: Path, table: str) -> Callable[..., None]:
    return lambda **_: _work(path).load(table)


def _named(table: str) -> Callable[..., tuple[str, ...]]:
    return lambda **_: (table,)


def _start(path: Path, arguments: Callable[..., tuple[str, ...]]) -> Callable[..., str]:
    return lambda **context: _work(path).start_loader(*arguments(**context))


def _ended(path: Path, start: str) -> Callable[..., bool]:
    return lambda **context: _work(path).has_ended(context["ti"].xcom_pull(task_ids=start))


def _history(path: Path) -> Callable[..., None]:
    return lambda **context: _work(path).tell_history(_end(context))


def _notify(path: Path) -> Callable[..., None]:
    def step(**context: Any) -> None:
        work = _work(path)
        place = notices.Place(_base_url(), context["dag"].dag_id, context["run_id"])
        work.publish(notices.done(work.deployment, place, context["ti"].xcom_pull(task_ids="quality")))

    return step


def _tell_failed(path: Path) -> Callable[[Mapping[str, Any]], None]:
    def callback(context: Mapping[str, Any]) -> None:
        ti = context["ti"]
        place = notices.Place(_base_url(), ti.dag_id, ti.run_id, ti.task_id, ti.try_number)
        work = _work(path)
        work.publish(notices.failed(work.deployment, place))

    return callback


def _tell_late(path: Path) -> Callable[[Mapping[str, Any]], None]:
    """For what no task tells of. The context of a run's callback has little that every release has."""

    def callback(context: Mapping[str, Any]) -> None:
        reason = str(context.get("reason"))
        if reason == "task_failure":
            return
        work = _work(path)
        place = notices.Place(_base_url(), context["dag"].dag_id, str(context["run_id"]))
        work.publish(notices.late(work.deployment, place, reason))

    return callback


def _judged(step: Callable[..., _T]) -> Callable[..., _T]:
    """The step; what another try would not mend fails at once."""

    @wraps(step)
    def judged(**context: Any) -> _T:
        try:
            return step(**context)
        except (EvidenceError, UsageError) as error:
            raise AirflowFailException(str(error)) from error

    return judged


def _work(path: Path) -> Work:
    deployment = load_deployment(path)
    return Work(deployment, path, clients(deployment.region))


def _end(context: Mapping[str, Any]) -> datetime:
    """The end of the run's day; of a run that somebody triggered for no day, when he did."""
    end: datetime = context.get("data_interval_end") or context["dag_run"].run_after
    return end


def _begun(context: Mapping[str, Any]) -> datetime:
    """Since when a failed job is a failure of this try."""
    ti = context["ti"]
    begun: datetime = (
        context["dag_run"].start_date
        if ti.try_number == 1
        else ti.get_first_reschedule_date(context) or ti.start_date
    )
    return begun


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="http://localhost:8080"))
