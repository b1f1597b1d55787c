"""One process of the AWS provider for several runs of Terraform.

Terraform starts the provider for each step of a command, and again for each run of ``terraform test``, which
takes longer than most of those runs. A provider that serves a debugger stays, and Terraform attaches to it.
It has one configuration at a time, so it is for one environment: for tests and plans without a server, or for
a local AWS of one's own.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from scripts.toolchain.toolchain import LOCK_FILE, ToolError, lock_file, terraform_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

VARIABLE = "TF_REATTACH_PROVIDERS"
_UNTIL_WE_END = 'trap : INT TERM; "$0" -debug & read -r _; kill -INT $!; wait'
"""Its input ends with us, even if we are killed. Upon an interrupt a provider removes its socket."""


@contextlib.contextmanager
def served_provider(environ: Mapping[str, str], work: Path) -> Iterator[dict[str, str]]:
    """Start the locked provider; yield ``environ`` with what makes Terraform use it.

    ``work`` is the folder, absolute, into which it is installed and in which it runs: relative paths of files
    to upload are resolved there. ``AWS_CA_BUNDLE`` is left out: with it, the provider cannot be configured a
    second time.
    """
    work.mkdir(parents=True, exist_ok=True)
    shutil.copy(LOCK_FILE.with_name("versions.tf"), work)
    shutil.copy(lock_file(), work / LOCK_FILE.name)
    init = [str(terraform_program()), "init", "-backend=false", "-input=false", "-no-color"]
    unwanted = {"AWS_CA_BUNDLE", "TF_DATA_DIR", VARIABLE}
    plain = {name: value for name, value in environ.items() if name not in unwanted}
    done = subprocess.run(init, cwd=work, env=plain, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"{done.stdout}{done.stderr}\nterraform init failed.")
    (program,) = (work / ".terraform" / "providers").glob("*/*/*/*/*/terraform-provider-aws*")
    with subprocess.Popen(
        ["/bin/sh", "-c", _UNTIL_WE_END, program],
        cwd=work,
        env=plain,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        said = re.search(rf"{VARIABLE}='(.*)'", "".join(_until_served(process)))
        if said is None:
            raise ToolError(f"{program.name} does not serve a debugger.")
        yield {**plain, VARIABLE: said.group(1)}


def _until_served(process: subprocess.Popen[str]) -> Iterator[str]:
    for line in process.stdout or ():
        yield line
        if VARIABLE in line and "=" in line:
            return
