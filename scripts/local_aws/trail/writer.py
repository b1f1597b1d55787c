"""Logs calls for the trails that select them: log files within two seconds, digests every hour.

Log files and digests are stored as CloudTrail stores them, and not through the API: no trail logs them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
import string
import sys
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from moto.cloudtrail.models import Trail, cloudtrail_backends
from moto.organizations.models import organizations_backends
from moto.s3.exceptions import S3ClientError

from scripts.local_aws import storage
from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.local_aws.calls import S3Call
from scripts.local_aws.trail.digests import Chain, Digest, LogFile, make_digest
from scripts.local_aws.trail.records import record
from scripts.local_aws.trail.selectors import selects
from scripts.local_aws.trail.signing_key import DigestKey, load_or_create

FLUSH_SECONDS = 1.0
DIGEST_PERIOD = timedelta(hours=1)
_SUFFIX_ALPHABET = string.ascii_letters + string.digits
_LOG_HEADERS = {"content-type": "application/json", "content-encoding": "gzip"}

_Place = tuple[str, str]
"""ARN of a trail, region of the events."""


class _Listener(NamedTuple):
    """A trail that logs, with its selectors as they are now."""

    trail: Trail
    basic: list[dict[str, Any]]
    advanced: list[dict[str, Any]]


@dataclass(slots=True)
class _ChainState:
    """Where the digests of one trail and region have come to."""

    trail: Trail
    start: datetime
    files: list[LogFile] = field(default_factory=list)
    previous: Digest | None = None


class TrailWriter:
    """Thread-safe. Delivers automatically from ``start`` to ``stop``, and on request."""

    def __init__(self, home: Path) -> None:
        self.key: DigestKey = load_or_create(home)
        self._pending: defaultdict[_Place, list[dict[str, Any]]] = defaultdict(list)
        self._pending_lock = threading.Lock()
        self._chains: dict[_Place, _ChainState] = {}
        self._delivery_lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to deliver."""
        threading.Thread(target=self._deliver_regularly, name="trail", daemon=True).start()

    def stop(self) -> None:
        """Deliver no more."""
        self._stopped.set()

    def observe(self, call: S3Call) -> None:
        """Log a served call for every trail whose selectors match it."""
        operation = call.operation
        if operation is None or not operation.is_data_event or not _active_trails():
            return
        try:
            region = storage.bucket_named(call.bucket).region_name
        except S3ClientError:
            region = REGION
        self._log(record(call, operation, region), _listeners())

    def listen(self, tell: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        """Return what logs the record of a call that is served now, by the trails that are there before it.

        ``tell`` gets the record too if a trail logs it: only then do rules of EventBridge hear of the call.
        """
        before = _listeners()

        def log(document: dict[str, Any]) -> None:
            if self._log(document, before or _listeners()):
                tell(document)

        return log

    def _log(self, document: dict[str, Any], listeners: list[_Listener]) -> bool:
        """Log a record for every trail whose selectors match it; whether there is one."""
        region = str(document["awsRegion"])
        chosen = [
            listener.trail
            for listener in listeners
            if (listener.trail.is_multi_region or listener.trail.region_name == region)
            and selects(listener.basic, listener.advanced, document)
        ]
        with self._pending_lock:
            for trail in chosen:
                self._pending[trail.arn, region].append(document)
        return bool(chosen)

    def flush(self, *, digest: bool) -> None:
        """Deliver what is pending now, and with ``digest`` a digest of it for each trail that validates."""
        with self._delivery_lock:
            self._deliver(datetime.now(UTC))
            if digest:
                for trail in _validating_trails():
                    self._close_period(trail, datetime.now(UTC))

    def _deliver_regularly(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS):
            try:
                with self._delivery_lock:
                    now = datetime.now(UTC)
                    self._deliver(now)
                    for trail in _validating_trails():
                        state = self._chain_state(trail)
                        if now - state.start >= DIGEST_PERIOD:
                            self._close_period(trail, now)
            except Exception as error:  # noqa: BLE001 - the next delivery may do
                traceback.print_exception(error)

    def _deliver(self, now: datetime) -> None:
        with self._pending_lock:
            pending, self._pending = self._pending, defaultdict(list)
        for trail in _validating_trails():
            self._chain_state(trail)
        trails = {trail.arn: trail for trail in _all_trails()}
        for (arn, region), records in pending.items():
            if arn not in trails:
                continue  # It was deleted in the second since.
            trail = trails[arn]
            file = _store_log_file(trail, region, records, now)
            if file is not None and trail.log_validation:
                self._chain_state(trail, region).files.append(file)

    def _chain_state(self, trail: Trail, region: str | None = None) -> _ChainState:
        """The chain begins when the trail is first seen to log; a trail made anew begins a new one."""
        place = trail.arn, region or trail.region_name
        state = self._chains.get(place)
        if state is None or state.trail is not trail:
            started = trail.status.started or datetime.now(UTC)
            state = self._chains[place] = _ChainState(trail, started.replace(microsecond=0, tzinfo=UTC))
        return state

    def _close_period(self, trail: Trail, now: datetime) -> None:
        for (arn, region), state in list(self._chains.items()):
            if state.trail is not trail:
                continue
            # Times are whole seconds and name the file: two digests within one must not share it.
            end = max(now.replace(microsecond=0), state.start + timedelta(seconds=1))
            chain = Chain(
                ACCOUNT_ID, region, trail.trail_name, trail.region_name, trail.bucket_name, _folder(trail)
            )
            digest = make_digest(
                chain, self.key, start=state.start, end=end, files=state.files, previous=state.previous
            )
            headers = {
                **_LOG_HEADERS,
                "x-amz-meta-signature": digest.signature,
                "x-amz-meta-signature-algorithm": "SHA256withRSA",
            }
            if _store(trail, digest.key, digest.content, headers):
                self._chains[arn, region] = _ChainState(trail, end, [], digest)


def _store_log_file(
    trail: Trail, region: str, records: list[dict[str, Any]], now: datetime
) -> LogFile | None:
    content = json.dumps({"Records": records}, separators=(",", ":")).encode()
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(16))
    day = f"{_folder(trail)}CloudTrail/{region}/{now:%Y/%m/%d}"
    key = f"{day}/{ACCOUNT_ID}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{suffix}.json.gz"
    if not _store(trail, key, gzip.compress(content, compresslevel=6), _LOG_HEADERS):
        return None
    times = [document["eventTime"] for document in records]
    return LogFile(trail.bucket_name, key, hashlib.sha256(content).hexdigest(), min(times), max(times))


