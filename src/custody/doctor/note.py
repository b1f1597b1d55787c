"""A note about a failure: what ``custody doctor`` found, and what a person still has to write.

Notes are for whoever meets the same failure next, and the source of new sections of the runbook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from custody.deployment import Deployment
from custody.doctor.doctor import Check, State
from custody.errors import UsageError
from custody.terminal import visible
from custody.times import format_time

_REST = """\
## What happened

When it began, who noticed and how, and what it meant for data and evidence. The finding of `custody verify`,
or the message of an alarm, if there was one.

## Why

The cause, and what shows it: log lines, ids of queries and runs, events of the trail. No contents of data.

## What was done

Each step, with its time. What did not help, too.

## So that it does not happen again

What is changed in the kit, in the configuration or in the runbook, and where. Who does it.
"""


def format_note(checks: Iterable[Check], deployment: Deployment, now: datetime) -> str:
    """The text of a new note, in Markdown; what comes from outside is in blocks of code, escaped."""
    found = [check for check in checks if check.state is not State.OK]
    lines = [
        f"# {now:%Y-%m-%d}: {', '.join(check.stage for check in found) or 'nothing is broken'}",
        "",
        f"    custody doctor at {format_time(now)}, account {visible(deployment.account_id)}, "
        f"{visible(deployment.region)}, kit {visible(deployment.kit_version) or 'of an unknown version'}",
        "",
    ]
    for check in found:
        lines += [f"## {check.stage}: {check.state}", "", f"    {visible(check.detail)}"]
        lines += ["", f"    {visible(check.remedy)}"] if check.remedy else []
        lines.append("")
    return "\n".join(lines) + "\n" + _REST


def write_note(folder: Path, checks: list[Check], deployment: Deployment, now: datetime) -> Path:
    """Write a new note into a folder that exists, under a name of its own, and return its path.

    Raises ``UsageError`` if it cannot be written. No existing file is changed.
    """
    stages = [check.stage for check in checks if check.state is not State.OK]
    words = re.sub(r"[^a-z0-9]+", "-", stages[0].lower()).strip("-") if stages else "note"
    text = format_note(checks, deployment, now)
    number = 1
    while True:
        path = folder / f"{now:%Y-%m-%d}-{words}{f'-{number}' if number > 1 else ''}.md"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UsageError(
                f"The note cannot be written to {path}: {error.strerror}.", "Name a folder that exists."
            ) from error
        else:
            return path
