"""Data sets: folders of contracts and SELECTs, which an environment's tfvars names in ``datasets``.

``<data set>/silver/<table>.yaml`` is the contract of a table that is made of raw objects, and
``<data set>/gold/<table>.yaml`` that of one made of silver tables, beside its SELECT, ``<table>.sql``, or its
function, ``<table>.py``. Terraform reads the same files. What it cannot see is told here, before anything is
applied.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar
from zoneinfo import available_timezones

import sqlglot
import yaml
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from custody.errors import UsageError
from custody.etl.contract import ADDED, FUNCTION, Contract, assert_inputs, parse_contract
from scripts.toolchain.toolchain import REPO, ToolError

SILVER, GOLD = "silver", "gold"
_WAYS = {".sql": "sql", ".py": "python"}
"""How a gold table is made: the suffix of the file beside its contract, and the field that the jobs get."""
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
_CHANCE_CALLS = _CHANCE_NAMES | {
    "CURRENT_DATE",
    "CURRENT_TIMESTAMP",
    "RAND",
    "RANDN",
    "TODAY",
    "UTCNOW",
    "UUID",
}
_CHANCE_MODULES = frozenset({"random", "secrets", "uuid"})


@dataclass(frozen=True, slots=True)
class DataSet:
    """The contracts of a data set, by table; those of gold tables hold their SELECT or function."""

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
        path = folder / GOLD / f"{table}.yaml"
        try:
            assert_inputs(contract, found.contracts)
        except UsageError as error:
            raise ToolError(f"{path}: {error}") from error
        suffix, problems = (".py", _of_function) if contract.sql is None else (".sql", _of_select)
        if problem := next(chain(problems(contract), _of_columns(contract, silver)), None):
            raise ToolError(f"{path.with_suffix(suffix)}: {problem}")
    return found


def check_datasets(names: Iterable[str]) -> None:
    """Raise ``ToolError`` if one of an environment's data sets is not right, or is named twice."""
    seen: dict[Path, str] = {}
    for name in names:
        folder = folder_of(name)
        if (real := folder.resolve()) in seen:
            raise ToolError(f"datasets names a folder twice, as {seen[real]} and {name}: name each once.")
        seen[real] = name
        load_dataset(folder)


class _Loader(yaml.SafeLoader):
    """YAML as Terraform reads it: y and n without quotes are no texts."""

    bool_values: ClassVar[dict[str, bool]] = yaml.SafeLoader.bool_values | {"y": True, "n": False}


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"), list("yYnN"))


def contract_text(path: Path) -> str:
    """A contract as the jobs get it: JSON, with the SELECT or the function of a gold table in it."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except RecursionError as error:
        raise ToolError(f"{path} is nested too deep.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ToolError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if path.parent.name == GOLD and isinstance(document, dict):
        beside = [path.with_suffix(suffix) for suffix in _WAYS if path.with_suffix(suffix).exists()]
        if len(beside) != 1:
            raise ToolError(
                f"{path} is made in {len(beside) or 'no'} ways: one file is to stand beside it, "
                f"{path.stem}.sql with a SELECT, or {path.stem}.py with a function."
            )
        try:
            document[_WAYS[beside[0].suffix]] = beside[0].read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ToolError(f"{beside[0]} is not UTF-8: {error}.") from error
        except OSError as error:
            raise ToolError(f"{beside[0]} cannot be read: {error.strerror}.") from error
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
    zones = {column.timezone for column in contract.columns if column.timezone}
    if unknown := sorted(zones - available_timezones()):
        raise ToolError(f"{path}: there is no time zone {unknown[0]!r}.")
    return contract


def _of_columns(contract: Contract, silver: Mapping[str, Contract]) -> Iterator[str]:
    """Columns that a SELECT reads of an input that has none of that name, such as one that was renamed.

    Only where it is certain which table a column is of; the engine says the rest when the table is made.
    """
    if contract.sql is None:
        return
    try:
        scopes = traverse_scope(sqlglot.parse_one(contract.sql, dialect="spark"))
    except (sqlglot.errors.SqlglotError, RecursionError):
        return
    for scope in scopes:
        inputs = {
            alias.lower(): source.name
            for alias, source in scope.sources.items()
            if isinstance(source, exp.Table) and source.name in silver
        }
        is_plain = len(scope.sources) == 1 and not scope.is_subquery
        if is_plain and not scope.expression.find(exp.Lateral, exp.Lambda, exp.Unnest):
            inputs[""] = next(iter(inputs.values()), "")
        named = {item.alias.lower() for item in scope.expression.find_all(exp.Alias)}
        for column in scope.columns:
            table = inputs.get(column.table.lower())
            name = column.name.lower()
            if table and name not in _columns(silver[table]) and (column.table or name not in named):
                yield f"reads {column.sql(dialect='spark')}, and {table} has no such column."


def _columns(silver: Contract) -> set[str]:
    """The columns of a silver table."""
    return {*((silver.day or ())[:1]), *(column.name for column in silver.columns), *ADDED}


def _of_function(contract: Contract) -> Iterator[str]:
    """What is wrong with a function, sentence by sentence; it is not run."""
    try:
        module = ast.parse(str(contract.python))
    except (RecursionError, MemoryError):
        yield "is nested too deep."
        return
    except (SyntaxError, ValueError) as error:
        yield f"is not Python: {error}."
        return
    found = [item for item in module.body if isinstance(item, ast.FunctionDef) and item.name == FUNCTION]
    if not found or not _takes_two(found[-1].args):
        yield f"has no function {FUNCTION}(spark, inputs)."
    for part in ast.walk(module):
        if isinstance(part, ast.Import | ast.ImportFrom):
            modules = [getattr(part, "module", None) or "", *(alias.name for alias in part.names)]
            chance = _CHANCE_MODULES.intersection(name.partition(".")[0] for name in modules)
        elif isinstance(part, ast.Call):
            called = str(getattr(part.func, "attr", getattr(part.func, "id", "")))
            chance = frozenset({called}) if called.upper() in _CHANCE_CALLS else frozenset()
        else:
            continue
        for name in sorted(chance):
            yield f"has {name} in line {part.lineno}: the same inputs would give other rows each time."


def _takes_two(arguments: ast.arguments) -> bool:
    """Whether a function can be called with two values."""
    places = [*arguments.posonlyargs, *arguments.args]
    needed = len(places) - len(arguments.defaults)
    named = [default for default in arguments.kw_defaults if default is None]
    return not named and needed <= 2 and (len(places) >= 2 or arguments.vararg is not None)


def _of_select(contract: Contract) -> Iterator[str]:
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
