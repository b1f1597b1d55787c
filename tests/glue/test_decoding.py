"""Compressed objects are read whole, or are known to be broken; and all their stored bytes are taken."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.etl import decoding
from custody.etl.batches import Tally
from custody.etl.columns import read_columns
from custody.etl.contract import Contract
from custody.etl.decoding import Decoded
from tests.glue.local import contract

EVENTS = contract("viewing_events")
PARQUET = replace(EVENTS, source=replace(EVENTS.raw(), format="parquet"))
LINE = b'{"event_id":"a"}\n'
SKIPPABLE = b"\x53\x2a\x4d\x18\x04\x00\x00\x00abcd"
"""A skippable frame (RFC 8878, section 3.1.2)."""


def zstd(body: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(body).to_pybytes()
    return packed


def decode(body: bytes, *places: int) -> tuple[bytes, Decoded]:
    at = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    decoded = Decoded(body[begin:end] for begin, end in pairwise(at))
    return b"".join(decoded), decoded


@given(
    st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([gzip.compress, zstd]), st.integers(0, 99)
)
def test_members_and_frames_are_one_text(parts, pack, place) -> None:  # type: ignore[no-untyped-def]
    text, decoded = decode(b"".join(map(pack, parts)), place)
    assert (text, decoded.broken) == (b"".join(parts), None)


def test_a_frame_may_be_skipped() -> None:
    for stored in (SKIPPABLE + zstd(LINE), zstd(LINE) + SKIPPABLE, zstd(LINE) + SKIPPABLE + zstd(b"")):
        assert decode(stored)[0] == LINE


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_what_breaks_off_is_broken_wherever_it_does(pack) -> None:  # type: ignore[no-untyped-def]
    stored = pack(LINE)
    for end in range(4, len(stored)):
        for packed in (stored[:end], stored + stored[:end], stored + b"x"):
            assert decode(packed)[1].broken is not None
    assert decode(gzip.compress(LINE)[:-8] + bytes(8))[1].broken is not None


def rows(chunks: Iterator[bytes], rules: Contract, tally: Tally) -> list[tuple[int, str | None]]:
    names = ("source_row", "problem")
    columns = ([batch[name].to_pylist() for name in names] for batch in read_columns(chunks, rules, tally))
    return sorted(row for found in columns for row in zip(*found, strict=True))


def test_of_a_broken_object_no_byte_counts_as_read() -> None:
    tally = Tally()
    first = LINE * 9
    stored = gzip.compress(first) + gzip.compress(LINE)[:-1]
    found = rows(iter([stored]), EVENTS, tally)
    assert found[-1][1] == "broken_gzip"
    assert tally.read_bytes == 0
    assert [number for number, _ in found] == list(range(1, len(found) + 1))


def test_the_line_in_which_it_breaks_off_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beginning alone could be one: ``C2,12`` of ``C2,12345``."""
    monkeypatch.setattr(decoding, "_PIECE_BYTES", 4)
    stored = gzip.compress(b"customer_id,email\nC1,a\nC2,12") + gzip.compress(b"345\n")[:11]
    assert rows(iter([stored]), contract("customers"), Tally()) == [(1, None), (2, "broken_gzip")]


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_an_object_that_expands_too_much_is_not_read_to_its_end(  # type: ignore[no-untyped-def]
    pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Tally()
    stored = pack(LINE * 60_000)
    assert rows(iter([stored]), EVENTS, tally)[-1] == (60_000, None)
    assert tally.read_bytes == len(stored)
    monkeypatch.setattr(decoding, "_PIECE_BYTES", 100_000)
    monkeypatch.setattr(decoding, "_FREE_BYTES", 400_000)
    monkeypatch.setattr(decoding, "_MAX_EXPANSION", 2)
    found = rows(iter([stored]), EVENTS, tally := Tally())
    assert found[-1][1] == "too_large"
    assert len(found) < 30_000
    assert tally.read_bytes == 0


@pytest.mark.parametrize("rules", [EVENTS, PARQUET], ids=["jsonl", "parquet"])
@pytest.mark.parametrize(
    "stored",
    [LINE, gzip.compress(LINE), gzip.compress(LINE)[:-1], gzip.compress(LINE) + bytes(9), b"", b"PAR1"],
    ids=["plain", "gzip", "cut", "longer", "empty", "parquet"],
)
def test_all_stored_bytes_are_taken_and_what_their_reader_raises_is_raised(
    rules: Contract, stored: bytes
) -> None:
    """The reader compares their hash at the end."""

    class OtherBytesError(Exception):
        pass

    def chunks() -> Iterator[bytes]:
        yield stored
        yield b"more" * 100_000
        raise OtherBytesError

    with pytest.raises(OtherBytesError):
        rows(chunks(), rules, Tally())
