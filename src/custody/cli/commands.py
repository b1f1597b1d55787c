"""The commands: what each takes, and how its answer is written. What they do is in the library."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from custody import __version__
from custody.cli.options import DeploymentOption, Format, FormatOption, Run
from custody.cli.tables import print_ledger
from custody.ledger import LedgerStatus, ledger_rows, parse_key, parse_since

app = typer.Typer(
    name="custody",
    epilog="Exit status: 0 all holds, 1 findings, 2 wrong use or configuration, 3 could not check.",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"custody {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and end.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Who put this object here, is it still the same, and what proves it."""


@app.command()
def ledger(
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Only this object: its key, or its s3:// URI.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="T", help="Only from then on: 2026-01-15, 2026-01-15T09:30:00Z, 90m, 24h, 7d."),
    ] = None,
    status: Annotated[LedgerStatus | None, typer.Option(help="Only rows of this status.")] = None,
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption,
) -> int:
    """Show the chain of custody as a table.

    A row is an object version written: by whom, when, from where, and whether it is proven (CloudTrail logged
    the write, and its receipt agrees). Newest first.
    """
    run = Run(deployment, output)
    bucket, object_key, version_id = (None, None, None) if key is None else parse_key(key)
    from_time = None if since is None else parse_since(since, datetime.now(UTC))
    with run.progress("Asking Athena for the ledger") as tell:
        rows = ledger_rows(
            run.athena(tell),
            bucket=bucket,
            key=object_key,
            version_id=version_id,
            since=from_time,
            status=status,
        )
    if output is Format.JSON:
        run.stream_json("rows", (row.to_dict() for row in rows))
    else:
        print_ledger(run, rows)
    return 0
