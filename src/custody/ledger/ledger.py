"""The chain of custody from Athena: rows of ``provenance_ledger`` and ``object_access``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import MINYEAR, UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeVar

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.ledger.athena import Athena, Filter, Row, Value, any_of, compare, starts_with, where
from custody.times import format_time, parse_time

_T = TypeVar("_T")

DENIED = "AccessDenied"
"""CloudTrail's error code for a call to Amazon S3 that was denied."""


class LedgerStatus(StrEnum):
    """What is known about one write; the names are a contract."""

    VERIFIED = "verified"
    LATE = "late"
    PENDING = "pending"
    MISMATCH = "mismatch"
    UNPROVENANCED = "unprovenanced"
    UNWITNESSED = "unwitnessed"
    UNTRACKED = "untracked"


class Layer(StrEnum):
    """Where an object is; the names are a contract."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    ADOPTED = "adopted"
    """A bucket that somebody else has."""
    PROVENANCE = "provenance"
    AUDIT_LOG = "audit_log"
    UNKNOWN = "unknown"


LATEST_DELIVERY = timedelta(days=7)
"""What CloudTrail delivers later than this after an event is not looked for in a period that has an end."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the ledger, and of the accesses: a period, and the place of the objects."""

    since: datetime | None = None
    until: datetime | None = None
    """The period ends before it."""
    bucket: str | None = None
    prefix: str | None = None
    """The beginning of the keys; what names no object is left out."""

    def filters(self, time_column: str) -> list[Filter]:
        """The conditions, those on the period by the day of delivery too: other days' files are not read.

        An event is never delivered before it happens, so no matching row has an earlier day of delivery.
        """
        found = []
        if self.since is not None:
            found += [
                compare("event_date", ">=", self.since.astimezone(UTC).date()),
                compare(time_column, ">=", self.since),
            ]
        if self.until is not None:
            found += [
                compare("event_date", "<=", _last_delivery(self.until)),
                compare(time_column, "<", self.until),
            ]
        if self.bucket is not None:
            found.append(compare("bucket_name", "=", self.bucket))
        if self.prefix:
            found.append(starts_with("object_key", self.prefix))
        return found


EVERYTHING = Scope()


def _last_delivery(until: datetime) -> date:
    try:
        return (until + LATEST_DELIVERY).astimezone(UTC).date()
    except OverflowError:
        return date.max


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One written object version: the columns of ``provenance_ledger``, and the contradicting fields."""

    event_date: date | None
    event_time: datetime | None
    event_name: str | None
    bucket_name: str
    object_key: str
    version_id: str | None
    sha256: str | None
    size_bytes: int | None
    layer: str
    user_arn: str | None
    user_name: str | None
    principal_id: str | None
    invoked_by: str | None
    source_ip: str | None
    user_agent: str | None
    request_id: str | None
    recorded_at: datetime | None
    leaf_index: int | None
    match_basis: str
    status: str
    contradicts: str | None = None
    """Fields in which trail and receipt differ, such as ``principal_id, source_ip``; empty if there are
    none."""

    @property
    def time(self) -> datetime | None:
        """When it was written, or when it was recorded if there is no trail event."""
        return self.event_time or self.recorded_at

    @property
    def who(self) -> str:
        """The best available name of the writer, or an empty text."""
        return self.user_name or self.user_arn or self.principal_id or self.invoked_by or ""

    @property
    def uri(self) -> str:
        """The URI of the version (or of the object, if the version is unknown)."""
        uri = ObjectVersion(self.bucket_name, self.object_key, self.version_id or "").uri
        return uri if self.version_id else uri.partition("?")[0]

    def to_dict(self) -> dict[str, Any]:
        """The row for a JSON document: times as RFC 3339."""
        return {name: plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read a row of the view.

        Raises ``CannotCheckError`` if the view lacks a column, and so is of another version of the kit.
        """
        return cls(**_columns(cls, row))


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One access, with the columns of ``object_access`` for caller, object, request and result."""

    event_time: datetime | None
    event_name: str | None
    access: str | None
    """``read``, ``list``, ``write``, ``delete`` or ``change``."""
    bucket_name: str | None
    object_key: str | None
    version_id: str | None
    user_arn: str | None
    user_name: str | None
    principal_id: str | None
    invoked_by: str | None
    source_ip: str | None
    user_agent: str | None
    request_id: str | None
    error_code: str | None
    user_account_id: str | None = None
    caller: str | None = None
    """A text for every caller, external ones too: different callers have different texts."""
    deletion: str | None = None
    """``marker_set``, ``version_destroyed``, ``marker_removed``, ``batch``; ``None``: nothing was deleted."""

    @property
    def who(self) -> str:
        """The caller, or an empty text."""
        return self.caller or ""

    def to_dict(self) -> dict[str, Any]:
        """The row for a JSON document: times as RFC 3339."""
        return {name: plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read a row of the view; raises as ``LedgerRow.from_row`` does."""
        return cls(**_columns(cls, row))


