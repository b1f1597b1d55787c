"""Runs one job's script in this process, as Glue does: as ``__main__``, with its arguments behind it.

Run as a script by an isolated interpreter. Argument: the number of the descriptor that words go to. The
first line of standard input is a JSON object: ``role``, ``script`` (the URI of its object), ``modules`` (the
URIs of wheels, archives and modules to import from), ``arguments``, ``folder`` (the run's own) and ``calls``
(the file for the calls of AWS that it makes). The end of standard input ends the process, whatever it does.

Words are JSON objects, one a line: ``{"running": true}`` once script and modules are here, and at the end
``{"failure": "…" or null, "traceback": "…", "peak": bytes}``, with the most memory that it ever held.

The script imports what Glue would have installed and what is uploaded, nothing of this repository. Its
SparkSession is pysail's, which is reached as any remote Spark is; ``persist`` there keeps rows on disk, and
tasks are as many as processors.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import runpy
import signal
import sys
import threading
import traceback
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

_ORDERS = 0
_REPOSITORY = Path(__file__).resolve().parents[3]
_WHEEL_NAME_PARTS = (5, 6)
"""name-version(-build)-python-abi-platform.whl ("Binary distribution format", packaging.python.org)"""


class _LaunchError(Exception):
    """Why a run cannot start, as a sentence."""


def main(words_fd: int) -> None:
    """Run the job, and end the process."""
    incoming = os.fdopen(os.dup(_ORDERS), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), _ORDERS)
    order = json.loads(incoming.readline())
    threading.Thread(target=_wait_for_the_end, args=(incoming,), daemon=True).start()
    sys.path[:] = [entry for entry in sys.path if not _is_of_the_repository(Path(entry))]
    functions = _load("local_aws_calls", "scripts/local_aws/functions/worker.py")
    functions.Calls(order["calls"], order["role"]).listen()
    with os.fdopen(words_fd, "w", buffering=1, encoding="utf-8") as words:
        failure, trace = _run(order, words, functions)
        sys.stdout.flush()
        sys.stderr.flush()
        last = {"failure": failure, "traceback": trace, "peak": functions.memory("VmHWM:")}
        words.write(json.dumps(last) + "\n")
    os._exit(0 if failure is None else 1)  # Whatever threads the script left behind.


def _wait_for_the_end(incoming: Any) -> None:
    """Orders come through a pipe whose other end the server holds: its end is the server's."""
    incoming.read()
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _is_of_the_repository(entry: Path) -> bool:
    """Whether a place to import from is in the repository, as an editable installation of it is."""
    return entry.is_relative_to(_REPOSITORY) and not entry.is_relative_to(sys.prefix)


def _load(name: str, path: str) -> ModuleType:
    """Load a module of the repository by its file; nothing else there can be imported by it."""
    spec = importlib.util.spec_from_file_location(name, _REPOSITORY / path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(order: dict[str, Any], words: Any, functions: ModuleType) -> tuple[str | None, str]:
    """What Glue shows as the run's error, and what it logs; ``None`` if the run succeeded."""
    try:
        script = _fetch_all(order)
    except _LaunchError as error:
        return str(error), ""
    words.write(json.dumps({"running": True}) + "\n")
    engine = _load("local_engine", "scripts/local_etl/engine.py")
    sys.argv[1:] = order["arguments"]
    try:
        with engine.pysail_server() as address, engine.staging() as stage:
            os.environ["SPARK_REMOTE"] = address

            def keep_on_disk(module: Any) -> None:
                module.DataFrame.persist = lambda frame, *_: stage(frame)

            def take_few_tasks(module: Any) -> None:
                connect = module.SparkSession.__init__

                def connect_and_set(session: Any, *arguments: Any, **named: Any) -> None:
                    connect(session, *arguments, **named)
                    session.conf.set("spark.sql.shuffle.partitions", engine.TASKS)

                module.SparkSession.__init__ = connect_and_set

            for module, act in (("dataframe", keep_on_disk), ("session", take_few_tasks)):
                sys.meta_path.insert(0, functions.AfterImport(f"pyspark.sql.connect.{module}", act))
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code in {None, 0}:
            return None, ""
        return end.code if isinstance(end.code, str) else f"SystemExit: {end.code}", ""
    except BaseException as error:  # noqa: BLE001 - the script's fault, whatever it is
        return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
    return None, ""


def _fetch_all(order: dict[str, Any]) -> Path:
    """Fetch script and modules as the job's role; return the script's path. Raises ``_LaunchError``."""
    import boto3  # noqa: PLC0415 - after the calls are listened to

    s3 = boto3.client("s3")
    folder = Path(order["folder"])
    packages = folder / "packages"
    packages.mkdir()
    for uri in order["modules"]:
        _install(uri, _fetch(s3, uri), packages)
    sys.path.insert(0, str(packages))
    script = folder / _name(order["script"])
    script.write_bytes(_fetch(s3, order["script"]))
    return script


def _fetch(s3: Any, uri: str) -> bytes:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - after the calls are listened to

    place = urlsplit(uri)
    if place.scheme != "s3":
        raise _LaunchError(
            f"{uri} is not the URI of an object: nothing is installed from anywhere else here."
        )
    try:
        body: bytes = s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    except ClientError as error:
        code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
        raise _LaunchError(f"{uri} cannot be read: {code}: {text}") from error
    return body


def _install(uri: str, body: bytes, packages: Path) -> None:
    name = _name(uri)
    if name.endswith(".py"):
        (packages / name).write_bytes(body)
        return
    if name.endswith(".whl") and len(name.removesuffix(".whl").split("-")) not in _WHEEL_NAME_PARTS:
        raise _LaunchError(f"{name} is not a valid wheel filename.")
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            archive.extractall(packages)
    except zipfile.BadZipFile as error:
        raise _LaunchError(f"{uri} is no archive: {error}.") from error


def _name(uri: str) -> str:
    """What follows the last slash."""
    return uri.rpartition("/")[2]


if __name__ == "__main__":
    main(int(sys.argv[1]))
