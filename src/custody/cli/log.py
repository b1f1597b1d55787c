"""``custody watch`` and ``custody witness``: what they read, and what they say."""

from __future__ import annotations

import time
from pathlib import Path

from custody.cli.options import Format, Run, read_small
from custody.errors import EvidenceError, UsageError
from custody.evidence.registry_versions import read_versions
from custody.log.extension import ADD_CHECKPOINT
from custody.log.keys import note_key, read_log_history
from custody.log.policy import MAX_POLICY_BYTES, Policy, parse_policy
from custody.log.sources import open_log, open_versions
from custody.log.store import LOG_PREFIX
from custody.log.watch import watch
from custody.log.witness import Witness
from custody.log.witness_server import FolderState, load_cosigner, serve
from custody.terminal import visible


def read_policy(path: Path) -> bytes:
    """The file of a policy. Raises ``UsageError`` if it cannot be read, or is none."""
    data = read_small(path, MAX_POLICY_BYTES)
    try:
        parse_policy(data)
    except EvidenceError as error:
        raise UsageError(f"{path} is no policy. {error.message}", error.remedy) from error
    return data


def run_watch(run: Run, seen: Path, place: str | None, policy_path: Path | None) -> int:
    """Look at a log, print what was seen, and return the exit status."""
    if place is not None and policy_path is None:
        raise UsageError("It is not known which keys the log has.", "Name a policy file with --policy.")
    with run.progress("Reading the log"):
        if place is None:
            place = f"s3://{run.deployment.buckets['provenance']}/{LOG_PREFIX}"
        fetch, versions = open_log(place, lambda: run.any_s3), open_versions(place, lambda: run.any_s3)
        policy = parse_policy(read_policy(policy_path)) if policy_path is not None else _registered(run)
        found = watch(fetch, policy, seen, versions)
    before, now = found.before, found.now
    if run.format is Format.JSON:
        size = None if before is None else before.size
        document = {"log": now.origin, "size": now.size, "root": now.root.hex(), "size_before": size}
        run.write_json(
            document | {"ended": found.end is not None, "successor": found.end and found.end.successor}
        )
    else:
        run.answer(f"{now.origin}: {now.size:,} entries, root {now.root.hex()}")
        run.answer(
            "Seen for the first time." if before is None else f"It extends the {before.size:,} seen before."
        )
        if found.end is not None:
            run.answer(describe_end(found.end.successor))
    return 0


def describe_end(successor: str | None) -> str:
    """A sentence for a log that has ended."""
    goes_on = "no other goes on" if successor is None else f"{visible(successor)} goes on"
    return f"The log has ended: {goes_on}."


def _registered(run: Run) -> Policy:
    """The log's keys that the key registry has. Raises ``EvidenceError`` if its history is not right."""
    versions, _ = read_versions(run.s3, run.deployment.buckets["provenance"])
    log, problems = read_log_history(versions)
    if problems:
        raise EvidenceError(f"The key registry cannot be trusted. {problems[0]}", "Run custody verify.")
    return Policy([note_key(log.origin, key) for key in log.trusted()])


def run_witness(run: Run, *, name: str, key: Path, logs: Path, state: Path, listen: str) -> int:
    """Serve until interrupted."""
    host, separator, port = listen.rpartition(":")
    if not separator or not (port.isascii() and port.isdigit()):
        raise UsageError(f"{listen[:80]!r} is no address and port.", "Write 127.0.0.1:8780.")
    policy = parse_policy(read_policy(logs))
    if not policy.logs:
        raise UsageError(f"The policy {logs} names no log.", "Add a line: log and the log's verifier key.")
    cosigner = load_cosigner(name, key)
    witness = Witness(policy.logs, cosigner, FolderState(state), time.time)
    with serve(witness, state, (host, int(port)), run.say) as server:
        url = f"http://{host}:{server.server_port}{ADD_CHECKPOINT}"
        verifier_key = cosigner.key.to_verifier_key()
        if run.format is Format.JSON:
            run.write_json({"url": url, "key": verifier_key})
        else:
            run.answer(verifier_key)
            run.answer(f"Serving {url} for {', '.join(log.name for log in policy.logs)}")
        run.out.file.flush()
        server.serve_forever()
    return 0
