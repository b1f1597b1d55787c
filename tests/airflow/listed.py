"""Print what Airflow finds in its folder of DAGs, for each deployment that is named, as one line of JSON.

Runs in Airflow's own environment.
"""

import json
import os
import sys
import warnings

warnings.simplefilter("ignore")

from airflow.models import DagBag  # noqa: E402 - it warns when it is imported


def seconds(time):
    return None if time is None else time.total_seconds()


def found(deployment):
    os.environ["CUSTODY_DEPLOYMENT"] = deployment
    bag = DagBag()
    return {"errors": bag.import_errors, "dags": {dag.dag_id: listed(dag) for dag in bag.dags.values()}}


def listed(dag):
    return {
        "catchup": dag.catchup,
        "deadline": seconds(dag.dagrun_timeout),
        "max_active_runs": dag.max_active_runs,
        "start": dag.start_date.isoformat(),
        "tells": bool(dag.on_failure_callback),
        "tasks": {
            task.task_id: {
                "after": sorted(task.upstream_task_ids),
                "mode": getattr(task, "mode", None),
                "retries": task.retries,
                "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
                "seconds": seconds(task.execution_timeout),
                "tells": bool(task.on_failure_callback),
                "waits": getattr(task, "timeout", None),
            }
            for task in dag.tasks
        },
    }


print(json.dumps([found(deployment) for deployment in sys.argv[1:]]))
