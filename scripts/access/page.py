"""The page of the access matrix, ``docs/access.md``: who may do what, and why.

    python -m scripts.access.page [--check]

Exit status 0, or with ``--check`` 1 if the page is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

from scripts.access.matrix import Matrix, Row, read_matrix
from scripts.access.summary import KINDS, SUBJECTS, Cell, cells, principals
from scripts.toolchain.toolchain import REPO, ToolError

PAGE = REPO / "docs" / "access.md"
MEND = "make docs"

_WHO = {
    "administrator": "a user of the account who is allowed everything (`*:*`) and has no boundary",
    "anonymous": "an unsigned request",
    "ci/apply": "a workflow that applies a reviewed plan",
    "ci/plan": "a workflow that plans and changes nothing",
    "github": "a workflow on GitHub with its token, before it has a role",
    "operator": "the user that deploys",
    "scheduler": "a role that is not the kit's and runs loads; it is allowed everything",
    "outsider": "a user of another account who is allowed everything there",
    "people/analyst": "queries gold, only through Athena",
    "people/auditor": "verifies: reads data, evidence and trail, and writes nothing",
    "people/break-glass": "repairs in an emergency, for an hour, with an alarm",
    "people/data-engineer": "runs the jobs and reads what they made",
    "people/producer": "uploads files into `incoming/`",
    "people/security-admin": "reviews settings; stops keys and functions",
    "role/auditor": "asks the rules about anomalies, through Athena, and tells what is new",
    "role/etl": "the Glue jobs that make silver and gold",
    "role/evidence-copy": "the role with which S3 copies evidence into another account",
    "role/flow-logs": "VPC flow logs, writing connections",
    "role/gate": "decides which verified versions a job may read",
    "role/ingest": "Firehose, delivering the stream",
    "role/hasher": "makes receipts of objects that are too large for the recorder",
    "role/hasher-execution": "lets Fargate pull the hasher's image and write its log",
    "role/hasher-start": "lets a schedule start the hasher",
    "role/loader": "loads gold tables into Snowflake",
    "role/loader-execution": "lets Fargate pull the loader's image and write its log",
    "role/orchestrator": "runs Airflow and its tasks",
    "role/recorder": "hashes objects and signs their receipts",
    "role/rotator": "creates and rotates the warehouse's password",
    "role/sealer": "writes the log of receipts and its segments",
    "role/snowflake": "Snowflake, reading gold tables",
    "role/trail-logs": "CloudTrail, copying events to its log group",
    "role/verifier": "hashes the objects of the log again",
}
"""A short description of each principal. An AWS service needs none."""


def page(matrix: Matrix) -> str:
    """Return the page. Raises ``ToolError`` for a principal without a description."""
    rows = matrix.rows
    denials = sum(row.effect == "deny" for row in rows)
    found = cells(rows)
    return "\n".join(
        [
            "# Who may do what",
            "",
            "<!-- Made by `make docs` from tests/access/matrix.yaml; change it there. -->",
            "",
            f"{len(rows)} questions, {denials} of them denials. Each is evaluated with all policies",
            "that apply (identity, boundary, resource, key, trust) as deployed; a test fails if any differs.",
            "`make access` evaluates them all, `make access ENV=dev` uses IAM's own simulator.",
            "",
            "## At a glance",
            "",
            "**Capitals** are allowed, small letters denied; both if it depends on the part of the",
            "resource or on the call. An empty cell has no question.",
            "",
            " · ".join(f"**{letter}** {meaning}" for letter, meaning in KINDS.items()),
            "",
            *[line for title, subjects in SUBJECTS.items() for line in _grid(title, subjects, rows, found)],
            "## What is promised",
            "",
            *[line for topic in matrix.topics for line in (f"- **{topic.title}.** {_text(topic.says)}",)],
            "",
            *[line for who in principals(rows) for line in _of(who, rows)],
        ]
    )


def _grid(
    title: str, subjects: Sequence[str], rows: Sequence[Row], found: Mapping[tuple[str, str], Cell]
) -> Iterable[str]:
    who = [one for one in principals(rows) if any((one, subject) in found for subject in subjects)]
    yield f"### {title}"
    yield ""
    yield f"| | {' | '.join(subjects)} |"
    yield f"|---|{'---|' * len(subjects)}"
    for one in who:
        shown = (_letters(found.get((one, subject))) for subject in subjects)
        yield f"| [{one}](#{_anchor(one)}) | {' | '.join(shown)} |"
    yield ""


def _letters(cell: Cell | None) -> str:
    if cell is None:
        return ""
    allowed = "".join(letter for letter in cell.letters if letter.isupper())
    denied = "".join(letter for letter in cell.letters if letter.islower())
    return " ".join(part for part in (allowed and f"**{allowed}**", denied) if part)


def _of(who: str, rows: Sequence[Row]) -> Iterable[str]:
    if not who.startswith("service/") and who not in _WHO:
        raise ToolError(f"scripts/access/page.py has no description of {who}.")
    yield f"## {who}"
    yield ""
    if who in _WHO:
        yield f"{_WHO[who][0].upper()}{_WHO[who][1:]}."
        yield ""
    for effect, heading in (("allow", "May"), ("deny", "May not")):
        own = [row for row in rows if row.who == who and row.effect == effect]
        if own:
            yield f"| {heading} | on | with | because |"
            yield "|---|---|---|---|"
            for row in own:
                context = ", ".join(_text(name) for name in row.named)
                yield f"| `{row.action}` | `{row.resource}` | {context} | {_text(row.why)} |"
            yield ""


def _anchor(heading: str) -> str:
    """Return GitHub's anchor for a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def _text(text: str) -> str:
    """Escape text for a table's cell or a paragraph; text in backticks is unchanged."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>|])", r"\\\1", part) for part in parts)


def main() -> int:
    """Write the page, or report that it is out of date."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.access.page", description="The matrix, as a page."
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with status 1 if something would change"
    )
    options = parser.parse_args()
    try:
        text = page(read_matrix())
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text
    if stale and options.check:
        print(f"{PAGE.relative_to(REPO)} is out of date. Run: {MEND}")
    elif stale:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.relative_to(REPO)} has been updated.")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
