"""The jobs read times by the same rules as evidence: a text always means the same instant."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import EvidenceError
from custody.etl.contract import Column, Csv
from custody.etl.values import read
from custody.times import parse_time

TWO = st.integers(0, 99).map("{:02d}".format)
TIMES = st.tuples(
    st.sampled_from(["2026-01-15", "2024-02-29", "2023-02-29", "2026-02-30", "1999-12-31", "2099-12-31"]),
    st.sampled_from("TTTt"),
    st.sampled_from(["10", "23", "00", "24"]),
    st.sampled_from([":00", ":59", ":60"]),
    st.sampled_from([":00", ":59", ":60", ":60", ":61"]),
    st.text("0123456789", min_size=1, max_size=12).map(".{}".format) | st.sampled_from(["", "", "."]),
    st.sampled_from(["Z", "z", "+05:30", "-12:00", "+19:00", "-23:59", "+24:00", "", "+0530"])
    | st.tuples(st.sampled_from("+-"), TWO, TWO).map("{0[0]}{0[1]}:{0[2]}".format),
).map("".join)


def moment(text: str) -> int | None:
    try:
        found = parse_time(text) - datetime(1970, 1, 1, tzinfo=UTC)
    except EvidenceError:
        return None
    return (found.days * 86_400 + found.seconds) * 1_000_000 + found.microseconds


@given(st.lists(TIMES, max_size=60))
def test_a_time_is_read_as_in_evidence(texts: list[str]) -> None:
    found = read(pa.array(texts, pa.string()), Column("at", "timestamp", ""), Csv()).cast(pa.int64())
    assert found.to_pylist() == [moment(text) for text in texts]
