"""A version of a gold table as it is loaded: its data files, each with the receipt that vouches for it.

Only files may be loaded whose receipt is valid, whose bytes are those of the receipt, and whose receipt is
proven to be in the log; and so are the files of the table's own log, which say which they are. All of it is
read with the caller's client for Amazon S3.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from custody.concurrency import map_concurrently
from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.etl.contract import Contract, parse_contract
from custody.evidence.fetch import GoneError, UnreadableError, fetch, fetch_bytes
from custody.evidence.hashing import hash_stream
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.lineage.document import TABLES, Lineage, TableVersion, table_uri
from custody.lineage.library import Library, Read
from custody.listing import VersionEntry, list_versions
from custody.warehouse.proof import WORKERS, Proven, prove

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTRACTS = "glue/quality/"
"""Where the contracts are, in the artifacts bucket (``terraform/modules/job``)."""
MAX_CONTRACT_BYTES = 1024 * 1024
_LOG_FILE = re.compile(r"/(([0-9]{20})\.(?:json|checkpoint\.parquet))")
"""Delta's protocol, "Delta Log Entries" and "Checkpoints"."""
_READABLE_FEATURES = frozenset({"timestampNtz"})
"""Reader features of Delta by which data files still hold exactly the table's rows."""


@dataclass(frozen=True, slots=True)
class GoldFile:
    """A data file of a gold table."""

    path: str
    """Below the folder of all tables, which is where the stage begins."""
    proven: Proven
    rows: int
    """As the table's log has it."""
    day: str | None
    """The value of the table's partition column, which the file does not hold; as text."""


