"""The sources of a review's two sides: two trees applied to a local AWS, or a plan."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from custody.terminal import visible
from scripts.review.plans import Pair, planned_pairs
from scripts.state.applied import applied_state, tree_key
from scripts.terraform import BESIDE
from scripts.toolchain.toolchain import ToolError

_T = TypeVar("_T")
LONGEST = 400
"""Characters of a reason; the rest of a longer one goes."""


class NotCheckedError(Exception):
    """A side could not be obtained; the message says which and why."""


def commit_of(ref: str, tree: Path) -> str:
    """Return the commit that ``ref`` names in ``tree``; raises ``ToolError`` if there is none."""
    done = _git(tree, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode != 0:
        raise ToolError(f"There is no commit {ref!r} here; in a shallow clone, fetch it first.")
    return done.stdout.decode().strip()


def documents(commit: str, tree: Path, out: Path) -> tuple[Pair, dict[str, Pair]]:
    """Return the states of a commit and of the working tree in ``tree``; plans of what else differs.

    Both are applied at once, each to an AWS of its own: an apply waits more than it works. The plans are
    those of ``plans.planned_pairs``. Work is done below ``out``. Raises ``ToolError`` if the commit has no
    Terraform, ``NotCheckedError`` if a side cannot be applied or planned.
    """
    base, head = _export(commit, tree, out), tree / "terraform"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=context, initializer=_end_when_told) as pool:
        before = pool.submit(_or_end, _applied, "the base", base)
        after = pool.submit(_or_end, _applied, "the working tree", head)
        plans = pool.submit(_or_end, planned_pairs, base, head, out / f"{commit}.plans")
        try:
            return (
                (
                    _result(before, f"the base {commit[:12]} cannot be applied"),
                    _result(after, "the working tree cannot be applied"),
                ),
                _result(plans, "bootstrap or an environment cannot be planned"),
            )
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def read_plan(path: Path) -> dict[str, Any]:
    """Return a plan's document (``terraform show -json``).

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
    return plan


def _export(commit: str, tree: Path, out: Path) -> Path:
    """Write a commit's Terraform, and what it reads, below ``out``; return the folder of the Terraform."""
    folder = out / commit
    if not folder.is_dir():
        listed = _git(tree, "ls-tree", "--name-only", commit, "terraform", *BESIDE).stdout.decode().split()
        done = _git(tree, "archive", "--format=tar", commit, *listed)
        if done.returncode != 0 or "terraform" not in listed:
            raise ToolError(f"The commit {commit[:12]} has no terraform/ to compare with.")
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
    """Let the parent alone hear of Ctrl-C; it then ends this process, which ends what it started itself.

    Told once is enough: the pool tells a process again when the other one has ended.
    """

    def end(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, lambda *_: None)
        sys.exit(130)

    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, end)


def _or_end(work: Callable[..., _T], *arguments: Any) -> _T:
    """Work; if told to end meanwhile, end, once everything that was started has.

    The pool would take it for the outcome of the work, and have the process wait for more: for ever, if the
    one that was told before it has died with the queue's lock in its hands.
    """
    try:
        return work(*arguments)
    except SystemExit:
        sys.stderr.flush()
        os._exit(130)


def _applied(name: str, source: Path) -> dict[str, Any]:
    def say(line: str) -> None:
        print(f"{name}: {line}", file=sys.stderr, flush=True)

    return applied_state(source, tree_key(source), say=say)


def _result(future: Future[_T], failed: str) -> _T:
    try:
        return future.result()
    except (ToolError, BrokenProcessPool) as error:
        raise NotCheckedError(f"{failed}: {_essence(str(error))}") from error


def _essence(message: str) -> str:
    """Return one line of all that Terraform said: what it calls the error, and what it first says of it."""
    lines = (line.strip() for line in message.splitlines())
    said = "\n".join(line for line in lines if not line.startswith(("├", "│")))  # values it quotes
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n{2,}", said) if part.strip()]
    errors = [number for number, part in enumerate(paragraphs) if part.startswith("Error")]
    if not errors:
        return paragraphs[-1].rstrip(".") if paragraphs else "no reason was given"
    title, *rest = paragraphs[errors[0] :]
    detail = next((part for part in rest if not re.match(r"on \S+ line \d+", part)), "")
    text = visible(f"{title} {detail}".strip()).rstrip(".")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
