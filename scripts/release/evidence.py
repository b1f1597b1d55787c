"""Make the evidence of this version that every later version must verify.

    python -m scripts.release.evidence ARCHIVE.zip

Deploys the kit to a local AWS of its own, has files and records arrive and tables made of them, and writes a
zip file with:

``log/``, ``segments/``  the whole log and its segments, as in the provenance bucket
``registry.json``        the key registry
``proofs/``              a proof (``custody prove --object``) of a file, of one raw object of each silver
                         table, and of the newest lineage document of each table
``receipts/``            the receipts of these objects, by the same numbers
``lineage/``             these lineage documents, by bucket and key
``manifests/``           the manifests that they name

A release's evidence is committed as ``tests/releases/<version>.zip`` and never changes
(``docs/upgrading.md``). Exit status 0 done, 1 failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from custody.evidence.objects import ObjectVersion, parse_s3_uri
from custody.evidence.registry import REGISTRY_KEY
from custody.log.segments import SEGMENT_PREFIX
from custody.log.store import LOG_PREFIX
from scripts.demo.dataset import deliveries
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline, PipelineError, deployed
from scripts.local_aws.errors import LocalAwsError
from scripts.toolchain.toolchain import ToolError

ROWS, SEED = 200, 1
FILE_KEY = "incoming/letters/2026-01-15.csv"


def make_evidence(pipeline: Pipeline, folder: Path) -> None:
    """Have data arrive in a deployed pipeline, and write its evidence to ``folder``."""
    landed = pipeline.drop_sample()
    pipeline.await_receipts([each.version for each in landed])
    lake = Lake(pipeline)
    shown = [each.version for each in landed if each.drop.key == FILE_KEY]
    with tempfile.TemporaryDirectory() as files:
        for dataset in pipeline.datasets:
            for table, found in deliveries(dataset, ROWS, SEED).items():
                shown += lake.deliver(table, found, Path(files)).versions[:1]
    lake.process()
    documents = [*_newest_documents(lake)]
    shown += documents
    pipeline.await_receipts(documents)
    pipeline.deliver_trail()

    provenance = pipeline.deployment.buckets["provenance"]
    pages = pipeline.client("s3").get_paginator("list_objects_v2").paginate(Bucket=provenance)
    for key in (item["Key"] for page in pages for item in page["Contents"]):
        if key.startswith((LOG_PREFIX, SEGMENT_PREFIX)):
            _save(folder / key, pipeline, provenance, key)
    _save(folder / "registry.json", pipeline, provenance, REGISTRY_KEY)
    (folder / "proofs").mkdir()
    for number, version in enumerate(shown):
        _save(folder / "receipts" / f"{number}.json", pipeline, provenance, version.receipt_key)
        archive = folder / "proofs" / f"{number}.zip"
        done = pipeline.custody("prove", version.uri, "-o", str(archive), "--object")
        if done.returncode:
            raise PipelineError(f"custody prove ended with {done.returncode}: {done.stderr}")
    for version in documents:
        _save(folder / "lineage" / version.bucket / version.key, pipeline, version.bucket, version.key)
    for table in lake.silver:
        for document in lake.documents("processed", table):
            place = parse_s3_uri(document["manifest"]["uri"])
            _save(folder / place.key, pipeline, place.bucket, place.key)


def _newest_documents(lake: Lake) -> Iterator[ObjectVersion]:
    """The newest lineage document of each table."""
    s3, buckets = lake.pipeline.client("s3"), lake.pipeline.deployment.buckets
    for bucket, tables in (("processed", lake.silver), ("analytics", lake.gold)):
        for table in tables:
            listed = s3.list_objects_v2(Bucket=buckets[bucket], Prefix=f"tables/{table}/_lineage/")
            key = max(item["Key"] for item in listed["Contents"])
            head = s3.head_object(Bucket=buckets[bucket], Key=key)
            yield ObjectVersion(buckets[bucket], key, head["VersionId"])


def _save(path: Path, pipeline: Pipeline, bucket: str, key: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pipeline.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def _pack(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            packed.write(path, path.relative_to(folder))


def main() -> int:
    """Write the evidence: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.release.evidence", description="Write evidence.")
    parser.add_argument("archive", type=Path, help="the zip file to write; it must not exist")
    archive = parser.parse_args().archive
    if archive.exists() or not archive.parent.is_dir():  # it takes minutes until it is written
        print(f"{archive} exists already, or its folder does not: nothing is overwritten.", file=sys.stderr)
        return 1
    try:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / "evidence"
            folder.mkdir()
            with deployed(Path(work) / "deployment") as pipeline:
                make_evidence(pipeline, folder)
            _pack(folder, archive)
    except (OSError, LocalAwsError, PipelineError, ToolError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
