"""What the four sources have about each object version, joined in the index of a verification.

Each version that at least one of them knows comes once: listed, with a receipt's key, in an event of the
trail that says of which version it is, or in a leaf of the log. A write whose event does not say of which
version it is, and whose request no receipt of that object names, comes by itself. Writes outside the recorded
prefixes only count if there is a receipt.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from custody.evidence.objects import ObjectVersion, S3Location, parse_receipt_key, parse_s3_uri
from custody.times import from_microseconds
from custody.verify.index import Index
from custody.verify.receipt import describe_receipt_key

_VERSIONS = """
CREATE TABLE versions (receipt_key TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT OR IGNORE INTO versions SELECT receipt_key FROM objects;
INSERT OR IGNORE INTO versions SELECT receipt_key FROM receipts;
INSERT OR IGNORE INTO versions SELECT receipt_key FROM writes WHERE must_match AND receipt_key IS NOT NULL;
INSERT OR IGNORE INTO versions SELECT receipt_key FROM lost;
CREATE INDEX IF NOT EXISTS writes_by_version ON writes (receipt_key) WHERE receipt_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS writes_by_request ON writes (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS receipts_by_request ON receipts (request_id) WHERE request_id IS NOT NULL;
"""
# of several events the first: that of the version, or else that of the receipt's request
_KNOWN = """
SELECT v.receipt_key, coalesce(o.uri, e.uri, l.uri), o.is_latest, g.receipt_key IS NOT NULL, g.deletion,
 g.problem, coalesce(g.earliest, o.earliest), coalesce(g.latest, o.latest),
 coalesce(r.versions, 0), coalesce(r.markers, 0), r.sha256, coalesce(r.recorded, r.stored),
 coalesce(r.leaf, l.leaf, (SELECT min(leaf) FROM sealed s WHERE s.key_hash = key_hash(v.receipt_key))),
 e.event_id, e.name, e.since, e.delivered
FROM versions v LEFT JOIN objects o USING (receipt_key) LEFT JOIN receipts r USING (receipt_key)
 LEFT JOIN gone g USING (receipt_key) LEFT JOIN lost l USING (receipt_key)
 LEFT JOIN writes e ON e.event_id = coalesce(
  (SELECT event_id FROM writes w WHERE w.receipt_key = v.receipt_key ORDER BY since, event_id LIMIT 1),
  (SELECT event_id FROM writes w WHERE w.request_id = r.request_id AND w.place = o.place
    AND w.receipt_key IS NULL ORDER BY since, event_id LIMIT 1))
ORDER BY v.receipt_key
"""
_UNKNOWN = """
SELECT uri, event_id, name, since, delivered FROM writes w WHERE must_match AND receipt_key IS NULL
 AND NOT EXISTS (SELECT 1 FROM receipts r JOIN objects o USING (receipt_key)
  WHERE r.request_id = w.request_id AND o.place = w.place)
ORDER BY event_id
"""


class Evidence(NamedTuple):
    """What there is of one object version."""

    uri: str
    subjects: tuple[str, ...]
    """What findings about it name: it, or its receipt if the receipt's key does not tell of what it is."""
    version: ObjectVersion | None
    """``None`` if nothing says which: an event without it, or a receipt that cannot be read."""
    receipt_key: str | None
    is_latest: bool | None
    """Nothing newer is over it; ``None`` if it is not in the listing."""
    is_gone: bool
    """Amazon S3 was asked for it, and does not have it."""
    deletion: str | None
    """In which way it was deleted lawfully."""
    problem: str | None
    """Why it is gone, in a sentence."""
    time: datetime | None
    written_by: datetime | None
    """When it was written at the latest."""
    versions: int
    """Of the receipt."""
    markers: int
    """Delete markers over the receipt."""
    sha256: str | None
    """If the receipt was read, and its signature is valid."""
    recorded_at: datetime | None
    """As the receipt says; if it was not read, when Amazon S3 stored it."""
    leaf: int | None
    event_id: str | None
    event_name: str | None
    event_time: datetime | None
    delivered_at: datetime | None
    """When CloudTrail delivered the event's file."""


def join_versions(index: Index) -> None:
    """Note, once and when all is known, which versions there are, for ``version_evidence``."""
    for statement in filter(str.strip, _VERSIONS.split(";")):
        index.database.execute(statement)


def version_evidence(index: Index, provenance_bucket: str) -> Iterator[Evidence]:
    """Every version once, by bucket and key, then the writes of unknown versions; none is kept in memory."""
    for row in index.database.execute(_KNOWN):
        receipt_key, uri, is_latest, is_gone, deletion, problem, earliest, latest = row[:8]
        versions, markers, sha256, recorded, leaf, event_id, name, since, delivered = row[8:]
        described = describe_receipt_key(provenance_bucket, receipt_key)
        uri = uri or described
        event_time, stored_at = _moment(since), _moment(earliest)
        yield Evidence(
            uri=uri,
            subjects=tuple(dict.fromkeys((uri, described))),
            version=_version(parse_s3_uri(uri)) or parse_receipt_key(receipt_key),
            receipt_key=receipt_key,
            is_latest=None if is_latest is None else bool(is_latest),
            is_gone=bool(is_gone),
            deletion=deletion,
            problem=problem,
            time=event_time or stored_at or _moment(recorded),
            written_by=event_time or _moment(latest),
            versions=versions,
            markers=markers,
            sha256=sha256,
            recorded_at=_moment(recorded),
            leaf=leaf,
            event_id=event_id,
            event_name=name,
            event_time=event_time,
            delivered_at=_moment(delivered),
        )
    for uri, event_id, name, since, delivered in index.database.execute(_UNKNOWN):
        moment = from_microseconds(since)
        yield Evidence(
            uri=uri,
            subjects=(uri,),
            version=None,
            receipt_key=None,
            is_latest=None,
            is_gone=False,
            deletion=None,
            problem=None,
            time=moment,
            written_by=moment,
            versions=0,
            markers=0,
            sha256=None,
            recorded_at=None,
            leaf=None,
            event_id=event_id,
            event_name=name,
            event_time=moment,
            delivered_at=from_microseconds(delivered),
        )


def _version(place: S3Location) -> ObjectVersion | None:
    return None if place.version_id is None else ObjectVersion(place.bucket, place.key, place.version_id)


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)
