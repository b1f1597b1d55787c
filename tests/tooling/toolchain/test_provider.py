"""The provider that serves several runs ends with whoever started it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.toolchain.toolchain import REPO

SERVE = """
import sys
from pathlib import Path
from scripts.terraform import serverless_environ
from scripts.toolchain.provider import VARIABLE, served_provider
with served_provider(serverless_environ(), Path(sys.argv[1])) as environ:
    print(environ[VARIABLE], flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_provider_outlives_nobody(tmp_path: Path, how: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, tmp_path],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        (served,) = json.loads(process.stdout.readline()).values()
        socket = Path(served["Addr"]["String"])
        assert socket.exists()
        if how is not None:
            process.send_signal(how)
    deadline = time.monotonic() + 120
    while socket.exists():
        assert time.monotonic() < deadline, f"{served['Pid']} still serves."
        time.sleep(0.1)
