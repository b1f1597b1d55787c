"""Drills without a stack: what is undone, what is a fault, and where the runbook says what to do."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from io import StringIO
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from scripts.drill.__main__ import refuse_production, table
from scripts.drill.attacks import ATTACKS, Attack
from scripts.drill.drill import Outcome
from scripts.drill.scene import Scene, Undo
from scripts.drill.stack import Stack
from scripts.toolchain.toolchain import ToolError
from tests.support.runbook import PAGE, sections
from tests.unit.report.sample import DEPLOYMENT

BY_NAME = {attack.name: attack for attack in ATTACKS}


def test_all_is_undone_in_the_opposite_order_whatever_fails() -> None:
    undo, done = Undo(), list[str]()

    def fail() -> None:
        raise ValueError("no")

    undo.later("first", lambda: done.append("first"))
    undo.later("it is open", fail)
    undo.later("last", lambda: done.append("last"))
    assert undo.now() == ["it is open: no"]
    assert done == ["last", "first"]
    assert undo.now() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nobody_interrupts_what_undoes(number: signal.Signals) -> None:
    undo, done = Undo(), list[str]()
    before = signal.getsignal(number)
    undo.later("after", lambda: done.append("after"))
    undo.later("during", lambda: os.kill(os.getpid(), number))
    assert undo.now() == []
    assert done == ["after"]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("attack", "what", "faults"),
    [
        ("trail-stopped", {}, ["silent: nobody was told"]),
        ("trail-stopped", {"seconds": 1.0}, []),
        ("trail-stopped", {"is_refused": True}, ["silent: nobody was told"]),
        ("trail-stopped", {"is_known": False}, []),
        ("trail-stopped", {"skipped": "why"}, []),
        ("trail-stopped", {"failed": "it could not be tried"}, ["it could not be tried"]),
        ("trail-stopped", {"seconds": 1.0, "left": ["it is off: no"]}, ["not undone: it is off: no"]),
        ("raw-version-deleted", {"is_refused": True}, []),
        ("raw-version-deleted", {}, ["silent: nobody was told"]),
        ("receipt-forged", {"seconds": 1.0, "is_refused": True}, []),
        ("receipt-forged", {"is_refused": True}, ["silent: nobody was told"]),
        ("receipt-forged", {"seconds": 1.0, "is_let_through": True}, ["it was not refused"]),
        ("trail-stopped", {"seconds": 1.0, "is_let_through": True}, []),
    ],
)
def test_what_must_not_be_is_a_fault(attack: str, what: dict[str, Any], faults: list[str]) -> None:
    assert Outcome(BY_NAME[attack], **{"is_known": True} | what).faults == faults


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_runbook_has_a_section_for_its_alert(attack: Attack) -> None:
    [section] = {
        section.names
        for section in sections(PAGE.read_text(encoding="utf-8"))
        if attack.alert.name in section.names
        and attack.alert.section == "-".join(name.replace(".", "") for name in section.names)
    }
    assert attack.alert.name in section


@pytest.mark.parametrize(
    ("env", "name", "refused"),
    [
        ("dev", "custody-dev", False),
        ("prod", "custody-dev", True),
        ("dev", "custody-prod", True),
        ("eu_production", "custody-dev", True),
        ("dev", "reproduce-dev", False),
    ],
)
def test_there_is_no_drill_on_production(env: str, name: str, refused: bool) -> None:
    deployment = replace(DEPLOYMENT, workgroup=name)
    stack = Stack(deployment, cast("Any", None), cast("Any", None), cast("Any", None))
    if refused:
        with pytest.raises(ToolError, match="No drill on production"):
            refuse_production(stack, env)
    else:
        refuse_production(stack, env)


def test_the_table_says_what_became_of_each() -> None:
    console = Console(width=240, file=StringIO())
    console.print(
        table(
            [
                Outcome(BY_NAME["trail-stopped"], seconds=1.25, is_known=True),
                Outcome(BY_NAME["receipt-forged"], is_refused=True, is_known=True),
                Outcome(BY_NAME["flood"], skipped="it costs [money]", is_known=True),
                Outcome(BY_NAME["key-disabled"], left=["the key is disabled: no"]),
            ]
        )
    )
    written = cast("StringIO", console.file).getvalue()
    shown = [[cell.strip() for cell in line.split("│")[1:-1]] for line in written.splitlines()]
    assert [row for row in shown if row] == [
        ["trail-stopped", "rule of EventBridge trail-changed", "#trail-changed", "after 1.2 s"],
        [
            "receipt-forged",
            "anomaly rule denied-burst",
            f"#{BY_NAME['receipt-forged'].alert.section}",
            "refused; silent: nobody was told",
        ],
        ["flood", "alarm recorder-backlog", "#recorder-backlog", "skipped: it costs [money]"],
        [
            "key-disabled",
            "rule of EventBridge key-changed",
            "#key-changed",
            "interrupted before it was known; not undone: the key is disabled: no",
        ],
    ]


@pytest.mark.parametrize(("code", "undone"), [("", ["undone"]), ("AccessDeniedException", [])])
def test_what_was_denied_is_not_undone(code: str, undone: list[str]) -> None:
    done = list[str]()

    def call(**_: object) -> dict[str, str]:
        if code:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "StopLogging")
        return {}

    scene = Scene(cast("Any", None), "trail-stopped", "1")
    scene.change(call, "it is stopped", lambda: done.append("undone"), Name="trail")
    assert scene.undo.now() == []
    assert done == undone
    assert (scene.is_refused, scene.is_let_through) == (bool(code), not code)


def test_another_failure_is_no_refusal() -> None:
    def call() -> None:
        raise ClientError({"Error": {"Code": "Throttling", "Message": ""}}, "StopLogging")

    with pytest.raises(ClientError, match="Throttling"):
        Scene(cast("Any", None), "trail-stopped", "1").attempt(call)
