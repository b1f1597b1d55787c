"""``custody upload``: the upload and how its answer is written."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.text import Text

from custody.cli.options import Format, Run, state_folder
from custody.deployment import Deployment
from custody.errors import UsageError
from custody.evidence.objects import S3Location, parse_s3_uri
from custody.terminal import visible
from custody.upload.formats import assert_readable
from custody.upload.plan import (
    PlannedFile,
    default_destination,
    describe_left_out,
    plan_upload,
    table_destination,
    tables_of_files,
)
from custody.upload.state import UploadStates
from custody.upload.upload import Outcome, Progress, UploadedFile, exit_code, upload_files

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLES = {
    Outcome.UPLOADED: "green",
    Outcome.SAME: "green",
    Outcome.EXISTS: "yellow",
    Outcome.CHANGED: "yellow",
    Outcome.DIFFERS: "bold red",
    Outcome.UNRECORDED: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.NOT_TRIED: "dim",
}


_WORDS = {Outcome.SAME: "there already, with the same content"}
"""What the last line calls an outcome, where that is not its name."""


def run_upload(
    run: Run,
    paths: Sequence[str],
    *,
    table: str | None,
    to: str | None,
    no_table: bool,
    everything: bool,
    replace: bool,
    receipt_timeout_seconds: float | None,
) -> int:
    """Upload, print the outcome for each file, and return the exit status."""
    if not all(paths):  # Path would make it the current folder
        raise UsageError("A path is empty.", "Name a file or a folder; a dot is the current folder.")
    destination = _destination(run.deployment, table, to)
    plan = plan_upload(run.deployment, [Path(path) for path in paths], destination, everything=everything)
    files = plan.files
    if plan.left_out and run.format is Format.TABLE:
        run.say(f"Left out: {describe_left_out(plan.left_out)}. --all uploads them too.")
    assert_readable(run.deployment, files)
    _mean_it(run, files, no_table=no_table)
    started = time.monotonic()
    last = Progress(len(files), sum(file.size_bytes for file in files))
    try:
        with run.progress(f"Uploading {_files(len(files))}") as tell:

            def on_progress(progress: Progress) -> None:
                nonlocal last
                last = progress
                tell(_describe(progress, time.monotonic() - started))

            uploaded = upload_files(
                run.s3,
                run.deployment,
                files,
                UploadStates(state_folder("uploads")),
                replacing=replace,
                receipt_timeout_seconds=receipt_timeout_seconds,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        run.say("Uploaded parts are kept. Run the same command again to resume.")
        raise
    if run.format is Format.JSON:
        counts = Counter(each.outcome for each in uploaded)
        run.write_json(
            {
                "files": [each.to_dict() for each in uploaded],
                "left_out": plan.left_out,
                "outcomes": {str(outcome): counts[outcome] for outcome in Outcome},
                "bytes_sent": last.bytes_sent,
            }
        )
    else:
        _print(run, uploaded, last, time.monotonic() - started)
    return exit_code(uploaded)


def _destination(deployment: Deployment, table: str | None, to: str | None) -> S3Location:
    if table is None:
        return default_destination(deployment) if to is None else parse_s3_uri(to)
    if to is not None:
        raise UsageError("A table has its destination.", "Leave out --table or --to.")
    return table_destination(deployment, table)


def _mean_it(run: Run, files: Sequence[PlannedFile], *, no_table: bool) -> None:
    """Tell which files no table reads; raise ``UsageError`` unless they are meant to be uploaded.

    A deployment without tables is asked nothing: there, files are evidence alone.
    """
    unread = [file for file in files if file.table is None]
    if not run.deployment.sources or not unread:
        return
    others = f" and {len(unread) - 1:,} more of {_files(len(files))}" if len(unread) > 1 else ""
    told = f"No table reads {unread[0].uri}{others}."
    if no_table:
        if run.format is Format.TABLE:
            run.say(told)
    elif sys.stdin is not None and sys.stdin.isatty() and run.err.is_terminal:
        run.say(told)
        run.err.print("Upload anyway? [y/N] ", end="")
        if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
            raise UsageError("Nothing was sent.", "Name a table with --table.")
    else:
        raise UsageError(
            told,
            f"Name a table with --table ({tables_of_files(run.deployment)}), or mean it with --no-table.",
        )


def _describe(progress: Progress, seconds: float) -> str:
    words = (
        f"{progress.files_done:,} of {_files(progress.files)}, {decimal(progress.bytes_done)} of "
        f"{decimal(progress.size_bytes)}, {_rate(progress, seconds)}"
    )
    return f"{words}, {progress.receipts:,} receipts" if progress.receipts else words


def _rate(progress: Progress, seconds: float) -> str:
    return f"{decimal(int(progress.bytes_sent / max(seconds, 0.001)))}/s"


def _print(run: Run, uploaded: Sequence[UploadedFile], progress: Progress, seconds: float) -> None:
    """Print one line per file, as ``sha256sum`` does, with remarks below."""
    for each in uploaded:
        name = each.version.uri if each.version else each.file.uri
        run.out.print(
            Text.assemble(
                (f"{each.outcome.replace('_', ' '):<11}", _STYLES[each.outcome]),
                f"{each.sha256 or 'not fully read':<64}  {visible(name)}",
            ),
            soft_wrap=True,
        )
        if each.detail and each.outcome is not Outcome.SAME:
            run.out.print(f"{'':<11}{visible(f'{each.file.path}: {each.detail}')}", soft_wrap=True)
    counts = Counter(each.outcome for each in uploaded)
    told = [
        f"{number:,} {_WORDS.get(outcome, outcome.replace('_', ' '))}"
        for outcome, number in counts.most_common()
    ]
    run.say(
        f"{_files(len(uploaded))}: {', '.join(told)}"
        + (f", {progress.receipts:,} with a receipt that agrees" if progress.receipts else "")
        + f". {decimal(progress.bytes_sent)} sent in {seconds:.1f} s, {_rate(progress, seconds)}.",
        style="bold green" if exit_code(uploaded) == 0 else "yellow",
    )


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"
