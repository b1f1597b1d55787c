"""From a row in the warehouse back to the raw objects that its table was made from, and their receipts.

The row names the data file that it was loaded from, and must have its values in it; the history has that
file's hash and leaf; the lineage
documents lead from the file's version of the gold table to the raw object versions. Nothing finer is claimed
than they say: which objects the version was made from, not which of them the row's values came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.lineage.document import TABLES
from custody.lineage.graph import Graph, Kind
from custody.lineage.library import Library
from custody.lineage.walk import Walk, walk
from custody.listing import VersionEntry, list_versions
from custody.warehouse.connection import Session
from custody.warehouse.gold import GoldFile, GoldReader
from custody.warehouse.load import STAGED, stage
from custody.warehouse.proof import Proven, prove
from custody.warehouse.sql import identifier, is_text_of
from custody.warehouse.tables import FILES, OBJECT, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_OBJECTS = 100
"""How many raw objects of a silver table have their receipts checked: those of the newest runs."""


@dataclass
class Trace:
    """What was found of a row."""

    walk: Walk
    file: Proven
    """The data file that the row was loaded from."""
    version: int
    """The version of the gold table with which the file was first loaded."""
    objects: dict[str, int] = field(default_factory=dict)
    """By silver table, how many raw object versions it was made from."""
    raw: list[Proven] = field(default_factory=list)
    """Raw object versions with their receipts, of each silver table's newest runs."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each thing that does not hold."""

    @property
    def exit_code(self) -> int:
        """1 if something is missing or does not hold, else 0."""
        return 1 if self.problems or self.walk.missing else 0


def trace(
    session: Session,
    s3: S3Client,
    deployment: Deployment,
    target: Target,
    key: Mapping[str, str],
    *,
    graph: Graph,
    tell: Callable[[str], None] = lambda words: None,
) -> Trace:
    """Trace the row with this key, given as text by the contract's names of columns.

    Raises ``UsageError`` if the key is not the table's or there is no such row, and ``EvidenceError`` if what
    the row names does not lead anywhere.
    """
    uri = _object(session, target, key)
    rows = session.run(
        f"SELECT sha256, leaf_index, delta_version, row_count FROM {identifier(FILES)} "
        "WHERE table_name = ? AND object = ?",
        [target.name, uri],
    )
    if len(rows) != 1:
        raise EvidenceError(f"The load history of {target.name} does not have {uri[:300]} once.")
    sha256, leaf_index, version, row_count = rows[0]
    place = parse_s3_uri(uri)
    if place.version_id is None:
        raise EvidenceError(f"The row names {uri[:300]!r}, which is no object version.")
    tell("Reading lineage")
    found = walk(Library(s3, deployment, tell=tell), graph, uri)
    tell("Checking receipts")
    file = ObjectVersion(place.bucket, place.key, place.version_id)
    proven = prove(s3, deployment, [(file.bucket, _listed(s3, file))])[file]
    traced = Trace(found, proven, int(version))
    if (proven.sha256, proven.leaf_index) != (sha256, int(leaf_index)):
        traced.problems.append(
            f"The load history has SHA-256 {str(sha256)[:80]} and leaf {leaf_index} of {uri}; "
            f"its receipt, {proven.sha256} and {proven.leaf_index}."
        )
    if not traced.problems:
        tell("Comparing the row with its file")
        data_file = GoldFile(file.key.removeprefix(TABLES), proven, int(row_count), None)
        reader = GoldReader(s3, deployment, tell)
        try:
            reader.require_bytes([data_file])
            is_same = _is_as_in_file(session, target, key, data_file)
            reader.require_unchanged(target.contract.table, [data_file])
        except EvidenceError as error:
            traced.problems.append(error.message)
        else:
            if not is_same:
                traced.problems.append(
                    f"The row does not have the values that it has in {file.uri}: somebody changed it."
                )
    for silver in sorted({str(node["table"]) for node in graph.nodes(Kind.SILVER)}):
        count, newest = graph.objects_of(silver, MOST_OBJECTS)
        traced.objects[silver] = count
        _check_raw(traced, s3, deployment, newest)
    return traced