_LEDGER_COLUMNS = ", ".join(field.name for field in fields(LedgerRow))
_ACCESS_COLUMNS = ", ".join(field.name for field in fields(AccessRow))


_LEDGER_TIME = "coalesce(event_time, recorded_at)"


def ledger_rows(
    athena: Athena,
    scope: Scope = EVERYTHING,
    *,
    key: str | None = None,
    version_id: str | None = None,
    user: str | None = None,
    layer: Layer | None = None,
    status: LedgerStatus | None = None,
    limit: int | None = None,
) -> Iterator[LedgerRow]:
    """Stream rows of the ledger, newest first, with one page in memory.

    ``user`` is a writer's name, ARN or principal id, whole, or the service that wrote for somebody.
    """
    wanted = {"object_key": key, "version_id": version_id, "layer": layer, "status": status}
    filters = scope.filters(_LEDGER_TIME)
    filters += [compare(column, "=", str(value)) for column, value in wanted.items() if value is not None]
    if user is not None:
        filters.append(any_of(("user_name", "user_arn", "principal_id", "invoked_by"), user))
    clause = where(filters)
    rows = athena.query(
        f"SELECT {_LEDGER_COLUMNS} FROM ledger_evidence {clause.sql} "  # noqa: S608  # contains no user input
        f"ORDER BY {_LEDGER_TIME} DESC, bucket_name, object_key, version_id{_limit(limit)}",
        clause.parameters,
    )
    return (LedgerRow.from_row(row) for row in rows)


def denied_rows(
    athena: Athena, scope: Scope = EVERYTHING, *, limit: int | None = None
) -> Iterator[AccessRow]:
    """Stream the attempts that AWS denied, newest first."""
    return _access_rows(athena, [compare("error_code", "=", DENIED), *scope.filters("event_time")], limit)


def read_rows(
    athena: Athena,
    scope: Scope = EVERYTHING,
    *,
    version_id: str | None = None,
    by: str | None = None,
    limit: int | None = None,
) -> Iterator[AccessRow]:
    """Stream who read what, newest first, with the attempts that failed (``error_code``).

    ``by`` is a caller's name, ARN or principal id, whole, or the service that read for somebody.
    """
    filters = [compare("access", "=", "read"), *scope.filters("event_time")]
    if version_id is not None:
        filters.append(compare("version_id", "=", version_id))
    if by is not None:
        filters.append(any_of(("caller", "user_name", "user_arn", "principal_id", "invoked_by"), by))
    return _access_rows(athena, filters, limit)


def _access_rows(athena: Athena, filters: list[Filter], limit: int | None) -> Iterator[AccessRow]:
    clause = where(filters)
    rows = athena.query(
        f"SELECT {_ACCESS_COLUMNS} FROM object_access {clause.sql} "  # noqa: S608  # contains no user input
        f"ORDER BY event_time DESC, request_id{_limit(limit)}",
        clause.parameters,
    )
    return (AccessRow.from_row(row) for row in rows)


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """The number of writes of a layer with a status, and the times of the first and the last of them."""

    layer: str
    status: str
    rows: int
    first: datetime | None
    last: datetime | None


