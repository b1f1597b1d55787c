"""What a run writes next to the table it committed: the lineage document, and the same as OpenLineage.

``<table>/_lineage/<Delta version, 20 digits>-<id>.json`` is written once, after the commit, and means that
the run is complete: a run whose document exists does nothing. ``id`` is the manifest's digest for a silver
table, and the digest of the inputs for a gold table. The document names every input by version and hash, so
that the table can be traced back to the raw objects. It is in a recorded prefix: a receipt of the recorder
signs it.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from custody import __version__
from custody.documents import is_sha256, parse_object
from custody.errors import EvidenceError, UsageError
from custody.etl.store import Store
from custody.times import format_time

LINEAGE_TYPE = "urn:custody:lineage:v1"
MAX_LINEAGE_BYTES = 128 * 1024 * 1024
MAX_UNKNOWN_COLUMNS = 1000
"""How many names of columns that no contract lists a document has."""
_NAME = re.compile(r"([0-9]{20})-([0-9a-f]{64})\.json")
_OPENLINEAGE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_VERSION_FACET = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
_OUTPUT_FACET = (
    "https://openlineage.io/spec/facets/1-0-2/"
    "OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet"
)
_PRODUCER = "urn:custody:etl"


@dataclass(frozen=True, slots=True)
class Run:
    """The identity of a run: the job, Glue's run id, and the digest of the code."""

    job: str
    run_id: str
    code_sha256: str
    started_at: datetime

    def __post_init__(self) -> None:
        if not is_sha256(self.code_sha256):
            raise UsageError(f"The digest of the code, {self.code_sha256[:80]!r}, is not a SHA-256.")

    def facts(self) -> dict[str, str]:
        """The identity of the run, for a commit's metadata."""
        return {"job": self.job, "run_id": self.run_id, "code_sha256": self.code_sha256}


@dataclass(frozen=True, slots=True, order=True)
class Published:
    """One lineage document of a table."""

    delta_version: int
    id: str
    uri: str


def published(store: Store, table: str) -> list[Published]:
    """The lineage documents of the table at the URI ``table``, by version."""
    found = []
    for name in store.names(f"{table}/_lineage/"):
        if match := _NAME.fullmatch(name):
            found.append(Published(int(match[1]), match[2], f"{table}/_lineage/{name}"))
    return sorted(found)


def read_lineage(store: Store, document: Published) -> dict[str, Any]:
    """Read one document. Raises ``EvidenceError`` if it is not one."""
    return parse_object(store.read(document.uri), f"lineage document {document.uri}", MAX_LINEAGE_BYTES)


def publish(
    store: Store, run: Run, table: str, delta_version: int, *, identity: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the lineage of one committed run, then its OpenLineage event; return the document.

    ``facts`` has ``inputs``, ``outputs`` and any other fields of the job.
    """
    document = {
        "type": LINEAGE_TYPE,
        "id": identity,
        "job": run.job,
        "run_id": run.run_id,
        "code": {"sha256": run.code_sha256, "version": __version__},
        "started_at": format_time(run.started_at),
        "committed_at": format_time(datetime.now(UTC)),
        **facts,
    }
    store.create(f"{table}/_lineage/{delta_version:020d}-{identity}.json", _bytes(document))
    complete(store, Published(delta_version, identity, table), document)
    return document


def complete(store: Store, document: Published, content: Mapping[str, Any]) -> None:
    """Write the OpenLineage event of a document, if it is missing because the run did not finish.

    Raises ``EvidenceError`` if the document is not one of a run.
    """
    try:
        event = _bytes(open_lineage(content))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EvidenceError(f"{document.uri} is no lineage document of a run.") from error
    table = document.uri.split("/_lineage/")[0]
    name = f"{document.delta_version:020d}-{document.id}.json"
    store.create(f"{table}/_openlineage/{name}", event)


def open_lineage(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as an OpenLineage RunEvent (https://openlineage.io/docs/spec/object-model), COMPLETE.

    OpenLineage requires a UUID for the run: it is derived from the job's run id and the document's id (RFC
    9562, version 5).
    """
    return {
        "eventType": "COMPLETE",
        "eventTime": document["committed_at"],
        "producer": _PRODUCER,
        "schemaURL": _OPENLINEAGE,
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{document['run_id']}/{document['id']}"))},
        "job": {"namespace": "custody", "name": document["job"]},
        "inputs": [_dataset(item) for item in document["inputs"]],
        "outputs": [
            _dataset(item)
            | {
                "outputFacets": {
                    "outputStatistics": {
                        "_producer": _PRODUCER,
                        "_schemaURL": _OUTPUT_FACET,
                        "rowCount": item["rows"],
                    }
                }
            }
            for item in document["outputs"]
        ],
    }


def _dataset(item: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset with OpenLineage's names for Amazon S3: ``s3://bucket`` and the path."""
    if "table" in item:
        scheme, _, path = item["table"].partition("://")
        bucket, _, name = path.partition("/")
        namespace, version = f"{scheme}://{bucket}" if path else "file", str(item["delta_version"])
        name = name if path else item["table"]
    else:
        namespace, name, version = f"s3://{item['bucket']}", item["key"], item["version_id"]
    facet = {"_producer": _PRODUCER, "_schemaURL": _VERSION_FACET, "datasetVersion": version}
    return {"namespace": namespace, "name": name, "facets": {"version": facet}}


def _bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
