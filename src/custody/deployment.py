"""A deployment's resources: the outputs of Terraform, as ``make apply`` writes them to a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from ipaddress import IPv4Network
from itertools import chain
from pathlib import Path
from typing import Any

from custody.errors import EvidenceError, UsageError
from custody.terminal import visible
from custody.times import parse_time

_AGAIN = "Run make apply again."


@dataclass(frozen=True, slots=True)
class Source:
    """Where the raw objects of a table arrive, in the raw-data bucket, and their format in its contract."""

    prefix: str
    format: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs receipts (``signs`` "receipts") or checkpoints ("log"), and when it may."""

    arn: str
    signs: str
    valid_from: str
    valid_until: str
    """Empty: it has no end."""
    revoked_at: str
    """Empty: it is not revoked."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The names of one deployment's resources. Maps are by short name, as Terraform's outputs are."""

    buckets: dict[str, str]
    keys: dict[str, str]
    functions: dict[str, str]
    queues: dict[str, str]
    jobs: dict[str, str]
    streams: dict[str, str]
    workgroup: str
    database: str
    trail_arn: str
    topic_arn: str
    account_id: str
    region: str
    watermark_minutes: int
    recorded_prefixes: dict[str, list[str]]
    """Bucket name → key prefixes whose objects are recorded (``""``: the whole bucket)."""
    unfinished_apply: str | None = None
    """When the last apply or destroy started, if it has not succeeded (RFC 3339)."""
    noncurrent_days: int = 0
    """Days after which noncurrent versions of data are deleted; 0, as in older files: not known."""
    evidence_copy: dict[str, str] = field(default_factory=dict)
    """``bucket`` and ``region`` of the second copy of the evidence; empty: there is none."""
    evidence_days: int = 0
    """Days after which superseded versions of evidence are deleted; 0, as in older files: not known."""
    management_trail_arn: str = ""
    """The trail that logs the account's management write events; empty, as in older files: ``trail_arn``."""
    tables: dict[str, list[str]] = field(default_factory=dict)
    """Table → the tables it is made from, none for one made from raw objects; empty, as in older files."""
    datasets: dict[str, list[str]] = field(default_factory=dict)
    """Data set → its tables; empty, as in older files: not known."""
    sources: dict[str, Source] = field(default_factory=dict)
    """Table → where its raw objects arrive, if it is made from some; empty, as in older files."""
    ledger_since: str = ""
    """The ledger's first day (YYYY-MM-DD); empty, as in older files: not known."""
    roles: dict[str, str] = field(default_factory=dict)
    """Role ARNs; empty, as in older files."""
    signing_keys: list[SigningKey] = field(default_factory=list)
    """Every key that signs or has signed; empty, as in older files."""
    trusted_networks: list[str] = field(default_factory=list)
    """IPv4 networks from which data may be accessed; none: from anywhere."""
    deployer_arns: list[str] = field(default_factory=list)
    """ARNs of the roles and users that apply it, ``*`` for any text; empty, as in older files: not known."""
    expected_files: dict[str, int] = field(default_factory=dict)
    """Prefix in the raw-data bucket → the hours within which an object must come below it."""
    witnesses: dict[str, str] = field(default_factory=dict)
    """Label → verifier key of each witness that the log is cosigned by; empty, as in older files: none."""
    monitoring_urls: dict[str, str] = field(default_factory=dict)
    """Tool → address of its page in the AWS console, or of Snowflake; empty, as in older files: not known."""
    kit_version: str = ""
    """The version of the kit that is deployed; empty, as in older files: not known."""
    snowflake: dict[str, str] = field(default_factory=dict)
    """How to sign in to Snowflake, and where the key is; empty: gold is not loaded into a warehouse."""
    loader_network: dict[str, list[str]] = field(default_factory=dict)
    """``security_group_ids`` and ``subnet_ids`` of the task that loads Snowflake; empty: there is none."""
    adopted_since: dict[str, datetime] = field(default_factory=dict)
    """Bucket that somebody else has → since when its objects are recorded and the trail logs them."""
    existing_trail_folder: str = ""
    """Where the account's files lie in the bucket of somebody else's trail; empty: it is the kit's own."""

    @property
    def has_own_trail(self) -> bool:
        """Whether the trail and its bucket are the deployment's own."""
        return self.existing_trail_folder == ""

    @property
    def trail_folder(self) -> str:
        """Where the account's log files and digests lie in the trail's bucket, ending in a slash."""
        return self.existing_trail_folder or f"AWSLogs/{self.account_id}/"

    @property
    def name(self) -> str:
        """The first part of the names of its resources: its workgroup has that name."""
        return self.workgroup

    @property
    def lake(self) -> frozenset[str]:
        """The buckets whose objects have receipts."""
        own = (self.buckets[short] for short in ("raw-data", "processed", "analytics"))
        return frozenset([*own, *self.adopted_since])

    def is_recorded(self, bucket: str, key: str) -> bool:
        """Whether an object with this key must have a receipt."""
        return any(key.startswith(prefix) for prefix in self.recorded_prefixes.get(bucket, ()))

    def is_older_than_adoption(self, bucket: str, stored_at: datetime) -> bool:
        """Whether an object lay in an adopted bucket before the trail logged what is done there."""
        return bucket in self.adopted_since and stored_at < self.adopted_since[bucket]


