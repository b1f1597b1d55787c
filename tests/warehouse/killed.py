"""Load a version, in a process that is killed: say what was there, and when it begins and is done."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from custody.warehouse.gold import GoldFile
from custody.warehouse.load import Checks, load
from tests.warehouse.gold_files import Lake, opened, version


def main(folder: Path, snowflake: Path, files: list[GoldFile]) -> None:
    with opened(Lake(folder), snowflake) as session:
        ids = session.run("SELECT COUNT(*), COUNT(DISTINCT ID), SUM(AMOUNT) FROM VISITS")[0]
        history = session.run("SELECT COUNT(*) FROM CUSTODY_LOADS")[0]
        print(json.dumps([int(each or 0) for each in (*ids, *history)]), flush=True)
        print("copied", load(session, version(1, files), Checks()).copied, flush=True)


if __name__ == "__main__":
    lake = Path(sys.argv[1])
    rows, count = map(int, sys.argv[3:])
    names = sorted((lake / "tables" / "visits").iterdir())
    main(lake, Path(sys.argv[2]), [Lake.known(path, rows // count, leaf) for leaf, path in enumerate(names)])
