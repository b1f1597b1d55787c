"""Reads the access matrix, ``tests/access/matrix.yaml``. The head of the file describes how to write a row.

    topics:
      - title: Receipts are made by the recorder and by nobody else
        says: one paragraph for the reviewer
        rows:
          - deny: role/etl s3:PutObject provenance/provenance/a.csv/v1.json
            with: write-once
            why: who transforms data must not be able to attest to it

A row is one question: who, what, on which resource, in which context. ``contexts`` defines contexts that rows
share; ``ignored_context`` lists the context keys that the simulator may leave out, each with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from scripts.toolchain.toolchain import REPO, ToolError

MATRIX = REPO / "tests" / "access" / "matrix.yaml"

Effect = Literal["allow", "deny"]
Context = Mapping[str, str | list[str]]


@dataclass(frozen=True, eq=False)
class Row:
    """One question and its answer.

    who, resource: short names (``role/etl``, ``raw-data/incoming/a.csv``). named: the contexts named in
    ``with``, for a reader. context: the full context, still with placeholders ``{…}``.
    """

    effect: Effect
    who: str
    action: str
    resource: str
    named: tuple[str, ...]
    context: Context
    why: str
    guarded: bool = False
    """Whether the organization's control policies are attached to the account."""
    parts: bool = False
    """Whether it is asked of the kit with its optional parts."""

    def __str__(self) -> str:
        """Format the row as in the file."""
        named = f" ({', '.join(self.named)})" if self.named else ""
        return f"{self.effect} {self.who} {self.action} {self.resource}{named}"


@dataclass(frozen=True)
class Topic:
    """Rows that a reviewer reads together."""

    title: str
    says: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Matrix:
    """The whole file. ignored_context: by condition key, why the simulator may leave it out."""

    topics: tuple[Topic, ...]
    ignored_context: Mapping[str, str]

    @property
    def rows(self) -> list[Row]:
        """Every row, in the file's order."""
        return [row for topic in self.topics for row in topic.rows]


def read_matrix(path: Path = MATRIX) -> Matrix:
    """Read and check the file. Raises ``ToolError`` that names the row and its error."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ToolError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("topics"), list):
        raise ToolError(f"{path} has no topics.")
    contexts = document.get("contexts", {})
    topics = []
    for entry in document["topics"]:
        missing = {"title", "says", "rows"} - entry.keys()
        if missing:
            raise ToolError(f"{path}: the topic {entry.get('title', '?')!r} has no {sorted(missing)[0]}.")
        rows = tuple(_row(row, contexts, f"{path}, {entry['title']!r}") for row in entry["rows"])
        topics.append(Topic(entry["title"], " ".join(entry["says"].split()), rows))
    matrix = Matrix(tuple(topics), document.get("ignored_context", {}))
    _refuse_doubles(matrix, path)
    return matrix


def _row(entry: dict[str, Any], contexts: dict[str, dict[str, Any]], where: str) -> Row:
    effects = entry.keys() & {"allow", "deny"}
    unknown = entry.keys() - {"allow", "deny", "guarded", "parts", "with", "why"}
    if len(effects) != 1 or unknown:
        raise ToolError(
            f"{where}: a row needs one allow or deny, a why, and optionally a with. This is not one: {entry}"
        )
    (effect,) = effects
    words = str(entry[effect]).split()
    if len(words) != 3:
        raise ToolError(
            f"{where}: a row must say who, what and on which resource. This does not: {entry[effect]!r}"
        )
    if not str(entry.get("why") or "").strip():
        raise ToolError(f"{where}: {entry[effect]!r} has no why.")
    who, action, resource = words
    guarded = entry.get("guarded", False) is True
    named, context = _context(entry.get("with", ()), contexts, f"{where}: {entry[effect]!r}")
    return Row(
        effect="allow" if effect == "allow" else "deny",
        who=who,
        action=action,
        resource=resource,
        named=("under guard rails", *named) if guarded else named,
        context=context,
        why=" ".join(entry["why"].split()),
        guarded=guarded,
        parts=entry.get("parts", False) is True,
    )


def _context(
    wanted: Any, contexts: dict[str, dict[str, Any]], where: str
) -> tuple[tuple[str, ...], dict[str, str | list[str]]]:
    names: list[str] = []
    context: dict[str, Any] = {}
    for part in wanted if isinstance(wanted, list) else [wanted] if wanted else []:
        if isinstance(part, dict):
            names += [f"{key} = {_shown(value)}" for key, value in part.items()]
            context |= part
        elif part in contexts:
            names.append(part)
            context |= contexts[part]
        else:
            raise ToolError(
                f"{where}: there is no context {part!r}; there are {', '.join(sorted(contexts))}."
            )
    wrong = [
        key
        for key, value in context.items()
        if not all(isinstance(one, str) for one in (value if isinstance(value, list) else [value]))
    ]
    if wrong:
        raise ToolError(f"{where}: quote the value of {wrong[0]}; a condition key's values are text.")
    return tuple(names), context


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _refuse_doubles(matrix: Matrix, path: Path) -> None:
    asked: dict[tuple[Any, ...], Row] = {}
    for row in matrix.rows:
        context = tuple(sorted((key, str(value)) for key, value in row.context.items()))
        question = (row.who, row.action, row.resource, context, row.guarded, row.parts)
        if question in asked:
            raise ToolError(f"{path} has the same question twice: {asked[question]}; {row}")
        asked[question] = row