def load_deployment(path: Path) -> Deployment:
    """Read a deployment's file. Raises ``UsageError`` if it is missing, or as ``parse_deployment`` does."""
    try:
        return parse_deployment(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no deployment file at {path}.", "Run make apply, or name one with --deployment."
        ) from error
    except OSError as error:
        raise UsageError(f"The deployment file {path} cannot be read: {error}.", _AGAIN) from error


def parse_deployment(data: bytes, source: str) -> Deployment:
    """Read the outputs of Terraform.

    Raises ``UsageError``, which names ``source``, if they are not JSON, lack an output that this version
    needs, have one of the wrong type, or do not fit together.
    """
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The deployment file {source} cannot be read: {error}.", _AGAIN) from error
    if not isinstance(document, dict):
        raise UsageError(f"The deployment file {source} is not a JSON object.", _AGAIN)
    kinds = {
        item.name: str(item.type)
        for item in fields(Deployment)
        if (item.default is MISSING and item.default_factory is MISSING)
        or (item.name in document and document[item.name] != item.default)
    }
    missing = sorted(kinds.keys() - document.keys())
    if missing:
        raise UsageError(f"The deployment file {source} lacks {', '.join(missing)}.", _AGAIN)
    for name, kind in kinds.items():
        is_one, words = next((_NAMED[end] for end in _NAMED if name.endswith(end)), _KINDS[kind])
        if not is_one(document[name]):
            raise UsageError(f"In the deployment file {source}, {name} is not {words}.", _AGAIN)
        if kind == "dict[str, str]":
            document[name] = _Names(document[name])
        elif kind == "dict[str, datetime]":
            document[name] = {bucket: parse_time(time) for bucket, time in document[name].items()}
        elif kind == "dict[str, Source]":
            document[name] = {table: Source(**source) for table, source in document[name].items()}
        elif kind == "list[SigningKey]":
            document[name] = [SigningKey(**key) for key in document[name]]
    deployment = Deployment(**{name: document[name] for name in kinds})
    for problem in _gaps(deployment):
        raise UsageError(f"In the deployment file {source}, {problem}.", _AGAIN)
    return deployment


def _gaps(deployment: Deployment) -> Iterator[str]:
    """What one output names and another, which must have it, has not."""
    for table in chain.from_iterable(deployment.datasets.values()):
        if table not in deployment.tables:
            yield f"tables has no {table}, of datasets"
        elif not deployment.tables[table] and table not in deployment.sources:
            yield f"sources has no {table}, of datasets"
    for bucket in deployment.adopted_since.keys() - deployment.recorded_prefixes.keys():
        yield f"recorded_prefixes has no {bucket}, of adopted_since"


