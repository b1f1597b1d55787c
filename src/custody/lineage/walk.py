"""Following lineage: from a table's version back to object versions, or from an object version to tables.

What a version of a table was made from:

- The inputs that its lineage document names. For a silver table those are the object versions of a manifest,
  for a gold table versions of silver tables.
- If the run kept rows of the previous version, everything that version was made from: silver tables are
  merged, so a version depends on all documents up to it; a gold run that names days replaces only those days.
  A gold run that names none replaces the whole table, and depends only on its own inputs.

A run without new data may have written its document for the existing version.

An object version that a run refused is not an input. Both directions follow the same edges, so a table's
version is found from an object version exactly if the object version is found from it. Receipts are not
checked here, but by ``custody verify``, claim ``lineage.inputs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from custody.errors import UsageError
from custody.evidence.objects import ObjectVersion, S3Location, parse_s3_uri, quote_key
from custody.lineage.document import Lineage, TableVersion, parse_commit
from custody.lineage.graph import Graph, Kind, Link
from custody.lineage.library import GRACE, Library, Read
from custody.lineage.target import of_location, of_name
from custody.listing import VersionEntry, list_versions
from custody.times import format_time

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass
class Walk:
    """What was found from ``start``. The caller owns ``graph``."""

    graph: Graph
    start: str = ""
    missing: list[str] = field(default_factory=list)
    """A sentence for everything that should be there and is missing or unreadable."""
    notes: list[str] = field(default_factory=list)
    """Remarks, a sentence each."""

    @property
    def exit_code(self) -> int:
        """1 if something is missing, else 0."""
        return 1 if self.missing else 0


def walk(library: Library, graph: Graph, target: str) -> Walk:
    """Follow lineage from ``target``: forward from an object of raw data, back from a table.

    ``target`` is ``s3://…`` of a raw object, with a version or for all of them; of a table's folder or of
    anything in it (its lineage document, a file of its log, a data file); or a table's name, with or without
    ``@version``. The default version is the newest that has a document.

    Raises ``UsageError`` if there is no such object, table or version, ``EvidenceError`` if no document
    covers the version that a file belongs to.
    """
    found = Walk(graph)
    if target.startswith("s3://"):
        location = parse_s3_uri(target)
        if location.bucket == library.raw:
            _forth(library, found, location)
            found.missing += library.hidden
            return found
        made, document = of_location(library, location)
    else:
        made, document = of_name(library, target)
    found.start = str(made)
    newest = library.versions(document.table)[-1]
    folder = parse_s3_uri(document.table)
    log = f"{folder.key}/_delta_log/"
    for key, _ in library.listed(folder.bucket, log, after=f"{log}{newest:020d}.json"):
        if (commit := parse_commit(folder.bucket, key)) is not None:
            found.notes.append(f"{commit} has no lineage document (yet).")
    back(library, found, [document])
    found.missing += library.hidden
    return found


def newest_versions(library: Library, bucket: str) -> list[TableVersion]:
    """The newest version with a document for each table of a bucket that has one."""
    return [
        TableVersion(table, versions[-1])
        for table in library.tables(bucket)
        if (versions := library.versions(table))
    ]


def back(library: Library, found: Walk, targets: Iterable[TableVersion]) -> None:
    """Go from versions of tables, each with a document, back to everything they were made from."""
    needed: dict[str, int] = {}
    for made in targets:
        if library.kind(made.table) is Kind.SILVER:
            needed[made.table] = max(made.version, needed.get(made.table, -1))
            continue
        for read in library.history(made):
            _add_version(library, found, read)
            if read.lineage is None:
                found.missing.append(read.problem)
                continue
            for source in read.lineage.tables:
                if library.kind(source.table) is not Kind.SILVER:
                    found.missing.append(
                        f"{read.place.uri} names {source}, which is not a table of processed data."
                    )
                    continue
                _add_source(library, found, source, read.place.made)
                needed[source.table] = max(source.version, needed.get(source.table, -1))
    for table, version in sorted(needed.items()):
        newer: Lineage | None = None
        for read in library.history(TableVersion(table, version)):
            _add_version(library, found, read)
            if read.lineage is None:
                found.missing.append(read.problem)
                continue
            _add_inputs(found.graph, read.lineage)
            found.notes += _refusals(read.lineage)
            if newer is not None:
                _link_quarantines(found.graph, read.lineage, newer)
            newer = read.lineage


def _forth(library: Library, found: Walk, location: S3Location) -> None:
    """Go from an object's versions to every version of a table that was made from one of them."""
    if not location.key:
        raise UsageError("The URI names a bucket but no object.", "Write s3://bucket/key.")
    stored = _stored_versions(library.s3, location)
    since = min((entry.last_modified for entry in stored), default=None)
    found.start = f"s3://{location.bucket}/{quote_key(location.key)}"
    if location.version_id is not None:
        found.start = ObjectVersion(location.bucket, location.key, location.version_id).uri

    def is_wanted(version: ObjectVersion) -> bool:
        same = (version.bucket, version.key) == (location.bucket, location.key)
        return same and location.version_id in {None, version.version_id}

    named: set[str] = set()
    first: dict[str, int] = {}
    for table in library.tables(library.processed):
        reads = _read_since(library, found, table, since, is_wanted)
        for lineage in (read.lineage for read in reads if read.lineage):
            found.notes += _refusals(lineage)
            named |= {item.version.version_id for item in lineage.objects}
            named |= {item.version.version_id for item in lineage.refused}
        naming = [read.place.made.version for read in reads if read.lineage and read.lineage.objects]
        if naming:
            first[table] = naming[0]
            _forth_to_silver(library, found, reads, naming[0])
    for table in library.tables(library.analytics) if first else ():
        _forth_to_gold(library, found, table, since, first)
    if not stored and not named:
        raise UsageError(
            f"There is no object {found.start}, and no lineage document names it.", "See custody ledger."
        )
    for entry in stored:
        if entry.version_id not in named:
            uri = ObjectVersion(location.bucket, location.key, entry.version_id).uri
            found.notes.append(f"No lineage document names {uri}: no table was made from it (yet).")


