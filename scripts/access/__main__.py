"""Evaluate every row of the access matrix: ``make access``.

    python -m scripts.access [--env local|dev|prod]

``local`` evaluates the rows with the policies of the current Terraform, applied to a local AWS (once, then
cached), by the simulator on this machine. ``dev`` and ``prod`` evaluate them with the policies in that
environment's state, by IAM's own simulator, with the caller's credentials. Exit status 0 if every row holds,
1 if one does not, 2 for wrong use or configuration, 3 if the rows could not be evaluated.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from scripts.access import grid
from scripts.access.aws_simulator import left_out, simulate_on_aws
from scripts.access.evaluate import Outcome, evaluate, request_of
from scripts.access.matrix import Matrix, read_matrix
from scripts.access.planned import planned_parts, planned_workflows
from scripts.access.world import AbsentError, World
from scripts.state.applied import applied_state, tree_key
from scripts.terraform import LOCAL, SOURCE, Terraform
from scripts.toolchain.toolchain import ToolError

OF_THIS_MACHINE = ("operator", "github", "ci/", "state/")
"""Prefixes of names that differ in every other environment, or are not in its state."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def on_this_machine(matrix: Matrix) -> list[Outcome]:
    """Evaluate with the policies of the current Terraform."""
    applied = applied_state(SOURCE, tree_key(), say=_say)
    return evaluate(matrix, World(applied, planned_workflows(_say), planned_parts(_say)))


def on_an_account(matrix: Matrix, env: str) -> list[Outcome]:
    """Evaluate with the policies in an environment's state; say which rows are left out, and why."""
    world = World(Terraform(env, say=_say).show_json())
    iam = boto3.client("iam", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))
    asked, reasons = [], []
    for row in matrix.rows:
        if row.who.startswith(OF_THIS_MACHINE) or row.resource.startswith(OF_THIS_MACHINE):
            reasons.append(
                "they are about this machine's operator, or about bootstrap, which has its own state"
            )
            continue
        if row.parts:
            reasons.append("they are about the kit with every optional part")
            continue
        try:
            request = request_of(row, world)
        except AbsentError:
            reasons.append("they are about a part of the kit that is not in this state")
            continue
        reason = left_out(request)
        if reason:
            reasons.append(reason)
        else:
            asked.append((row, request))
    for reason, count in Counter(reasons).items():
        _say(f"{count} rows are left out of IAM's simulator: {reason}.")
    answers = simulate_on_aws(iam, [request for _, request in asked], say=_say)
    return [Outcome(row, answer) for (row, _), answer in zip(asked, answers, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate and show all rows; the exit status says whether every row holds."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.access", description="Evaluate the access matrix."
    )
    parser.add_argument("--env", default=LOCAL, help="local (default), dev or prod")
    options = parser.parse_args(arguments)
    try:
        matrix = read_matrix()
        outcomes = on_this_machine(matrix) if options.env == LOCAL else on_an_account(matrix, options.env)
    except ToolError as error:
        _say(str(error))
        return 2
    except (BotoCoreError, ClientError) as error:
        _say(f"IAM's simulator cannot be used: {error}")
        return 3
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    console = Console(highlight=False)
    grid.show(outcomes, console if console.is_terminal else Console(highlight=False, width=grid.WIDTH))
    return 0 if all(outcome.holds for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
