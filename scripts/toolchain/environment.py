"""The variables that point a program at one environment.

    python -m scripts.toolchain.environment --env local -- custody verify
    eval "$(python -m scripts.toolchain.environment --env local)"    # for this terminal: make env

``local`` is the AWS on this machine that ``make local-up`` started, with credentials that mean nothing
elsewhere; ``dev`` and ``prod`` are the caller's own credentials. Either way ``CUSTODY_DEPLOYMENT`` names the
deployment's file.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from scripts.local_aws.errors import LocalAwsError
from scripts.local_aws.launch import call_admin, operator_environment
from scripts.local_aws.server import running_server
from scripts.toolchain.toolchain import BUILD, ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_HOME = BUILD / "local" / "aws"


def without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the caller's AWS settings, and with none to be found in their home.

    The trust store (``AWS_CA_BUNDLE``) is left: it says whom to trust, not who one is.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("AWS_") or name == "AWS_CA_BUNDLE"
    }
    return {**kept, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def local_environ(home: Path = LOCAL_HOME) -> dict[str, str] | None:
    """Return the variables that point clients at the local AWS of ``home``; None if none runs there."""
    try:
        server = running_server(home)
    except LocalAwsError as error:
        raise ToolError(str(error)) from error
    return None if server is None else operator_environment(str(server["endpoint"]))


def instance_of(endpoint: str) -> str:
    """Return which instance of the local AWS answers at ``endpoint``.

    All it has is in memory: another instance has nothing of what the last one had.
    """
    try:
        return str(call_admin(endpoint, "status", {})["instance"])
    except LocalAwsError as error:
        raise ToolError(str(error)) from error


def environ_of(env: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the whole environment for a program that works on ``env``. Raises ``ToolError``."""
    deployment = {"CUSTODY_DEPLOYMENT": str(BUILD / env / "deployment.json")}
    if env != "local":
        return {**environ, **deployment}
    aws = local_environ()
    if aws is None:
        raise ToolError("The local AWS is not running. Run first: make local-up apply")
    return {**without_aws(environ), **aws, **deployment}


def shell_lines(env: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the lines with which a POSIX shell gets the variables of ``env``. Raises ``ToolError``."""
    gone = sorted(environ.keys() - environ_of(env, environ).keys())
    return [f"unset {' '.join(gone)}"] * bool(gone) + [
        f"export {name}={shlex.quote(value)}" for name, value in environ_of(env, {}).items()
    ]


def main() -> NoReturn:
    """Become the given command, in the environment's variables, or print them; 2 if they cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.toolchain.environment", description="Run within an environment."
    )
    parser.add_argument("--env", default="local", help="local (default), dev or prod")
    parser.add_argument(
        "command", nargs="*", help="the command and its arguments, after --; without: print the variables"
    )
    options = parser.parse_args()
    try:
        if not options.command:
            print("\n".join(shell_lines(options.env)))
            sys.exit(0)
        environ = environ_of(options.env)
    except ToolError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    os.execvpe(options.command[0], options.command, {**environ, "PATH": path})  # noqa: S606 - the caller's own


if __name__ == "__main__":
    main()
