"""Athena's functions on this machine: generates ``docs/athena_functions.md`` from their list.

    python -m scripts.docs.athena_functions [--check]

Exit status 0, or with ``--check`` 1 if the page is out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from scripts.local_aws.athena.functions.catalogue import Documented, documented
from scripts.toolchain.toolchain import REPO

PAGE = REPO / "docs" / "athena_functions.md"
OF_OTHER_ENGINES = (
    *(
        "array_contains",
        "charindex",
        "datediff",
        "date_sub",
        "dateadd",
        "explode",
        "get_json_object",
        "getdate",
    ),
    *(
        "group_concat",
        "ifnull",
        "instr",
        "isnull",
        "left",
        "len",
        "list_sum",
        "nvl",
        "regexp_matches",
        "right",
    ),
    *("size", "str_to_date", "string_agg", "strptime", "strftime", "to_json", "unix_timestamp"),
)
"""Names from other systems that Athena does not have either."""
_TITLES = {
    "qdigest": "quantile digest",
    "tdigest": "T-digest",
    "setdigest": "set digest",
    "datetime": "date and time",
    "json": "JSON",
    "url": "URL",
    "uuid": "UUID",
    "ml": "machine learning",
    "ipaddress": "IP address",
    "hyperloglog": "HyperLogLog",
    "regexp": "regular expressions",
}
_HEAD = """# Athena's functions on this machine

The local AWS runs Athena's statements itself (`scripts/local_aws/athena`). A query either gives the same
answer as in an AWS account, or fails: with Athena's own error if it fails in Athena too, or with
`NOT_SUPPORTED` if only this machine does not support it. This page lists the functions that AWS documents for
[Athena engine version 3](https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html), which are
Trino's.

| on this machine | functions |
|---|---|
| supported | {run} |
| `NOT_SUPPORTED`: supported by Athena, but not on this machine | {lacked} |

Names that neither has fail as in Athena, with `FUNCTION_NOT_FOUND: Function '…' not registered`:
{others}.

Also `NOT_SUPPORTED` here, with any function:

- the text of a `double` or a `real` (`cast(x as varchar)`): cast it to a decimal first, or use `format`;
- fractions of a second past the third in a timestamp, and dates past the year 9999;
- times of two zones in one column, and the local time of a zone that is named only in a column's values:
zones
  in literals are supported, and so are comparing and subtracting a column's times and `AT TIME ZONE 'UTC'`;
- `typeof` of a varchar that is not a literal: its length is not known here;
- patterns with constructs that Joni and Python's `regex` interpret differently;
- SQL/JSON paths beyond members, elements and wildcards, and the clauses of `json_value` and similar
functions.

`EXPLAIN` validates the statement and shows what it reads; Athena's own plan has another format.
`approx_distinct` and `approx_percentile` are exact here, as they are in Athena for few values.
"""


def render() -> str:
    """Return the page."""
    known = documented()
    run = [each for each in known if each.example]
    head = _HEAD.format(
        run=len(run), lacked=len(known) - len(run), others=", ".join(f"`{name}`" for name in OF_OTHER_ENGINES)
    )
    pages = sorted({each.page for each in known})
    return "\n".join([head, *(line for page in pages for line in _section(page, known))])


def _section(page: str, known: Sequence[Documented]) -> Iterator[str]:
    listed = [each for each in known if each.page == page]
    run = [each for each in listed if each.example]
    lacked = [each.name for each in listed if not each.example]
    title = _TITLES.get(page, page)
    yield from (f"## {title[0].upper()}{title[1:]}", "")
    yield from (f"[Trino's page](https://trino.io/docs/current/functions/{page}.html).", "")
    if run:
        yield from ("| function | example | answer |", "|---|---|---|")
        for each in run:
            yield f"| `{each.name}` | {_code(each.example)} | {_code(each.value)} |"
        yield ""
    if lacked:
        yield from (f"`NOT_SUPPORTED`: {', '.join(f'`{name}`' for name in lacked)}.", "")


def _code(text: str) -> str:
    """Write code in a cell of a table."""
    return f"`{text.replace('|', chr(92) + '|')}`"


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with status 1 if the page is out of date"
    )
    page = render()
    if parser.parse_args().check:
        if PAGE.read_text(encoding="utf-8") == page:
            return 0
        print(f"{PAGE.relative_to(REPO)} is out of date. Run: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
