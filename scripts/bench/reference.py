r"""The transforms with the engine's expressions, over rows of text: what the kit's own are held against.

The benchmark measures the kit by them, and the tests compare their rows and reasons with the kit's.

What engines might interpret differently is checked by a regular expression before a cast: Java and Rust agree
on ASCII classes and on ``\A … \z``.
"""

from __future__ import annotations

from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from custody.etl import contract as rules
from custody.etl.contract import Contract
from custody.etl.frames import silver_columns

_WHITESPACE = r"[ \t\n\x0b\f\r]+"
_CONTROL = r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]"
_INTEGER = r"\A[+-]?[0-9]{1,18}\z"
_DECIMAL = r"\A[+-]?[0-9]{1,16}(?:\.[0-9]{1,2}0*)?\z"
_DAY = "(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}"
_DATE = rf"\A{_DAY}\z"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_PLAIN_TIMESTAMP = (
    rf"\A{_DAY}[T ]{_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,6}})?(?:Z|[+-](?:0[0-9]|1[0-7]):[0-5][0-9])\z"
)
"""The usual format, which all engines cast in the same way."""
_TIMESTAMP = rf"\A{_DAY}[Tt ]{_CLOCK}:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(?:[Zz]|[+-]{_CLOCK})\z"
_MICROSECONDS = 1_000_000
_EPOCH_SECONDS = r"\A[0-9]{9,10}(?:\.[0-9]{1,6})?\z"
_EPOCH_MILLISECONDS = r"\A[0-9]{12,13}\z"


def typed(records: DataFrame, contract: Contract) -> DataFrame:
    """Read the text of each column by its type, and find what is wrong with the row.

    Adds a typed column for each column of the contract (NULL if there is no value or it cannot be read), the
    day column, ``source_order``, and ``reason``: NULL for a valid row, else ``column:problem`` for every
    broken rule, separated by ``; ``. Whitespace in values is collapsed and trimmed. The original text is kept
    only for rejected rows.
    """
    frame = records.withColumn(
        "source_order",
        F.concat(F.col("source_rank"), F.lit("|"), F.format_string("%012d", F.col("source_row"))),
    )
    cleaned = {
        column.name: _spelled(
            _emptied(F.trim(F.regexp_replace(F.col(f"text_{column.name}"), _WHITESPACE, " "))), column
        )
        for column in contract.columns
    }
    frame = frame.withColumns({f"clean_{name}": value for name, value in cleaned.items()})
    frame = frame.withColumns(
        {column.name: read(F.col(f"clean_{column.name}"), column.type) for column in contract.columns}
    )
    problems = [problem for column in contract.columns for problem in _problems(column)]
    if contract.raw().unknown_columns == "reject":
        problems.append(F.when(F.col("extra").isNotNull(), F.lit("extra:unknown_column")))
    of_row = _emptied(F.concat_ws("; ", *problems))
    frame = frame.withColumn(
        "reason",
        F.when(F.col("problem").isNotNull(), F.concat(F.lit("record:"), F.col("problem")))
        .when(F.col("source_row") > 0, of_row)
        .otherwise(F.lit(None).cast("string")),
    )
    if contract.day is not None:
        name, of = contract.day
        frame = frame.withColumn(name, F.col(of).cast("date"))
    frame = frame.drop("source_rank", *(f"clean_{column.name}" for column in contract.columns))
    return frame.withColumns(
        {
            name: F.when(F.col("reason").isNotNull(), F.col(name))
            for name in frame.columns
            if name.startswith("text_")
        }
    )


def _emptied(value: Column) -> Column:
    """The text, or NULL if it is empty."""
    return F.when(value != "", value)


def _spelled(text: Column, column: rules.Column) -> Column:
    """The allowed value of an alternative text; any other text unchanged.

    All spellings are in one string, between characters that no cleaned text contains: an engine would take
    seconds to plan that many branches.
    """
    if not column.spellings:
        return text
    book = "\n" + "".join(f"{spelling}\t{value}\n" for spelling, value in column.spellings)
    entry = F.concat(F.lit("\n"), F.lower(text), F.lit("\t"))
    value = F.split_part(F.split_part(F.lit(book), entry, F.lit(2)), F.lit("\n"), F.lit(1))
    return F.when(text.isin(list(column.allowed)), text).otherwise(F.coalesce(_emptied(value), text))


def read(text: Column, kind: str) -> Column:
    """One text as a value of the type; NULL if it is not one. Years are 1900 to 2099.

    Integers have at most 18 digits. Decimals have at most two places (more only if they are zero). A
    timestamp is RFC 3339 by the rules of ``custody.times.parse_time`` (a space may stand for the T), or
    seconds (9 or 10 digits) or milliseconds (12 or 13) since 1970 in UTC. A boolean is ``true`` or ``false``
    in any case.
    """
    if kind == "string":
        return text
    if kind == "integer":
        return _only(text, _INTEGER).cast("bigint")
    if kind == "decimal":
        return _only(text, _DECIMAL).cast("decimal(18,2)")
    if kind == "date":
        return _only(text, _DATE).cast("date")
    if kind == "boolean":
        lower = F.lower(text)
        return F.when(lower == "true", F.lit(True)).when(lower == "false", F.lit(False))
    seconds = _only(text, _EPOCH_SECONDS).cast("decimal(18,6)").cast("timestamp")
    milliseconds = F.call_function("timestamp_millis", _only(text, _EPOCH_MILLISECONDS).cast("bigint"))
    plain = _only(text, _PLAIN_TIMESTAMP).cast("timestamp")
    return F.coalesce(plain, _rfc3339(_only(text, _TIMESTAMP)), seconds, milliseconds)


