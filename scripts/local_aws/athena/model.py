"""The engine's interfaces: a Glue catalog, an object store, and results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol, runtime_checkable


class Catalog(Protocol):
    """The Glue Data Catalog as Athena sees it."""

    def get_table(self, database: str, name: str) -> Mapping[str, Any] | None:
        """Return the table in the shape of Glue's ``GetTable`` (``Table``), or ``None`` if there is none.

        ``database`` and ``name`` are lower case. Read are ``TableType``, ``StorageDescriptor`` (``Columns``,
        ``Location``, ``InputFormat``, ``SerdeInfo``), ``PartitionKeys``, ``Parameters`` and
        ``ViewOriginalText``.
        """


@runtime_checkable
class ListingCatalog(Catalog, Protocol):
    """A catalog that can also list its contents, for ``SHOW``."""

    def databases(self) -> Iterable[str]:
        """Return the names of the databases."""

    def tables(self, database: str) -> Iterable[str]:
        """Return the names of the tables and views of a database."""


class Store(Protocol):
    """The object store as Athena sees it: the current versions of the objects."""

    def list(self, bucket: str, prefix: str) -> Iterable[tuple[str, int, str]]:
        """Yield ``(key, size in bytes, etag)`` of every object whose key starts with ``prefix``."""

    def read(self, bucket: str, key: str) -> bytes:
        """Return the whole object."""


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one statement.

    ``columns`` are ``(name, Athena type)``; ``rows`` hold the values as Athena prints them, ``None``
    for NULL.
    ``scanned`` are the URIs of the objects that the statement read, each once, ``scanned_bytes`` their sizes.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str | None, ...], ...]
    scanned_bytes: int = 0
    scanned: frozenset[str] = frozenset()


class QueryError(Exception):
    """A statement failed, with the code and the message of Athena's ``StateChangeReason``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ScanLimitExceededError(Exception):
    """The statement would read more bytes than its workgroup allows; nothing was read."""


class CancelledError(Exception):
    """The statement was stopped before it finished."""


class Cancellation:
    """A way for another thread to stop a statement."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cancelled = False
        self._interrupt: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Tell the statement to stop."""
        with self._lock:
            self._cancelled = True
            if self._interrupt:
                self._interrupt()

    def bind(self, interrupt: Callable[[], None] | None) -> None:
        """Set how to interrupt the current step (``None``: nothing). Raises ``CancelledError`` if stopped."""
        with self._lock:
            if self._cancelled:
                raise CancelledError
            self._interrupt = interrupt
