"""The warehouse loader: ``custody warehouse`` where no person waits for it.

    python -m loader TABLE
    python -m loader [--until TIME]

With a gold table, or the AWS Glue job that makes it: ``custody warehouse load`` of that table. What may go
away by itself, such as a receipt that is not sealed yet or another loader that was quicker, is tried again
every minute, for half an hour. Otherwise: ``custody warehouse tell``, by default of 25 hours, since it is
started daily and not to the second: a finding may be told twice, and none is left out. What a run that failed
did not tell, one with ``--until`` does (docs/runbook_failures.md, ``loader-failed``). The deployment is that
of ``CUSTODY_DEPLOYMENT``. Exit status as of these commands.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from custody.cli import EXIT_CANNOT_CHECK
from custody.cli import main as custody

TRIES = 30
PAUSE_SECONDS = 60
TELL = ("--since", "28h")
"""Until three hours ago, unless it is said."""
JOBS = "processed-to-analytics-"
"""What the names of the jobs that make gold tables have before the table's, with hyphens."""


def main(arguments: Sequence[str], pause: Callable[[], None] = lambda: time.sleep(PAUSE_SECONDS)) -> int:
    """Load, or tell; the exit status."""
    if not arguments or arguments[0].startswith("-"):
        return custody(["warehouse", "tell", *(arguments or TELL)])
    table = arguments[0].rpartition(JOBS)[2].replace("-", "_")
    load = partial(custody, ["warehouse", "load", table, *arguments[1:]])
    status, tries = load(), 1
    while status == EXIT_CANNOT_CHECK and tries < TRIES:
        pause()
        status, tries = load(), tries + 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
