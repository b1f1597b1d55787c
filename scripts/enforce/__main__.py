"""The demonstration with every policy enforced, and then every attempt that must fail: ``make enforce``.

Starts the local AWS so that identity, boundary, resource, key and trust policies decide every call, each
caller with credentials of its own; runs the demonstration on it; then makes a call of every row of the access
matrix that denies, as far as a call can say what the row says. Exit status 0 if no call of the demonstration
was refused, none was undecided, and every attempt was refused, at least ``ATTEMPTS`` of them; 1 if not; 2 if
it could not be run.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from custody.cli.tables import plural
from custody.terminal import visible
from scripts.access.matrix import read_matrix
from scripts.access.simulator import ANONYMOUS
from scripts.access.world import EVERYTHING, World
from scripts.demo.__main__ import LOG_WIDTH, DemoError, run, stop
from scripts.demo.lake import Lake
from scripts.demo.pipeline import POLL_SECONDS, Pipeline, PipelineError
from scripts.enforce.attempts import CannotCallError, Outcome, attempt
from scripts.local_aws import LocalAws
from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.errors import LocalAwsError
from scripts.toolchain.toolchain import ToolError

ATTEMPTS = 200
"""How many must be refused at least."""
SCHEDULED_SECONDS = 300.0
PEOPLE = {
    "analyst": ["ann@example.com"],
    "auditor": ["olga@example.com"],
    "break-glass": ["rita@example.com"],
    "data-engineer": ["erin@example.com"],
    "producer": ["alice@example.com", "bob@example.com", "devices@example.com"],
    "security-admin": ["sam@example.com"],
}
"""Who has which persona: the names of users."""
MEANT = {
    ("operator", "s3:DeleteObjectVersion"): "a receipt cannot be deleted: the demonstration shows it",
    ("custody-local-people-producer (alice@example.com)", "s3:GetObject"): (
        "custody upload looks whether a file is there, and goes on where it may not look"
    ),
}
"""What of the demonstration must be refused, by caller and action, and why."""


@dataclass
class Enforced:
    """The last step of the demonstration: what was decided in it, and the attempts."""

    title: str = "Everything that the policies must refuse"
    before_tampering: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    """What was decided until the attempts began."""
    undecided: dict[str, int] = field(default_factory=dict)
    """What was not decided until their end, and how often."""
    outcome: Outcome = field(default_factory=Outcome)

    def set_up(self) -> None:
        """Nothing: ``make enforce`` installs the simulator."""

    def prepare(self, aws: LocalAws) -> Mapping[str, object]:
        """Make the users that have personas."""
        for name in (name for names in PEOPLE.values() for name in names):
            aws.person_environ(name)
        people = {
            persona: {"principals": [f"arn:aws:iam::{ACCOUNT_ID}:user/{name}" for name in names]}
            for persona, names in PEOPLE.items()
        }
        return {"people": people}

    def run(self, lake: Lake, work_dir: Path, console: Console) -> None:
        """Have the schedules' work done, query as an analyst, ask what was decided, and make the attempts."""
        del work_dir
        _await_scheduled_work(lake.pipeline)
        aws, (analyst,) = lake.pipeline.aws, PEOPLE["analyst"]
        for table in lake.gold:
            lake.query(f"SELECT count(*) FROM {table}", role="people-analyst", session=analyst)  # noqa: S608 - a name of ours
        self.report = aws.admin("enforcement")
        rows = [row for row in read_matrix().rows if row.effect == "deny"]
        world = World(lake.pipeline.terraform.show_json())
        _open_bucket_elsewhere(aws, world)
        self.outcome = attempt(rows, world, aws.endpoint, _Callers(aws, world))
        self.undecided = aws.admin("enforcement")["undecided"]
        console.print(
            f"{self.outcome.refused} calls refused that must be, of {plural(len(rows), 'row')} that deny."
        )


def _await_scheduled_work(pipeline: Pipeline) -> None:
    """Have sealer and auditor do what they do by schedule. Raises ``PipelineError`` if they do not."""
    arns = pipeline.deployment.functions
    names = [arns[short].rpartition(":")[2] for short in ("auditor", "sealer")]

    def runs() -> list[int]:
        status = pipeline.aws.admin("status")["functions"]
        return [status.get(name, {}).get("invocations", 0) for name in names]

    before, deadline = runs(), time.monotonic() + SCHEDULED_SECONDS
    for rule in ("auditor-schedule", "sealer-hourly"):
        pipeline.aws.admin("events/tick", rule=f"{pipeline.deployment.workgroup}-{rule}")
    while any(now == then for now, then in zip(runs(), before, strict=True)):
        if time.monotonic() > deadline:
            raise PipelineError("The auditor or the sealer did not do its scheduled work in time.")
        time.sleep(POLL_SECONDS)