def _object(session: Session, target: Target, key: Mapping[str, str]) -> str:
    """The URI of the object version that the row came from."""
    if sorted(key) != sorted(target.contract.key):
        raise UsageError(
            f"The key of {target.contract.table} is {', '.join(target.contract.key)}.",
            f"Give each as {target.contract.key[0]}=VALUE.",
        )
    kinds = {column.name: column.kind for column in target.contract.columns}
    for name, text in key.items():
        if not is_text_of(kinds[name], text):
            raise UsageError(f"The value of {name} is no {kinds[name].sql}, which it is by the contract.")
    rows = session.run(
        f"SELECT {identifier(OBJECT)} FROM {identifier(target.name)} WHERE {_conditions(target, key)}",
        list(key.values()),
    )
    if not rows:
        raise UsageError(f"{target.name} has no row with this key.")
    if len(rows) > 1:
        raise EvidenceError(f"{target.name} has {len(rows)} rows with this key.")
    return str(rows[0][0])


def _is_as_in_file(session: Session, target: Target, key: Mapping[str, str], file: GoldFile) -> bool:
    """Whether the row has the values of the one with its key in its file, which is copied for it."""
    stage(session, target, [file])
    columns = {name: kind for name, kind in target.columns.items() if name != target.partition}
    same = [
        f"{form.format('t.' + identifier(name))} IS NOT DISTINCT FROM {form.format('r.' + identifier(name))}"
        for name, kind in columns.items()
        for form in ["TO_JSON({})" if kind in {"ARRAY", "OBJECT"} else "{}"]
    ]
    rows = session.run(
        f"SELECT COUNT(*) FROM {identifier(target.name)} AS t JOIN {identifier(STAGED)} AS r "
        f"ON {' AND '.join(same)} WHERE {_conditions(target, key, 't.')}",
        list(key.values()),
    )
    return bool(rows == [(1,)]) and _is_of_day(target, key, file.path)


def _is_of_day(target: Target, key: Mapping[str, str], path: str) -> bool:
    """Whether a file is of the row's partition, by its path, as writers of Delta name folders."""
    by = target.contract.by
    return by is None or f"{by}={key[by]}" in map(unquote, path.split("/"))


def _conditions(target: Target, key: Mapping[str, str], prefix: str = "") -> str:
    """What the row with a key meets; its values are bound."""
    return " AND ".join(
        f"{prefix}{identifier(name.upper())} = CAST(? AS {target.columns[name.upper()]})" for name in key
    )


def _check_raw(
    traced: Trace, s3: S3Client, deployment: Deployment, nodes: Sequence[Mapping[str, Any]]
) -> None:
    """Add raw object versions with their receipts, or what is wrong with each."""
    wanted = {
        ObjectVersion(node["bucket"], node["key"], node["version_id"]): node["sha256"] for node in nodes
    }
    try:
        proven = prove(s3, deployment, [(version.bucket, _listed(s3, version)) for version in wanted])
    except (CannotCheckError, EvidenceError) as error:
        if len(nodes) == 1:
            traced.problems.append(error.message)
        else:
            for node in nodes:
                _check_raw(traced, s3, deployment, [node])
        return
    for version, found in proven.items():
        if found.sha256 != wanted[version]:
            traced.problems.append(
                f"{version.uri} has SHA-256 {found.sha256} by its receipt, {wanted[version]} by the lineage."
            )
    traced.raw += sorted(proven.values(), key=lambda each: each.leaf_index)


def _listed(s3: S3Client, version: ObjectVersion) -> VersionEntry:
    """The version's entry in the listing. Raises ``EvidenceError`` if there is none."""
    for entry in list_versions(s3, version.bucket, version.key):
        if (entry.key, entry.version_id) == (version.key, version.version_id) and not entry.is_delete_marker:
            return entry
        if entry.key != version.key:
            break
    raise EvidenceError(f"{version.uri} does not exist any more.")