def ledger_counts(athena: Athena, scope: Scope = EVERYTHING) -> list[LedgerCount]:
    """Count the ledger by layer and status."""
    clause = where(scope.filters(_LEDGER_TIME))
    rows = athena.query(
        f"SELECT layer, status, count(*) AS row_count, min({_LEDGER_TIME}) AS first_time, "  # noqa: S608
        f"max({_LEDGER_TIME}) AS last_time "
        f"FROM provenance_ledger {clause.sql} GROUP BY layer, status ORDER BY layer, status",
        clause.parameters,
    )
    return [
        LedgerCount(
            _expect(row, "layer", str),
            _expect(row, "status", str),
            _expect(row, "row_count", int),
            _expect_time(row, "first_time"),
            _expect_time(row, "last_time"),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class TimelineCount:
    """The number of writes of a layer and status in the unit of time that begins at ``start``."""

    start: datetime
    layer: str
    status: str
    rows: int


class TimeUnit(StrEnum):
    """The units of a timeline."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The length of one unit."""
        return timedelta(seconds={"second": 1, "minute": 60, "hour": 3600, "day": 86400}[self.value])


def ledger_timeline(athena: Athena, unit: TimeUnit, scope: Scope = EVERYTHING) -> list[TimelineCount]:
    """Count the ledger by unit of time, layer and status, oldest first."""
    clause = where(scope.filters(_LEDGER_TIME))
    rows = athena.query(
        f"SELECT date_trunc('{unit.value}', {_LEDGER_TIME}) AS start_time, "  # noqa: S608
        "layer, status, count(*) AS row_count "
        f"FROM provenance_ledger {clause.sql} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        clause.parameters,
    )
    return [
        TimelineCount(
            start,
            _expect(row, "layer", str),
            _expect(row, "status", str),
            _expect(row, "row_count", int),
        )
        for row in rows
        if (start := _expect_time(row, "start_time")) is not None
    ]


@dataclass(frozen=True, slots=True)
class AccessCount:
    """The number of accesses of one kind; ``error_code`` is None for allowed ones."""

    access: str
    error_code: str | None
    rows: int


def access_counts(athena: Athena, scope: Scope = EVERYTHING) -> list[AccessCount]:
    """Count the accesses by kind and error code."""
    clause = where(scope.filters("event_time"))
    rows = athena.query(
        f"SELECT access, error_code, count(*) AS row_count FROM object_access {clause.sql} "  # noqa: S608
        "GROUP BY access, error_code ORDER BY access, error_code",
        clause.parameters,
    )
    return [
        AccessCount(
            _expect(row, "access", str),
            None if row["error_code"] is None else _expect(row, "error_code", str),
            _expect(row, "row_count", int),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class AccessSummary:
    """How often a caller had one kind of access in one layer, and when last."""

    who: str
    access: str
    layer: str
    rows: int
    last: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """The summary for a JSON document."""
        return {name: plain(value) for name, value in asdict(self).items()}


BATCH_DELETION = "batch deletion"
"""The kind of access that counts calls of ``DeleteObjects`` in the object's bucket."""

_BATCH = "(object_key IS NULL AND event_name = 'DeleteObjects')"


def access_summary(
    athena: Athena, scope: Scope = EVERYTHING, *, key: str | None = None, limit: int | None = None
) -> list[AccessSummary]:
    """Count the allowed accesses by caller and kind, for all objects or one, most frequent first.

    CloudTrail does not log the keys in a ``DeleteObjects`` call. An object's summary counts those calls in
    its bucket, which may have included it, first, as ``BATCH_DELETION``.
    """
    filters = [*scope.filters("event_time"), Filter("error_code IS NULL", ())]
    access, order = "access", ""
    if key is not None:
        named = compare("object_key", "=", key)
        filters.append(Filter(f"({named.sql} OR {_BATCH})", named.parameters))
        access = f"CASE WHEN {_BATCH} THEN '{BATCH_DELETION}' ELSE access END"
        order = f"max(CASE WHEN {_BATCH} THEN 1 ELSE 0 END) DESC, "
    clause = where(filters)
    rows = athena.query(
        f"SELECT coalesce(caller, '') AS who, {access} AS access, layer, "  # noqa: S608  # contains no user input
        "count(*) AS row_count, max(event_time) AS last_time "
        f"FROM object_access {clause.sql} "
        f"GROUP BY 1, 2, 3 ORDER BY {order}4 DESC, 1, 2, 3{_limit(limit)}",
        clause.parameters,
    )
    return [
        AccessSummary(
            _expect(row, "who", str),
            _expect(row, "access", str),
            _expect(row, "layer", str),
            _expect(row, "row_count", int),
            _expect_time(row, "last_time"),
        )
        for row in rows
    ]


def parse_moment(option: str, text: str, now: datetime) -> datetime:
    """Read a time: RFC 3339, a day (``2026-01-15``: its start), or how long ago (``90m``, ``24h``, ``7d``).

    Raises ``UsageError``, which names the ``option``, for anything else.
    """
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text, re.ASCII):
        unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
        try:
            return now - timedelta(**{unit: int(match[1])})
        except OverflowError as error:
            raise UsageError(f"{option} {text} is too long ago.") from error
    try:
        is_day = re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII)
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC) if is_day else parse_time(text)
    except (ValueError, EvidenceError) as error:
        raise UsageError(
            f"{option} {text[:40]!r} is not a time.",
            "Write 2026-01-15, 2026-01-15T09:30:00Z, 90m, 24h or 7d.",
        ) from error
    if moment.year == MINYEAR:  # what is asked may begin a little earlier
        raise UsageError(f"{option} {text} is too long ago.")
    return moment


def parse_scope(since: str | None, until: str | None, prefix: str | None, now: datetime) -> Scope:
    """Read ``--since``, ``--until`` and ``--prefix`` (of keys, or as ``s3://``). Raises ``UsageError``."""
    start = None if since is None else parse_moment("--since", since, now)
    end = None if until is None else parse_moment("--until", until, now)
    if start is not None and end is not None and start >= end:
        raise UsageError("--until is not after --since.", "A day counts from its start, in UTC.")
    if prefix is None or not prefix.startswith("s3://"):
        return Scope(start, end, prefix=prefix)
    place = parse_s3_uri(prefix)
    if place.version_id is not None:
        raise UsageError(
            "--prefix names one version, not the beginning of keys.", "Write s3://bucket/prefix."
        )
    return Scope(start, end, place.bucket, place.key)


def parse_key(text: str) -> tuple[str | None, str, str | None]:
    """Read ``--key``: a plain object key, or an ``s3://`` URI; return bucket, key, version (None: any)."""
    if not text.startswith("s3://"):
        return None, text, None
    location = parse_s3_uri(text)
    if not location.key:
        raise UsageError(f"{text[:200]!r} names a bucket but no object.", "Write s3://bucket/key.")
    return location.bucket, location.key, location.version_id


def plain(value: Value) -> str | int | float | bool | None:
    """Return a value for JSON: times as RFC 3339, dates as ISO 8601."""
    if isinstance(value, datetime):
        return format_time(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _limit(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {limit:d}"


def _columns(row_class: type[LedgerRow] | type[AccessRow], row: Row) -> dict[str, Any]:
    try:
        return {field.name: row[field.name] for field in fields(row_class)}
    except KeyError as error:
        raise CannotCheckError(
            f"The catalog's view has no column {error.args[0]}.", "Run make apply to bring it up to date."
        ) from error


def _expect(row: Row, column: str, kind: type[_T]) -> _T:
    value = row[column]
    if not isinstance(value, kind):
        raise CannotCheckError(f"Athena returned {value!r} where the column {column} needs a value.")
    return value


def _expect_time(row: Row, column: str) -> datetime | None:
    return None if row[column] is None else _expect(row, column, datetime)
