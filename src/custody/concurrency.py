"""Many small concurrent requests: only a bounded number in flight, and no results kept."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.context import SpawnProcess
from queue import Empty, SimpleQueue
from threading import Thread
from traceback import format_exception_only
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, cast

from custody.errors import CannotCheckError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_concurrently(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[_Result]:
    """Yield the results of ``function`` for ``items`` as they complete, from ``workers`` threads.

    ``items`` is read in the caller's thread, at most ``4 * workers`` ahead of the results. After an exception
    of ``function`` or ``items``, what was not started is not processed; it is raised here once the result of
    every item that was processed has been yielded.
    """
    source = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="concurrent") as pool:
        under_way: set[Future[_Result]] = set()
        failures: list[BaseException] = []
        try:
            while True:
                if not failures:
                    try:
                        for item in islice(source, 4 * workers - len(under_way)):
                            under_way.add(pool.submit(function, item))
                    except Exception as failure:  # noqa: BLE001 - raised below, after the results
                        failures.append(failure)
                if not under_way:
                    break
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    if error := future.exception():
                        failures.append(error)
                    else:
                        yield future.result()
                if failures:
                    under_way = {future for future in under_way if not future.cancel()}
        finally:
            pool.shutdown(cancel_futures=True)
        if failures:
            raise failures[0]


class WorkerProcesses:
    """So many processes for any number of runs of ``map``, started with the first. A context manager.

    They are ended with it, by an interrupt and with this process, even in the middle of an item.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: list[tuple[Connection, SpawnProcess]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def map(
        self, make: Callable[[], Callable[[_Item], _Result]], items: Iterable[_Item], workers: int
    ) -> Iterator[_Result]:
        """Like ``map_concurrently``, with ``workers`` threads in each process; one run at a time.

        ``make`` is called once in each process and returns the function to call there. ``make``, the items
        and the results are pickled. A run that is left before its end, or fails, ends the processes, and what
        is in progress there is lost. Raises what
        ``make`` or the function raises, and ``CannotCheckError`` if a process ends before its work is done.
        """
        source = iter(items)
        under_way: dict[Connection, int] = {}
        try:
            for connection in self._connections():
                connection.send(_Run(make, workers))
                if first := list(islice(source, 4 * workers)):
                    connection.send(first)
                    under_way[connection] = len(first)
            while under_way:
                results: list[_Result | _Failure] = []
                for connection in cast("list[Connection]", wait_for_any(list(under_way))):
                    answers = connection.recv()
                    results += answers
                    if more := list(islice(source, len(answers))):
                        connection.send(more)
                    under_way[connection] += len(more) - len(answers)
                    if not under_way[connection]:
                        del under_way[connection]
                yield from (result for result in results if not isinstance(result, _Failure))
                for failure in results:
                    if isinstance(failure, _Failure):
                        raise failure.error
        except (EOFError, ConnectionError) as error:
            self.end()
            raise CannotCheckError(
                "A worker process ended before it had finished its checks.",
                "It may have been killed, or run out of memory. Run the command again.",
            ) from error
        finally:
            if under_way:
                self.end()

    def _connections(self) -> list[Connection]:
        """One to each process."""
        context = multiprocessing.get_context("spawn")
        while len(self._running) < self._count:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            with theirs, _interrupts_held_back():
                process.start()
                self._running.append((ours, process))
        return [connection for connection, _ in self._running]

    def end(self) -> None:
        """End them; the next run starts others."""
        running, self._running = self._running, []
        for connection, process in running:
            connection.close()
            process.kill()
        for _, process in running:
            process.join()


class _Run(NamedTuple):
    """What the items that follow are for."""

    make: Callable[[], Callable[[Any], Any]]
    workers: int


@dataclass(frozen=True, slots=True)
class _Failure:
    """An exception of ``make`` or of the function, sent to the calling process."""

    error: Exception


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Block SIGINT: processes started meanwhile ignore it, since their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """Answer until the other side of the connection is closed, at the latest when that process ends."""
    answers: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_send, args=(connection, answers), daemon=True).start()
    try:
        told = connection.recv()
        while True:
            pool = ThreadPoolExecutor(told.workers, thread_name_prefix="concurrent")
            answer = _answerer(told.make, answers)
            while not isinstance(told := connection.recv(), _Run):
                for item in told:
                    pool.submit(answer, item)
            pool.shutdown()
    finally:
        os._exit(1)  # without waiting for items in progress: nobody needs them


def _answerer(make: Callable[[], Callable[[Any], Any]], answers: SimpleQueue[Any]) -> Callable[[Any], None]:
    """What to do with an item."""
    function = _or_failure(make)()
    if isinstance(function, _Failure):
        return lambda _item: answers.put(function)
    call = _or_failure(function)
    return lambda item: answers.put(call(item))


def _or_failure(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised in the calling process
            return _Failure(_portable(error))

    return call


def _send(connection: Connection, answers: SimpleQueue[Any]) -> None:
    """Send answers as they complete, those that completed meanwhile together."""
    try:
        while True:
            together = [answers.get()]
            try:
                while True:
                    together.append(answers.get_nowait())
            except Empty:
                connection.send(together)
    finally:
        os._exit(1)  # the other side must not wait for an answer that cannot be sent


def _portable(error: BaseException) -> Exception:
    """The exception, or if it cannot be pickled or would end the caller, one that tells of it."""
    with suppress(Exception):  # its own pickling may raise anything
        if isinstance(error, Exception):
            pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled by this package
            return error
    return CannotCheckError("".join(format_exception_only(error)).strip())
