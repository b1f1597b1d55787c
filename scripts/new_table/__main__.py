"""Write the contract of a new table, to be read and corrected, from a sample: ``make new-table``.

    python -m scripts.new_table NAME SAMPLE [--dataset FOLDER]

SAMPLE is CSV, JSON or Parquet, perhaps compressed. The contract is ``FOLDER/silver/NAME.yaml``; FOLDER is one
beside the sample, called NAME, unless it is given. The sample is copied to ``FOLDER/samples/NAME/``, from
where ``make demo DATASET=FOLDER`` delivers it. Nothing is overwritten. Exit status 2 and one sentence if
there is something wrong with the name or the sample.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path

from custody.etl.contract import REJECTED, is_name
from custody.terminal import visible
from scripts.datasets import GOLD, SILVER
from scripts.demo.dataset import SAMPLES
from scripts.new_table.guess import guess, guess_key, guess_marks
from scripts.new_table.names import column_names
from scripts.new_table.sample import look
from scripts.new_table.text import render
from scripts.toolchain.toolchain import ToolError


def new_table(table: str, path: Path, folder: Path) -> Path:
    """Write the contract and return its path. Raises ``ToolError`` with one sentence."""
    if not is_name(table) or table.endswith(REJECTED):
        raise ToolError(
            f"NAME is {visible(table)!r}: a table is named by a letter and up to 62 more of a-z, 0-9 and _, "
            "and not like what the jobs add."
        )
    if there := next(
        (found for kind in (SILVER, GOLD) if (found := folder / kind / f"{table}.yaml").exists()), None
    ):
        raise ToolError(f"{there} is there already, and a contract is never overwritten.")
    text = contract_of(table, path)
    contract, copy = folder / SILVER / f"{table}.yaml", folder / SAMPLES / table / path.name
    try:
        contract.parent.mkdir(parents=True, exist_ok=True)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copyfile(path, copy)
        with contract.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ToolError(f"{error.filename} cannot be written: {error.strerror}.") from error
    return contract


def contract_of(table: str, path: Path) -> str:
    """The contract of a table of which this is a sample."""
    sample = look(path)
    names = column_names(sample.names)
    records = sample.records(table, names)
    texts = {delivered: records[f"text_{name}"] for delivered, name in names.items()}
    if sample.source["format"] == "csv":
        csv = sample.source.get("csv", {})
        marks = guess_marks(list(texts.values()), csv.get("delimiter", ","))
        if marks:
            sample.source["csv"] = csv | marks
    guesses = [
        guess(
            name,
            texts[delivered],
            sample.source,
            sample.schema.field(delivered).type if sample.schema else None,
        )
        for delivered, name in names.items()
    ]
    key = guess_key(guesses)
    if not key[0]:
        raise ToolError(
            f"No field of {path} has a value in every row, and a key needs one: give another sample."
        )
    return render(table, sample, {name: delivered for delivered, name in names.items()}, guesses, key)


def main() -> int:
    """Write a contract: 0, or 2 for what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.new_table", description="Write a table's contract."
    )
    parser.add_argument("name", help="the table's name")
    parser.add_argument("sample", help="a file as it will be delivered")
    parser.add_argument("--dataset", help="the folder of the data set; one beside the sample by default")
    options = parser.parse_args()
    if not (options.name and options.sample):
        print("Name a table and a sample: make new-table NAME=devices FROM=/data/sample.csv", file=sys.stderr)
        return 2
    path = Path(options.sample).absolute()
    folder = Path(options.dataset).absolute() if options.dataset else path.parent / options.name
    try:
        contract = new_table(options.name, path, folder)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{contract} is written from {visible(path.name)}: read it and correct it, it is made of guesses.")
    print(f"Then: make docs DATASET={shlex.quote(str(folder))}, and make demo with the same.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
