"""Run the gates: ``make test`` (all of them), ``make lint``.

    python -m scripts.gates [test|lint|scan|…]    # or one gate by its name, such as "ruff format"

Every gate runs, even if an earlier one fails. The output of a failed gate is shown, with the command that
fixes it or reruns it. At the end there is one line per gate, with its duration. Exit status 0 if all pass, 1
if one fails, 2 if they could not be run, 130 on an interrupt; nothing is left running.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.terraform import BESIDE, BUILT
from scripts.toolchain.environment import without_aws
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import (
    BUILD,
    LOCK_FILE,
    REPO,
    ToolError,
    lock_file,
    terraform_environ,
    terraform_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

WORK = BUILD / "test"
AT_ONCE = 2
GRACE_SECONDS = 45.0

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Gate:
    """One check. ``run`` returns whether it passes; ``mend`` says how to fix a failure."""

    name: str
    run: Callable[[Runner], bool]
    mend: str


@dataclass
class Runner:
    """Runs the commands of one gate and keeps their output; with ``live`` it is shown directly."""

    children: Children
    live: bool = False
    output: list[str] = field(default_factory=list)

    def __call__(
        self, *command: str | Path, cwd: Path = REPO, environ: Mapping[str, str] | None = None
    ) -> bool:
        """Run one command to its end, return whether its exit status is 0.

        A live gate has priority: it takes the longest, and the others run beside it.
        """
        words = [*(() if self.live else ("nice",)), *(str(word) for word in command)]
        with self.children.started(words, cwd, environ or without_aws(os.environ), live=self.live) as process:
            text, _ = process.communicate()
        if text:
            self.output.append(text)
        return process.returncode == 0


class Children:
    """The running processes, each in its own process group."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    @contextlib.contextmanager
    def started(
        self, words: Sequence[str], cwd: Path, environ: Mapping[str, str], *, live: bool
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a process, and track it until it has ended. Raises ``ToolError`` after all were stopped."""
        with self._lock:
            if self._stopped:
                raise ToolError("Stopped.")
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=None if live else subprocess.PIPE,
                stderr=None if live else subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self) -> None:
        """Interrupt every process like Ctrl-C, and finally kill what is left of its group."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGINT)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def command(*words: str | Path) -> Callable[[Runner], bool]:
    """Return a gate that runs one command."""
    return lambda run: run(*words)


def terraform_tests(run: Runner) -> bool:
    """``terraform test`` for the roots and for each module, in a copy of the code.

    It validates what it runs. The copy keeps files written by ``init`` out of the repository.
    """
    copy = WORK / "terraform"
    shutil.rmtree(copy, ignore_errors=True)
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*")
    shutil.copytree(REPO / "terraform", copy, symlinks=True, ignore=ignored)
    for name, target in [(name, REPO / name) for name in (*BESIDE, *(f"build/{name}" for name in BUILT))]:
        link = WORK / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    plain = {"GOGC": "800", **without_aws(os.environ), "AWS_REGION": "us-east-1"}
    folders = (copy, copy / "bootstrap", *sorted(path.parent for path in copy.glob("modules/*/tests")))
    green = True
    with served_provider(terraform_environ(plain), WORK / "provider") as environ:
        for folder in folders:
            one = Runner(run.children)
            if not _terraform_test(one, folder, environ):
                green = False
                run.output += [f"--- {Path('terraform') / folder.relative_to(copy)}\n", *one.output]
    return green


def _terraform_test(run: Runner, folder: Path, environ: Mapping[str, str]) -> bool:
    shutil.copy(lock_file(), folder / LOCK_FILE.name)
    terraform = terraform_program()
    commands = [("init", "-backend=false", "-input=false"), ("test",)]
    return all(run(terraform, *words, "-no-color", cwd=folder, environ=environ) for words in commands)


SECRETS = Gate(
    "secrets",
    command(sys.executable, "-m", "scripts.scan", "secrets"),
    "by hand, as it says; again: make lint",
)
LINT = (
    Gate("ruff", command(BIN / "ruff", "check", "."), "make fmt, and the rest by hand"),
    Gate("ruff format", command(BIN / "ruff", "format", "--diff", "."), "make fmt"),
    Gate("mypy", command(BIN / "mypy"), "by hand; again: make lint"),
    Gate(
        "terraform fmt",
        lambda run: run(terraform_program(), "fmt", "-check", "-diff", "-recursive", "terraform"),
        "make fmt",
    ),
    Gate(
        "sqlfluff", command(BIN / "sqlfluff", "lint", "--disable-progress-bar", "examples", "sql"), "make fmt"
    ),
    SECRETS,
)
SCAN = Gate(
    "scan",
    command(sys.executable, "-m", "scripts.scan"),
    "by hand, or an exception with its reason (terraform/policies/README.md); again: make scan",
)
MUTATIONS = Gate(
    "mutations",
    command(sys.executable, "-m", "scripts.scan.mutations"),
    "the gate that missed one; again: .venv/bin/python -m scripts.gates mutations",
)
TERRAFORM = Gate(
    "terraform test", terraform_tests, "by hand; again: .venv/bin/python -m scripts.gates terraform"
)
# First, and beside the others: the end-to-end tests mostly wait, so it uses more processes.
PYTEST = Gate(
    "pytest",
    command(BIN / "pytest", "-q", "-n", "3", "--dist", "loadgroup", "--no-loadscope-reorder"),
    "by hand; the failed ones again: .venv/bin/pytest --last-failed",
)
GATES: dict[str, tuple[Gate, ...]] = {
    "lint": LINT,
    "scan": (SCAN,),
    "terraform": (TERRAFORM,),
    # The scan searches for secrets too.
    "test": (PYTEST, MUTATIONS, TERRAFORM, SCAN, *(gate for gate in LINT if gate is not SECRETS)),
}


def chosen(name: str) -> tuple[Gate, ...]:
    """Return the gates with that name: several (a key of ``GATES``), one, or none."""
    return GATES.get(name) or tuple(gate for gate in (SECRETS, *GATES["test"]) if gate.name == name)


@dataclass(frozen=True)
class Result:
    """How one gate ended."""

    gate: Gate
    green: bool
    seconds: float
    output: str

    def line(self) -> str:
        """Format the result in one line."""
        mark = "green" if self.green else "RED  "
        remedy = "" if self.green else f"   mend: {self.gate.mend}"
        return f"{mark}  {self.seconds:6.1f} s  {self.gate.name}{remedy}"


def run_gate(gate: Gate, children: Children) -> Result:
    """Run one gate and print its result; the full output of a failed one is shown."""
    start = time.monotonic()
    runner = Runner(children, live=gate is PYTEST)
    try:
        green = gate.run(runner)
    except (ToolError, OSError) as error:
        green = False
        runner.output.append(f"{error}\n")
    result = Result(gate, green, time.monotonic() - start, "".join(runner.output))
    shown = "" if green else f"\n{result.output.rstrip()}\n"
    print(f"{shown}{result.line()}", flush=True)
    return result


def run_gates(gates: Sequence[Gate]) -> list[Result]:
    """Run all the gates, two at a time; return their results, in their order."""
    children = Children()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        return list(pool.map(lambda gate: run_gate(gate, children), gates))
    except BaseException:
        children.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def main() -> int:
    """Run the requested gates; see the module's docstring for the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.gates")
    parser.add_argument("gates", nargs="?", default="test")
    options = parser.parse_args()
    gates = chosen(options.gates)
    if not gates:
        known = sorted(GATES.keys() | {gate.name for gate in (SECRETS, *GATES["test"])})
        parser.error(f"there is no gate {options.gates!r}; there are {', '.join(known)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Also if the caller ignores it, as a shell does for background jobs: children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    start = time.monotonic()
    try:
        results = run_gates(gates)
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is left running.", file=sys.stderr)
        return 130
    print()
    for result in results:
        print(result.line())
    red = [result for result in results if not result.green]
    verdict = f"{len(red)} of {len(results)} gates are red" if red else f"all {len(results)} gates are green"
    print(f"\n{verdict}, {time.monotonic() - start:.0f} s in all")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
