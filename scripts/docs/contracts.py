"""What is written from the contracts of a data set, so that nothing says a rule twice.

    python -m scripts.docs.contracts [--check] [DATASET]...

The data set's dictionary, ``<data set>/dictionary.md``: of those that are named, or of every example. Exit
status 0, or with ``--check`` 1 if a file is not what the contracts say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from custody.etl.contract import Column, Contract, Csv
from scripts.datasets import DataSet, load_dataset
from scripts.toolchain.toolchain import REPO, ToolError

PAGE = "dictionary.md"
_HEAD = """\
# Dictionary of {name}

Every table, column, type, meaning and rule; personal data is marked. This page is generated from the
contracts beside it (`make docs`).
"""


def examples() -> list[Path]:
    """The folders of the data sets that come with the kit."""
    return sorted(path.parent for path in (REPO / "examples").glob("*/silver"))


def render(data_set: DataSet) -> str:
    """Return the page as the contracts want it."""
    lines = [line for contract in data_set.contracts.values() for line in _table(contract)]
    return _HEAD.format(name=data_set.folder.name) + "\n".join(lines) + "\n"


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
        form = f"{contract.source.format}{_dialect(contract.source.csv)}"
        yield f"From `raw-data`, `{contract.source.prefix}`, {form}."
        yield f"Of several rows with one key, that of {which} is kept. Fields that are not listed {fields}."
    else:
        made_of = (f"`{item.table}`" + (f" by `{item.by}`" if item.by else "") for item in contract.inputs)
        yield f"Made of {', '.join(made_of)}."
    yield from ("", "| column | type | rules | personal | meaning |", "|---|---|---|---|---|")
    if contract.day:
        name, of = contract.day
        yield f"| `{name}` | date | partition | | The UTC day of `{of}`. |"
    for column in contract.columns:
        personal = "yes" if column.pii else ""
        yield f"| `{column.name}` | {column.kind.sql} | {_rules(column)} | {personal} | {column.meaning} |"
    if contract.checks:
        yield ""
        yield (
            ("An object is published only if: " if contract.source else "Published only if: ")
            + "; ".join(check.sentence for check in contract.checks)
            + "."
        )


def _dialect(csv: Csv) -> str:
    """What is not usual of a dialect."""
    usual = asdict(Csv())
    unusual = [f"{name} `{value}`" for name, value in asdict(csv).items() if value != usual[name]]
    return f" ({', '.join(unusual)})" if unusual else ""


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
    rules += _spelling(column)
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


def _spelling(column: Column) -> Iterator[str]:
    """How values are written."""
    words = [" or ".join(f"`{word}`" for word in these) for these in (column.true_words, column.false_words)]
    if column.formats:
        yield f"written as {' or '.join(f'`{text}`' for text in column.formats)}".replace("|", "\\|")
    if column.timezone:
        yield f"of {column.timezone} where there is no offset"
    if column.true_words:
        yield f"{words[0]} for true, {words[1]} for false".replace("|", "\\|")


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(prog="python -m scripts.docs.contracts")
    parser.add_argument("--check", action="store_true", help="change nothing, say whether something would")
    parser.add_argument("datasets", nargs="*", help="the data sets, instead of every example")
    options, status = parser.parse_args(), 0
    for folder in [Path(name).absolute() for name in options.datasets] or examples():
        try:
            wanted = render(load_dataset(folder))
        except ToolError as error:
            print(error, file=sys.stderr)
            return 2
        path = folder / PAGE
        if path.is_file() and path.read_text() == wanted:
            continue
        if options.check:
            print(f"{path} is not what its contract says. Mend it: make docs", file=sys.stderr)
            status = 1
        else:
            path.write_text(wanted)
    return status


if __name__ == "__main__":
    sys.exit(main())