@dataclass(frozen=True, slots=True)
class GoldVersion:
    """A version of a gold table."""

    contract: Contract
    version: int
    document: str
    """The URI of its lineage document."""
    document_sha256: str
    files: tuple[GoldFile, ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(file.rows for file in self.files)


class GoldReader:
    """Reads gold tables of one deployment."""

    def __init__(
        self, s3: S3Client, deployment: Deployment, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._s3 = s3
        self._deployment = deployment
        self._tell = tell
        self._provenance = deployment.buckets["provenance"]
        self._bucket = deployment.buckets["analytics"]

    def contract(self, table: str) -> Contract:
        """The contract of a gold table as it is deployed. Raises ``UsageError`` if there is no such table."""
        gold = [name for name, inputs in self._deployment.tables.items() if inputs]
        if table not in gold:
            there = f"There are {', '.join(gold)}." if gold else "This deployment has none."
            raise UsageError(f"There is no gold table {table[:200]!r}.", there)
        place = ObjectVersion(self._deployment.buckets["artifacts"], f"{CONTRACTS}{table}.json", "")
        try:
            return parse_contract(fetch_bytes(self._s3, place, MAX_CONTRACT_BYTES))
        except (GoneError, UnreadableError) as error:
            raise CannotCheckError(f"The contract of {table} cannot be read: {error}.") from error

    def newest(self, table: str) -> GoldVersion:
        """The newest version with a lineage document, and its files.

        Raises ``UsageError`` if there is none or it cannot be loaded, ``CannotCheckError`` if a receipt is
        not there or not sealed yet, and ``EvidenceError`` if something does not hold.
        """
        contract = self.contract(table)
        read, lineage = self._document(table)
        if lineage.contract_sha256 != contract.sha256:
            raise CannotCheckError(
                f"{read.place.made} was made by another contract than the one that is deployed.",
                "Load it after the jobs have made it anew.",
            )
        made = read.place.made
        self._tell(f"Reading the log of {made}")
        files = self._files(made, contract)
        rows = sum(count for count, _ in files.values())
        if not lineage.keeps and rows != lineage.outputs[0].rows:
            raise EvidenceError(
                f"The log of {made} has {rows} rows, its lineage document {lineage.outputs[0].rows}."
            )
        folder = parse_s3_uri(made.table).key
        listed = self._listed(folder, [*files, read.place.key])
        self._tell(f"Checking the receipts of {made}")
        proven = {
            version.key: each
            for version, each in prove(
                self._s3, self._deployment, ((self._bucket, entry) for entry in listed.values())
            ).items()
        }
        if proven[read.place.key].sha256 != read.sha256:
            raise EvidenceError(f"{read.place.uri} does not have the bytes of its receipt.")
        return GoldVersion(
            contract,
            made.version,
            read.place.uri,
            read.sha256,
            tuple(
                GoldFile(key.removeprefix(TABLES), proven[key], rows, day)
                for key, (rows, day) in sorted(files.items())
            ),
        )

    def require_bytes(self, files: Collection[GoldFile]) -> None:
        """Hash what is stored. Raises ``EvidenceError`` if it is not what the receipts say."""

        def check(file: GoldFile) -> str:
            version = file.proven.version
            try:
                digest, _ = fetch(
                    self._s3, version, lambda found: hash_stream(found["Body"], found["ContentLength"])
                )
            except (GoneError, UnreadableError) as error:
                return f"{version.uri} cannot be read: {error}."
            if digest == file.proven.sha256:
                return ""
            return f"{version.uri} has the SHA-256 {digest}; its receipt says {file.proven.sha256}."

        for problem in map_concurrently(check, files, WORKERS):
            if problem:
                raise EvidenceError(f"{problem} Nothing was loaded.", "Run custody verify.")

    def require_unchanged(self, table: str, files: Collection[GoldFile]) -> None:
        """See that no file of a table was overwritten or deleted since it was checked.

        The warehouse reads the newest version of a key, whichever that is. Raises ``EvidenceError``.
        """
        listed = self._listed(f"{TABLES}{table}", [file.proven.version.key for file in files])
        for file in files:
            if listed[file.proven.version.key].version_id != file.proven.version.version_id:
                raise EvidenceError(f"{file.proven.version.uri} was overwritten. Nothing was loaded.")

    def _document(self, table: str) -> tuple[Read, Lineage]:
        """The newest lineage document; of several of one version, the one that was committed last."""
        library = Library(self._s3, self._deployment, tell=self._tell)
        stored = library.documents(table_uri(self._bucket, f"{TABLES}{table}"))
        if not stored:
            raise UsageError(f"The table {table} has no version with a lineage document: no job has made it.")
        found = []
        for read in library.read([each for each in stored if each.place.made == stored[-1].place.made]):
            if read.lineage is None:
                raise EvidenceError(read.problem)
            found.append((read, read.lineage))
        return max(found, key=lambda each: each[1].committed_at)

    def _files(self, made: TableVersion, contract: Contract) -> dict[str, tuple[int, str | None]]:
        """By key, the number of rows of each data file of a version, and its day."""
        folder = parse_s3_uri(made.table).key
        files = {}
        for added in self._added(made, contract):
            key = f"{folder}/{unquote(added['path'])}"
            rows = added.get("num_records")
            if rows is None:
                raise UsageError(f"The log of {made.table} does not say how many rows {key} has.")
            day = None if contract.by is None else added["partition"][contract.by]
            files[key] = int(rows), None if day is None else str(day)
        return files

    def _added(self, made: TableVersion, contract: Contract) -> list[dict[str, Any]]:
        """The log's entries of the files of a version, read from a copy of the log."""
        import pyarrow as pa  # noqa: PLC0415 - as the next one
        from deltalake import DeltaTable  # noqa: PLC0415 - in the warehouse's own environment
        from deltalake.exceptions import DeltaError  # noqa: PLC0415

        with tempfile.TemporaryDirectory(prefix="custody-") as folder:
            log = Path(folder) / "_delta_log"
            log.mkdir()
            for name, data in self._log(made):
                (log / name).write_bytes(data)
            try:
                table = DeltaTable(folder, version=made.version)
                protocol, metadata = table.protocol(), table.metadata()
                added: list[dict[str, Any]] = pa.table(table.get_add_actions()).to_pylist()
            except DeltaError as error:
                raise EvidenceError(f"The log of {made} cannot be read: {error}.") from error
        strange = {*(protocol.reader_features or ())} - _READABLE_FEATURES
        if strange or protocol.min_reader_version == 2:  # 2 is column mapping alone
            what = ", ".join(sorted(strange)) or "columnMapping"
            raise UsageError(f"{made.table} uses {what} of Delta, with which its files do not hold its rows.")
        if metadata.partition_columns != [name for name in (contract.by,) if name]:
            raise EvidenceError(f"{made} is not partitioned as its contract says.")
        return added

    def _log(self, made: TableVersion) -> Iterator[tuple[str, bytes]]:
        """The files of a table's log that say what a version has, by name: proven, as the data files are."""
        folder = f"{parse_s3_uri(made.table).key}/_delta_log"
        there = {
            match[1]: int(match[2])
            for entry in list_versions(self._s3, self._bucket, f"{folder}/")
            if (match := _LOG_FILE.fullmatch(entry.key.removeprefix(folder)))
        }
        until = {name: version for name, version in there.items() if version <= made.version}
        start = max((until[name] for name in until if name.endswith(".parquet")), default=0)
        names = sorted(name for name, version in until.items() if version >= start)
        listed = self._listed(folder, [f"{folder}/{name}" for name in names])
        proven = prove(self._s3, self._deployment, ((self._bucket, entry) for entry in listed.values()))
        for found in proven.values():
            try:
                data = fetch(self._s3, found.version, lambda stored: stored["Body"].read())
            except (GoneError, UnreadableError) as error:
                raise CannotCheckError(f"{found.version.uri} cannot be read: {error}.") from error
            if sha256(data).hexdigest() != found.sha256:
                raise EvidenceError(f"{found.version.uri} does not have the bytes of its receipt.")
            yield found.version.key.rpartition("/")[2], data

    def _listed(self, folder: str, keys: Collection[str]) -> dict[str, VersionEntry]:
        """By key, the one version of each object. Raises ``EvidenceError`` if one has none, or another."""
        wanted, found = frozenset(keys), {}
        for entry in list_versions(self._s3, self._bucket, f"{folder}/"):
            if entry.key in wanted:
                uri = ObjectVersion(self._bucket, entry.key, entry.version_id).uri
                if entry.is_delete_marker or entry.key in found:
                    raise EvidenceError(
                        f"{uri} was overwritten or deleted: data files are written once. Nothing was loaded."
                    )
                found[entry.key] = entry
        if gone := sorted(wanted - found.keys()):
            raise EvidenceError(f"s3://{self._bucket}/{gone[0]} does not exist. Nothing was loaded.")
        return found
