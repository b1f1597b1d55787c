"""A first deployment by the workflow's role that breaks off at each of its steps: ``make first-apply``.

Starts the local AWS so that all policies decide every call, bootstraps it as its administrator, and deploys
as the role that the workflow assumes. Whatever that role changes is refused once, as AWS does while a role's
policies are on their way. So each apply breaks off, at all that it had come to, and the next goes on from
what is there, until nothing is left to change. Nobody helps meanwhile.

Exit status: 0 it came to its end; 1 an apply could not go on, or the role's policies refused a call, or a
call could not be decided; 2 it could not be run; 130 interrupted.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from custody.cli.tables import plural
from custody.terminal import visible
from scripts.bootstrap import Bootstrap
from scripts.local_aws import LocalAws
from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.local_aws.errors import LocalAwsError
from scripts.terraform import LOCAL, SOURCE, Terraform, TerraformError, serverless_environ, working_root
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import BUILD, ToolError

WORK = BUILD / "first-apply"
LOG_WIDTH = 160
"""Width in columns where no terminal gives one."""
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT_ID}:role/administrator"


def bootstrap_source(folder: Path) -> Path:
    """Copy the Terraform into a folder, to bootstrap the environment ``local`` from; return the copy."""
    copy = folder / "terraform"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    (copy / "bootstrap" / "env" / "local.tfvars").write_text(
        f'account_id     = "{ACCOUNT_ID}"\n'
        f'administrators = ["{ADMINISTRATOR}"]\n'
        'environment    = "local"\n'
        'github         = { repository = "example/pipeline" }\n'
        f'region         = "{REGION}"\n'
    )
    (copy / "env" / "local.s3.tfbackend").write_text('bucket = "<your-state-bucket>"\n')
    return copy


@dataclass
class Course:
    """What became of it."""

    applies: list[tuple[int, int]] = field(default_factory=list)
    """Of each apply: the changes it was to make, and the calls that were refused meanwhile."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Action and resource of each call that was refused once."""
    problems: list[str] = field(default_factory=list)

    def goes_on(self, changes: int, refused: int, stopped_by: TerraformError | None) -> bool:
        """Note an apply; return whether another can come further. If not, that is a problem."""
        before = self.applies[-1:]
        self.applies.append((changes, refused))
        if refused:
            return True
        which = f"apply {len(self.applies)}"
        if stopped_by:
            self.problems.append(f"{which} could not go on: {stopped_by}")
        elif before and before[0][1] == 0:
            self.problems.append(
                f"{which} had {plural(changes, 'change')} to make, though nothing was in the way of the one"
                " before"
            )
        return not self.problems


def run(say: Callable[[str], None]) -> Course:
    """Bootstrap, and apply until nothing is left to change or an apply cannot go on."""
    shutil.rmtree(WORK, ignore_errors=True)
    with LocalAws(WORK / "aws", enforced=True) as aws:
        made = _bootstrap(aws, say)
        role = made["roles"]["apply"]
        variables = {
            "datasets": [],
            "operators": {"deploy": list(made["roles"].values())},
            "permissions_boundaries": {
                purpose: arn for purpose, arn in made["boundaries"].items() if purpose != "ci"
            },
        }
        workflow = serverless_environ() | _session(aws, role)
        with served_provider(workflow, working_root(WORK)) as environ:
            terraform = Terraform(
                LOCAL, work_dir=WORK, environ=environ, state_url=aws.state_url, variables=variables, say=say
            )
            return _apply_to_the_end(aws, terraform, role, say)


def _bootstrap(aws: LocalAws, say: Callable[[str], None]) -> dict[str, Any]:
    """Make what the workflow needs, as an administrator with a role of his own; return the outputs."""
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ID}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    name = ADMINISTRATOR.rpartition("/")[2]
    iam = boto3.client("iam", **_as_client(aws.environ()))  # type: ignore[call-overload]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=_policy(everything))
    bootstrap = Bootstrap(
        LOCAL,
        source=bootstrap_source(WORK / "code"),
        work_dir=WORK / "bootstrap",
        environ=_session(aws, ADMINISTRATOR),
        say=say,
    )
    bootstrap.plan()
    return bootstrap.apply()


def _session(aws: LocalAws, role_arn: str) -> dict[str, str]:
    return {**aws.environ(), **aws.admin("enforcement/session", role=role_arn, session="deploys")}


def _as_client(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "endpoint_url": environ["AWS_ENDPOINT_URL"],
        "region_name": REGION,
        "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
    }


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _apply_to_the_end(aws: LocalAws, terraform: Terraform, role: str, say: Callable[[str], None]) -> Course:
    course = Course()
    aws.admin("enforcement/interrupt", role=role)
    while True:
        before, stopped_by, changes = len(course.refused), None, 0
        try:
            plan = terraform.plan()
            changes = len(plan.changes)
            if not plan.has_changes:
                break
            terraform.apply()
        except TerraformError as error:
            stopped_by = error
        course.refused = [
            (action, on) for action, on in aws.admin("enforcement/interrupt", role=role)["refused"]
        ]
        refused = len(course.refused) - before
        goes_on = course.goes_on(changes, refused, stopped_by)
        say(f"Apply {len(course.applies)}: {changes} to change, {plural(refused, 'call')} refused.")
        if not goes_on:
            break
    report = aws.admin("enforcement")
    course.problems += [
        f"{who} was refused {action} on {resource}, {plural(count, 'time')}"
        for who, action, resource, count in report["refused"]
    ]
    course.problems += [
        f"undecided, {plural(count, 'time')}: {what}" for what, count in report["undecided"].items()
    ]
    return course


def show(course: Course, seconds: float, console: Console) -> None:
    """Print the applies, what was refused once by service, and what should not be."""
    table = Table("apply", "to change", "refused", title="A first apply, broken off at each step")
    for column in table.columns:
        column.justify = "right"
    for number, (changes, refused) in enumerate(course.applies, start=1):
        table.add_row(str(number), str(changes), str(refused))
    console.print(table)
    for service, count in sorted(Counter(action.partition(":")[0] for action, _ in course.refused).items()):
        console.print(f"{escape(visible(service))}: {plural(count, 'call')}")
    kinds = len({action for action, _ in course.refused})
    console.print(
        f"{plural(len(course.refused), 'call')} of {plural(kinds, 'action')} refused once, in"
        f" {len(course.applies)} applies; {seconds:.0f} s"
    )
    for problem in course.problems:
        console.print(f"[red]![/] {escape(visible(problem))}", soft_wrap=True)


def main() -> int:
    """Run it; the exit status says whether it came to its end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    start = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - start:4.0f} s  {escape(line)}[/dim]", soft_wrap=True)

    try:
        course = run(tell)
    except KeyboardInterrupt:
        console.print("\nInterrupted; nothing is left running.")
        return 130
    except (LocalAwsError, ToolError) as error:
        console.print(escape(str(error)))
        return 2
    show(course, time.monotonic() - start, console)
    return 1 if course.problems else 0


if __name__ == "__main__":
    sys.exit(main())
