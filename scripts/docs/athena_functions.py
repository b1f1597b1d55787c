"""What Athena's functions are worth on this machine: ``docs/athena_functions.md``, written from their list.

    python -m scripts.docs.athena_functions [--check]

Exit status 0, or with ``--check`` 1 if the page is not what the list says.
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
"""Names that people bring along and that Athena has not either."""
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

The local AWS runs Athena's statements itself (`scripts/local_aws/athena`). A query that runs there gives the
answer that it gives on an account, or it is refused: in Athena's words where Athena refuses it too, with
`NOT_SUPPORTED` where only this machine cannot do it. This page lists the functions that AWS documents for
[Athena engine version 3](https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html), which are
Trino's.

| on this machine | functions |
|---|---|
| run | {run} |
| `NOT_SUPPORTED`: Athena has them, this machine has not | {lacked} |

Names that neither has are refused as Athena refuses them, `FUNCTION_NOT_FOUND: Function '…' not registered`:
{others}.

Refused here with `NOT_SUPPORTED`, too, whatever the function:

- the text of a `double` or a `real` (`cast(x as varchar)`): cast it to a decimal first, or use `format`;
- fractions of a second past the third in a timestamp, and dates past the year 9999;
- times of two zones in one column, and the local time of a zone that only a column's values name: as literals
  zones are fine, and so is a column's time compared, subtracted or taken `AT TIME ZONE 'UTC'`;
- `typeof` of a varchar that is no literal: its length is not known here;
- patterns with constructs that Joni and Python's `regex` read in two ways;
- paths of SQL/JSON beyond members, elements and wildcards, and the clauses of `json_value` and its kin.

`EXPLAIN` validates the statement and says what it reads; Athena's own plan is another text.
`approx_distinct` and `approx_percentile` are exact here, as they are on an account of not too many values.
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
        "--check", action="store_true", help="write nothing, say whether the page is up to date"
    )
    page = render()
    if parser.parse_args().check:
        if PAGE.read_text(encoding="utf-8") == page:
            return 0
        print(f"{PAGE.relative_to(REPO)} is not what the list says. Run: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
