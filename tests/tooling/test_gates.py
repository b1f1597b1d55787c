"""The gates' runner: every gate runs, a failed one is shown with its remedy, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scripts.gates import GATES, Children, Gate, Runner, chosen, command, run_gates
from scripts.toolchain.toolchain import REPO, ToolError

GREEN = Gate("green one", command("true"), "-")
RED = Gate("red one", command("sh", "-c", "echo what is wrong >&2; exit 3"), "make it-good")


def test_every_gate_runs_even_after_a_red_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert [result.green for result in run_gates([RED, GREEN, RED, GREEN])] == [False, True, False, True]
    printed = capsys.readouterr().out
    assert printed.count("what is wrong") == 2
    assert printed.count("red one   mend: make it-good") == 2


def test_a_gate_that_cannot_run_is_red_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: Runner) -> bool:
        raise ToolError("There is no tool.")

    missing = Gate("missing", command("/nonexistent/tool"), "-")
    assert [result.green for result in run_gates([Gate("broken", broken, "-"), missing])] == [False, False]
    printed = capsys.readouterr().out
    assert "There is no tool." in printed
    assert "/nonexistent/tool" in printed


def test_every_gate_of_lint_and_scan_is_in_the_whole() -> None:
    whole = GATES["test"]
    within = {"secrets"}  # the scan looks for them too
    assert {gate.name for name in GATES for gate in GATES[name]} == {gate.name for gate in whole} | within
    assert all(gate.mend for gate in whole)


def test_the_gates_see_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    runner = Runner(Children())
    assert runner("sh", "-c", 'test -z "$AWS_SECRET_ACCESS_KEY"')


def test_what_runs_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    children = Children()
    script = f"sleep 600 & echo $! > {tmp_path}/pid; touch {tmp_path}/started; wait"
    thread = threading.Thread(target=Runner(children), args=("sh", "-c", script))
    thread.start()
    while not (tmp_path / "started").exists():
        time.sleep(0.02)
    children.stop()
    thread.join(300)
    assert not thread.is_alive()
    _ended(int((tmp_path / "pid").read_text()))
    with pytest.raises(ToolError):
        Runner(children)("true")


def _ended(pid: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"{pid} still ran")


def test_the_exit_status_is_that_of_the_worst_gate() -> None:
    program = (
        "import sys; from scripts import gates;"
        "gates.GATES['lint'] = (gates.Gate('g', gates.command(sys.argv.pop(1)), 'mend it'),);"
        "sys.exit(gates.main())"
    )
    for words, status, verdict in (
        ("true", 0, "all 1 gates are green"),
        ("false", 1, "1 of 1 gates are red"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, words, "lint"],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status
        assert verdict in done.stdout


def test_gates_can_be_interrupted_though_whoever_started_them_cannot(tmp_path: Path) -> None:
    gate = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('went on')"
    program = (
        "import sys; from scripts import gates;"
        f"gates.GATES['lint'] = (gates.Gate('g', gates.command(sys.executable, '-c', {gate!r}), 'mend it'),);"
        "sys.exit(gates.main())"
    )
    (tmp_path / "run.py").write_text(program)
    words = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, str(tmp_path / "run.py"), "lint"]
    environ = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(words, cwd=REPO, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "KeyboardInterrupt" in done.stdout
    assert "went on" not in done.stdout


def test_gates_are_chosen_together_or_one_by_its_name() -> None:
    assert chosen("lint") == GATES["lint"]
    for gate in GATES["lint"]:
        assert chosen(gate.name) == (gate,)
    assert chosen("ruff formatter") == ()


def test_a_gate_that_is_not_there_is_wrong_use() -> None:
    words = [sys.executable, "-m", "scripts.gates", "ruff formatter"]
    done = subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no gate 'ruff formatter'; there are " in done.stderr
    assert "ruff format," in done.stderr


def test_tests_of_one_group_share_a_process(tmp_path: Path) -> None:
    """Shared fixtures are deployed once; pytest-xdist has silently ignored its groups before."""
    (tmp_path / "test_it.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.xdist_group('one')\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_it(n): pathlib.Path(f'pid-{n}').write_text(str(os.getpid()))\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    subprocess.run(words, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert len({path.read_text() for path in tmp_path.glob("pid-*")}) == 1
