"""A lake in a folder: what the ETL's tests run on, besides an engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from custody.etl.contract import Contract, parse_contract
from custody.etl.lineage import Run
from custody.etl.manifest import Entry, Manifest, parse_manifest, write_manifest
from custody.etl.silver_run import Lake, raw_to_processed
from custody.objects import ObjectVersion

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REPO = Path(__file__).resolve().parents[2]
BUCKET = "raw"
BEGIN = datetime(2026, 1, 20, tzinfo=UTC)


def contract(table: str) -> Contract:
    return parse_contract((REPO / "glue" / "quality" / f"{table}.yaml").read_text())


class FolderStore:
    """Objects as files."""

    def read(self, uri: str) -> bytes:
        return Path(uri).read_bytes()

    def create(self, uri: str, body: bytes) -> bool:
        path = Path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return False
        path.write_bytes(body)
        return True

    def names(self, folder: str) -> Iterator[str]:
        path = Path(folder)
        yield from sorted(item.name for item in path.iterdir() if item.is_file()) if path.is_dir() else ()


@dataclass(frozen=True)
class OpenFile:
    """Opens an object version: the file named by the version, whatever the key."""

    folder: str

    def __call__(self, version: ObjectVersion) -> BinaryIO:
        return (Path(self.folder) / version.version_id).open("rb")


@dataclass
class Raw:
    """A raw bucket in a folder: each version a file."""

    folder: Path
    entries: list[Entry] = field(default_factory=list)

    def put(self, key: str, chunks: Iterable[bytes]) -> Entry:
        number = len(self.entries)
        version_id = f"v{number:04d}"
        self.folder.mkdir(parents=True, exist_ok=True)
        body = b"".join(chunks)
        (self.folder / version_id).write_bytes(body)
        modified = BEGIN + timedelta(minutes=number)
        version = ObjectVersion(BUCKET, key, version_id)
        self.entries.append(Entry(version, hashlib.sha256(body).hexdigest(), len(body), modified))
        return self.entries[-1]

    @property
    def open(self) -> OpenFile:
        return OpenFile(str(self.folder))


def manifest(table: str, entries: Iterable[Entry]) -> Manifest:
    return parse_manifest(write_manifest(table, entries, BEGIN))


def run(job: str = "raw_to_processed") -> Run:
    return Run(job, "jr_1", "0" * 64, BEGIN)


def stage_in(folder: Path, spark: SparkSession) -> Callable[[DataFrame], DataFrame]:
    """Keep staged rows as Parquet in a folder: pysail keeps nothing."""
    count = iter(range(1_000_000))

    def stage(frame: DataFrame) -> DataFrame:
        path = str(folder / f"stage-{next(count)}")
        frame.write.parquet(path)
        return spark.read.parquet(path)

    return stage


def process(lake: Lake, table: str, entries: Iterable[Entry], raw: Raw) -> dict[str, Any]:
    """Run raw to processed for some of the raw bucket's versions."""
    return raw_to_processed(lake, manifest(table, entries), "manifest.json", contract(table), raw.open, run())
