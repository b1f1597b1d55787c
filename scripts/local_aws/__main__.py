"""``python -m scripts.local_aws serve|up|down``: the local AWS from a terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.local_aws.errors import LocalAwsError
from scripts.local_aws.launch import down, up
from scripts.local_aws.server import running_server, serve


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 2 if it fails, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m scripts.local_aws", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in {
        "serve": "run it in the foreground until Ctrl-C",
        "up": "start it, unless it runs already, and leave it running",
        "down": "stop the one that up started",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--home", type=Path, default=Path("build/local/aws"), help="folder for its files"
        )
        if name != "down":
            command.add_argument("--port", type=int, default=0, help="0: any free port")
        if name == "serve":
            command.add_argument("--lifeline", action="store_true", help="stop when standard input ends")
            command.add_argument("--enforced", action="store_true", help="have policies decide every call")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except LocalAwsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.command == "serve":
        serve(options.home, options.port, lifeline=options.lifeline, enforced=options.enforced)
    elif options.command == "up":
        if running_server(options.home) is None:
            up(options.home, options.port)
            print("The local AWS is running.", file=sys.stderr)
        else:
            print("The local AWS runs already.", file=sys.stderr)
    elif down(options.home):
        print("The local AWS has stopped.", file=sys.stderr)
    else:
        print(f"No local AWS is running in {options.home}.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
