"""``custody fsck``: where the log is, whose keys count, and what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from custody.cli.log import describe_end
from custody.cli.options import Format, Run, describe_progress
from custody.cli.tables import plural, print_finding
from custody.errors import EvidenceError, UsageError
from custody.evidence.objects import parse_s3_uri
from custody.evidence.registry import MAX_REGISTRY_BYTES
from custody.evidence.registry_versions import read_versions
from custody.log.fsck import FsckReport, Place, fsck
from custody.log.keys import RegisteredLog, note_key, parse_log_registry, read_log_history
from custody.log.note import NoteKey, parse_verifier_key
from custody.log.note_keys import require_readable
from custody.log.sources import in_bucket, open_log
from custody.terminal import visible

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def run_fsck(
    run: Run, place: str | None, keys: Sequence[str], registry: Path | None, predecessor: str | None
) -> int:
    """Check a log, print what was found, and return the exit status."""
    known = _read_keys(keys, registry)
    before = None if predecessor is None else open_log(predecessor, lambda: run.any_s3)
    if not known and place is not None:
        raise UsageError(
            "It is not known which keys the log has.", "Name its key with --key, or a key registry."
        )
    with run.progress("Reading the log") as tell:
        if not known or (place is None and registry is None and predecessor is not None):
            versions, _ = read_versions(run.s3, run.deployment.buckets["provenance"])
            known += _trusted(read_log_history(versions)[0])
        where = _open(run, place)
        report = fsck(where, known, lambda *stage: tell(describe_progress(*stage)), before)
    if run.format is Format.JSON:
        run.write_json(report.to_dict())
    else:
        _print(run, report)
    return report.exit_code


def _read_keys(keys: Sequence[str], registry: Path | None) -> list[NoteKey]:
    """The keys that are named. Raises ``UsageError``."""
    try:
        named = [parse_verifier_key(key) for key in keys]
        if registry is not None:
            with registry.open("rb") as file:
                named += _trusted(parse_log_registry(file.read(MAX_REGISTRY_BYTES + 1)))
        for key in named:
            require_readable(key)
    except EvidenceError as error:
        raise UsageError(error.message) from error
    except OSError as error:
        raise UsageError(f"The key registry {registry} cannot be read: {error.strerror}.") from error
    return named


def _trusted(log: RegisteredLog) -> list[NoteKey]:
    return [note_key(log.origin, key) for key in log.trusted()]


def _open(run: Run, place: str | None) -> Place:
    """The place of a log, or the deployment's bucket."""
    if place is None:
        bucket = run.deployment.buckets["provenance"]
        return Place(f"s3://{bucket}/", in_bucket(run.s3, bucket, ""), _listing(run.s3, bucket, ""))
    fetch = open_log(place, lambda: run.any_s3)
    name = place if place.endswith("/") else f"{place}/"
    if place.startswith("s3://"):
        location = parse_s3_uri(name)
        return Place(name, fetch, _listing(run.any_s3, location.bucket, location.key))
    return Place(name, fetch, None if "://" in place else _folder(Path(place)))


def _listing(s3: S3Client, bucket: str, root: str) -> Callable[[str], Iterable[str]]:
    def paths(prefix: str) -> Iterator[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=root + prefix)
        for page in pages:
            yield from (item["Key"].removeprefix(root) for item in page.get("Contents", ()))

    return paths


def _folder(root: Path) -> Callable[[str], Iterable[str]]:
    def paths(prefix: str) -> Iterator[str]:
        for folder, _, names in os.walk(root / prefix):
            yield from (Path(folder, name).relative_to(root).as_posix() for name in names)

    return paths


def _print(run: Run, report: FsckReport) -> None:
    if report.root:
        run.answer(f"{report.origin}: {report.size:,} entries, root {report.root}")
    run.answer(f"Read: {plural(report.bundles, 'bundle')} of entries, {plural(report.rows, 'right row')}.")
    if report.predecessor is not None:
        run.answer(f"Its first entry says that it goes on for {visible(report.predecessor)}.")
    if report.ended:
        run.answer(describe_end(report.successor))
    for finding in report.findings:
        print_finding(run, finding)
    for words in report.unchecked:
        run.say(f"Could not be checked: {words}", style="yellow")
    words = (
        f"{plural(report.findings_count, 'finding')}."
        if report.findings
        else "Not everything could be checked."
        if report.unchecked
        else "The log is what its checkpoint names."
    )
    run.say(words, style="bold red" if report.findings else "yellow" if report.unchecked else "bold green")