def _forth_to_silver(library: Library, found: Walk, reads: list[Read], first: int) -> None:
    """Add the versions of a silver table from the first that names a wanted object, and quarantines."""
    older: Lineage | None = None
    for read in reads:
        if read.place.made.version < first:
            continue
        _add_version(library, found, read, oldest=first)
        if read.lineage is None:
            continue
        _add_inputs(found.graph, read.lineage)
        if older is not None:
            _link_quarantines(found.graph, older, read.lineage)
        older = read.lineage


def _forth_to_gold(
    library: Library, found: Walk, table: str, since: datetime | None, first: dict[str, int]
) -> None:
    """Add the versions of a gold table that were made from these or later versions of silver tables."""
    made_from: int | None = None
    for read in _read_since(library, found, table, since, lambda _: False):
        sources = [
            source
            for source in (read.lineage.tables if read.lineage else ())
            if source.table in first and source.version >= first[source.table]
        ]
        if read.lineage is not None and not read.lineage.keeps:
            made_from = None
        if sources and made_from is None:
            made_from = read.place.made.version
        if made_from is None:
            continue
        _add_version(library, found, read, oldest=made_from)
        for source in sources:
            _add_source(library, found, source, read.place.made)


def _read_since(
    library: Library,
    found: Walk,
    table: str,
    since: datetime | None,
    is_wanted: Callable[[ObjectVersion], bool],
) -> list[Read]:
    """The table's documents stored since then, by version, each with its wanted objects.

    A document is stored after the objects that it names.
    """
    documents = [
        stored for stored in library.documents(table) if since is None or stored.stored_at >= since - GRACE
    ]
    reads = []
    for read in library.read(documents):
        if read.lineage is None:
            reads.append(read)
            found.missing.append(read.problem)
            continue
        objects = tuple(item for item in read.lineage.objects if is_wanted(item.version))
        refused = tuple(item for item in read.lineage.refused if is_wanted(item.version))
        reads.append(replace(read, lineage=replace(read.lineage, objects=objects, refused=refused)))
    return sorted(reads, key=lambda read: read.place)


