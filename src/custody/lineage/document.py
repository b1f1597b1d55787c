"""Reading lineage documents strictly: what one version of a table was made from.

``custody.etl.lineage`` writes it, at ``tables/<name>/_lineage/<Delta version, 20 digits>-<id>.json``. That of
a silver table names a manifest, which is its ``id``, and the manifest's object versions; that of a gold table
names versions of silver tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from custody.documents import MAX_NATURAL, Fields, parse_object
from custody.errors import EvidenceError, UsageError
from custody.etl.lineage import LINEAGE_TYPE, MAX_LINEAGE_BYTES
from custody.evidence.objects import ObjectVersion, parse_s3_uri, quote_key

TABLES = "tables/"
"""The prefix of tables in the buckets of processed and analytics data."""
REJECTED = "_rejected"
"""Suffix of the name of a quarantine; its lineage is in the documents of the table that it belongs to."""

_PLACE = re.compile(r"(tables/[^/]+)/_lineage/([0-9]{20})-([0-9a-f]{64})\.json", re.DOTALL)
_COMMIT = re.compile(r"(tables/[^/]+)/_delta_log/([0-9]{20})\.json", re.DOTALL)
_TABLE = re.compile(r"tables/[^/]+", re.DOTALL)
_COUNTS = ("rows", "valid", "rejected", "duplicates")


@dataclass(frozen=True, slots=True, order=True)
class TableVersion:
    """One version of a Delta table; ``table`` is the URI of its folder."""

    table: str
    version: int

    def __str__(self) -> str:
        return f"{self.table}@{self.version}"

    @property
    def name(self) -> str:
        """The table's name."""
        return parse_s3_uri(self.table).key.removeprefix(TABLES)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The place of a document: the table version it belongs to, and its id."""

    made: TableVersion
    id: str

    @property
    def key(self) -> str:
        """The document's key in the table's bucket."""
        return f"{TABLES}{self.made.name}/_lineage/{self.made.version:020d}-{self.id}.json"

    @property
    def bucket(self) -> str:
        """The table's bucket."""
        return parse_s3_uri(self.made.table).bucket

    @property
    def uri(self) -> str:
        """The document's URI."""
        return f"s3://{self.bucket}/{quote_key(self.key)}"


@dataclass(frozen=True, slots=True)
class ObjectInput:
    """An object version that was read, and the counts of its rows by name."""

    version: ObjectVersion
    sha256: str
    size_bytes: int
    counts: dict[str, int]
    decision: str | None = None
    """The URI of the decision for which it was handed out once more."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object version of the manifest that the run did not use: refused, or withheld."""

    version: ObjectVersion
    sha256: str
    reason: str
    withheld: bool = False
    """True if the object did not meet the contract; otherwise its bytes did not match the manifest."""
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A version of a table that the run made; ``rows`` is the number of rows of the run."""

    made: TableVersion
    rows: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """The content of one document."""

    place: Place
    job: str
    run_id: str
    code_sha256: str
    contract_sha256: str | None
    """The digest of the contract that its rows were judged by, if the document says so."""
    started_at: datetime
    committed_at: datetime
    manifest_uri: str | None
    """Only for a silver table; its digest is the document's id."""
    objects: tuple[ObjectInput, ...]
    refused: tuple[Refusal, ...]
    tables: tuple[TableVersion, ...]
    outputs: tuple[Output, ...]
    """The table itself first, then the quarantine."""
    new_columns: tuple[str, ...]
    """Names of fields that the contract does not list, and that no run before has seen."""
    keeps: bool
    """Whether rows of the previous version are kept: silver is merged, and a gold run with days replaces only
    those. Otherwise the run replaced the whole table."""


def table_uri(bucket: str, folder: str) -> str:
    """The URI of a table whose folder is ``tables/<name>``."""
    return f"s3://{bucket}/{quote_key(folder)}"


def parse_place(bucket: str, key: str) -> Place | None:
    """The place given by a document's key; ``None`` for any other key."""
    match = _PLACE.fullmatch(key)
    if match is None or int(match[2]) > MAX_NATURAL:
        return None
    return Place(TableVersion(table_uri(bucket, match[1]), int(match[2])), match[3])


