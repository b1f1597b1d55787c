"""Files generated from the contracts (``glue/quality/<table>.yaml``), so that each rule is defined only once.

    python -m scripts.docs.contracts [--check]

The tables of ``docs/data_dictionary.md``, and beside each contract its ruleset of AWS Glue Data Quality,
``<table>.dqdl``, which Terraform reads. Exit status 0, or with ``--check`` 1 if a file is out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from custody.etl.contract import Column, Contract, parse_contract
from custody.etl.dqdl import render_dqdl
from scripts.toolchain.toolchain import REPO

DOCUMENT = REPO / "docs" / "data_dictionary.md"
CONTRACTS = REPO / "glue" / "quality"
BEGIN, END = "<!-- BEGIN_CONTRACTS -->", "<!-- END_CONTRACTS -->"
TABLES = ("customers", "viewing_events", "daily_engagement", "customer_value")
_TYPES = {"integer": "bigint", "decimal": "decimal(18,2)"}


def contracts() -> list[Contract]:
    """The contracts of the kit's tables, silver first."""
    return [parse_contract((CONTRACTS / f"{table}.yaml").read_text()) for table in TABLES]


def render() -> str:
    """Return the document generated from the contracts."""
    head, _, rest = DOCUMENT.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    lines = [line for contract in contracts() for line in _table(contract)]
    return head + "\n".join([BEGIN, *lines, END]) + tail


def _table(contract: Contract) -> Iterator[str]:
    where = "processed" if contract.source else "analytics"
    yield from ("", f"### {contract.table} ({'silver' if contract.source else 'gold'})", "")
    yield f"`{where}` bucket, `tables/{contract.table}`. {contract.meaning}"
    yield f"Key: {', '.join(f'`{name}`' for name in contract.key)}."
    if contract.source:
        which = "the first delivery" if contract.source.wins == "first" else "the latest delivery"
        fields = (
            "are kept in `extra`" if contract.source.unknown_columns == "keep" else "have their rows rejected"
        )
        yield f"From `raw-data`, `{contract.source.prefix}`, {contract.source.format}."
        yield f"Of several rows with one key, that of {which} is kept. Fields that are not listed {fields}."
    yield from ("", "| column | type | rules | personal | meaning |", "|---|---|---|---|---|")
    if contract.day:
        name, of = contract.day
        yield f"| `{name}` | date | partition | | The UTC day of `{of}`. |"
    for column in contract.columns:
        kind = _TYPES.get(column.type, column.type)
        personal = "yes" if column.pii else ""
        yield f"| `{column.name}` | {kind} | {_rules(column)} | {personal} | {column.meaning} |"
    yield ""
    yield (
        ("An object is published only if: " if contract.source else "Published only if: ")
        + "; ".join(check.sentence for check in contract.checks)
        + "."
    )


def _rules(column: Column) -> str:
    rules = ["required"] if column.required else []
    if column.aliases:
        rules.append(f"also called {', '.join(f'`{name}`' for name in column.aliases)}")
    if column.pattern:
        rules.append(f"`{column.pattern}`".replace("|", "\\|"))
    if column.allowed:
        rules.append(f"one of {' '.join(column.allowed)}")
    if column.spellings:
        rules.append(
            f"or one of the {len(column.spellings)} `spellings` that the contract lists, in any case"
        )
    if column.minimum is not None:
        rules.append(f"from {column.minimum}")
    if column.maximum is not None:
        rules.append(f"to {column.maximum}")
    if column.max_length is not None:
        rules.append(f"at most {column.max_length} characters")
    if column.not_before:
        rules.append(f"not before `{column.not_before}`")
    if column.max_days_before_delivery is not None:
        rules.append(f"at most {column.max_days_before_delivery} days before its delivery")
    if column.max_days_after_delivery is not None:
        rules.append(f"at most {column.max_days_after_delivery} days after its delivery")
    return "; ".join(rules)


def files() -> dict[Path, str]:
    """Return each generated file with its content."""
    rulesets = {CONTRACTS / f"{contract.table}.dqdl": render_dqdl(contract) for contract in contracts()}
    return {DOCUMENT: render()} | rulesets


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(prog="python -m scripts.docs.contracts")
    parser.add_argument("--check", action="store_true", help="change nothing, say whether something would")
    check, status = parser.parse_args().check, 0
    for path, wanted in files().items():
        if path.is_file() and path.read_text() == wanted:
            continue
        if check:
            print(f"{path} is out of date. Run: make docs", file=sys.stderr)
            status = 1
        else:
            path.write_text(wanted)
    return status


if __name__ == "__main__":
    sys.exit(main())
