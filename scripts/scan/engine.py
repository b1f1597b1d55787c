"""The scanners that live in checkov's own environment, as a process that answers questions."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scripts.scan.model import ScanError
from scripts.toolchain.environment import without_aws
from scripts.toolchain.toolchain import REPO

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = REPO / ".venv-checkov" / "bin" / "python"
WORKER = Path(__file__).with_name("worker.py")
Kind = Literal["source", "plan", "policies", "secrets"]


class Engine:
    """A worker that runs. One question at a time; see ``worker.py`` for what may be asked."""

    def __init__(self, kind: Kind, process: subprocess.Popen[str], errors: Path) -> None:
        self._kind = kind
        self._process = process
        self._errors = errors

    def ask(self, **question: Any) -> dict[str, Any]:
        """Return the answer. Raises ``ScanError`` with the end of what the worker said if there is none."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ScanError("The scanner has no pipes.")
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            said = "\n".join(self._errors.read_text().splitlines()[-15:])
            raise ScanError(f"{said}\nThe scanner of {self._kind} gave no answer.".strip())
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def engine(kind: Kind, work: Path) -> Iterator[Engine]:
    """Have a worker for one kind of question. What its libraries print goes to ``work``."""
    if not PYTHON.exists():
        raise ScanError("The scanners are not set up. Run: python3 -m scripts.toolchain.setup --checkov")
    work.mkdir(parents=True, exist_ok=True)
    errors = work / f"{kind}.stderr"
    with (
        errors.open("w") as stream,
        subprocess.Popen(
            [PYTHON, WORKER, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            env=without_aws(os.environ),
            text=True,
        ) as process,
    ):
        try:
            yield Engine(kind, process, errors)
        except BaseException:
            process.kill()
            raise
        if process.stdin is not None:
            process.stdin.close()
