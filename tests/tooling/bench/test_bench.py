"""The benchmark's output; measured values are not asserted, since machines differ."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path

from scripts.bench.__main__ import LIMITS, answer, broken, child, openssl_sha256, row, table


def test_a_limit_is_broken_on_its_own_side_only() -> None:
    rows = [row("hash_stream", 0.79, "bytes/s", 1), row("recorder_import", 1.26, "s", 1)]
    assert broken(rows) == ["hash_stream", "recorder_import"]
    rows = [row("hash_stream", 9, "bytes/s", 1), row("recorder_import", 0.1, "s", 1), row("other", 9, "s", 1)]
    assert broken(rows) == []


def test_the_table_names_limits_and_what_breaks_them() -> None:
    printed = table([row("hash_stream", 1e9, "bytes/s", 2e9), row("other", 0.5, "s", 1)]).splitlines()
    assert "1,000,000,000" in printed[1]
    assert printed[1].endswith("0.50  ≥ 0.8  BROKEN")
    assert printed[2].endswith("none")


def test_every_limit_the_project_states_is_held() -> None:
    of_the_recorder = {"hash_stream", "recorder_import", "recorder_zip_bytes", "receipts_per_second"}
    of_the_etl = {"etl_rows_per_second", "etl_cost_growth", "etl_seconds", "etl_peak_bytes"}
    of_spark = {"etl_spark_rows_per_second", "etl_spark_peak_bytes"}
    of_formats = {"read_gzip", "read_zstd", "read_parquet", "read_json"}
    of_the_log = {"seal_leaves_per_second", "trail_events_per_second", "trail_validate"}
    of_verification = {
        "verify_cost_growth",
        "verify_objects_per_second",
        "verify_peak_bytes",
        "verify_receipts_per_second",
        "verify_requests_per_receipt",
    }
    of_evidence = of_the_recorder | of_the_log | of_verification
    of_the_warehouse = {"warehouse_rows_per_second"}
    of_the_ledger = {"ledger_query", "ledger_query_peak_bytes"}
    of_the_rules = {"rules_events_per_second", "rules_processor_seconds"}
    of_tables = of_formats | of_the_etl | of_spark | of_the_warehouse
    assert set(LIMITS) == of_evidence | of_the_ledger | of_the_rules | of_tables


def test_the_stand_in_serves_the_whole_file_again_and_again(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "object.bin").write_bytes(content)
    with child("serve", tmp_path / "object.bin") as server:
        url = f"http://127.0.0.1:{answer(server)}/bucket/key"
        for _ in range(2):
            with urllib.request.urlopen(url) as response:
                assert hashlib.sha256(response.read()).digest() == hashlib.sha256(content).digest()


def test_openssl_says_something_that_can_be_a_speed() -> None:
    assert 1e6 < openssl_sha256() < 1e11
