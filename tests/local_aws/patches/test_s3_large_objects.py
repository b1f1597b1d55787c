from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from scripts.local_aws import LocalAws
from tests.local_aws.account import Account

MIB = 1024 * 1024
SIZE = 130 * MIB


class Pattern:
    """A file of ``size`` bytes, none of it in memory."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.sha256 = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        count = self._left if count < 0 else min(count, self._left)
        data = (b"%08d" % (self._left % 10**8)) * (count // 8) + b"x" * (count % 8)
        self._left -= count
        self.sha256.update(data)
        return data


def upload(account: Account) -> tuple[str, str]:
    bucket, content = account.bucket(), Pattern(SIZE)
    config = TransferConfig(multipart_chunksize=64 * MIB, multipart_threshold=64 * MIB, use_threads=False)
    account.client("s3").upload_fileobj(content, bucket, "large", Config=config)
    return bucket, content.sha256.hexdigest()


def test_what_comes_back_is_what_was_uploaded(aws: Account) -> None:
    s3 = aws.client("s3")
    bucket, sha256 = upload(aws)
    got = s3.get_object(Bucket=bucket, Key="large")
    assert got["ContentLength"] == SIZE
    assert got["ETag"].endswith('-3"')
    body = got["Body"].read()
    assert hashlib.sha256(body).hexdigest() == sha256
    tail = s3.get_object(Bucket=bucket, Key="large", Range="bytes=-7")
    assert tail["ContentRange"] == f"bytes {SIZE - 7}-{SIZE - 1}/{SIZE}"
    assert tail["Body"].read() == body[-7:]
    middle = s3.get_object(Bucket=bucket, Key="large", Range=f"bytes={64 * MIB - 3}-{64 * MIB + 2}")
    assert middle["Body"].read() == body[64 * MIB - 3 : 64 * MIB + 3]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="sees open files as Linux tells them")
def test_a_deleted_object_leaves_no_open_file(aws: Account, server: LocalAws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    pid = json.loads((server.home / "server.json").read_bytes())["pid"]

    def stored_files() -> int:
        found = 0
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a connection that was closed meanwhile
                found += "(deleted)" in str(file.readlink())
        return found

    before = stored_files()
    version = s3.put_object(Bucket=bucket, Key="key", Body=b"x" * 8 * MIB)["VersionId"]
    s3.get_object(Bucket=bucket, Key="key", Range="bytes=0-9")["Body"].read()
    assert stored_files() == before + 1
    s3.delete_object(Bucket=bucket, Key="key", VersionId=version)
    assert stored_files() == before


def bytes_read_for_a_range(account: Account, pid: int) -> int:
    """What a process reads from its files to answer ten bytes of ``SIZE`` (``proc_pid_io(5)``, rchar)."""
    s3 = account.client("s3")
    bucket, _ = upload(account)

    def read() -> int:
        return int(Path(f"/proc/{pid}/io").read_text().split()[1])

    before = read()
    assert len(s3.get_object(Bucket=bucket, Key="large", Range="bytes=0-9")["Body"].read()) == 10
    return read() - before


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="counts bytes as Linux tells them")
def test_a_range_costs_what_it_is_long(aws: Account, server: LocalAws) -> None:
    pid = json.loads((server.home / "server.json").read_bytes())["pid"]
    assert bytes_read_for_a_range(aws, pid) < MIB


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="counts bytes as Linux tells them")
def test_moto_reads_the_whole_object_for_it(moto: Account, moto_process: subprocess.Popen[str]) -> None:
    assert bytes_read_for_a_range(moto, moto_process.pid) >= SIZE
