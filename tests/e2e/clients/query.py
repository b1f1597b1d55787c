"""Asks Athena as PyAthena does it: ``query.py DATABASE WORKGROUP SQL``; prints the rows as JSON."""

from __future__ import annotations

import json
import os
import sys

from pyathena import connect
from pyathena.cursor import DictCursor

if __name__ == "__main__":
    database, workgroup, sql = sys.argv[1:]
    connection = connect(
        schema_name=database,
        work_group=workgroup,
        region_name=os.environ["AWS_REGION"],
        poll_interval=0.2,
        cursor_class=DictCursor,
    )
    found = connection.cursor().execute(sql)
    print(json.dumps(found.fetchall(), default=str))
