"""Every type reads its texts exactly, or not at all; Python's numbers, calendars and zones are the oracle."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from custody.etl.contract import Column, Csv
from custody.etl.types import parse_type
from custody.etl.values import arrow_type, cleaned, read

PLAIN = Csv()


def values(texts: list[str], kind: str, csv: Csv = PLAIN, **more: Any) -> list[Any]:
    """What the kit reads, as Python's values."""
    found = read(cleaned(pa.array(texts, pa.string())), Column("c", kind, "", **more), csv)
    assert found.type == arrow_type(parse_type(kind))
    return list(found.to_pylist())


DIGITS = st.text("0123456789", max_size=24)
NUMBER = st.tuples(
    st.sampled_from(["", "", "-", "+"]),
    DIGITS,
    st.sampled_from(["", "."]),
    DIGITS,
    st.sampled_from(["", "", "", "0" * 60, "e5", "E-3", "e400", "x"]),
).map("".join)
JSON_NUMBER = st.integers(-(2**70), 2**70).map(str) | st.floats().map(repr)


def as_decimal(text: str) -> Decimal | None:
    plain = text.removeprefix("+").removeprefix("-")
    whole, point, places = plain.partition(".")
    if not whole.isdecimal() or (point and not places.isdecimal()):
        return None
    return Decimal(text)


@given(st.lists(NUMBER | JSON_NUMBER, max_size=40), st.integers(1, 38), st.data())
def test_a_decimal_has_all_its_digits_or_is_none(texts: list[str], digits: int, data: st.DataObject) -> None:
    places = data.draw(st.integers(0, digits))
    for text, found in zip(texts, values(texts, f"decimal({digits},{places})"), strict=True):
        number = as_decimal(text)
        if found is not None:
            assert found == number
        elif number is not None:
            _, all_digits, exponent = number.as_tuple()
            rest = "".join(map(str, all_digits))[exponent:].rstrip("0") if exponent else ""
            whole = text.lstrip("+-").partition(".")[0]
            assert len(rest) > places or len(whole) > max(digits - places, 1) or digits == places


@given(st.lists(NUMBER | JSON_NUMBER | st.integers(2**63 - 2, 2**63 + 1).map(str), max_size=40))
@example(["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "+1"])
def test_a_bigint_is_a_whole_number_of_64_bits(texts: list[str]) -> None:
    def wanted(text: str) -> int | None:
        digits = text.removeprefix("+").removeprefix("-") if text[:2] not in {"+-", "--"} else "x"
        number = int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else None
        return number if number is not None and -(2**63) <= number < 2**63 else None

    assert values(texts, "bigint") == [wanted(text) for text in texts]


@given(st.lists(NUMBER | JSON_NUMBER | st.decimals().map(str), max_size=40))
@example(
    ["0.1", "0.30000000000000004", "0.10000000000000001", "12345678901234567890", "1e999", "1e-999", "-0"]
)
@example(["5e-324", "4.9406564584124654e-324", "1e-324", "1.7976931348623157e308", "NaN", "Infinity", "1_0"])
def test_a_double_gives_the_digits_of_its_text_back(texts: list[str]) -> None:
    for text, found in zip(texts, values(texts, "double"), strict=True):
        if found is None:
            continue
        assert found == float(text)
        digits = len("".join(map(str, Decimal(text).as_tuple().digits)).strip("0")) or 1
        assert Decimal(text) in {Decimal(repr(found)), Decimal(f"{found:.{digits - 1}e}")}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40))
def test_every_double_is_read_from_its_shortest_text_and_from_17_digits(numbers: list[float]) -> None:
    assert values([repr(number) for number in numbers], "double") == numbers
    assert values([f"{number:.17g}" for number in numbers], "double") == numbers


def test_what_a_double_does_not_hold_is_none() -> None:
    for text in ("12345678901234567891", "0.1000000000000000111", "1e309", "1e-400", "NaN", "inf", "0x10"):
        assert values([text], "double") == [None], text
    assert str(values(["-0.0"], "double")[0]) == "0.0"


