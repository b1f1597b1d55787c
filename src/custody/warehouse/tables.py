"""The tables in the warehouse: a target for each gold table, made from its contract, and the load history.

The history is two tables, which ``sql/warehouse/setup.sql`` creates: ``CUSTODY_LOADS`` has the versions of
gold tables that were loaded, ``CUSTODY_FILES`` the data files that their rows came from.
"""

from __future__ import annotations

from dataclasses import dataclass

from custody.errors import UsageError
from custody.etl.contract import Contract
from custody.warehouse.sql import RESERVED, column_type, identifier, literal

LOADS, FILES, STAGE = "CUSTODY_LOADS", "CUSTODY_FILES", "CUSTODY_GOLD"
OBJECT = "CUSTODY_OBJECT"
"""The column of a target with the URI of the object version that the row was loaded from."""


@dataclass(frozen=True, slots=True)
class Target:
    """The table in the warehouse that a gold table is loaded into; names are the contract's in capitals."""

    contract: Contract

    @property
    def name(self) -> str:
        """The name. Raises ``UsageError`` if it, or a column's, is one of the kit's own."""
        names = [self.contract.table, *(column.name for column in self.contract.columns)]
        if own := [name for name in names if name.upper().startswith(RESERVED)]:
            raise UsageError(
                f"The name {own[0]} begins like those of the kit in the warehouse.",
                f"Give it one that does not begin with {RESERVED.lower()}.",
            )
        return self.contract.table.upper()

    @property
    def columns(self) -> dict[str, str]:
        """The types of the columns by their names; without that of the object."""
        return {column.name.upper(): column_type(column.kind) for column in self.contract.columns}

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell rows apart."""
        return tuple(name.upper() for name in self.contract.key)

    @property
    def partition(self) -> str | None:
        """The column that the data files do not hold: the day by which the table is partitioned."""
        return None if self.contract.by is None else self.contract.by.upper()

    def definition(self, pii_role: str) -> list[str]:
        """The statements that the owner of the schema runs, once and again after the contract changed.

        They create the table, add columns that it lacks, and mask those with personal data for everybody who
        does not have ``pii_role``. A masking policy is for exactly one type: Snowflake would round a number
        by the policy of another (https://docs.snowflake.com/en/sql-reference/sql/create-masking-policy).
        """
        table = identifier(self.name)
        columns = [
            f"{identifier(column.name.upper())} {column_type(column.kind)}"
            f"{' NOT NULL' if column.required else ''} COMMENT {literal(column.meaning)}"
            for column in self.contract.columns
        ]
        columns.append(
            f"{identifier(OBJECT)} VARCHAR NOT NULL COMMENT 'The object version that it came from'"
        )
        statements = [
            f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}) "
            f"COMMENT = {literal(self.contract.meaning)}"
        ]
        statements += [
            f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {identifier(name)} {kind}"
            for name, kind in self.columns.items()
            if name not in self.key
        ]
        policies: dict[str, str] = {}
        for column in self.contract.columns:
            if column.pii:
                kind = column_type(column.kind)
                policy = identifier(f"{RESERVED}PII_{''.join(c if c.isalnum() else '_' for c in kind)}")
                policies[policy] = (
                    f"CREATE MASKING POLICY IF NOT EXISTS {policy} AS (val {kind}) RETURNS {kind} -> "
                    f"CASE WHEN IS_ROLE_IN_SESSION({literal(pii_role)}) THEN val END"
                )
                statements.append(
                    f"ALTER TABLE {table} MODIFY COLUMN {identifier(column.name.upper())} "
                    f"SET MASKING POLICY {policy} FORCE"
                )
        return [*policies.values(), *statements]
