"""Say what a change does to access and to data, and refuse what gets wider without an approval.

    python -m scripts.review --base <git ref>     both sides applied to an AWS on this machine
    python -m scripts.review --plan <plan json>   a real environment: what a plan finds, and would leave

Markdown goes to standard output and ``build/review/review.md``, data to ``build/review/review.json``,
progress to standard error. Exit status: 0 nothing gets wider, or only what is approved; 1 something does;
2 wrong use (no such ref, not a plan, approvals that cannot be read); 3 it could not be checked; 130
interrupted.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.applied import applied_state, tree_key
from scripts.review.access import compare_access
from scripts.review.approvals import judge, read_approvals
from scripts.review.assignments import compare_assignments
from scripts.review.findings import Finding
from scripts.review.page import Compared, as_json, as_markdown
from scripts.review.protection import compare_protection
from scripts.review.sides import Side, applied_sides, planned_sides
from scripts.toolchain import BUILD, REPO, ToolError


class NotCheckedError(Exception):
    """One side could not be had; the message says which and why."""


def compare(before: Side, after: Side, actions: dict[str, list[str]] | None = None) -> list[Finding]:
    """Return everything that differs; ``actions`` of a plan, if there is one, by address."""
    return [
        *compare_access(before, after),
        *compare_assignments(before, after),
        *compare_protection(before, after, actions),
    ]


def review_base(ref: str, tree: Path, out: Path) -> tuple[Compared, list[Finding]]:
    """Compare the commit ``ref`` names with the working tree in ``tree``, both applied.

    Raises ``ToolError`` if there is no such commit, ``NotCheckedError`` if a side cannot be applied.
    """
    commit = _commit(ref, tree)
    sides = {f"the base {commit[:12]}": _export(commit, tree, out), "the working tree": tree / "terraform"}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(sides), mp_context=context, initializer=_end_when_told) as pool:
        running = {name: pool.submit(_applied, name, source) for name, source in sides.items()}
        try:
            before, after = (_result(name, state) for name, state in running.items())
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return Compared(f"{ref} ({commit[:12]})", "working tree"), compare(*applied_sides(before, after))


def review_plan(path: Path) -> tuple[Compared, list[Finding]]:
    """Compare what a plan found with what it would leave.

    Raises ``ToolError`` if the file is no plan, ``NotCheckedError`` if the plan failed.
    """
    try:
        plan: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ToolError(f"{path} is not JSON. Make it with: terraform show -json <plan>") from error
    if not isinstance(plan, dict) or not {"planned_values", "resource_changes"} <= plan.keys():
        raise ToolError(f"{path} is not a plan. Make it with: terraform show -json <plan>")
    if plan.get("errored"):
        raise NotCheckedError(f"the plan in {path} ended with an error: it is not whole")
    actions = {change["address"]: change["change"]["actions"] for change in plan["resource_changes"]}
    return Compared("as it is", f"plan {path.name}"), compare(*planned_sides(plan), actions)


def _commit(ref: str, tree: Path) -> str:
    done = _git(tree, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode != 0:
        raise ToolError(f"There is no commit {ref!r} here; in a shallow clone, fetch it first.")
    return done.stdout.decode().strip()


def _export(commit: str, tree: Path, out: Path) -> Path:
    """Write the Terraform and SQL of a commit below ``out``; return the folder of its Terraform."""
    folder = out / commit
    if not folder.is_dir():
        done = _git(tree, "archive", "--format=tar", commit, "terraform", "sql")
        if done.returncode != 0:
            raise ToolError(f"The commit {commit[:12]} has no terraform/ and sql/ to compare with.")
        partial = folder.with_suffix(".part")
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(partial, filter="data")
        partial.rename(folder)
    return folder / "terraform"


def _git(tree: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = ["git", "-C", str(tree), *words]
    return subprocess.run(command, capture_output=True, check=False)


def _end_when_told() -> None:
    """Let the parent alone hear of Ctrl-C; it then ends this process, which ends what it started itself."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))


def _result(name: str, state: Future[dict[str, Any]]) -> dict[str, Any]:
    try:
        return state.result()
    except (ToolError, BrokenProcessPool) as error:
        raise NotCheckedError(f"{name} cannot be applied: {_essence(str(error))}") from error


def _applied(name: str, source: Path) -> dict[str, Any]:
    return applied_state(source, tree_key(source), say=lambda line: _say(f"{name}: {line}"))


def _essence(message: str) -> str:
    """Return what Terraform calls the error, on one line; else the last line of all it said."""
    found = re.search(r"^\W*Error: (.*)$", message, re.MULTILINE)
    return found[1].strip() if found else (message.strip().splitlines() or ["no reason given"])[-1]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None, *, tree: Path = REPO, out: Path = BUILD / "review") -> int:
    """Run one review; see the module's docstring for the exit status.

    tree: whose working tree, history and approvals. out: where the files are written.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.review", description="Review access and data.")
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--base", metavar="REF", help="the commit to compare the working tree with")
    side.add_argument("--plan", metavar="FILE", type=Path, help="terraform show -json of a plan")
    options = parser.parse_args(arguments)
    try:
        approvals = read_approvals(tree / "terraform" / "access-approvals.yaml")
        out.mkdir(parents=True, exist_ok=True)
        compared, findings = (
            review_plan(options.plan) if options.plan else review_base(options.base, tree, out)
        )
    except ToolError as error:
        _say(str(error))
        return 2
    except NotCheckedError as error:
        _say(f"Not checked: {error}.")
        return 3
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    judged = judge(findings, approvals, datetime.now(UTC).date())
    page = as_markdown(compared, judged)
    (out / "review.md").write_text(page, encoding="utf-8")
    (out / "review.json").write_text(json.dumps(as_json(compared, judged), indent=2) + "\n", encoding="utf-8")
    print(page, end="")
    return 1 if judged.refused else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
