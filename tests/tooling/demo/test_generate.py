from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from examples.streaming import generate
from examples.streaming.generate import customer_files, event_files
from tests.glue.local import contract
from tests.glue.records import read_records


def digest(seed: int) -> str:
    whole = hashlib.sha256()
    for _, chunks in (*customer_files(50, seed), *event_files(200, seed, customers=50)):
        for chunk in chunks:
            whole.update(chunk)
    return whole.hexdigest()


def test_a_seed_is_a_data_set() -> None:
    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


@pytest.mark.parametrize("table", ["customers", "viewing_events"])
def test_it_has_as_many_rows_as_it_says_and_as_were_asked_for(table: str) -> None:
    files = customer_files(120, 3, dirt=0.2) if table == "customers" else event_files(998, 3, 120, dirt=0.2)
    rows = 0
    for truth, chunks in files:
        assert sum(1 for _ in read_records(chunks, contract(table))) == truth.rows
        rows += truth.rows
    assert rows == (3 * 120 + 2 if table == "customers" else 998)


def test_writes_files_and_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["generate", "--customers", "20", "--events", "50", "-o", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    assert generate.main() == 0
    for file in json.loads((tmp_path / "truth.json").read_text())["files"]:
        assert (tmp_path / file["key"]).stat().st_size == file["size_bytes"]
    monkeypatch.setattr(sys, "argv", [*words, "--events", "0"])
    assert generate.main() == 2