def _store(trail: Trail, key: str, content: bytes, headers: dict[str, str]) -> bool:
    """Store a file in the trail's bucket; false, and a word in the log, if the bucket is gone."""
    try:
        storage.put(trail.bucket_name, key, content, metadata=headers, kms_key_id=trail.kms_key_id)
    except S3ClientError as error:
        print(f"trail {trail.trail_name}: cannot deliver {key}: {error}", file=sys.stderr)
        return False
    return True


def _folder(trail: Trail) -> str:
    """The account's folder; a trail of its organization has the organization's above it.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
    """
    organization = organizations_backends[ACCOUNT_ID]["aws"].org if trail.is_org_trail else None
    names = (trail.s3_key_prefix, "AWSLogs", organization and organization.id, ACCOUNT_ID)
    return "".join(f"{name}/" for name in names if name)


def _all_trails() -> list[Trail]:
    backends = list(cloudtrail_backends[ACCOUNT_ID].values())
    return [trail for backend in backends for trail in list(backend.trails.values())]


def _active_trails() -> list[Trail]:
    return [trail for trail in _all_trails() if trail.status.is_logging]


def _listeners() -> list[_Listener]:
    return [
        _Listener(trail, list(trail.event_selectors or []), list(trail.advanced_event_selectors or []))
        for trail in _active_trails()
    ]


def _validating_trails() -> list[Trail]:
    return [trail for trail in _active_trails() if trail.log_validation]