def _rfc3339(text: Column) -> Column:
    """A time in any form of RFC 3339: digits past the microsecond are cut, ``:60`` is the next second.

    Engines differ in which of these they can cast, hence the arithmetic.
    """
    is_leap = F.substring(text, 17, 3) == ":60"
    local = F.concat(
        F.substring(text, 1, 10),
        F.lit("T"),
        F.substring(text, 12, 5),
        F.regexp_replace(F.substring(text, 17, 3), ":60", ":59"),
        F.when(is_leap, F.lit("")).otherwise(F.regexp_extract(text, r"(\.[0-9]{1,6})", 1)),
        F.lit("Z"),
    )
    leap = F.when(is_leap, F.lit(1)).otherwise(F.lit(0))
    hours, minutes = (
        _emptied(F.regexp_extract(text, r"[+-]([0-9]{2}):([0-9]{2})\z", group)).cast("bigint")
        for group in (1, 2)
    )
    sign = F.when(text.rlike(r"-[0-9]{2}:[0-9]{2}\z"), F.lit(-1)).otherwise(F.lit(1))
    offset = F.coalesce(sign * (hours * 3600 + minutes * 60), F.lit(0))
    return F.timestamp_micros(F.unix_micros(local.cast("timestamp")) + (leap - offset) * _MICROSECONDS)


def _only(text: Column, pattern: str) -> Column:
    """The text if it matches, else NULL: a guard before a cast."""
    return F.when(text.rlike(pattern), text)


def _problems(column: rules.Column) -> list[Column]:
    """For each rule of one column: its name if the row breaks it, else NULL."""
    text, value = F.col(f"clean_{column.name}"), F.col(column.name)
    broken: list[tuple[str, Column]] = []
    if column.required:
        broken.append(("missing", text.isNull()))
    if column.type != "string":
        broken.append((f"not_{column.type}", text.isNotNull() & value.isNull()))
    else:
        broken.append(("control_characters", text.rlike(_CONTROL)))
    if column.pattern is not None:
        broken.append(("malformed", ~text.rlike(rf"\A(?:{column.pattern})\z")))
    if column.allowed:
        broken.append(("not_allowed", ~text.isin(list(column.allowed))))
    if column.max_length is not None:
        broken.append(("too_long", F.length(text) > column.max_length))
    if column.minimum is not None:
        broken.append(("too_low", value < F.lit(column.minimum).cast(column.kind.sql)))
    if column.maximum is not None:
        broken.append(("too_high", value > F.lit(column.maximum).cast(column.kind.sql)))
    if column.not_before is not None:
        broken.append((f"before_{column.not_before}", value < F.col(column.not_before)))
    delivered = F.substring("source_rank", 12, 10).cast("date")
    if (days := column.max_days_before_delivery) is not None:
        broken.append(("long_before_delivery", value < F.date_sub(delivered, days)))
    if (days := column.max_days_after_delivery) is not None:
        broken.append(("after_delivery", value >= F.date_add(delivered, days + 1)))
    return [F.when(condition, F.lit(f"{column.name}:{name}")) for name, condition in broken]


def winners(rows: DataFrame, contract: Contract) -> DataFrame:
    """The one valid row of each key that is kept, by ``source_order``: the first or the latest.

    No two rows have the same ``source_order``, and it depends only on the deliveries: not on the order in
    which they are processed, nor on how often.
    """
    valid = rows.where(F.col("reason").isNull() & (F.col("source_row") > 0)).select(*silver_columns(contract))
    place = F.min("source_order") if contract.raw().wins == "first" else F.max("source_order")
    best = valid.groupBy(*contract.key).agg(place.alias("best")).select("best")
    return best.join(valid, F.col("source_order") == F.col("best")).drop("best")


def judged(batch: DataFrame, table: DataFrame, contract: Contract, manifest_id: str) -> DataFrame:
    """A batch's winners with ``manifest_id``, and ``source_kept``: whether the table has it after the merge.

    A winner is kept if the table has no row of its key, or one that loses against it; or if a run of the same
    manifest that did not finish has already written it.
    """
    there = table.select(
        *(F.col(name).alias(f"source_there_{name}") for name in contract.key),
        F.col("source_order").alias("source_other_order"),
        F.col("manifest_id").alias("source_other_manifest"),
    )
    same_key = reduce(and_, (F.col(name) == F.col(f"source_there_{name}") for name in contract.key))
    order, other = F.col("source_order"), F.col("source_other_order")
    wins = order < other if contract.raw().wins == "first" else order > other
    ours = (order == other) & (F.col("source_other_manifest") == manifest_id)
    return there.join(batch, same_key, "right").select(
        *silver_columns(contract),
        F.lit(manifest_id).alias("manifest_id"),
        (other.isNull() | wins | ours).alias("source_kept"),
    )


def rejected(rows: DataFrame, contract: Contract, manifest_id: str) -> DataFrame:
    """The rejected rows: origin, reason, and the fields as delivered, all text."""
    return rows.where(F.col("reason").isNotNull()).select(
        "source_bucket",
        "source_key",
        "source_version_id",
        "source_row",
        "reason",
        *(F.col(f"text_{column.name}").alias(column.name) for column in contract.columns),
        "extra",
        "unreadable",
        F.lit(manifest_id).alias("manifest_id"),
    )
