"""The runbook has a section for everything that can fail, and its commands are valid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import botocore.session
import pytest
import typer
from botocore import xform_name
from botocore.exceptions import EndpointConnectionError

from custody.cli.commands import app
from custody.doctor.doctor import Clients, examine
from custody.findings import Claim
from custody.gate.receipts import Reason
from custody.ledger.ledger import LedgerStatus
from custody.ledger.rules import all_rules
from custody.recorder.recorder import Failure
from custody.upload.upload import Outcome
from custody.verify.reconcile import ReconciledStatus
from custody.warehouse.anomalies import queries
from custody_orchestration.notices import FAILED, LATE
from tests.support.runbook import PAGE, PARTS, first_cells, named, sections
from tests.unit.report.sample import DEPLOYMENT

TEXT = PAGE.read_text(encoding="utf-8")
ANY_COMMAND = {"--cli-binary-format", "--query"}
"""Options of the AWS CLI itself."""


class Unreachable:
    """An AWS STS that does not answer: then no other stage is checked, and each says so."""

    def get_caller_identity(self) -> dict[str, str]:
        raise EndpointConnectionError(endpoint_url="https://sts")


def stages() -> list[str]:
    functions = DEPLOYMENT.functions | {"auditor": "arn", "sealer": "arn"}
    deployment = replace(
        DEPLOYMENT,
        adopted_since={"<bucket>": datetime.now(UTC)},
        evidence_copy={"bucket": "copy", "region": "us-east-1"},
        functions=functions,
        jobs={"short": "name"},
        queues=DEPLOYMENT.queues | {"hasher": "url"},
        tables={"<table>": []},
    )
    clients: Any = dict.fromkeys((field.name for field in fields(Clients)), None)
    checks = examine(
        Clients(**clients | {"sts": Unreachable()}), cast("Any", None), deployment, datetime.now(UTC)
    )
    return [check.stage for check in checks]


LOADS = "rows changed in the warehouse", "file not loadable", "key pair of the loader"
"""What ``custody warehouse load`` refuses, in the runbook's words."""


def gaps(text: str) -> Iterator[str]:
    """Missing sections of a runbook, and sections for things that do not exist."""
    for what, wanted, found in (
        ("claims", list(Claim), named(text, "Findings of `custody verify`")),
        ("anomalies", list(all_rules()), named(text, "Anomalies")),
        ("warehouse", [*LOADS, *queries()], named(text, "Warehouse")),
        ("daily runs", [FAILED, LATE], named(text, "Daily runs")),
        ("stages", stages(), named(text, "Stages of `custody doctor`")),
        ("statuses", list(LedgerStatus), first_cells(text, "status")),
        ("reconciled", list(ReconciledStatus), first_cells(text, "reconciled")),
        ("outcomes", list(Outcome), first_cells(text, "outcome")),
        ("reasons", list(Reason), first_cells(text, "reason")),
    ):
        yield from (f"{what}: no place for {name}" for name in wanted if name not in found)
        yield from (f"{what}: there is no {name}" for name in found if name not in wanted)
    yield from (f"failures: no place for {name}" for name in Failure if f"| `{name}` |" not in text)
    for section in sections(text):
        if section.parts != PARTS:
            yield f"{', '.join(section.names)}: says {', '.join(section.parts)}"
        elif "```sh\n" not in section.body:
            yield f"{', '.join(section.names)}: has no command to look with"


def commands(text: str) -> list[list[str]]:
    """The words of each command in the blocks of a page, without what a shell does with its output."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            found.append(words[: words.index(">")] if ">" in words else words)
    return found


@cache
def _aws(service: str) -> Any:
    return botocore.session.get_session().get_service_model("s3" if service == "s3api" else service)


def mistakes(words: list[str]) -> Iterator[str]:
    """Words of a command that its program does not know."""
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    if words[0] == "aws":
        model = _aws(words[1])
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        if words[2] not in operations:
            yield f"aws {words[1]} has no {words[2]}"
            return
        shape = model.operation_model(operations[words[2]]).input_shape
        known = {f"--{xform_name(member, '-')}" for member in shape.members} if shape else set()
        required = {f"--{xform_name(member, '-')}" for member in shape.required_members} if shape else set()
        yield from (f"{' '.join(words[:3])} has no {name}" for name in options - known - ANY_COMMAND)
        yield from (f"{' '.join(words[:3])} needs {name}" for name in required - options)
    elif words[0] == "custody":
        group = cast("Any", typer.main.get_command(app))
        command = group.commands.get(words[1])
        if words[1] in {"table", "warehouse"}:
            command = command.commands.get(words[2])
        known = {name for parameter in command.params for name in parameter.opts} if command else set()
        if command is None or options - known:
            yield f"custody has no {' '.join(words[1:2])} {' '.join(options - known)}".rstrip()
    elif words[0] not in {"make", "export"} and not re.fullmatch(r"[A-Z]+=.*", words[0]):
        yield f"{words[0]} is no program that is here"


def test_everything_that_fails_has_its_section() -> None:
    assert list(gaps(TEXT)) == []


@pytest.mark.parametrize(
    ("old", "new", "gap"),
    [
        ("### `object.hash`", "### `object.hush`", "claims: no place for object.hash"),
        ("### `object.hash`", "### `object.hash`, `object.hush`", "claims: there is no object.hush"),
        ("### `trail-stopped`, ", "### ", "anomalies: no place for trail-stopped"),
        ("### `trail-stopped`", "### `trail-sped`", "anomalies: there is no trail-sped"),
        ("### `daily-run-late`", "### Late", "daily runs: no place for daily-run-late"),
        ("### `signing key`", "### Keys", "stages: no place for signing key"),
        ("| `untracked` |", "| `unknown` |", "statuses: no place for untracked"),
        ("| `superseded` |", "| `old` |", "reconciled: there is no old"),
        ("| `differs` |", "| `other` |", "outcomes: no place for differs"),
        ("| `signature` |", "| `seal` |", "reasons: no place for signature"),
        ("| `FailedOther` |", "| others |", "failures: no place for FailedOther"),
        ("**Never.** Edit it in place.", "", "key registry: says Means, Look, Do"),
        ("```sh\naws sts get-caller-identity\n```", "", "credentials: has no command to look with"),
    ],
)
def test_what_is_missing_is_found(old: str, new: str, gap: str) -> None:
    assert old in TEXT
    assert gap in list(gaps(TEXT.replace(old, new, 1)))


def test_every_command_is_one() -> None:
    found = commands(TEXT)
    assert len(found) > 50
    assert [mistake for words in found for mistake in mistakes(words)] == []


@pytest.mark.parametrize(
    ("command", "mistake"),
    [
        ("aws sqs purge --queue-url x", "aws sqs has no purge"),
        ("aws sqs purge-queue --queue x", "aws sqs purge-queue has no --queue"),
        (
            "aws sqs get-queue-attributes --attribute-names All",
            "aws sqs get-queue-attributes needs --queue-url",
        ),
        ("custody forge s3://b/k", "custody has no forge"),
        ("custody verify --hope", "custody has no verify --hope"),
        ("jq .", "jq is no program that is here"),
    ],
)
def test_a_command_that_is_none_is_found(command: str, mistake: str) -> None:
    assert mistake in list(mistakes(commands(f"```sh\n{command}  # why\n```\n")[0]))
