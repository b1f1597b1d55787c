"""The command line ``custody``.

Exit status: 0 all holds, 1 findings, 2 wrong use or configuration, 3 could not check, 130 interrupted,
141 the reader of the output closed it. Every error is one sentence on stderr. An unexpected exception is a
defect of this program: the sentence says so, and names the file with the traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from io import TextIOWrapper

import typer

from custody.errors import CustodyError
from custody.terminal import visible

try:
    from typer.exceptions import TyperException
except ImportError:  # an older typer, such as Amazon MWAA has, raises click's
    from click import ClickException as TyperException  # type: ignore[assignment]

EXIT_USAGE = 2
EXIT_CANNOT_CHECK = 3
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; no exception leaves this function."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not _streams_are_ready():
        _complain(
            "Standard output is closed, so the answer cannot be written. Open it, or redirect it to a file."
        )
        return EXIT_USAGE
    try:
        status = _run(arguments or ["--help"])
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        _complain(f"The answer could not be written to standard output: {error.strerror or error}.")
        _let_go_of_stdout()
        return EXIT_CANNOT_CHECK
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return EXIT_INTERRUPTED
    return status


def _run(arguments: list[str]) -> int:
    try:
        from custody.cli.commands import app

        command = typer.main.get_command(app)
        if "_CUSTODY_COMPLETE" in os.environ:  # a shell asks for completions, and the answer ends the program
            command.main(arguments, "custody", standalone_mode=False)
        with command.make_context("custody", arguments) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as done:
        return done.exit_code
    except TyperException as error:
        _complain(f"{error.format_message().rstrip('.')}. See custody --help.")
        return EXIT_USAGE
    except CustodyError as error:
        _complain(str(error))
        return error.exit_code
    except OSError as error:
        if error.filename is None:
            raise  # of a stream: the root handler says which
        _complain(f"{error.filename} cannot be read or written: {error.strerror}.")
        return EXIT_CANNOT_CHECK
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: it is reported, and the exit status is not 0
        _complain(_service_error(error) or _defect(error))
        return EXIT_CANNOT_CHECK


def _streams_are_ready() -> bool:
    """Escape what cannot be encoded, and make sure that there is a stderr; False if stdout is closed."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open until the program ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return sys.stdout is not None


def _let_go_of_stdout() -> None:
    """Discard what stdout still buffers: Python flushes it once more at exit.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _service_error(error: Exception) -> str | None:
    """Return the sentence for an error of AWS or of the connection to it, or None for any other error."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    if isinstance(error, NoCredentialsError):
        return "There are no AWS credentials. Sign in (aws sso login), or set AWS_PROFILE."
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        code, words = details.get("Code", "an error"), details.get("Message", "")
        return f"AWS refused {error.operation_name}: {code}. {words} See custody doctor."
    if isinstance(error, BotoCoreError | HTTPError):
        return f"AWS could not be reached: {error} See custody doctor."
    if isinstance(error, ResponseParserError):
        return (
            "The endpoint is not AWS, or not this service: its answer cannot be read. Check AWS_ENDPOINT_URL."
        )
    return None


def _defect(error: Exception) -> str:
    """Return the sentence for an unexpected exception; its traceback is written to a file."""
    words = f"This is a defect of custody: {type(error).__name__}: {error}. Nothing more was checked."
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="custody-", suffix=".txt", delete=False
        ) as kept:
            traceback.print_exception(error, file=kept)
    except OSError:
        return f"{words} Report it to the maintainers of the kit, with the command you ran."
    return f"{words} Report it to the maintainers of the kit, with the command you ran and {kept.name}."


def _complain(sentence: str) -> None:
    try:
        print(f"custody: {visible(sentence)}", file=sys.stderr)
    except OSError:
        return  # nobody can read the message; the exit status stays
