"""A contract as a ruleset of AWS Glue Data Quality, for the managed evaluation of the published table.

Source: "Data Quality Definition Language (DQDL) reference" in the AWS Glue User Guide,
https://docs.aws.amazon.com/glue/latest/dg/dqdl.html. ``ColumnValues`` fails on NULL, hence a ``where`` for
optional columns; ``between`` excludes its ends, hence two rules for a range. The ratio of rejected rows
belongs to an object and the distance from the delivery to a row: they have no rule here.
"""

from __future__ import annotations

from collections.abc import Iterator

from custody.etl.contract import Column, Contract


def render_dqdl(contract: Contract) -> str:
    """Return the ruleset, one rule per line. The same contract gives the same text."""
    key = " ".join(f'"{name}"' for name in contract.key)
    rules = [f"IsPrimaryKey {key}"]
    for column in contract.columns:
        rules.extend(_column_rules(column))
    for check in contract.checks:
        if check.kind == "row_count":
            rules.append(f"RowCount >= {check.bound}")
        elif check.kind == "completeness":
            rules.append(f'Completeness "{check.column}" >= {check.bound}')
    return "Rules = [\n" + ",\n".join(f"    {rule}" for rule in rules) + "\n]\n"


def _column_rules(column: Column) -> Iterator[str]:
    name = f'"{column.name}"'
    where = "" if column.required else f' where "{column.name} is not null"'
    if column.required:
        yield f"IsComplete {name}"
    if column.pattern is not None:
        yield f'ColumnValues {name} matches "^({column.pattern})$"{where}'
    if column.allowed:
        values = ", ".join(f'"{value}"' for value in column.allowed)
        yield f"ColumnValues {name} in [ {values} ]{where}"
    for sign, bound in ((">=", column.minimum), ("<=", column.maximum)):
        if bound is not None:
            value = f'"{bound}"' if column.type == "date" else bound
            yield f"ColumnValues {name} {sign} {value}{where}"
    if column.max_length is not None:
        yield f"ColumnLength {name} <= {column.max_length}{where}"
