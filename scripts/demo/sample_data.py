"""The data set that the demonstration and the end-to-end tests upload.

Small, the same in every run, and with the difficult cases: an object over the multipart threshold, one that
is overwritten, an empty one, and keys that need care in events, URIs and on a terminal.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

ACCOUNT_COLUMNS = (
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
MULTIPART_BYTES = 17 * 1024 * 1024
_FIRST = ("Amara", "Björn", "Chloé", "Dmitri", "Elif", "Fatou", "Goran", "Hana", "Inés", "Jun")
_LAST = ("Okafor", "Svensson", "Lefèvre", "Ivanov", "Yılmaz", "Diallo", "Horvat", "Sato", "García", "O'Neil")
_COUNTRIES = ("NG", "SE", "FR", "RS", "TR", "SN", "HR", "JP", "ES", "IE")


@dataclass(frozen=True, slots=True)
class Drop:
    """One upload: its producer, content and key in the bucket for raw data."""

    who: str
    key: str
    body: bytes
    content_type: str


def accounts_csv(rows: int, seed: int) -> bytes:
    """Return a file of accounts: ISO dates, booleans TRUE/FALSE, ``rows`` lines below the header."""
    rng = random.Random(seed)  # noqa: S311 - sample data, not a secret
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(ACCOUNT_COLUMNS)
    for number in range(1, rows + 1):
        first, last = rng.choice(_FIRST), rng.choice(_LAST)
        signup = date(2024, 1, 1) + timedelta(days=rng.randrange(600))
        login = signup + timedelta(days=rng.randrange(120))
        orders = rng.randrange(60)
        writer.writerow(
            (
                f"C{number:05d}",
                first,
                last,
                f"customer{number}@example.com",
                rng.choice(_COUNTRIES),
                signup.isoformat(),
                login.isoformat(),
                orders,
                f"{orders * rng.uniform(5, 80):.2f}",
                "TRUE" if orders > 40 else "FALSE",
            )
        )
    return out.getvalue().encode()


def events_jsonl(rows: int, seed: int) -> bytes:
    """Return viewing events of a streaming service, one JSON object a line."""
    rng = random.Random(seed)  # noqa: S311 - sample data, not a secret
    lines = (
        json.dumps(
            {
                "event_id": f"e-{seed}-{number:06d}",
                "customer_id": f"C{rng.randrange(1, 500):05d}",
                "title_id": f"t{rng.randrange(1, 80):03d}",
                "event_time": f"2026-01-{1 + number % 28:02d}T{number % 24:02d}:{rng.randrange(60):02d}:00Z",
                "event_type": rng.choice(("play", "pause", "resume", "stop")),
                "position_seconds": rng.randrange(7200),
            },
            separators=(",", ":"),
        )
        for number in range(rows)
    )
    return ("\n".join(lines) + "\n").encode()


def drops() -> Iterator[Drop]:
    """Yield the whole data set in the order of upload."""
    csv_type, lines_type = "text/csv", "application/x-ndjson"
    alice, bob = "alice@example.com", "bob@example.com"
    yield Drop(alice, "incoming/accounts/2026-01-15.csv", accounts_csv(500, seed=1), csv_type)
    events = events_jsonl(2000, 2)
    yield Drop(bob, "incoming/events/2026-01-15.jsonl", events, lines_type)
    video = random.Random(3).randbytes(MULTIPART_BYTES)  # noqa: S311 - sample data, not a secret
    yield Drop(bob, "incoming/media/trailer-t001.bin", video, "application/octet-stream")
    for edition in range(3):
        body = accounts_csv(50 + edition, seed=10 + edition)
        yield Drop(alice, "incoming/accounts/corrections.csv", body, csv_type)
    for key in (
        "incoming/names/with space.csv",
        "incoming/names/a+b=c.csv",
        "incoming/names/100%25 sure?.csv",
        "incoming/names/žluťoučký-naïve-漢字-🎬.csv",
        'incoming/names/it\'s "quoted" <b>&amp;.csv',
    ):
        yield Drop(alice, key, accounts_csv(5, seed=len(key)), csv_type)
    yield Drop(bob, "incoming/empty.csv", b"", csv_type)
