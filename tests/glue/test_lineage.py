from __future__ import annotations

import json
import uuid
from datetime import datetime
from pathlib import Path

import pytest

from custody.errors import EvidenceError, UsageError
from custody.etl.lineage import Published, Run, open_lineage, publish, published, read_lineage
from scripts.local_etl.folder_store import FolderStore
from tests.glue.local import BEGIN, run

FACTS = {
    "inputs": [
        {"bucket": "raw", "key": "incoming/a b.csv", "version_id": "v1"},
        {"table": "s3://processed/tables/customers", "delta_version": 3},
    ],
    "outputs": [{"table": "s3://processed/tables/x", "delta_version": 7, "rows": 5}],
}


@pytest.fixture
def table(tmp_path: Path) -> str:
    return str(tmp_path / "customers")


def test_documents_are_found_by_version(table: str) -> None:
    store = FolderStore()
    for version in (10, 2):
        publish(store, run(), table, version, identity=f"{version:064x}", facts=FACTS)
    Path(table, "_lineage", "notes.txt").write_text("not one")
    assert [(item.delta_version, item.id) for item in published(store, table)] == [
        (2, f"{2:064x}"),
        (10, f"{10:064x}"),
    ]
    document = read_lineage(store, published(store, table)[0])
    assert (document["job"], document["run_id"], document["started_at"]) == (
        "raw_to_processed",
        "jr_1",
        "2026-01-20T00:00:00Z",
    )
    assert document["inputs"] == FACTS["inputs"]


def test_a_document_is_written_once(table: str) -> None:
    store = FolderStore()
    first = publish(store, run(), table, 1, identity="a" * 64, facts=FACTS)
    publish(store, run("other"), table, 1, identity="a" * 64, facts=FACTS)
    assert read_lineage(store, published(store, table)[0]) == first


def test_no_table_has_no_documents(table: str) -> None:
    assert published(FolderStore(), table) == []


def test_what_is_no_document_is_refused(table: str) -> None:
    path = Path(table, "_lineage", f"{1:020d}-{'a' * 64}.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(EvidenceError, match="lineage document"):
        read_lineage(FolderStore(), Published(1, "a" * 64, str(path)))


def test_as_openlineage(table: str) -> None:
    event = open_lineage(publish(FolderStore(), run(), table, 1, identity="a" * 64, facts=FACTS))
    assert {
        "eventType",
        "eventTime",
        "producer",
        "schemaURL",
        "run",
        "job",
        "inputs",
        "outputs",
    } == event.keys()
    assert event["eventType"] == "COMPLETE"
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert uuid.UUID(event["run"]["runId"]).version == 5
    names = [(item["namespace"], item["name"]) for item in (*event["inputs"], *event["outputs"])]
    assert names == [
        ("s3://raw", "incoming/a b.csv"),
        ("s3://processed", "tables/customers"),
        ("s3://processed", "tables/x"),
    ]
    versions = [item["facets"]["version"]["datasetVersion"] for item in (*event["inputs"], *event["outputs"])]
    assert versions == ["v1", "3", "7"]
    assert event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 5
    (written,) = Path(table, "_openlineage").iterdir()
    assert json.loads(written.read_text()) == event


def test_code_without_a_digest_is_refused() -> None:
    with pytest.raises(UsageError, match="The digest of the code, 'abc', is not a SHA-256"):
        Run("job", "jr_1", "abc", BEGIN)
