"""Data sets: folders of contracts and SELECTs, which an environment's tfvars names in ``datasets``.

``<data set>/silver/<table>.yaml`` is the contract of a table that is made of raw objects, and
``<data set>/gold/<table>.yaml`` that of one made of silver tables, beside its SELECT, ``<table>.sql``.
Terraform reads the same files. What it cannot see is told here, before anything is applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlglot
import yaml
from sqlglot import exp

from custody.errors import UsageError
from custody.etl.contract import Contract, assert_inputs, parse_contract
from scripts.toolchain.toolchain import REPO, ToolError

SILVER, GOLD = "silver", "gold"
_CHANCE = (
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.CurrentUser,
    exp.Rand,
    exp.Randn,
    exp.Uuid,
)
_CHANCE_NAMES = frozenset(
    {"NOW", "CURRENT_TIMEZONE", "INPUT_FILE_NAME", "MONOTONICALLY_INCREASING_ID", "SHUFFLE"}
)
"""What gives other rows each time."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """The contracts of a data set, by table; those of gold tables hold their SELECT."""

    folder: Path
    silver: dict[str, Contract]
    gold: dict[str, Contract]

    @property
    def contracts(self) -> dict[str, Contract]:
        """All of them, silver first."""
        return self.silver | self.gold


def folder_of(name: str) -> Path:
    """The folder that ``datasets`` names: a relative one is of the repository."""
    return REPO / name


def load_dataset(folder: Path) -> DataSet:
    """Read a data set. Raises ``ToolError`` naming the file and the first thing that is wrong in it."""
    silver = {
        path.stem: _contract(path, contract_text(path)) for path in sorted((folder / SILVER).glob("*.yaml"))
    }
    gold = {
        path.stem: _contract(path, contract_text(path)) for path in sorted((folder / GOLD).glob("*.yaml"))
    }
    found = DataSet(folder, silver, gold)
    if not silver:
        raise ToolError(f"{folder} is no data set: it has no {SILVER}/<table>.yaml.")
    for table, contract in gold.items():
        path = folder / GOLD / f"{table}.sql"
        try:
            assert_inputs(contract, found.contracts)
        except UsageError as error:
            raise ToolError(f"{path.with_suffix('.yaml')}: {error}") from error
        if problem := next(_problems(contract), None):
            raise ToolError(f"{path}: {problem}")
    return found


def check_datasets(names: Iterable[str]) -> None:
    """Raise ``ToolError`` if one of an environment's data sets is not right."""
    for name in names:
        load_dataset(folder_of(name))


def contract_text(path: Path) -> str:
    """A contract as the jobs get it: JSON, with the SELECT of a gold table in it."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ToolError(f"{path} is nested too deep.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ToolError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if path.parent.name == GOLD and isinstance(document, dict):
        try:
            document["sql"] = path.with_suffix(".sql").read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ToolError(f"{path.with_suffix('.sql')} is not UTF-8: {error}.") from error
        except OSError as error:
            raise ToolError(
                f"{path} has no SELECT beside it: {path.with_suffix('.sql')} is missing."
            ) from error
    return json.dumps(document, ensure_ascii=False, default=str)


def _contract(path: Path, text: str) -> Contract:
    try:
        contract = parse_contract(text)
    except UsageError as error:
        raise ToolError(f"{path}: {error}") from error
    if contract.table != path.stem:
        raise ToolError(f"{path} is the contract of {contract.table}: name the file after the table.")
    if (contract.source is None) != (path.parent.name == GOLD):
        raise ToolError(
            f"{path}: a contract with source belongs into {SILVER}/, one with inputs into {GOLD}/."
        )
    return contract


def _problems(contract: Contract) -> Iterator[str]:
    """What is wrong with a SELECT, sentence by sentence."""
    try:
        statements = sqlglot.parse(str(contract.sql), dialect="spark")
    except RecursionError:
        yield "is nested too deep."
        return
    except sqlglot.errors.SqlglotError as error:
        found = getattr(error, "errors", None) or [{"description": str(error), "line": "?"}]
        yield f"is not Spark SQL: {found[0]['description']} (line {found[0]['line']})."
        return
    select = statements[0]
    if len(statements) != 1 or not isinstance(select, exp.Query):
        yield "is not one SELECT, and nothing else."
        return
    own = {cte.alias for cte in select.find_all(exp.CTE)}
    read = {table.name for table in select.find_all(exp.Table)} - own
    inputs = {item.table for item in contract.inputs}
    if unknown := sorted(read - inputs):
        yield f"reads {', '.join(unknown)}, which the contract does not name in inputs."
    if unread := sorted(inputs - read):
        yield f"does not read {', '.join(unread)}, which the contract names in inputs."
    for part in select.walk():
        name = part.name.upper() if isinstance(part, exp.Anonymous) else ""
        if isinstance(part, _CHANCE) or name in _CHANCE_NAMES:
            yield f"has {part.sql(dialect='spark')}: the same inputs would give other rows each time."
    wanted, given = [column.name for column in contract.columns], select.named_selects
    if "*" not in given and sorted(given) != sorted(wanted):
        yield f"gives the columns {', '.join(given)}; the contract has {', '.join(wanted)}."
