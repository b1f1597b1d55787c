"""The contract as a person reads it: what is a guess says so, and what the sample has stays a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from custody.terminal import beginning, visible
from scripts.new_table.guess import Guess
from scripts.new_table.sample import Sample, aliases

_SHOWN = 60


def render(
    table: str,
    sample: Sample,
    delivered: Mapping[str, str],
    guesses: Sequence[Guess],
    key: tuple[list[str], bool],
) -> str:
    """The contract. ``delivered``: the name under which each column is delivered."""
    return "\n".join(_lines(table, sample, delivered, guesses, key)) + "\n"


def _lines(
    table: str,
    sample: Sample,
    delivered: Mapping[str, str],
    guesses: Sequence[Guess],
    key: tuple[list[str], bool],
) -> Iterator[str]:
    names, is_unique = key
    rows = len(guesses[0].values)
    yield f"# Guessed from the {rows:,} rows of {_shown(sample.path.name)}: read it, and correct it."
    yield f"table: {_scalar(table)}"
    yield "meaning: To be written, what one row is."
    why = "no two rows have the same" if is_unique else "but rows are the same in all of it, and count as one"
    yield f"key: {_scalar(names)}  # a guess: {why}"
    yield "source:"
    yield "  from: files"
    yield f"  prefix: {_scalar(f'incoming/{table}/')}"
    yield f"  format: {sample.source['format']}"
    if "csv" in sample.source:
        yield f"  csv: {_scalar(sample.source['csv'])}  # as seen"
    yield "  wins: latest  # of several rows with one key, that of the latest delivery; or first"
    yield "  unknown_columns: keep  # in the column extra, as JSON; or reject, their rows"
    yield "columns:"
    for item in guesses:
        yield from _column(item, delivered[item.name])
    yield "checks:"
    yield '  - {kind: row_count, at_least: "1"}  # a guess: an object with fewer rows is withheld'
    yield '  - {kind: rejected_ratio, at_most: "0.05"}  # a guess: one with more rejected rows is withheld'


def _column(item: Guess, delivered: str) -> Iterator[str]:
    yield f"  - name: {_scalar(item.name)}"
    if named := aliases(item.name, delivered):
        yield f"    aliases: {_scalar(named)}"
    unknown = "  # no row has a value" if item.values.null_count == len(item.values) else ""
    for name, value in item.fields.items():
        note = {"type": unknown, "formats": _others(item), "timezone": "  # a guess: the times do not say"}
        yield f"    {name}: {_scalar(value)}{note.get(name, '  # as seen')}"
    if item.required:
        yield "    required: true  # a guess: every row has it"
    if item.pii:
        yield "    pii: true  # a guess by its name: confirm it"
    yield "    meaning: To be written."


def _others(item: Guess) -> str:
    if not item.others:
        return "  # as seen"
    return f"  # a guess: {' and '.join(str(other['formats'][0]) for other in item.others)} would fit too"


_PLAIN = re.compile(r"(?![yYnN]$)[A-Za-z][A-Za-z0-9_]*(?:[ /-][A-Za-z0-9_]+)*/?")
"""What PyYAML may leave without quotes, or quotes because it would be no text. Terraform reads y as true."""


class _Dumper(yaml.SafeDumper):
    """Quotes every other text: not all readers of YAML agree on what is plain, nor on line breaks."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if _PLAIN.fullmatch(text) else '"'
    ),
)


def _scalar(value: Any) -> str:
    """A value in one line of YAML's flow style."""
    text: str = yaml.dump(
        [value], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=2**31, sort_keys=False
    )
    return text.strip().removeprefix("[").removesuffix("]")


def _shown(name: str) -> str:
    return beginning(visible(name), _SHOWN)