def _stored_versions(s3: S3Client, location: S3Location) -> list[VersionEntry]:
    """The versions of an object in Amazon S3, or the requested one."""
    stored = []
    for entry in list_versions(s3, location.bucket, location.key):
        if entry.key != location.key:
            break  # The shortest key is listed first.
        if not entry.is_delete_marker and location.version_id in {None, entry.version_id}:
            stored.append(entry)
    return stored


def _add_version(library: Library, found: Walk, read: Read, oldest: int = -1) -> None:
    """Add a document's version, and that it keeps rows of the previous one unless that is too old."""
    made, lineage = read.place.made, read.lineage
    facts = {
        "table": made.table,
        "delta_version": made.version,
        "document": read.place.uri,
        "document_sha256": read.sha256,
    }
    if lineage is not None:
        facts |= {
            "rows": lineage.outputs[0].rows,
            "job": lineage.job,
            "run_id": lineage.run_id,
            "code_sha256": lineage.code_sha256,
            "committed_at": format_time(lineage.committed_at),
        }
    found.graph.add(str(made), library.kind(made.table), **facts)
    before = library.before(made)
    if before is not None and before.version >= oldest and (lineage is None or lineage.keeps):
        found.graph.link(str(before), str(made), Link.KEPT)


def _add_source(library: Library, found: Walk, source: TableVersion, made: TableVersion) -> None:
    """Add that a gold version was made from a silver one; report a silver one without a document."""
    before = library.before(TableVersion(source.table, source.version + 1))
    if before != source:
        sentence = f"{source} has no lineage document, and {made} was made from it."
        found.missing.append(sentence)
        found.graph.add(str(source), Kind.SILVER, table=source.table, delta_version=source.version)
        if before is not None:
            found.graph.link(str(before), str(source), Link.KEPT)
    found.graph.link(str(source), str(made), Link.READ)


def _add_inputs(graph: Graph, lineage: Lineage) -> None:
    """Add the manifest of a silver version with its object versions, and the quarantine it also went into."""
    made = str(lineage.place.made)
    manifest = f"sha256:{lineage.place.id}"
    if lineage.objects:
        graph.add(manifest, Kind.MANIFEST, uri=lineage.manifest_uri, sha256=lineage.place.id)
        graph.link(manifest, made, Link.PROCESSED)
    for item in lineage.objects:
        version = item.version
        graph.add(
            version.uri,
            Kind.OBJECT,
            bucket=version.bucket,
            key=version.key,
            version_id=version.version_id,
            sha256=item.sha256,
            size_bytes=item.size_bytes,
        )
        decided = {} if item.decision is None else {"decision": item.decision}
        graph.link(version.uri, manifest, Link.NAMED, **item.counts, **decided)
    for output in lineage.outputs[1:]:
        graph.add(
            str(output.made),
            Kind.REJECTED,
            table=output.made.table,
            delta_version=output.made.version,
            rows=output.rows,
            document=lineage.place.uri,
            run_id=lineage.run_id,
            committed_at=format_time(lineage.committed_at),
        )
        if lineage.objects:
            graph.link(manifest, str(output.made), Link.PROCESSED)


def _link_quarantines(graph: Graph, older: Lineage, newer: Lineage) -> None:
    """Add that a quarantine keeps its earlier rows."""
    for before, after in zip(older.outputs[1:], newer.outputs[1:], strict=False):
        if before.made < after.made and before.made.table == after.made.table:
            graph.link(str(before.made), str(after.made), Link.KEPT)


def _refusals(lineage: Lineage) -> list[str]:
    return [
        f"{item.version.uri} was refused ({lineage.place.uri}): {item.reason}." for item in lineage.refused
    ]
