"""What administrators run in Snowflake: ``sql/warehouse/setup.sql`` with a deployment's names, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files

from custody.etl.contract import Contract
from custody.warehouse.anomalies import view_statements
from custody.warehouse.connection import Settings
from custody.warehouse.sql import literal
from custody.warehouse.tables import Target


def setup_statements(settings: Settings, contracts: Iterable[Contract]) -> list[str]:
    """The statements, in their order; the owner of the schema may run those of the tables alone."""
    template = files("custody.warehouse").joinpath("queries/setup.sql").read_text(encoding="utf-8")
    values = {
        "name": settings.name,
        "role_arn": literal(settings.integration_role_arn),
        "external_id": literal(settings.external_id),
        "stage_url": literal(settings.stage_url),
    }
    text = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], template)
    statements = [statement.strip() for statement in text.split(";\n")]
    for contract in contracts:
        statements += Target(contract).definition(settings.pii_role)
    statements += view_statements(settings)
    return [statement for statement in statements if statement]
