"""The ways to name a version of a table."""

from __future__ import annotations

import re

from custody.errors import EvidenceError, UsageError
from custody.evidence.objects import S3Location, quote_key
from custody.lineage.document import REJECTED, TableVersion, parse_commit, parse_place, table_uri
from custody.lineage.library import Library

_NAMED_TABLE = re.compile(r"([^@/]+)(?:@([0-9]{1,19}))?", re.DOTALL)
_IN_TABLE = re.compile(r"(tables/[^/]+)/?(.*)", re.DOTALL)


def of_name(library: Library, target: str) -> tuple[TableVersion, TableVersion]:
    """The version of a table that ``name`` or ``name@version`` names, and the one whose document covers it.

    The two differ for a quarantine. Without a version it is the newest with a document. Raises ``UsageError``
    if there is none.
    """
    match = _NAMED_TABLE.fullmatch(target)
    named = [uri for uri in _tables(library) if match and TableVersion(uri, 0).name == match[1]]
    if not match or not named:
        raise UsageError(f"There is no table {target[:200]!r}.", _what_there_is(library))
    if len(named) > 1:
        raise UsageError(f"There are two tables {match[1]!r}.", f"Name one of them: {', '.join(named)}.")
    return _version(library, named[0], None if match[2] is None else int(match[2]))


def of_location(library: Library, location: S3Location) -> tuple[TableVersion, TableVersion]:
    """Like ``of_name``, for a table's folder or anything in it: a document, a file of the log, a data file.

    Raises ``EvidenceError`` if no document covers the version that a file belongs to.
    """
    bucket, key = location.bucket, location.key
    if bucket not in {library.processed, library.analytics}:
        raise UsageError(
            f"{bucket} is not a data bucket of this deployment.",
            f"Those are {library.raw}, {library.processed} and {library.analytics}.",
        )
    match = _IN_TABLE.fullmatch(key)
    if match is None or (table := table_uri(bucket, match[1])) not in library.tables(bucket):
        raise UsageError(f"There is no table at s3://{bucket}/{quote_key(key)}.", _what_there_is(library))
    if not match[2]:
        return _version(library, table, None)
    if (place := parse_place(bucket, key)) is not None:
        return _version(library, table, place.made.version)
    commit = parse_commit(bucket, key)
    version = library.commit_of(table, key) if commit is None else commit.version
    if version is None:
        raise UsageError(
            f"No commit of {table} adds the file {match[2]!r}.", "It is not a data file of that table."
        )
    return _version(library, table, version, covering=True)


def _version(
    library: Library, table: str, version: int | None, *, covering: bool = False
) -> tuple[TableVersion, TableVersion]:
    """``None`` is the newest; ``covering`` takes the first from that version on: a run makes many commits."""
    pairs = {number: TableVersion(table, number) for number in library.versions(table)}
    base = table.removesuffix(REJECTED)
    if not pairs and base != table:
        for read in library.read(library.documents(base)):
            for output in read.lineage.outputs[1:] if read.lineage else ():
                if output.made.table == table:
                    number, made = output.made.version, read.place.made
                    pairs[number] = max(made, pairs.get(number, made))
    if not pairs:
        raise UsageError(f"The table {table} has no lineage document.", _what_there_is(library))
    if version is None:
        version = max(pairs)
    elif covering:
        after = [number for number in pairs if number >= version]
        if not after:
            raise EvidenceError(
                f"No lineage document covers {TableVersion(table, version)}.",
                "The run that wrote it did not finish, or it was not written by a job: see custody verify.",
            )
        version = min(after)
    elif version not in pairs:
        near = sorted(sorted(pairs, key=lambda number: abs(number - (version or 0)))[:5])
        raise UsageError(
            f"{TableVersion(table, version)} has no lineage document.",
            f"Versions near it that have one: {', '.join(map(str, near))}.",
        )
    return TableVersion(table, version), pairs[version]


def _tables(library: Library) -> list[str]:
    return library.tables(library.processed) + library.tables(library.analytics)


def _what_there_is(library: Library) -> str:
    """The remedy for a table that does not exist."""
    names = sorted(TableVersion(uri, 0).name for uri in _tables(library))
    return f"There are: {', '.join(names)}." if names else "There are no tables yet: no job has run."
