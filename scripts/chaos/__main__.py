"""Load the pipeline and have everything fail that it calls: ``make chaos``.

    python -m scripts.chaos                 deploys on this machine, runs all, leaves nothing running
    python -m scripts.chaos --seed 7        with other faults, objects and events

Prints what must be and what was seen, with the seed: the same seed makes the same objects and events, and the
calls of each service meet the same faults in the same order. Who meets which is the scheduler's.

Exit status: 0 all is as it must be, 1 something is not, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from custody.errors import CustodyError
from scripts.chaos.runs import RUNS, Sizes
from scripts.chaos.world import Check, World
from scripts.demo.pipeline import PipelineError, deployed
from scripts.local_aws.errors import LocalAwsError
from scripts.toolchain.toolchain import BUILD, ToolError

WORK = BUILD / "chaos"
LOG_WIDTH = 160
"""Width in columns where no terminal gives one."""
SEED = 14
SIZES = Sizes(objects=10_000, outage=60, events=10_000)


def table(checks: list[Check], seed: int) -> Table:
    """Run, what is looked at, what must be, and what was."""
    shown = Table("run", "what", "expected", title=f"Chaos, seed {seed}", title_justify="left")
    shown.add_column("seen", overflow="fold")
    for one in checks:
        colour = "green" if one.holds else "red"
        shown.add_row(one.run, one.what, escape(one.expected), f"[{colour}]{escape(one.seen)}[/]")
    return shown


def run(seed: int, sizes: Sizes, console: Console) -> list[Check]:
    """Deploy, make every run, and show what became of it, also if it is interrupted."""
    checks: list[Check] = []
    start = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - start:4.0f} s  {escape(line)}[/dim]")

    shutil.rmtree(WORK, ignore_errors=True)
    try:
        with deployed(WORK, tell, {"datasets": []}) as pipeline:
            world = World(pipeline, seed, tell, checks.append)
            for each in RUNS:
                tell(f"{each.__name__}: {each.__doc__}")
                each(world, sizes)
    finally:
        console.print(table(checks, seed))
    return checks


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Run the chaos; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.chaos",
        description="Have everything fail, and see what becomes of the evidence.",
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help=f"decides the faults, objects and events ({SEED})"
    )
    seed = parser.parse_args().seed
    signal.signal(signal.SIGTERM, _stop)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    try:
        checks = run(seed, SIZES, console)
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        return 130
    except (CustodyError, ToolError) as error:
        console.print(escape(str(error)))
        return 2
    except (BotoCoreError, ClientError, LocalAwsError, PipelineError) as error:
        console.print(f"[bold red]The chaos failed.[/] {escape(str(error))}")
        return 1
    wrong = [check for check in checks if not check.holds]
    console.print(
        f"{len(checks)} checks: "
        + (f"[bold red]{len(wrong)} not as they must be[/]" if wrong else "[bold green]all hold[/]")
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
