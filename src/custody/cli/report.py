"""``custody report``: verify, query, examine, and write one file atomically."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from custody.cli.doctor import examine_stages
from custody.cli.options import Format, Run, describe_progress
from custody.cli.tables import plural
from custody.errors import UsageError
from custody.evidence.objects import S3Location
from custody.ledger.ledger import Scope
from custody.report import Lap, gather_lineage, gather_report, render_report
from custody.verify.verify import verify

_ELSEWHERE = "Choose another file with -o."


def run_report(run: Run, path: Path, sample: float, scope: Scope) -> int:
    """Write the page to ``path``, print a summary, and return the verification's exit status.

    Raises ``UsageError`` before any request if the file cannot be written.
    """
    with _writing(path) as page:
        now = datetime.now(UTC)
        started = time.monotonic()
        with run.progress("Verifying") as tell:
            verification = verify(
                run.s3,
                run.deployment,
                digest_keys=run.digest_keys,
                now=now,
                scope=None if scope.bucket is None else S3Location(scope.bucket, scope.prefix or "", None),
                sample=sample,
                progress=lambda stage, done, total: tell(describe_progress(stage, done, total)),
                processes=run.processes,
            )
            verified = time.monotonic()
            tell("Querying the ledger with Athena")
            data = gather_report(
                run.athena(tell), run.deployment, verification, generated_at=now, scope=scope
            )
            answered = time.monotonic()
            lineage = gather_lineage(run.s3, run.deployment, tell=tell)
            health = examine_stages(run, tell)
        laps = (Lap("Verification", verified - started), Lap("Athena's answers", answered - verified))
        data = replace(data, lineage=lineage, health=tuple(health), laps=laps)
        page.write(render_report(data))
    if run.format is Format.JSON:
        run.write_json(
            {
                "report": str(path),
                "rows": data.total_rows,
                "by_status": data.by_status,
                "health": [check.to_dict() for check in health],
                "findings": [finding.to_dict() for finding in verification.findings],
            }
        )
    else:
        run.answer(
            f"{path}: {plural(data.total_rows, 'write')}, {plural(data.checked, 'check')}, "
            f"{plural(len(verification.findings), 'finding')}"
        )
    return verification.exit_code


@contextmanager
def _writing(path: Path) -> Iterator[IO[str]]:
    """Give a file that replaces ``path`` once it is complete; until then the old file stays.

    Anything but a regular file (a pipe, ``/dev/stdout``) is written directly. Raises ``UsageError`` if it
    cannot be written: at once if that is known, otherwise at the end.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory.", "Name a file in it with -o.")
        if path.exists() and not os.access(path, os.W_OK):
            raise UsageError(f"You may not write to {path}.", _ELSEWHERE)
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as special:
                yield special
            return
        target = path.resolve()  # a symbolic link stays a link
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name[:100]}-", delete=False
        ) as page:
            partial = Path(page.name)
            try:
                yield page
                page.flush()
                partial.chmod(_mode(target))
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        raise UsageError(f"The page cannot be written to {path}: {error.strerror}.", _ELSEWHERE) from error


def _mode(target: Path) -> int:
    """The permissions of the replaced file, or those of a new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
