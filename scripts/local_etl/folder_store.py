"""Objects as files, for an ETL that runs in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from custody.etl.manifest import UnfitError
from custody.evidence.objects import ObjectVersion


class FolderStore:
    """A ``custody.etl.store.Store`` whose URIs are paths."""

    def read(self, uri: str) -> bytes:
        """The bytes of one file."""
        return Path(uri).read_bytes()

    def create(self, uri: str, body: bytes) -> bool:
        """Write a file that is not there yet, whole or not at all."""
        path = Path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f".{path.name}.{os.getpid()}")
        whole.write_bytes(body)
        try:
            os.link(whole, path)
        except FileExistsError:
            return False
        finally:
            whole.unlink()
        return True

    def names(self, folder: str) -> Iterator[str]:
        """The names of the files directly in ``folder``, but those that are not whole."""
        path = Path(folder)
        if path.is_dir():
            files = (item.name for item in path.iterdir() if item.is_file())
            yield from sorted(name for name in files if not name.startswith("."))


@dataclass(frozen=True)
class OpenFile:
    """Opens an object version: the file of ``folder`` that the version's key (or its id) names."""

    folder: str
    by_version_id: bool = False

    def __call__(self, version: ObjectVersion) -> BinaryIO:
        """Raises ``UnfitError`` if there is none."""
        name = version.version_id if self.by_version_id else version.key
        try:
            return Path(self.folder, name).open("rb")
        except FileNotFoundError as error:
            raise UnfitError("no longer exists") from error
