"""Work spread over processes: every item once, every error raised, and no process left running."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from custody.concurrency import WorkerProcesses, map_concurrently
from custody.errors import CannotCheckError, CustodyError, EvidenceError

REPO = Path(__file__).resolve().parents[2]


class UnspeakableError(Exception):
    """Can neither be pickled nor be told."""

    def __reduce__(self) -> str:
        raise TypeError

    def __str__(self) -> str:
        raise TypeError


class UnportableError(Exception):
    """Cannot be recreated from its arguments, as pickling does."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


ERRORS: dict[str, BaseException] = {
    "custody": EvidenceError("What is wrong.", "What to do."),
    "botocore": ClientError({"Error": {"Code": "ExpiredToken", "Message": "x"}}, "GetObject"),
    "unportable": UnportableError("some", "words"),
    "unspeakable": UnspeakableError(),
    "interrupt": KeyboardInterrupt(),
    "exit": SystemExit(3),
}


def process_of(item: int) -> tuple[int, int]:
    return item, os.getpid()


def processes_of() -> Callable[[int], tuple[int, int]]:
    return process_of


def square(item: int) -> tuple[int, int]:
    return item * item, os.getpid()


def squares_of() -> Callable[[int], tuple[int, int]]:
    return square


def raises(name: object) -> None:
    raise ERRORS[str(name)]


def raising() -> Callable[[object], None]:
    return raises


def broken_maker() -> Callable[[int], int]:
    raise ERRORS["custody"]


def dies(item: int) -> int:
    if item == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def dying() -> Callable[[int], int]:
    return dies


def tell_and_hang(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def hanging() -> Callable[[str], None]:
    return tell_and_hang


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_that_end_with_an_error_lose_no_result(workers: int) -> None:
    """Whatever is done by the time the caller looks: the error comes last."""
    for failing in range(12):
        processed: list[int] = []
        yielded: list[int] = []

        def process(item: int, failing: int = failing, processed: list[int] = processed) -> int:
            if item == failing:
                raise ERRORS["custody"]
            processed.append(item)
            return item

        with pytest.raises(EvidenceError):
            yielded.extend(map_concurrently(process, range(30), workers))
        assert sorted(yielded) == sorted(processed)
        assert len(processed) < 30


def test_threads_whose_items_end_with_an_error_lose_no_result() -> None:
    def items() -> Iterator[int]:
        yield from range(10)
        raise ERRORS["custody"]

    for workers in (1, 4):
        processed: list[int] = []
        yielded: list[int] = []

        def process(item: int, processed: list[int] = processed) -> int:
            processed.append(item)
            return item

        with pytest.raises(EvidenceError):
            yielded.extend(map_concurrently(process, items(), workers))
        assert sorted(yielded) == sorted(processed)


def fail_at_seven(item: int) -> int:
    if item == 7:
        raise ERRORS["custody"]
    return item


def failing_at_seven() -> Callable[[int], int]:
    return fail_at_seven


def test_a_process_that_ends_with_an_error_loses_no_earlier_result() -> None:
    with WorkerProcesses(1) as processes:
        yielded: list[int] = []
        with pytest.raises(EvidenceError):
            yielded.extend(processes.map(failing_at_seven, range(8), 1))
    assert yielded == list(range(7))


def test_every_item_is_done_once_by_processes_of_their_own() -> None:
    with WorkerProcesses(2) as processes:
        assert multiprocessing.active_children() == []
        results = list(processes.map(processes_of, range(300), 3))
        again = list(processes.map(squares_of, range(50), 1))
    assert sorted(item for item, _ in results) == list(range(300))
    assert os.getpid() not in {process for _, process in results}
    assert len({process for _, process in results}) == 2
    assert sorted(item for item, _ in again) == [number * number for number in range(50)]
    assert {process for _, process in again} == {process for _, process in results}
    assert multiprocessing.active_children() == []


def test_after_a_run_that_was_left_others_are_started() -> None:
    with WorkerProcesses(2) as processes:
        left = processes.map(processes_of, range(300), 1)
        _, process = next(left)
        left.close()  # type: ignore[attr-defined]  # it is a generator
        assert multiprocessing.active_children() == []
        results = list(processes.map(processes_of, range(20), 1))
    assert sorted(item for item, _ in results) == list(range(20))
    assert process not in {each for _, each in results}


def test_nothing_to_do_is_done() -> None:
    with WorkerProcesses(2) as processes:
        assert list(processes.map(processes_of, [], 1)) == []


def test_items_are_read_only_a_little_ahead() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    with WorkerProcesses(2) as processes:
        next(processes.map(processes_of, items(), 1))
    assert len(read) <= 12  # four for each of two threads, and one more for each that is answered


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("custody", EvidenceError, "What is wrong. What to do."),
        ("botocore", ClientError, "ExpiredToken"),
        ("unportable", CannotCheckError, "UnportableError: some words"),
        ("unspeakable", CannotCheckError, "UnspeakableError"),
        ("interrupt", CannotCheckError, "KeyboardInterrupt"),
        ("exit", CannotCheckError, "SystemExit: 3"),
    ],
)
def test_an_error_of_the_function_is_raised(name: str, kind: type[Exception], words: str) -> None:
    with WorkerProcesses(1) as processes:
        with pytest.raises(kind, match=words):
            list(processes.map(raising, [name], 1))
        assert [item for item, _ in processes.map(squares_of, [3], 1)] == [9]
    assert multiprocessing.active_children() == []


def test_an_error_of_its_maker_is_raised() -> None:
    with WorkerProcesses(2) as processes, pytest.raises(CustodyError, match="What is wrong"):
        list(processes.map(broken_maker, range(100), 1))


def test_a_process_that_is_killed_is_told_and_none_is_left() -> None:
    with (
        WorkerProcesses(2) as processes,
        pytest.raises(CannotCheckError, match="ended before it had finished"),
    ):
        list(processes.map(dying, range(100), 2))
    assert multiprocessing.active_children() == []


SCRIPT = """
import sys
from custody.concurrency import WorkerProcesses, map_concurrently
from tests.unit.test_concurrency import hanging
if __name__ == "__main__":
    try:
        with WorkerProcesses(2) as processes:
            list(processes.map(hanging, [sys.argv[1]] * 2, 1))
    except KeyboardInterrupt:
        print("interrupted")
"""


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_there(process: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc which processes there are")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_busy_processes_end_with_the_one_that_started_them(how: signal.Signals, tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "processes"
    script.write_text(SCRIPT)
    folder.mkdir()
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPO / "src"), str(REPO)])}
    started = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(list(folder.iterdir())) >= 1)
        processes = [int(path.name) for path in folder.iterdir()]
        if how is signal.SIGINT:
            os.killpg(started.pid, how)  # as a terminal does
        else:
            started.send_signal(how)
        out, err = started.communicate(timeout=300)
        wait_until(lambda: not any(map(is_there, processes)))
    finally:
        started.kill()
    if how is signal.SIGINT:
        assert (out, err) == ("interrupted\n", "")
