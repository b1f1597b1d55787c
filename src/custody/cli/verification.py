"""``custody verify`` of a deployment: what is kept of an interrupted run, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime

from custody.cli.options import Format, Run, describe_progress, state_folder
from custody.cli.tables import plural, print_verification
from custody.errors import CannotCheckError, UsageError
from custody.evidence.objects import parse_s3_uri
from custody.verify.verify import Results, verify


def run_verify(run: Run, uri: str | None, sample: float) -> int:
    """Verify, print what was found, and return the exit status."""
    scope = None if uri is None else parse_s3_uri(uri)
    results = _results(run)
    try:
        with run.progress("Verifying") as tell:
            verification = verify(
                run.s3,
                run.deployment,
                digest_keys=run.digest_keys,
                now=datetime.now(UTC),
                scope=scope,
                sample=sample,
                progress=lambda stage, done, total: tell(describe_progress(stage, done, total)),
                processes=run.processes,
                results=results,
            )
    except (KeyboardInterrupt, CannotCheckError):
        _say_what_is_kept(run, results)
        raise
    if run.format is Format.JSON:
        run.write_json(verification.to_dict())
    else:
        print_verification(run, verification)
    _say_what_is_kept(run, results)
    return verification.exit_code


def _results(run: Run) -> Results | None:
    try:
        return Results(state_folder("verify"))
    except UsageError as error:
        run.say(str(error))
        return None


def _say_what_is_kept(run: Run, results: Results | None) -> None:
    if results is None:
        return
    if results.problem:
        run.say(results.problem, style="yellow")
    if results.kept:
        run.say(
            f"What was checked of {plural(results.kept, 'receipt')} is kept for a day: "
            "run the same command again to go on."
        )
