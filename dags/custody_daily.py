"""The DAGs of a deployment, one for each of its data sets: wiring only.

The deployment's file is the one beside this file, or the one that ``CUSTODY_DEPLOYMENT`` names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from custody.deployment import load_deployment

sys.path.append(str(Path(__file__).parent))  # airflow dags test does not

from custody_orchestration.dag import daily
from custody_orchestration.work import dag_ids

path = Path(os.environ.get("CUSTODY_DEPLOYMENT") or Path(__file__).with_name("deployment.json"))
deployment = load_deployment(path)

# Airflow finds the DAGs among the names of this module.
globals().update(
    {dag_id: daily(deployment, path, name, dag_id) for name, dag_id in dag_ids(deployment).items()}
)
