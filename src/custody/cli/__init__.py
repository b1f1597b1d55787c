"""The command line ``custody``.

Exit status: 0 all holds, 1 findings, 2 wrong use or configuration, 3 could not check, 130 interrupted,
141 the reader of our output went away. Whatever goes wrong is one sentence on stderr; a traceback means a
defect of this program, never bad input.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from custody.errors import CustodyError
from custody.terminal import visible

EXIT_USAGE = 2
EXIT_CANNOT_CHECK = 3
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(arguments or ["--help"])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has what it wanted (head, a pager). Python flushes stdout once more at exit: let it
        # (documented at https://docs.python.org/3/library/signal.html#note-on-sigpipe).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return EXIT_INTERRUPTED
    return status


def _run(arguments: list[str]) -> int:
    from custody.cli.commands import app  # noqa: PLC0415  # an interrupted import is an interruption too

    command = typer.main.get_command(app)
    try:
        with command.make_context("custody", arguments) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as done:
        return done.exit_code
    except TyperException as error:
        _complain(f"{error.format_message()} See custody --help.")
        return EXIT_USAGE
    except CustodyError as error:
        _complain(str(error))
        return error.exit_code
    except Exception as error:
        sentence = _service_error(error)
        if sentence is None:
            raise
        _complain(sentence)
        return EXIT_CANNOT_CHECK


def _service_error(error: Exception) -> str | None:
    """Return the sentence for an error of AWS or of the way there, or None for an error of our own."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415

    if isinstance(error, NoCredentialsError):
        return "There are no AWS credentials. Sign in (aws sso login), or set AWS_PROFILE."
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        code, words = details.get("Code", "an error"), details.get("Message", "")
        return f"AWS refused {error.operation_name}: {code}. {words} See custody doctor."
    if isinstance(error, BotoCoreError):
        return f"AWS could not be asked: {error} See custody doctor."
    return None


def _complain(sentence: str) -> None:
    print(f"custody: {visible(sentence)}", file=sys.stderr)
