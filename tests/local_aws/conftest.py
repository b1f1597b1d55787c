"""Two servers for all these tests: the local AWS, and unpatched moto, to show that each patch is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts.local_aws import LocalAws
from tests.local_aws.account import Account

_PLAIN_MOTO = """
import sys, time
from moto.s3.models import S3Backend
from moto.server import ThreadedMotoServer
put = S3Backend.put_object
def put_slowly(*args, **kwargs):
    time.sleep(0.02)  # As on a busy disk: who decides before writing and does not hold on to it, loses.
    return put(*args, **kwargs)
S3Backend.put_object = put_slowly
server = ThreadedMotoServer(port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture(scope="session")
def aws(server: LocalAws) -> Account:
    """The local AWS."""
    return Account(server.endpoint)


@pytest.fixture(scope="session")
def moto_process() -> Iterator[subprocess.Popen[str]]:
    """moto without our patches, which says its port first."""
    with subprocess.Popen(
        [sys.executable, "-c", _PLAIN_MOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.terminate()


@pytest.fixture(scope="session")
def moto(moto_process: subprocess.Popen[str]) -> Account:
    """moto without our patches, in a process of its own."""
    assert moto_process.stdout is not None
    return Account(f"http://127.0.0.1:{int(moto_process.stdout.readline())}")


@pytest.fixture
def calm(server: LocalAws) -> Iterator[None]:
    """Chaos that a test enables ends with the test."""
    yield
    server.admin("events", duplicate=1, shuffle=None)
