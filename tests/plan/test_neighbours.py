"""Two deployments in one account with similar names cannot access each other.

The patterns of one deployment are matched with the names of the other. A name has no hyphen
(``variables.tf``), or ``custody-local-*`` would also match the names of a deployment ``custody-local`` in
``prod``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from scripts.access.planned import planned_parts, planned_workflows
from scripts.state.policies import policies, statements
from scripts.toolchain.toolchain import REPO
from tests.plan.document import PlanDocument

pytestmark = pytest.mark.xdist_group("plan")

PREFIX = "custody-local"
NEIGHBOURS = ("custody-local2", "custody-locals", "custodys-local", "custody2-local2", "acustody-local")
BEGINS_ALIKE = "custody-local-prod"


@pytest.fixture(scope="module")
def strings(plan: PlanDocument) -> set[str]:
    documents = [plan.document, planned_workflows(lambda _: None), planned_parts(lambda _: None)]
    return {text for document in documents for text in granting(document)}


def granting(document: dict[str, Any]) -> Iterator[str]:
    """Yield every string of a policy with which it allows something, or exempts somebody from a deny."""
    for policy in policies(document):
        for statement in statements(policy.document):
            parts = {**statement, "Resource": None} if statement["Effect"] == "Deny" else statement
            yield from _strings(parts)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(inner)


def called(text: str, prefix: str) -> str:
    """A name of a deployment with this prefix that matches one of our patterns."""
    own = text.replace(PREFIX, prefix).replace(PREFIX.replace("-", "_"), prefix.replace("-", "_"))
    return own.replace("*", "x").replace("?", "x")


def reached(strings: Iterable[str], neighbour: str) -> Iterator[tuple[str, str]]:
    """Yield each pattern with our name that matches a name of the neighbour, and that name."""
    ours = [text for text in strings if re.search("custody[-_]local", text)]
    theirs = sorted({called(text, neighbour) for text in ours})
    for text in ours:
        pattern = re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
        yield from ((text, one) for one in theirs if pattern.fullmatch(one))


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_no_pattern_reaches_a_neighbour(strings: set[str], neighbour: str) -> None:
    assert any("*" in text for text in strings)
    assert list(reached(strings, neighbour)) == []


def test_a_pattern_that_does_is_found(strings: set[str]) -> None:
    open_ended = "arn:aws:logs:*:123456789012:log-group:/aws*/custody-local*"
    found = {pattern for pattern, _ in reached({*strings, open_ended}, "custody-local2")}
    assert found == {open_ended}


def test_a_name_that_could_be_another_deployments_is_refused(strings: set[str]) -> None:
    """It would match; so neither the root nor bootstrap accepts it, nor a module that makes patterns."""
    assert list(reached(strings, BEGINS_ALIKE))
    name = re.compile(r'variable "name" \{.*?regex\("(.*?)", var\.name\)', re.DOTALL)
    for root in ("terraform", "terraform/bootstrap"):
        (rule,) = name.findall((REPO / root / "variables.tf").read_text())
        assert re.fullmatch(rule, "custody")
        assert not re.fullmatch(rule, "custody-local")
    prefix = re.compile(r'regex\("(.*?)", var\.prefix\)')
    for module in ("alerts", "boundary", "workforce"):
        (rule,) = prefix.findall((REPO / "terraform" / "modules" / module / "variables.tf").read_text())
        assert re.fullmatch(rule, PREFIX)
        assert not re.fullmatch(rule, BEGINS_ALIKE)


def test_root_and_bootstrap_refuse_the_same_tags() -> None:
    root, bootstrap = (
        re.findall(r'variable "tags" \{.*?\n\}\n', (REPO / folder / "variables.tf").read_text(), re.DOTALL)
        for folder in ("terraform", "terraform/bootstrap")
    )
    assert root == bootstrap
    assert len(root) == 1
