"""``custody erase``: record the decision, wait for its receipt, then delete. Never the other way round."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from custody.cli.options import Format, Run
from custody.cli.tables import plural
from custody.errors import CannotCheckError, UsageError
from custody.evidence.erasure import ERASURES, MAX_REASON_CHARACTERS, Erasure, is_erasable
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.recorder.backfill import ReceiptState, await_receipt, may_have_receipt, receipt_states

MAX_VERSIONS = 1000
"""As many as one decision names."""


def run_erase(run: Run, uris: Sequence[str], reason: str, *, confirmed: bool, timeout_seconds: float) -> int:
    """Erase the versions, print what was done, and return the exit status.

    Raises ``UsageError`` before anything is written if one of them cannot be erased lawfully, and
    ``CannotCheckError`` before anything is deleted if the decision gets no receipt in time.
    """
    if not reason.strip() or len(reason) > MAX_REASON_CHARACTERS:
        raise UsageError("An erasure needs a reason.", f"Write up to {MAX_REASON_CHARACTERS} characters.")
    if len(set(uris)) > MAX_VERSIONS:
        raise UsageError(f"Over {MAX_VERSIONS} versions are named.", "Erase them in several runs.")
    processed = run.deployment.buckets["processed"]
    if not run.deployment.is_recorded(processed, ERASURES):
        raise UsageError(
            f"Decisions below s3://{processed}/{ERASURES} are not recorded, so one would prove nothing.",
            "Add the prefix to recorded_prefixes and apply.",
        )
    with run.progress("Reading the objects"):
        versions = tuple(_erasable(run, uri) for uri in dict.fromkeys(uris))
    if not confirmed:
        _confirm(run, versions, reason)
    now = datetime.now(UTC)
    body = Erasure(reason, now, versions).to_bytes()
    key = f"{ERASURES}{now:%Y/%m/%d}/{hashlib.sha256(body).hexdigest()[:32]}.json"
    with run.progress("Recording the decision"):
        answer = run.s3.put_object(
            Bucket=processed, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
        )
        decision = ObjectVersion(processed, key, answer["VersionId"])
        try:
            await_receipt(run.s3, run.deployment, decision, timeout_seconds=timeout_seconds)
        except CannotCheckError as error:
            raise CannotCheckError(
                f"Nothing was deleted: the decision {decision.uri} has no receipt yet.",
                "See custody doctor, then run the command again.",
            ) from error
    failed = {}
    with run.progress("Deleting"):
        for version in versions:
            try:
                run.s3.delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
            except ClientError as error:
                failed[version.uri] = str(error)
    erased = [version.uri for version in versions if version.uri not in failed]
    if run.format is Format.JSON:
        run.write_json({"decision": decision.uri, "erased": erased, "failed": failed})
    else:
        run.answer(f"{plural(len(erased), 'version')} erased, by the decision {decision.uri}")
        for uri, problem in failed.items():
            run.say(f"Not deleted: {uri}: {problem} The decision stands.", style="yellow")
    return CannotCheckError.exit_code if failed else 0


def _erasable(run: Run, uri: str) -> ObjectVersion:
    """The version to erase, which has its receipt, and may be gone already. Raises ``UsageError``."""
    location = parse_s3_uri(uri)
    if location.version_id is None:
        raise UsageError(f"{uri[:200]} names no version.", "Write ?versionId=…; custody show lists them.")
    version = ObjectVersion(location.bucket, location.key, location.version_id)
    if not may_have_receipt(run.deployment, version):
        raise UsageError(f"{version.uri} is not recorded, so nobody will miss it.", "Delete it as it is.")
    if not is_erasable(version, run.deployment.buckets["raw-data"]):
        raise UsageError(
            f"{version.uri} cannot be erased.", "Only raw data and files of tables can: all else is evidence."
        )
    if receipt_states(run.s3, run.deployment, [version])[version] is not ReceiptState.PRESENT:
        raise UsageError(f"{version.uri} has no receipt.", "Run custody record first, or custody verify.")
    return version


def _confirm(run: Run, versions: Sequence[ObjectVersion], reason: str) -> None:
    """Have a person confirm; raises ``UsageError`` if none does."""
    if sys.stdin is None or not sys.stdin.isatty() or not run.err.is_terminal:
        raise UsageError("Nobody is there to confirm the erasure.", "Add --yes.")
    for version in versions:
        run.say(version.uri)
    run.say(f"Reason: {reason}")
    run.err.print(f"Delete {plural(len(versions), 'version')} for ever? [y/N] ", end="")
    if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
        raise UsageError("Not confirmed; nothing was done.")