GERMAN, SWISS = Csv(decimal_mark=",", thousands_mark="."), Csv(thousands_mark="'")


@pytest.mark.parametrize(
    ("text", "csv", "number"),
    [
        ("1.234,50", GERMAN, "1234.50"),
        ("-1.234.567", GERMAN, "-1234567"),
        ("1234,5", GERMAN, "1234.5"),
        ("1.23", GERMAN, None),
        ("12.34,5", GERMAN, None),
        ("1234.567", GERMAN, None),
        ("1,234", GERMAN, "1.234"),
        ("1'234.50", SWISS, "1234.50"),
        ("1,5", SWISS, None),
        ("1 234", Csv(thousands_mark=" "), "1234"),
        ("1\u202f234", Csv(thousands_mark="\u202f"), "1234"),
        ("1.5", Csv(decimal_mark=","), None),
    ],
)
def test_numbers_have_the_marks_of_their_dialect(text: str, csv: Csv, number: str | None) -> None:
    wanted = None if number is None else Decimal(number)
    assert values([text], "decimal(12,3)", csv) == [wanted]
    assert values([text], "double", csv) == [None if wanted is None else float(wanted)]
    whole = wanted is not None and number is not None and "." not in number
    assert values([text], "bigint", csv) == [int(wanted) if whole and wanted is not None else None]


FORMATS = ["%d.%m.%Y", "%-d/%-m/%Y", "%Y%m%d", "%d %b %Y", "%B %-d, %Y", "100%%%Y-%m-%d"]


@given(st.dates(date(1890, 1, 1), date(2110, 1, 1)), st.sampled_from(FORMATS))
def test_dates_are_read_in_their_format(day: date, text: str) -> None:
    wanted = day if 1900 <= day.year <= 2099 else None
    assert values([day.strftime(text)], "date", formats=(text,)) == [wanted]


@given(st.lists(st.text("0123456789/.- ", max_size=12), max_size=30), st.sampled_from(FORMATS[:3]))
def test_what_is_no_date_of_the_format_is_none(texts: list[str], text: str) -> None:
    for given_text, found in zip(texts, values(texts, "date", formats=(text,)), strict=True):
        try:
            wanted = datetime.strptime(" ".join(given_text.split()), text).date()  # noqa: DTZ007
        except ValueError:
            assert found is None
            continue
        assert found in {None, wanted}
        assert (
            found is not None or given_text.strip() != wanted.strftime(text) or not 1900 <= wanted.year < 2100
        )


def test_a_date_that_two_formats_read_differently_is_none() -> None:
    both = ("%d/%m/%Y", "%m/%d/%Y")
    found = values(["01/02/2026", "13/02/2026", "02/13/2026", "05/05/2026"], "date", formats=both)
    assert found == [None, date(2026, 2, 13), date(2026, 2, 13), date(2026, 5, 5)]


CLOCKS = ["%d.%m.%Y %H:%M:%S", "%Y-%m-%d %I:%M:%S.%f %p", "%d/%b/%Y:%H:%M:%S %z", "%Y%m%dT%H%M%S%f"]
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
SHIFTS = [datetime.fromisoformat(day) for day in ("2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01")]
LOCAL = st.datetimes(datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2037-01-01")) | st.builds(
    lambda start, minutes: start + timedelta(minutes=minutes), st.sampled_from(SHIFTS), st.integers(0, 300)
)


def instant(local: datetime, zone: str) -> datetime | None:
    """A local time in UTC; none if the zone skips it or has it twice."""
    both = {local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}
    return both.pop() if len(both) == 1 else None


