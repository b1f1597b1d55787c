"""Files whose bytes show that the table they are for cannot read them: told before any is sent."""

from __future__ import annotations

from collections.abc import Sequence

from custody.deployment import Deployment
from custody.errors import UsageError
from custody.upload.file import FileChangedError, OpenFile
from custody.upload.plan import PlannedFile

_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""gzip (RFC 1952, 2.3.1) and Zstandard (RFC 8878, 3.1.1): what they hold is not looked at."""


def assert_readable(deployment: Deployment, files: Sequence[PlannedFile]) -> None:
    """Raise ``UsageError`` for a Parquet file or a workbook where a table reads text, or the other way round.

    Everything else is the jobs' to judge.
    """
    for file in files:
        if file.table is not None and (what := _unlike(file, deployment.sources[file.table].format)):
            raise UsageError(
                f"{file.path} is {what}, and the table {file.table} reads "
                f"{deployment.sources[file.table].format}.",
                "Convert it, or upload it to another destination with --to. Nothing was sent.",
            )


def _unlike(file: PlannedFile, wanted: str) -> str | None:
    """What a file is instead of the format that is wanted."""
    try:
        with OpenFile(file) as opened:
            begin, end = opened.read(0, 4), opened.read(max(0, file.size_bytes - 8), 8)
    except (FileChangedError, OSError):
        return None  # its upload says so
    # It ends in its metadata, their length and these bytes: https://parquet.apache.org/docs/file-format/
    ends = end[4:] == _PARQUET and int.from_bytes(end[:4], "little") <= file.size_bytes - 12
    if wanted != "parquet":
        if begin == _ZIP:
            return "a workbook or another ZIP archive"
        return "a Parquet file" if begin == _PARQUET and ends else None
    if begin.startswith(_COMPRESSED) or (begin == _PARQUET and ends):
        return None
    return "a Parquet file without its end" if begin == _PARQUET else "no Parquet file"
