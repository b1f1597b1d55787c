"""The objects that the demonstration and the end-to-end tests upload, whatever data sets are deployed.

Few, the same in every run, and with the difficult cases: an object over the multipart threshold, one that is
overwritten, an empty one, and keys that need care in events, URIs and on a terminal. What they hold does not
matter: no table is made of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

MULTIPART_BYTES = 17 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Drop:
    """One upload: its producer, content and key in the bucket for raw data."""

    who: str
    key: str
    body: bytes
    content_type: str


def drops() -> Iterator[Drop]:
    """Yield all of them in the order of upload."""
    csv_type, lines_type = "text/csv", "application/x-ndjson"
    alice, bob = "alice@example.com", "bob@example.com"
    yield Drop(alice, "incoming/letters/2026-01-15.csv", _csv(500, seed=1), csv_type)
    notes = b"".join(b'{"number":%d}\n' % number for number in range(2000))
    yield Drop(bob, "incoming/notes/2026-01-15.jsonl", notes, lines_type)
    film = random.Random(3).randbytes(MULTIPART_BYTES)  # noqa: S311 - sample data, not a secret
    yield Drop(bob, "incoming/films/trailer.bin", film, "application/octet-stream")
    for edition in range(3):
        yield Drop(alice, "incoming/letters/corrections.csv", _csv(50 + edition, seed=10 + edition), csv_type)
    for key in (
        "incoming/names/with space.csv",
        "incoming/names/a+b=c.csv",
        "incoming/names/100%25 sure?.csv",
        "incoming/names/žluťoučký-naïve-漢字-🎬.csv",
        'incoming/names/it\'s "quoted" <b>&amp;.csv',
    ):
        yield Drop(alice, key, _csv(5, seed=len(key)), csv_type)
    yield Drop(bob, "incoming/empty.csv", b"", csv_type)


def _csv(rows: int, seed: int) -> bytes:
    rng = random.Random(seed)  # noqa: S311 - sample data, not a secret
    lines = (f"{number},{rng.randrange(1_000_000)}\n" for number in range(1, rows + 1))
    return "".join(["letter,weight\n", *lines]).encode()
