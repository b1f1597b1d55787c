"""``custody prove``, ``export`` and ``verify --bundle``: what they read, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from custody.cli.log import read_policy
from custody.cli.options import Format, Run, read_small
from custody.cli.tables import plural, print_finding
from custody.errors import EvidenceError, UsageError
from custody.evidence.objects import parse_s3_uri
from custody.evidence.registry import MAX_REGISTRY_BYTES
from custody.ledger.ledger import Scope
from custody.log.note import MAX_NOTE_BYTES, parse_note
from custody.log.proof.bundle import open_bundle
from custody.log.proof.check import BundleReport, check_bundle
from custody.log.proof.export import ExportRequest, export
from custody.log.proof.prove import Request, prove


def run_prove(
    run: Run, uri: str, path: Path, *, policy: Path | None, checkpoint: Path | None, with_object: bool
) -> int:
    """Write a proof, print what it shows, and return the exit status."""
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Create it first.")
    request = Request(
        parse_s3_uri(uri),
        policy=None if policy is None else read_policy(policy),
        checkpoint=None if checkpoint is None else _read_checkpoint(checkpoint),
        with_object=with_object,
    )
    with run.progress("Reading the object") as tell:
        report = prove(
            run.s3,
            run.deployment,
            request,
            path,
            digest_keys=run.digest_keys,
            now=datetime.now(UTC),
            tell=tell,
        )
    _print(run, report)
    run.say(f"Written to {path}. Verify it anywhere: unzip it, and run python3 verify.py.")
    return report.exit_code


def run_export(
    run: Run,
    uri: str,
    period: Scope,
    path: Path,
    *,
    policy: Path | None,
    checkpoint: Path | None,
    with_objects: bool,
) -> int:
    """Write an export, print what it shows and what is missing, and return the exit status."""
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", "Create it first.")
    location = parse_s3_uri(uri)
    if location.version_id is not None:
        raise UsageError("An export is of a prefix, not of a version.", "Use custody prove for one version.")
    request = ExportRequest(
        location,
        period.since,
        period.until,
        policy=None if policy is None else read_policy(policy),
        checkpoint=None if checkpoint is None else _read_checkpoint(checkpoint),
        with_objects=with_objects,
    )
    with run.progress("Reading the log") as tell:
        made = export(
            run.s3,
            run.deployment,
            request,
            path,
            digest_keys=run.digest_keys,
            now=datetime.now(UTC),
            tell=tell,
        )
    if run.format is Format.JSON:
        claims = [] if made.report is None else made.report.to_dict()["claims"]
        findings = [finding.to_dict() for finding in made.findings]
        run.write_json({"receipts": made.receipts, "claims": claims, "findings": findings})
    else:
        if made.report is not None:
            _print(run, made.report)
        for finding in made.findings:
            print_finding(run, finding)
    if made.report is None:
        run.say("Nothing was written: nothing could be exported.", style="bold red")
    else:
        missing = f" {plural(len(made.findings), 'finding')}: README.txt names them." if made.findings else ""
        run.say(f"Written to {path}: {plural(made.receipts, 'receipt')}.{missing}")
    return made.exit_code


def run_bundle(run: Run, path: Path, registry: Path | None) -> int:
    """Check a proof, print every claim, and return the exit status."""
    trusted = None if registry is None else read_small(registry, MAX_REGISTRY_BYTES)
    with run.progress("Verifying"), open_bundle(path) as bundle:
        report = check_bundle(bundle, trusted)
    _print(run, report)
    return report.exit_code


def _read_checkpoint(path: Path) -> bytes:
    """The file of a checkpoint. Raises ``UsageError`` if it cannot be read, or is no signed note."""
    data = read_small(path, MAX_NOTE_BYTES)
    try:
        parse_note(data)
    except EvidenceError as error:
        raise UsageError(f"{path} is no checkpoint. {error.message}") from error
    return data


def _print(run: Run, report: BundleReport) -> None:
    if run.format is Format.JSON:
        run.write_json(report.to_dict())
        return
    for result in report.results:
        run.answer(f"{'holds ' if result.holds else 'FAILED'} {result.claim:17} {result.detail}")
