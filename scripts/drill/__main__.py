"""Attack a running deployment, and show who is told of it: ``make drill``.

    python -m scripts.drill                 on this machine: deploys, attacks, leaves nothing running
    python -m scripts.drill --env dev       what ``make apply ENV=dev`` deployed, after the name was typed

Prints, for each attack, the alert that must follow, its section of the runbook, and after how long it was
seen. Every attack undoes what it changed, in any case, and what it could not undo is said. In an account it
leaves out what nobody can do there. Never on production.

Exit status: 0 every attack was seen, 1 one was not, or could not be undone, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from custody.errors import CustodyError
from scripts.demo.pipeline import deployed
from scripts.drill.attacks import ATTACKS
from scripts.drill.drill import Drill, Outcome
from scripts.drill.ear import Ear
from scripts.drill.scene import DrillError
from scripts.drill.stack import Stack, stack_in_account, stack_of
from scripts.local_aws.errors import LocalAwsError
from scripts.terraform import LOCAL, confirm
from scripts.toolchain.toolchain import BUILD, ToolError

WORK = BUILD / "drill"
LOG_WIDTH = 160
"""Width in columns where no terminal gives one."""
_PRODUCTION = re.compile(r"(^|[-_])prod", re.IGNORECASE)
_WARNING = (
    "This attacks {prefix} for up to hours: it stops its trail, disables its signing key, removes its "
    "notifications and more, each for moments, and puts everything back. Everybody who gets its alerts gets "
    "these, and receipts wait meanwhile."
)


def refuse_production(stack: Stack, env: str) -> None:
    """Raise ``ToolError`` if an environment, or what is deployed there, is called production."""
    for name in (env, stack.prefix):
        if _PRODUCTION.search(name):
            raise ToolError(f"No drill on production: {name}.")


@contextmanager
def _stack(env: str, console: Console) -> Iterator[Stack]:
    """The stack of an environment; that of this machine is there for the drill alone."""
    if env == LOCAL:
        shutil.rmtree(WORK, ignore_errors=True)
        with deployed(WORK, lambda line: console.print(escape(line))) as pipeline:
            yield stack_of(pipeline)
    else:
        stack = stack_in_account(env)
        refuse_production(stack, env)
        confirm(_WARNING.format(prefix=stack.prefix), env)
        yield stack


def run(env: str, console: Console) -> list[Outcome]:
    """Make every attack on an environment, and show what became of each, also if it is interrupted."""

    def tell(outcome: Outcome) -> None:
        console.print(f"{outcome.attack.name}: {escape(_words(outcome))}")

    with _stack(env, console) as stack, Ear(stack) as ear:
        drill = Drill(stack, ear, tell)
        try:
            for number, attack in enumerate(ATTACKS, 1):
                console.print(f"[dim]{number}/{len(ATTACKS)}  {escape(attack.does)} …[/dim]")
                drill.attack(attack)
            console.print("[dim]what the auditor tells …[/dim]")
            drill.hear_anomalies()
        finally:
            console.print(table(drill.outcomes))
    return drill.outcomes


def table(outcomes: list[Outcome]) -> Table:
    """Attack, expected alert, section of the runbook, and what became of it."""
    shown = Table("attack", "expected", title="Drill", title_justify="left")
    shown.add_column("docs/runbook_failures.md", overflow="fold")
    shown.add_column("seen")
    for one in outcomes:
        alert, words = one.attack.alert, _words(one) if one.is_known else _unknown(one)
        colour = "dim" if one.skipped else "red" if one.faults else "green"
        shown.add_row(
            one.attack.name,
            f"{alert.kind} {alert.name}",
            f"#{alert.section}",
            f"[{colour}]{escape(words)}[/]",
        )
    return shown


def _unknown(outcome: Outcome) -> str:
    return "; ".join(["interrupted before it was known", *outcome.faults])


def _words(outcome: Outcome) -> str:
    if outcome.skipped:
        return f"skipped: {outcome.skipped}"
    seen = "" if outcome.seconds is None else f"after {outcome.seconds:.1f} s"
    return "; ".join(filter(None, ["refused" if outcome.is_refused else "", seen, *outcome.faults]))


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Run the drill; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.drill", description="Attack, and see who is told."
    )
    parser.add_argument("--env", default=LOCAL, help="local (default: its own deployment), dev, …")
    env = parser.parse_args().env
    signal.signal(signal.SIGTERM, _stop)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    try:
        outcomes = run(env, console)
    except KeyboardInterrupt:
        console.print("\nInterrupted. What the table does not say was not undone, was undone.")
        return 130
    except (CustodyError, ToolError) as error:
        console.print(escape(str(error)))
        return 2
    except (BotoCoreError, ClientError, DrillError, LocalAwsError) as error:
        console.print(f"[bold red]The drill failed.[/] {escape(str(error))}")
        return 1
    faults = [one for one in outcomes if one.faults]
    skipped = sum(bool(one.skipped) for one in outcomes)
    console.print(
        f"{len(outcomes) - skipped} attacks, {skipped} skipped: "
        + (
            f"[bold red]{len(faults)} not as they must be[/]"
            if faults
            else "[bold green]every one was seen[/]"
        )
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
