"""``custody doctor``'s examination, which ``custody report`` shows too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from custody.cli.options import Run
from custody.doctor.doctor import Check, Clients, examine
from custody.doctor.note import write_note
from custody.terminal import visible


def examine_stages(run: Run, tell: Callable[[str], None]) -> list[Check]:
    """Check every stage, telling of each; see ``examine``."""
    clients = Clients(
        sts=run.client("sts"),
        s3=run.s3,
        sqs=run.client("sqs"),
        functions=run.client("lambda"),
        kms=run.client("kms"),
        cloudtrail=run.client("cloudtrail"),
        athena=run.client("athena"),
        glue=run.client("glue"),
        copy=run.copy_s3 if run.deployment.evidence_copy else run.s3,
    )
    checks = []
    for check in examine(clients, run.athena(tell), run.deployment, datetime.now(UTC)):
        tell(f"{check.stage}: {check.state}")
        checks.append(check)
    return checks


def start_note(run: Run, folder: Path, checks: list[Check]) -> None:
    """Write a note about what was found, and say where it is. Raises ``UsageError``."""
    path = write_note(folder, checks, run.deployment, datetime.now(UTC))
    print(f"The note is {visible(str(path))}: complete it.", file=sys.stderr)
