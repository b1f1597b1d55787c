"""What each table took last, and what it waits for: by its own lineage documents and manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from custody.etl.lineage import Published, published, read_lineage
from custody.etl.store import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from custody.deployment import Deployment

_MANIFEST = re.compile(r"([0-9]{10})\.json")


class Tables:
    """The tables of a deployment, as Amazon S3 has them."""

    def __init__(self, s3: S3Client, deployment: Deployment) -> None:
        self._store = S3Store(s3)
        self._deployment = deployment

    def tell(self, table: str) -> str:
        """When the table last took what, what it waits for, and why."""
        inputs = self._deployment.tables[table]
        return "; ".join(self._gold(table, inputs) if inputs else self._silver(table))

    def _silver(self, table: str) -> Iterator[str]:
        documents = self._documents(table, "processed")
        if documents:
            newest = read_lineage(self._store, documents[-1])
            counts = newest["counts"]
            yield (
                f"took {_many(len(newest['inputs']), 'object version')} at {newest['committed_at']}: "
                f"{counts['valid']:,} of {counts['rows']:,} rows stand"
            )
        folder = f"s3://{self._deployment.buckets['processed']}/manifests/{table}/"
        handed_out = sum(1 for name in self._store.names(folder) if _MANIFEST.fullmatch(name))
        waiting = handed_out - len({document.id for document in documents})
        if waiting > 0:
            yield f"waits for its job: {_many(waiting, 'manifest')} handed out and not done"
        elif not documents:
            yield "took nothing yet; waits for an object version that is delivered and proven"

    def _gold(self, table: str, inputs: list[str]) -> Iterator[str]:
        documents = self._documents(table, "analytics")
        made_of: dict[str, int] = {}
        if documents:
            newest = read_lineage(self._store, documents[-1])
            made_of = {_name(item): item["delta_version"] for item in newest["inputs"]}
            sources = ", ".join(f"{name}@{version}" for name, version in made_of.items())
            yield f"was made of {sources} at {newest['committed_at']}"
        there = {name: self._documents(name, "processed") for name in inputs}
        if absent := [name for name, found in there.items() if not found]:
            yield f"waits for {', '.join(absent)}: no rows yet"
            return
        behind = [
            f"{name} is at {found[-1].delta_version}"
            for name, found in there.items()
            if made_of.get(name) != found[-1].delta_version
        ]
        if behind:
            yield f"waits for its job: {', '.join(behind)}"

    def _documents(self, table: str, layer: str) -> list[Published]:
        """The lineage documents of a table; the last is the one that took its inputs last."""
        uri = f"s3://{self._deployment.buckets[layer]}/tables/{table}"
        found = published(self._store, uri)
        newest = [item for item in found if item.delta_version == found[-1].delta_version]
        if len(newest) > 1:  # runs that changed nothing share a version
            newest.sort(key=lambda item: str(read_lineage(self._store, item).get("committed_at")))
            found[-len(newest) :] = newest
        return found


def _name(item: dict[str, Any]) -> str:
    return str(item["table"]).rpartition("/")[2]


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