def _open_bucket_elsewhere(aws: LocalAws, world: World) -> None:
    """Make the bucket of another account, which lets everybody in: only our own policies keep us out."""
    arn = world.arn("elsewhere/loot.csv").partition("/")[0]
    name = arn.rpartition(":")[2]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    s3 = boto3.client("s3", **_where(aws, world), **_keys(aws.other_environ()))  # type: ignore[call-overload]
    s3.create_bucket(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def _where(aws: LocalAws, world: World) -> dict[str, str]:
    return {"region_name": world.region, "endpoint_url": aws.endpoint}


def _keys(environ: Mapping[str, str]) -> dict[str, str]:
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return {name: environ[name.upper()] for name in names if name.upper() in environ}


@dataclass
class _Callers:
    """The credentials of whom a row is about."""

    aws: LocalAws
    world: World

    def __call__(self, who: str) -> dict[str, str]:
        kind, _, rest = who.partition("/")
        match kind:
            case "operator":
                found = self.aws.environ()
            case "outsider":
                found = self.aws.other_environ()
            case "administrator":
                found = self.aws.person_environ(who)
                iam = boto3.client("iam", **_where(self.aws, self.world), **_keys(self.aws.environ()))  # type: ignore[call-overload]
                iam.put_user_policy(UserName=who, PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
            case "people" | "role":
                role = self.world.role(f"people-{rest}" if kind == "people" else rest)
                session = PEOPLE[rest][0] if kind == "people" else "session"
                found = self.aws.admin("enforcement/session", role=role.arn, session=session)
            case _ if who == ANONYMOUS:
                found = {}
            case _:
                raise CannotCallError(f"of {kind}, who is not in this account, or a service itself")
        return _keys(found)


def problems(enforced: Enforced) -> list[str]:
    """Return a sentence for everything that should not be."""
    refused = [
        f"{who} was refused {action} on {resource}, {plural(count, 'time')}"
        for who, action, resource, count in enforced.report["refused"]
        if (who, action) not in MEANT
    ]
    undecided = [f"undecided, {plural(count, 'time')}: {what}" for what, count in enforced.undecided.items()]
    passed = [f"was not refused: {what}" for what in enforced.outcome.passed]
    few = enforced.outcome.refused < ATTEMPTS
    return [
        *refused,
        *undecided,
        *passed,
        *([f"only {enforced.outcome.refused} attempts were refused, not {ATTEMPTS}"] if few else []),
    ]


def show(enforced: Enforced, seconds: float, console: Console) -> None:
    """Print what was allowed to whom, what was refused, what was left out and why, and the time."""
    report, outcome = enforced.report, enforced.outcome
    allowed: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    for who, _, count in report["allowed"]:
        allowed[who] += count
        actions[who] += 1
    table = Table("caller", "calls", "actions", "attempts refused", title="Allowed, and refused")
    for column in table.columns[1:]:
        column.justify = "right"
    for who in sorted(allowed):
        table.add_row(escape(visible(who)), f"{allowed[who]:,}", str(actions[who]), "")
    table.add_section()
    for who, count in sorted(outcome.by.items()):
        table.add_row(who, "", "", str(count))
    console.print(table)
    for reason, count in outcome.left_out.most_common():
        console.print(f"{plural(count, 'row')} without a call: {escape(visible(reason))}")
    for who, action, _, _ in report["refused"]:
        if meant := MEANT.get((who, action)):
            console.print(f"refused to {escape(visible(who))} as it must be: {action}, {meant}")
    for who, bucket, count in report["hidden"]:
        console.print(
            f"{escape(visible(who))} was told 403, not 404, {plural(count, 'time')}: none such in {bucket}"
        )
    for line in outcome.elsewhere:
        console.print(f"[dim]refused, but for something else: {escape(visible(line))}[/]", soft_wrap=True)
    console.print(
        f"{sum(allowed.values()):,} needs of the demonstration allowed by {report['decisions']:,} decisions,"
        f" {outcome.refused} attempts refused, {len(enforced.undecided)} undecided;"
        f" {seconds:.0f} s, of which calls waited {report['seconds']:.0f} s for decisions, several at once"
    )
    for problem in problems(enforced):
        console.print(f"[red]![/] {escape(visible(problem))}", soft_wrap=True)


class _EnforcedAws(LocalAws):
    """A local AWS that enforces policies.

    enforced: is told what was decided, if the demonstration does not come to its last step.
    """

    def __init__(self, home: Path, enforced: Enforced) -> None:
        super().__init__(home, enforced=True)
        self._told = enforced

    def __exit__(self, *error: Any) -> None:
        if not self._told.report:
            self._told.report = self.admin("enforcement")
            self._told.undecided = self._told.report["undecided"]
        super().__exit__(*error)


def main() -> int:
    """Run it; the exit status says whether all held."""
    signal.signal(signal.SIGTERM, stop)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    enforced, start = Enforced(), time.monotonic()
    try:
        run(console, None, [enforced], lambda home: _EnforcedAws(home, enforced))
    except KeyboardInterrupt:
        console.print("\nInterrupted; nothing is left running.")
        return 130
    except (DemoError, LocalAwsError, PipelineError, ToolError) as error:
        console.print(f"\n[bold red]The demonstration failed.[/] {escape(str(error))}")
        if not enforced.report:
            return 2
    show(enforced, time.monotonic() - start, console)
    return 1 if problems(enforced) else 0


if __name__ == "__main__":
    sys.exit(main())
