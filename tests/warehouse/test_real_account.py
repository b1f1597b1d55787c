"""The same load in a real account, if there are credentials: docs/warehouse.md names the variables."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from custody.warehouse.connection import SCHEMA, Settings, open_session, read_private_key
from custody.warehouse.load import Checks, load
from custody.warehouse.tables import STAGE, Target
from tests.warehouse.gold_files import Lake, contract, version

ACCOUNT, NAME, KEY_FILE = (
    os.environ.get(f"CUSTODY_SNOWFLAKE_{what}", "") for what in ("ACCOUNT", "NAME", "PRIVATE_KEY_FILE")
)


@pytest.mark.skipif(not (ACCOUNT and NAME and KEY_FILE), reason="there are no credentials of an account")
def test_versions_are_loaded_exactly_once(tmp_path: Path) -> None:
    """Needs a schema ``GOLD`` that was set up, and a role that may create tables and stages there."""
    settings = Settings(ACCOUNT, NAME, "", "", "", "")
    key = read_private_key(Path(KEY_FILE).read_text(), KEY_FILE)
    lake = Lake(tmp_path)
    table = f"test_{uuid.uuid4().hex}"
    of = contract(table=table)
    files = [
        lake.file(f"{n}.parquet", [{"id": f"{n}", "amount": n}, {"id": "x", "amount": n}], n) for n in (1, 2)
    ]
    with open_session(settings, key, "custody test") as session:
        session.run(f"CREATE OR REPLACE TEMPORARY STAGE {STAGE}")
        for file in files:
            session.run(f"PUT 'file://{lake.tables / file.path}' @{STAGE}/visits AUTO_COMPRESS = FALSE")
        (create,) = [each for each in Target(of).definition("PUBLIC") if each.startswith("CREATE TABLE")]
        session.run(create)
        try:
            for number, file in enumerate(files, 1):
                load(session, version(number, [file], of), Checks())
                assert load(session, version(number, [file], of), Checks()).copied == 0
            rows = session.run(f"SELECT ID, AMOUNT FROM {SCHEMA}.{table.upper()} ORDER BY ID")
        finally:
            session.run(f"DROP TABLE {table.upper()}")

    assert rows == [("2", 2), ("x", 2)]
