"""Many small requests at once, with only some under way and none of their answers kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_concurrently(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[_Result]:
    """Yield the results of ``function`` over ``items`` as they come, from ``workers`` threads.

    ``items`` is read in the caller's thread, and never more than ``4 * workers`` ahead of the results. An
    error of ``function`` is raised here, and what is not begun by then never is.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="side") as pool:
        under_way: set[Future[_Result]] = set()
        try:
            for item in items:
                under_way.add(pool.submit(function, item))
                if len(under_way) >= 4 * workers:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(cancel_futures=True)