def parse_commit(bucket: str, key: str) -> TableVersion | None:
    """The version of a table that a file of its log commits; ``None`` for any other key."""
    match = _COMMIT.fullmatch(key)
    if match is None or int(match[2]) > MAX_NATURAL:
        return None
    return TableVersion(table_uri(bucket, match[1]), int(match[2]))


def parse_lineage(data: bytes, place: Place) -> Lineage:
    """Read the document at ``place``.

    Raises ``EvidenceError`` naming the first error, in its form or its place.
    """
    document = parse_object(data, "lineage document", MAX_LINEAGE_BYTES)
    fields = Fields(document, "lineage document")
    if (kind := fields.text("type")) != LINEAGE_TYPE:
        raise EvidenceError(f"The lineage document's type is {kind[:80]!r}, not {LINEAGE_TYPE}.")
    if (identity := fields.sha256("id")) != place.id:
        raise EvidenceError(f"The lineage document's id is {identity}, but its key says {place.id}.")
    outputs = tuple(Output(_table_version(item), item.natural("rows")) for item in fields.objects("outputs"))
    if not outputs or outputs[0].made != place.made:
        said = str(outputs[0].made)[:300] if outputs else "nothing"
        raise EvidenceError(f"The lineage document says that the run made {said}, not {place.made}.")
    for output in outputs[1:]:
        if output.made.table != f"{place.made.table}{REJECTED}":
            raise EvidenceError(f"The lineage document says that the run also made {str(output.made)[:300]}.")
    manifest_uri = None
    objects: tuple[ObjectInput, ...] = ()
    refused: tuple[Refusal, ...] = ()
    tables: tuple[TableVersion, ...] = ()
    if document.get("manifest") is not None:
        manifest = fields.object("manifest")
        manifest_uri = manifest.words("uri")
        if (digest := manifest.sha256("sha256")) != place.id:
            raise EvidenceError(f"The lineage document's manifest is {digest}, but its key says {place.id}.")
        objects = tuple(_object_input(item) for item in fields.objects("inputs"))
        refused = tuple(
            Refusal(
                _object_version(item),
                item.sha256("sha256"),
                item.text("reason"),
                name == "withheld",
                item.optional_text("decision"),
            )
            for name in ("refused", "withheld")
            for item in (fields.objects(name) if document.get(name) is not None else ())
        )
    else:
        tables = tuple(_table_version(item) for item in fields.objects("inputs"))
    versions = [item.version for item in objects] + [item.version for item in refused]
    if not versions and not tables:
        raise EvidenceError("The lineage document names no inputs.")
    if len(set(versions)) != len(versions) or len(set(tables)) != len(tables):
        raise EvidenceError("The lineage document names an input twice.")
    return Lineage(
        place=place,
        job=fields.words("job"),
        run_id=fields.words("run_id"),
        code_sha256=fields.object("code").sha256("sha256"),
        contract_sha256=fields.optional_text("contract_sha256"),
        started_at=fields.time("started_at"),
        committed_at=fields.time("committed_at"),
        manifest_uri=manifest_uri,
        objects=objects,
        refused=refused,
        tables=tables,
        outputs=outputs,
        new_columns=fields.optional_texts("new_columns"),
        keeps=manifest_uri is not None or document.get("days") is not None,
    )


def _object_version(item: Fields) -> ObjectVersion:
    return ObjectVersion(item.words("bucket"), item.words("key"), item.words("version_id"))


def _object_input(item: Fields) -> ObjectInput:
    return ObjectInput(
        _object_version(item),
        item.sha256("sha256"),
        item.natural("size_bytes"),
        {name: item.natural(name) for name in _COUNTS},
        item.optional_text("decision"),
    )


def _table_version(item: Fields) -> TableVersion:
    uri = item.words("table")
    try:
        place = parse_s3_uri(uri)
    except UsageError as error:
        raise EvidenceError(
            f"The lineage document names something that is not a table: {error.message}"
        ) from error
    if not _TABLE.fullmatch(place.key) or place.version_id is not None:
        raise EvidenceError(
            f"The lineage document names a table at {uri[:300]!r}, which is not a place for one."
        )
    return TableVersion(table_uri(place.bucket, place.key), item.natural("delta_version"))