class _Names(dict[str, str]):
    """Names of resources by short name; a missing name raises ``UsageError``."""

    def __missing__(self, short: str) -> str:
        raise UsageError(f"The deployment file has no {visible(short)}.", _AGAIN)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _are_names(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_name, value)) and all(map(_is_name, value.values()))


def _are_prefixes(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_name(bucket)
        and isinstance(prefixes, list)
        and all(isinstance(prefix, str) and prefix.isprintable() for prefix in prefixes)
        for bucket, prefixes in value.items()
    )


def _are_sources(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_name(table)
        and isinstance(source, dict)
        and source.keys() == _SOURCE
        and all(map(_is_name, source.values()))
        and source["prefix"].endswith("/")
        for table, source in value.items()
    )


def _are_signing_keys(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(key, dict)
        and key.keys() == _SIGNING_KEY
        and _is_arn(key["arn"])
        and key["signs"] in ("log", "receipts")
        and _is_time(key["valid_from"])
        and all(key[end] == "" or _is_time(key[end]) for end in ("valid_until", "revoked_at"))
        for key in value
    )


def _are_times(value: object) -> bool:
    return _are_names(value) and isinstance(value, dict) and all(map(_is_time, value.values()))


def _is_time(value: object) -> bool:
    try:
        parse_time(str(value))
    except EvidenceError:
        return False
    return True


def _is_day(value: object) -> bool:
    return isinstance(value, str) and _DAY.fullmatch(value) is not None and _is_time(f"{value}T00:00:00Z")


def _is_trail_folder(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and _TRAIL_FOLDER.fullmatch(value) is not None


def _are_networks(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and _is_network(one) for one in value)


def _is_network(text: str) -> bool:
    try:
        IPv4Network(text)
    except ValueError:
        return False
    return True


def _are_hours(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_name(prefix) and type(hours) is int and 1 <= hours <= _MAX_HOURS
        for prefix, hours in value.items()
    )


def _is_minutes(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_MINUTES


def _is_days(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_DAYS


def _is_arn(value: object) -> bool:
    return _is_name(value) and str(value).startswith("arn:") and str(value).count(":") >= 5


def _are_arns(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_arn, value))


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TRAIL_FOLDER = re.compile(r"(?:.+/)?AWSLogs/(?:o-[a-z0-9]{10,32}/)?[0-9]{12}/", re.ASCII)
_MAX_MINUTES = 24 * 60
_MAX_DAYS = 36500
_MAX_HOURS = 31 * 24
_SOURCE = {item.name for item in fields(Source)}
_SIGNING_KEY = {item.name for item in fields(SigningKey)}
_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "str": (_is_name, "a text"),
    "str | None": (_is_name, "a text"),
    "int": (_is_minutes, "a whole number of minutes, 0 to 1440"),
    "dict[str, str]": (_are_names, "a map of names"),
    "dict[str, list[str]]": (_are_prefixes, "a map of lists of texts"),
    "dict[str, datetime]": (_are_times, "a map of times"),
    "dict[str, int]": (_are_hours, "a map of prefixes to whole numbers of hours, 1 to 744"),
    "list[SigningKey]": (_are_signing_keys, "a list of signing keys with their times"),
    "list[str]": (_are_networks, "a list of IPv4 networks"),
    "dict[str, Source]": (_are_sources, "a map of prefixes that end in / and formats"),
}
_NAMED: dict[str, tuple[Callable[[object], bool], str]] = {
    "_arn": (_is_arn, "an ARN"),
    "_arns": (_are_arns, "a list of ARNs"),
    "_days": (_is_days, "a whole number of days, 0 to 36500"),
    "existing_trail_folder": (_is_trail_folder, "a folder AWSLogs/[<organization>/]<account>/"),
    "ledger_since": (_is_day, "a day, YYYY-MM-DD"),
}
"""By the end of a name: more than its type says."""
