"""``custody verify`` and ``reconcile``: what is kept of an interrupted run, and what is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from custody.cli.options import Format, Run, describe_progress, state_folder
from custody.cli.tables import plural, print_reconciliation, print_verification
from custody.errors import CannotCheckError, UsageError
from custody.evidence.objects import S3Location, parse_s3_uri
from custody.ledger.ledger import Scope
from custody.times import format_time
from custody.verify.checksum_report import open_report
from custody.verify.copy import compare_with_copy
from custody.verify.reconcile import ReconciledStatus, Reconciliation
from custody.verify.verify import Results, open_verification, verify


def run_comparison(run: Run, sample: float) -> int:
    """Compare the evidence with its copy, print what was found, and return the exit status."""
    with run.progress("Comparing") as tell:
        report = compare_with_copy(
            run.s3,
            run.copy_s3,
            run.deployment,
            now=datetime.now(UTC),
            sample=sample,
            progress=lambda stage, done, total: tell(describe_progress(stage, done, total)),
        )
    if run.format is Format.JSON:
        run.write_json(report.to_dict())
    else:
        print_verification(run, report)
    return report.exit_code


def run_verify(
    run: Run, uri: str | None, sample: float, *, from_copy: bool, checksum_report: str | None
) -> int:
    """Verify, print what was found, and return the exit status."""
    scope = None if uri is None else parse_s3_uri(uri)
    s3, processes = run.from_copy() if from_copy else (run.s3, run.processes)
    checksums = None if checksum_report is None else open_report(checksum_report, s3)
    results = _results(run)
    try:
        with run.progress("Verifying") as tell:
            verification = verify(
                s3,
                run.deployment,
                digest_keys=run.digest_keys,
                now=datetime.now(UTC),
                scope=scope,
                sample=sample,
                progress=lambda stage, done, total: tell(describe_progress(stage, done, total)),
                processes=processes,
                results=results,
                with_objects=not from_copy,
                checksums=checksums,
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


def run_reconcile(run: Run, period: Scope, sample: float, now: datetime) -> int:
    """Verify, compare four ways, print every version of the period, and return the exit status."""
    place = None if period.bucket is None else S3Location(period.bucket, period.prefix or "")
    results = _results(run)
    with ExitStack() as opened:
        try:
            with run.progress("Verifying") as tell:
                verification, index = opened.enter_context(
                    open_verification(
                        run.s3,
                        run.deployment,
                        digest_keys=run.digest_keys,
                        now=now,
                        scope=place,
                        since=period.since,
                        sample=sample,
                        progress=lambda stage, done, total: tell(describe_progress(stage, done, total)),
                        processes=run.processes,
                        results=results,
                    )
                )
                report = verification.run()
                tell("Comparing")
                found = Reconciliation(index, report, run.deployment, period, now)
        except (KeyboardInterrupt, CannotCheckError):
            _say_what_is_kept(run, results)
            raise
        if run.format is Format.JSON:
            run.stream_document(_document(found, period))
        else:
            print_reconciliation(run, found)
    _say_what_is_kept(run, results)
    return found.exit_code


def _document(found: Reconciliation, period: Scope) -> dict[str, str | Mapping[str, Any] | Iterable[Any]]:
    report = found.report
    return {
        "period": {
            name: None if moment is None else format_time(moment)
            for name, moment in (("since", period.since), ("until", period.until))
        },
        "counts": {status.value: found.counts[status] for status in ReconciledStatus},
        "rows": (row.to_dict() for row in found.rows()),
        "findings": [finding.to_dict() for finding in found.general],
        "unchecked": report.unchecked,
        "notes": report.notes,
        "verification": {
            "has_log": found.has_log,
            "unchecked_count": report.unchecked_count,
            "reused": report.reused,
            "sample": report.sample,
            "seed": report.seed,
        },
    }


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
