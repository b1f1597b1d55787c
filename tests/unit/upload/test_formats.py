from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custody.deployment import Source
from custody.errors import UsageError
from custody.evidence.objects import S3Location
from custody.upload.formats import assert_readable
from custody.upload.plan import PlannedFile, plan_upload
from tests.unit.report.sample import DEPLOYMENT, RAW


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": ["1"]}), sink)
    return bytes(sink.getvalue())


TEXT, PARQUET, WORKBOOK = b"id,PAR1\n1,PAR1", parquet(), b"PK\x03\x04\x14\x00"


def judge(tmp_path: Path, data: bytes, form: str) -> list[PlannedFile]:
    deployment = replace(DEPLOYMENT, sources={"devices": Source("incoming/devices/", form)})
    (tmp_path / "a").write_bytes(data)
    files = plan_upload(deployment, [tmp_path / "a"], S3Location(RAW, "incoming/devices/")).files
    assert_readable(deployment, files)
    return files


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_text_is_what_is_no_parquet_and_no_archive(tmp_path: Path, form: str) -> None:
    for data in (b"", b"PAR1", TEXT, b"PAR1,id\nPAR1", gzip.compress(TEXT), b"\xff\xfea\x00"):
        judge(tmp_path, data, form)
    with pytest.raises(UsageError, match=f"is a Parquet file, and the table devices reads {form}"):
        judge(tmp_path, PARQUET, form)
    with pytest.raises(UsageError, match=f"is a workbook or another ZIP archive, .* reads {form}"):
        judge(tmp_path, WORKBOOK, form)


def test_parquet_is_what_begins_and_ends_so(tmp_path: Path) -> None:
    for data in (PARQUET, gzip.compress(PARQUET)):
        judge(tmp_path, data, "parquet")
    for data in (b"", TEXT, WORKBOOK):
        with pytest.raises(UsageError, match="is no Parquet file"):
            judge(tmp_path, data, "parquet")
    for data in (PARQUET[:-1], PARQUET[:4] + PARQUET[5:7]):
        with pytest.raises(UsageError, match="a Parquet file without its end"):
            judge(tmp_path, data, "parquet")


def test_a_file_for_no_table_or_that_is_gone_is_not_judged(tmp_path: Path) -> None:
    deployment = replace(DEPLOYMENT, sources={"devices": Source("incoming/devices/", "csv")})
    (tmp_path / "a").write_bytes(PARQUET)
    files = plan_upload(deployment, [tmp_path / "a"], S3Location(RAW, "incoming/")).files
    assert_readable(deployment, files)
    (tmp_path / "a").unlink()
    assert_readable(deployment, [replace(files[0], table="devices")])