@given(LOCAL, st.sampled_from(CLOCKS), st.sampled_from(ZONES))
def test_times_are_read_in_their_format_and_zone(local: datetime, text: str, zone: str) -> None:
    local = local if "%f" in text else local.replace(microsecond=0)
    wanted = instant(local, zone)
    shown = local.replace(tzinfo=ZoneInfo(zone)) if "%z" in text else local
    if "%z" in text:
        wanted = shown.astimezone(UTC)
        if wanted - shown.replace(tzinfo=UTC) != -timedelta(
            minutes=round(shown.utcoffset().total_seconds() / 60)
        ):  # type: ignore[union-attr]
            return
    more = {"timezone": zone} if "%z" not in text else {}
    assert values([shown.strftime(text)], "timestamp", formats=(text,), **more) == [wanted]


@given(LOCAL, st.sampled_from(ZONES))
def test_times_without_an_offset_are_of_the_columns_zone(local: datetime, zone: str) -> None:
    texts = [local.isoformat(), local.isoformat(" "), f"{local.isoformat()}Z", f"{local.isoformat()}+05:30"]
    of_zone, same, utc, indian = values(texts, "timestamp", timezone=zone)
    assert of_zone == same == instant(local, zone)
    assert utc == local.replace(tzinfo=UTC)
    assert utc - indian == timedelta(hours=5, minutes=30)
    assert values(texts[:2], "timestamp") == [None, None]


def test_words_stand_for_true_and_false() -> None:
    words = {"true_words": ("Ja", "1"), "false_words": ("nein", "0")}
    assert values(["ja", "NEIN", "1", "0", "true", "maybe"], "boolean", **words) == [
        *(True, False, True, False),
        *(None, None),
    ]


@given(st.binary(min_size=1, max_size=40), st.text(min_size=1, max_size=8))
def test_binary_is_base64(data: bytes, text: str) -> None:
    right = base64.b64encode(data).decode()
    assert values([right], "binary") == [data]
    (found,) = values([text], "binary")
    assert found is None or base64.b64encode(found).decode() == text.strip()
    assert values(["QQ", "QR==", "Q Q=="], "binary") == [None, None, None]


NESTED = "struct<id:bigint,tags:array<string>,at:timestamp,price:decimal(6,2),inner:struct<x:array<double>>>"


def test_nested_values_are_read_like_columns_of_their_type() -> None:
    whole = {
        "id": 9007199254740993,
        "tags": ["a  b", "", None],
        "at": "2026-01-15T10:00:00+01:00",
        "price": 1.5,
        "inner": {"x": [0.1, 1e300]},
    }
    wanted = {
        "id": 9007199254740993,
        "tags": ["a b", None, None],
        "at": datetime(2026, 1, 15, 9, tzinfo=UTC),
        "price": Decimal("1.50"),
        "inner": {"x": [0.1, 1e300]},
    }
    nothing = dict.fromkeys(wanted)
    assert values([json.dumps(whole), "{}", " ", '{"id": "7"}'], NESTED) == [
        wanted,
        nothing,
        None,
        nothing | {"id": 7},
    ]


@pytest.mark.parametrize(
    "text",
    [
        *('{"id": 1.5}', '{"more": 1}', '{"price": 1.555}', '{"tags": "a"}', '{"inner": {"x": [1e999]}}'),
        *(
            '{"id": 1, "id": 1}',
            "[]",
            "null",
            "{",
            '{"tags": ["\\u0007"]}',
            '{"tags": ["\\ud800"]}',
            "[" * 9999,
        ),
        *('{"id": NaN}', '{"inner": {"y": 1}}', '{"at": "yesterday"}'),
    ],
)
def test_a_nested_value_that_does_not_fit_is_none(text: str) -> None:
    assert values([text], NESTED) == [None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "tags", "x"]), inner),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=20))
def test_any_json_is_read_or_none(documents: list[Any]) -> None:
    texts = [json.dumps(document) for document in documents]
    for kind in (NESTED, "array<struct<id:integer>>", "array<array<string>>", "array<boolean>"):
        assert len(values(texts, kind)) == len(texts)
