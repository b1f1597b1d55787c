"""The files of a proof or an export, in a zip file or a folder: their names, and reading them.

A proof is about one object version, an export about many: it has the checkpoint in a file of its own.

``SHA256SUMS`` (the format of sha256sum) names every other file; what it does not name is not part of it.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from custody.errors import EvidenceError, UsageError
from custody.evidence.hashing import hash_stream
from custody.trail.log_files import MAX_LOG_FILE_BYTES

PAGE = "README.txt"
VERIFIER = "verify.py"
SUMS = "SHA256SUMS"
RECEIPT = "receipt.json"
"""The receipt's envelope, byte by byte the entry of the log."""
PROOF = "receipt.tlog-proof"
RECEIPTS = re.compile(r"receipts/(0|[1-9][0-9]{0,17})\.json")
"""Of an export: the receipts' envelopes, by their index in the log."""
NOTE = "log/checkpoint"
"""Of an export: the log's checkpoint, a signed note."""
HASHES = "log/hashes"
"""Of an export: what leads from the receipts to the root (``custody.log.merkle.prove_leaves``)."""
OBJECTS = re.compile(r"objects/([0-9]{1,18})")
"""Of an export: the objects themselves, by the index of their receipts."""
EXTENSION = "extension.txt"
"""From the checkpoint of the proof to the newest; only if that is another."""
POLICY = "policy.txt"
OBJECT = "object"
"""The object itself, if it was asked for."""
REGISTRIES = re.compile(r"registry/[0-9]{4}-[0-9]{8}T[0-9]{6}Z\.json")
"""Every version of the key registry, in order, with the time at which it was stored."""
DIGESTS = re.compile(r"trail/digests/[^/]+\.json")
"""CloudTrail's digests, uncompressed; beside each its signature, ``.sig``."""
LOGS = re.compile(r"trail/logs/[^/]+\.json")
"""CloudTrail's log files, uncompressed."""
KEYS = "trail/keys/"
"""CloudTrail's public keys by fingerprint: SubjectPublicKeyInfo in DER."""

_MAX_BYTES = 16 * 1024 * 1024
"""Of a file that is no object and none of those that may be longer."""
_LONG = re.compile(rf"{HASHES}|trail/.+")
_MAX_SUMS_BYTES = 256 * 1024 * 1024
_SUM = re.compile(r"([0-9a-f]{64})  ([\w-][\w.-]*(?:/[\w-][\w.-]*)*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of one proof. What they say is not verified."""

    open_file: Callable[[str], IO[bytes]]
    """Opens a file by its name. Raises ``KeyError`` or ``OSError`` if there is none."""
    sums: Mapping[str, str]
    """The SHA-256 of each file, according to ``SHA256SUMS``."""
    problem: str = ""
    """What is wrong with ``SHA256SUMS``, if it cannot be read as a whole."""

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises ``EvidenceError`` if there is none, or it is too long."""
        if name not in self.sums:
            raise EvidenceError(f"There is no {name}.")
        return _read(self.open_file, name, MAX_LOG_FILE_BYTES if _LONG.fullmatch(name) else _MAX_BYTES)

    def names(self, pattern: re.Pattern[str]) -> list[str]:
        """The files with such names, in order; at least one. Raises ``EvidenceError``."""
        found = sorted(name for name in self.sums if pattern.fullmatch(name))
        if not found:
            folder, *_ = re.split(r"[(\[]", pattern.pattern)
            raise EvidenceError(f"There is no {folder}*.")
        return found

    def measure(self, name: str) -> tuple[str, int]:
        """SHA-256 and size of a file, of any length. Raises ``EvidenceError``."""
        with _reading(self.open_file, name) as file:
            return hash_stream(file)


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a zip file, or the folder of an unzipped one.

    Raises ``UsageError`` if there is neither, ``EvidenceError`` if it is not a zip file.
    """
    if path.is_dir():
        yield _bundle(lambda name: _open_regular(path / name))
        return
    try:
        packed = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no {path}.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise EvidenceError(f"{path} is not a zip file: {error}.") from error
    with packed:
        if len(set(packed.namelist())) != len(packed.namelist()):
            raise EvidenceError(f"{path} has two files of one name.")
        yield _bundle(packed.open)


def format_sums(sums: Mapping[str, str]) -> bytes:
    """The bytes of ``SHA256SUMS``."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items())).encode()


def _open_regular(path: Path) -> IO[bytes]:
    """Open a file, or what a link leads to; not a device or a pipe, whose bytes have no end."""
    if path.exists() and not path.is_file():
        raise OSError("it is no regular file")
    return path.open("rb")


def _bundle(open_file: Callable[[str], IO[bytes]]) -> Bundle:
    try:
        data = _read(open_file, SUMS, _MAX_SUMS_BYTES)
        *lines, rest = data.decode("ascii").split("\n")
    except EvidenceError as error:
        return Bundle(open_file, {}, error.message)
    except UnicodeDecodeError:
        return Bundle(open_file, {}, f"{SUMS} is not ASCII.")
    found = [_SUM.fullmatch(line) for line in lines]
    sums = {match[2]: match[1] for match in found if match}
    is_whole = sums and not rest and len(sums) == len(lines)
    return Bundle(open_file, sums, "" if is_whole else f"{SUMS} is malformed.")


def _read(open_file: Callable[[str], IO[bytes]], name: str, limit: int) -> bytes:
    with _reading(open_file, name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise EvidenceError(f"{name} is longer than {limit} bytes.")
    return data


@contextmanager
def _reading(open_file: Callable[[str], IO[bytes]], name: str) -> Iterator[IO[bytes]]:
    try:
        with open_file(name) as file:
            yield file
    except KeyError as error:
        raise EvidenceError(f"There is no {name}.") from error
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise EvidenceError(f"{name} cannot be read: {error}.") from error
