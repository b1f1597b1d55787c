"""What Airflow makes of the folder of DAGs, for deployments of every kind, in both environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.local_airflow import Airflow
from tests.unit.test_deployment import OUTPUTS

DEPLOYMENT: dict[str, Any] = OUTPUTS | {
    "datasets": {"shop": ["orders", "order_days", "returns"], "my sensors": ["readings", "site_days"]},
    "tables": {
        "orders": [],
        "returns": [],
        "order_days": ["orders", "returns"],
        "readings": [],
        "site_days": ["orders", "readings"],
    },
    "sources": {
        "orders": {"prefix": "incoming/orders/", "format": "csv"},
        "returns": {"prefix": "incoming/returns/", "format": "csv"},
        "readings": {"prefix": "incoming/stream/readings/", "format": "jsonl"},
    },
    "expected_files": {"incoming/orders/north/": 24, "incoming/orders/south/": 170, "incoming/stream/": 1},
    "ledger_since": "2026-02-01",
}
WITH_WAREHOUSE = DEPLOYMENT | {"snowflake": {"account": "an-account"}}
WITH_LOADER = WITH_WAREHOUSE | {
    "loader_network": {"security_group_ids": ["sg-1"], "subnet_ids": ["subnet-1"]}
}
KINDS = {
    "usual": DEPLOYMENT,
    "with a warehouse": WITH_WAREHOUSE,
    "with a loader": WITH_LOADER,
    "without data": OUTPUTS,
    "no file": [],
}
Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What Airflow finds, by the kind of the deployment."""
    home = tmp_path_factory.mktemp("airflow")
    paths = []
    for name, document in KINDS.items():
        paths.append(home / f"{name}.json")
        paths[-1].write_text(json.dumps(document))
    listed = Path(__file__).with_name("listed.py")
    done = Airflow(folder, home).run("python", str(listed), *map(str, paths), more={})
    assert done.returncode == 0, done.stdout
    return dict(zip(KINDS, json.loads(done.stdout.splitlines()[-1]), strict=True))


def test_there_is_a_dag_for_each_data_set_whose_tasks_follow_its_tables(found: Found) -> None:
    assert found["usual"]["errors"] == {}
    after = {
        dag_id: {task_id: task["after"] for task_id, task in dag["tasks"].items()}
        for dag_id, dag in found["usual"]["dags"].items()
    }
    assert after == {
        "w-shop": {
            "files.orders": [],
            "gate.orders": ["files.orders"],
            "silver.orders": ["gate.orders"],
            "gate.returns": [],
            "silver.returns": ["gate.returns"],
            "gold.order_days": ["silver.orders", "silver.returns"],
            "quality": ["gold.order_days", "silver.orders", "silver.returns"],
            "verify": ["quality"],
            "notify": ["verify"],
        },
        "w-my-sensors": {
            "files.readings": [],
            "gate.readings": ["files.readings"],
            "silver.readings": ["gate.readings"],
            "gold.site_days": ["silver.readings"],  # orders are another data set's
            "quality": ["gold.site_days", "silver.readings"],
            "verify": ["quality"],
            "notify": ["verify"],
        },
    }


def test_a_run_is_alone_bounded_and_tells_of_its_failure(found: Found) -> None:
    dags = [(kind, dag) for kind in KINDS for dag in found[kind]["dags"].values()]
    for kind, dag in dags:
        assert (dag["max_active_runs"], dag["catchup"], dag["tells"]) == (1, False, True)
        assert dag["start"] == "2026-02-01T00:00:00+00:00"
        assert dag["deadline"] < 24 * 3600
        for name, task in dag["tasks"].items():
            assert task["tells"], name
            assert task["retries"] == 2, name
            assert 0 < task["seconds"] < dag["deadline"], name
            waiting = {"files", "silver", "gold", *(["load", "history"] if kind == "with a loader" else [])}
            is_waiting = name.partition(".")[0] in waiting
            assert (task["mode"] == "reschedule") is is_waiting, name
            assert not is_waiting or task["waits"] < dag["deadline"], name
            assert task["rule"] != "all_done", name  # it would hide a failed task from the state of the run


def test_gold_is_loaded_if_there_is_a_warehouse_and_the_tables_verify(found: Found) -> None:
    tasks = found["with a warehouse"]["dags"]["w-shop"]["tasks"]
    assert tasks["load.order_days"]["after"] == ["gold.order_days", "verify"]
    assert tasks["load.order_days"]["rule"] == "all_success"
    assert tasks["history"]["after"] == ["load.order_days", "verify"]
    assert tasks["notify"]["after"] == ["history", "load.order_days", "verify"]


def test_a_loader_that_is_a_task_is_started_and_waited_for(found: Found) -> None:
    tasks = found["with a loader"]["dags"]["w-shop"]["tasks"]
    after = {name: task["after"] for name, task in tasks.items()}
    assert after["start.load.order_days"] == ["gold.order_days", "verify"]
    assert after["load.order_days"] == ["start.load.order_days"]
    assert after["start.history"] == ["load.order_days", "verify"]
    assert after["history"] == ["start.history"]
    assert after["notify"] == ["history", "load.order_days", "verify"]
    assert {tasks[name]["rule"] for name in ("start.load.order_days", "load.order_days")} == {"all_success"}


def test_a_deployment_without_data_sets_has_no_dag(found: Found) -> None:
    assert found["without data"] == {"errors": {}, "dags": {}}


def test_a_file_that_is_none_is_an_import_error_that_says_so(found: Found) -> None:
    assert found["no file"]["dags"] == {}
    (words,) = found["no file"]["errors"].values()
    assert "is not a JSON object. Run make apply again." in words
