"""The gate: jobs get only object versions with valid receipts.

``Gate.run`` handles one invocation. For each silver table it writes a manifest of new verified versions,
reports what it withholds, and starts the table's job with the oldest manifest that is not done. It starts a
gold table's job when one of the table's own inputs is newer, with the newest versions whose lineage documents
are accepted (``custody.gate.lineages``); a silver table without rows holds up only what is made from it.
Every step can be repeated, and by two gates at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from custody.errors import CannotCheckError, CustodyError, EvidenceError, UsageError
from custody.etl.store import S3Store, table_uri
from custody.evidence.fetch import SERVICE_ERRORS
from custody.evidence.hashing import ShortStreamError, read_body
from custody.evidence.objects import ObjectVersion
from custody.evidence.registry import (
    MAX_REGISTRY_BYTES,
    REGISTRY_KEY,
    CurrentKeyRing,
    KeyRing,
    SignatureCheck,
    parse_registry,
)
from custody.gate.decisions import Decisions, may_decide, read_decisions
from custody.gate.jobs import Attempt, Job, is_due, running
from custody.gate.lineages import Lineages, Made, is_gold_behind, is_resolved
from custody.gate.manifests import MAX_SUMMARY_BYTES, Chain, Source
from custody.gate.receipts import Reason, ReceiptGate, Withheld
from custody.gate.requests import (
    GoldTable,
    LookAtGold,
    LookAtTables,
    RemakeDays,
    SilverDone,
    SilverTable,
    parse_event,
)
from custody.gate.table import Arrivals, Before, Examination
from custody.gate.withheld import SnsClient, WithheldReports, WithheldVersions
from custody.gate.writers import NotRecordedError, Writers, is_session_of
from custody.listing import list_versions_concurrently

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

_RESERVE_SECONDS = 30
"""Time of an invocation reserved for the steps after checking; a tenth for a short timeout."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of the deployment's resources."""

    provenance_bucket: str
    raw_bucket: str
    processed_bucket: str
    analytics_bucket: str
    topic_arn: str
    watermark: timedelta
    schedule: timedelta
    """Between two looks."""
    silver: Mapping[str, SilverTable]
    gold: Mapping[str, GoldTable]
    etl_role_id: str
    """Unique id (``AROA…``) of the jobs' role, which writes lineage documents."""
    gate_role_id: str
    """Unique id of the gate's own role, which writes summaries."""
    decider_role_ids: frozenset[str] = frozenset()
    """Unique ids of the roles that decide about withheld objects; none if AWS IAM Identity Center creates
    them."""

    @property
    def processed_tables(self) -> str:
        """The folder of the silver tables."""
        return f"s3://{self.processed_bucket}/tables"

    @property
    def analytics_tables(self) -> str:
        """The folder of the gold tables."""
        return f"s3://{self.analytics_bucket}/tables"


class Gate:
    """Handles invocations. One instance handles any number, one after the other."""

    def __init__(
        self,
        settings: Settings,
        *,
        s3: S3Client,
        glue: GlueClient,
        sns: SnsClient,
        signatures: SignatureCheck,
        logger: Logger,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._s3 = s3
        self._glue = glue
        self._sns = sns
        self._signatures = signatures
        self._logger = logger
        self._metrics = metrics
        self._clock = clock
        self._known_lineages: dict[str, Made] = {}
        """Accepted documents that earlier invocations read."""

    def run(self, event: object, remaining_seconds: Callable[[], float]) -> Answer:
        """Do what the event requests; return the answer as a JSON document.

        ``{"tables": {table: {"manifest", "entries", "bytes", "withheld", "pending", "waiting",
        "handed_over", "job_run_id", "state"}}, "gold": {table: {"job_run_id", "state"}}}``, each that was
        asked for. ``manifest`` is the first that this call wrote, ``waiting`` the oldest that is not done,
        ``handed_over`` the one it started the job with, each a URI or ``None``; entries and bytes are of all
        that it wrote. ``state`` is ``started``, ``running`` or ``idle``.

        If a part fails, the others are still done; then ``CannotCheckError`` says what failed. Raises
        ``UsageError`` for an invalid event.
        """
        self._count("JobsStarted", 0)  # so that each invocation has metrics
        request = parse_event(event, self._settings.silver, self._settings.gold)
        call = self._call()
        work: list[tuple[str, Callable[[], Answer]]] = []
        match request:
            case LookAtTables(names, by_schedule):
                total = remaining_seconds()
                for position, name in enumerate(names, 1):
                    # each table has its share of the time, however long the others took
                    floor = total * (1 - position / len(names)) + min(_RESERVE_SECONDS, total / 10)
                    time = _Time(remaining_seconds, floor)
                    work.append((name, partial(self._look, name, call, time.is_left)))
                    work.append((name, partial(self._hand_over, name, call, by_schedule)))
                if by_schedule:
                    work += [
                        (gold, partial(self._follow, gold, call, by_schedule=True)) for gold in self._gold()
                    ]
            case LookAtGold(name):
                work.append((name, partial(self._follow, name, call, by_schedule=False)))
            case RemakeDays(days):
                if not self._settings.gold:
                    raise UsageError("There is no gold table.")
                work += [(gold, partial(self._remake, gold, call, days)) for gold in self._gold()]
            case SilverDone(name):
                # a backlog does not wait for the schedule
                work.append((name, partial(self._hand_over, name, call, by_schedule=True)))
                work += [
                    (gold, partial(self._follow, gold, call, by_schedule=False)) for gold in self._gold(name)
                ]
        try:
            return self._do(work)
        finally:
            self._refuse(call.lineages.refused.values())

    def _do(self, work: list[tuple[str, Callable[[], Answer]]]) -> Answer:
        answers: Answer = {}
        failures = []
        for name, part in work:
            try:
                answers.setdefault(name, {}).update(part())
            except (*SERVICE_ERRORS, CustodyError, ShortStreamError) as error:
                self._logger.exception("PartFailed", extra={"part": name})
                failures.append(f"{name}: {error}")
        if failures:
            raise CannotCheckError(" ".join(dict.fromkeys(failures)))
        gold = {name: answers.pop(name) for name in self._gold() if name in answers}
        return {"tables": answers} | ({"gold": gold} if gold else {})

    def _gold(self, made_of: str | None = None) -> list[str]:
        """The gold tables, or those that are made of a table."""
        return [
            name for name, table in self._settings.gold.items() if made_of is None or made_of in table.inputs
        ]

    def _call(self) -> _Call:
        settings = self._settings

        def read() -> KeyRing:
            found = self._s3.get_object(Bucket=settings.provenance_bucket, Key=REGISTRY_KEY)
            return parse_registry(read_body(found, MAX_REGISTRY_BYTES), self._signatures)

        ring = CurrentKeyRing(read)
        receipts = ReceiptGate(self._s3, settings.provenance_bucket, ring, self._clock(), settings.watermark)
        writers = Writers(self._s3, receipts)
        lineages = Lineages(self._s3, writers, settings.etl_role_id, self._known_lineages, self._knows_run)
        return _Call(receipts, writers, lineages)

    def _look(self, name: str, call: _Call, has_time: Callable[[], bool]) -> Answer:
        """Check one table's arrivals, hand out the verified versions, and report the withheld ones."""
        settings, now = self._settings, self._clock()
        prefix = settings.silver[name].prefix
        chain = self._chain(name, call)
        progress = self._progress(name, chain, call)
        decisions = self._decisions(name, call)
        reports = WithheldReports(self._s3, settings.processed_bucket, chain.folder, name)
        known = self._reported(reports)
        by_job = {
            withheld.version: withheld
            for withheld in (*known.named.values(), *progress.withheld)
            if withheld.reason in {Reason.CONTRACT, Reason.OTHER_BYTES}
            and withheld.version not in progress.published
            and not is_resolved(withheld, decisions.released, decisions.dismissed)
        }
        before = Before(known, by_job, decisions.again)
        examination = Examination(chain, call.receipts, before, has_time, now)
        arrivals = examination.run(list_versions_concurrently(self._s3, settings.raw_bucket, prefix))
        self._tell(name, arrivals, known, reports)
        self._time("TableWait", chain.waits_since(progress.done) or now)
        self._refuse([*chain.doubted, *decisions.refused])
        chain.fold(progress.done)
        arrivals.require_whole()
        waiting = chain.waiting(progress.done)
        return {
            "manifest": chain.uri(arrivals.manifests[0]) if arrivals.manifests else None,
            "entries": arrivals.verified,
            "bytes": arrivals.size_bytes,
            "withheld": len(arrivals.withheld),
            "pending": arrivals.pending,
            "waiting": chain.uri(waiting[0]) if waiting else None,
        }

    def _chain(self, name: str, call: _Call) -> Chain:
        settings = self._settings
        source = Source(name, settings.raw_bucket, settings.silver[name].prefix)

        def own(key: str) -> bytes:
            """Read an object that a gate wrote."""
            role_ids = {settings.gate_role_id}
            found = call.writers.read(
                settings.processed_bucket,
                key,
                lambda principal: is_session_of(principal, role_ids),
                MAX_SUMMARY_BYTES,
            )
            return found.body

        chain = Chain(self._s3, settings.processed_bucket, source, own)
        chain.read()
        return chain

    def _progress(self, name: str, chain: Chain, call: _Call) -> _Progress:
        """Which manifests are done according to accepted documents, and what the runs withheld."""
        table = table_uri(self._settings.processed_tables, name)
        waiting = {manifest.sha256: chain.uri(manifest) for manifest in chain.waiting(())}
        documents = [document for document in call.lineages.listed(table) if document.id in waiting]
        new = {document.uri for document in documents} - self._known_lineages.keys()
        done, settling, rejected, columns = set(), set(), 0, 0
        withheld, published = list[Withheld](), set[ObjectVersion]()
        for document, made in call.lineages.read(documents):
            if made is None:
                settling.add(document.id)
            elif made.manifest_uri != waiting[document.id]:
                call.lineages.refused[document.uri] = (
                    f"{document.uri} belongs to another manifest than it names."
                )
            else:
                done.add(document.id)
                withheld += made.withheld
                published |= made.published
                if document.uri in new and made.committed_at > self._clock() - self._settings.watermark:
                    rejected += made.rows_rejected
                    columns += len(made.new_columns)
                    self._name_new_columns(name, made)
        disregard: dict[str, list[str]] = {}
        for document in documents:
            if document.uri in call.lineages.refused:
                disregard.setdefault(document.id, []).append(document.uri.rpartition("/")[2])
        self._count("RowsRejected", rejected)
        self._count("NewColumns", columns)
        return _Progress(frozenset(done), frozenset(settling), withheld, published, disregard)

    def _name_new_columns(self, table: str, made: Made) -> None:
        if made.new_columns:
            extra = {"table": table, "manifest": made.manifest_uri, "columns": list(made.new_columns)}
            self._logger.warning("NewColumns", extra=extra)

    def _decisions(self, name: str, call: _Call) -> Decisions:
        settings = self._settings
        bucket, folder = settings.processed_bucket, f"decisions/{name}/"
        names = list(S3Store(self._s3).names(f"s3://{bucket}/{folder}"))
        services = {settings.etl_role_id, settings.gate_role_id}
        return read_decisions(
            call.writers,
            bucket,
            names,
            name,
            lambda principal: may_decide(principal, settings.decider_role_ids, services),
        )

    def _reported(self, reports: WithheldReports) -> WithheldVersions:
        try:
            return reports.last()[1]
        except EvidenceError as error:
            self._refuse([error.message])
            return WithheldVersions()

    def _refuse(self, sentences: Iterable[str]) -> None:
        """Report refused documents."""
        for sentence in sentences:
            self._logger.warning("DocumentRefused", extra={"reason": sentence})
            self._count("DocumentsRefused", 1)

    def _hand_over(self, name: str, call: _Call, by_schedule: bool) -> Answer:
        """Start the job with the oldest manifest that is not done, unless it is running."""
        job = Job(self._glue, self._settings.silver[name].job)
        attempts = self._attempts(job)
        if (run := running(attempts)) is not None:
            return {"handed_over": None, "job_run_id": run.run_id, "state": "running"}
        # read after the runs, so that documents of runs that ended meanwhile are included
        chain = self._chain(name, call)
        progress = self._progress(name, chain, call)
        for manifest in chain.waiting(progress.done | progress.settling):
            uri = chain.uri(manifest)
            if by_schedule and not is_due(attempts, _given({"--manifest": uri}), self._clock()):
                continue
            arguments = {"--manifest": uri}
            if disregard := progress.disregard.get(manifest.sha256):
                arguments["--disregard"] = ",".join(disregard)
            started = self._start(job, arguments)
            return {"handed_over": uri if started["state"] == "started" else None, **started}
        return {"handed_over": None, "job_run_id": None, "state": "idle"}

    def _attempts(self, job: Job) -> list[Attempt]:
        """The job's runs, newest first: timed while it runs, and if it has ended since the last look."""
        attempts = job.attempts()
        if attempts:
            newest, now = attempts[0], self._clock()
            if not newest.is_over or now - (newest.ended_at or newest.started_at) < self._settings.schedule:
                self._time("JobRunTime", newest.started_at, newest.ended_at)
        return attempts

    def _start(self, job: Job, arguments: Mapping[str, str]) -> Answer:
        run_id = job.start(arguments)
        if run_id is not None:
            self._count("JobsStarted", 1)
            extra = {"job": job.name, "run": run_id, "arguments": dict(arguments)}
            self._logger.info("JobStarted", extra=extra)
        return {"job_run_id": run_id, "state": "running" if run_id is None else "started"}

    def _tell(self, name: str, arrivals: Arrivals, known: WithheldVersions, reports: WithheldReports) -> None:
        for version, withheld in sorted(arrivals.withheld.named.items()):
            before = known.named.get(version)
            if before is None or before.reason != withheld.reason:
                extra = {"table": name, "object": version.uri, "reason": withheld.reason}
                extra["detail"] = withheld.detail
                self._logger.warning("VersionWithheld", extra=extra)
        self._count("VersionsVerified", arrivals.verified)
        self._count("VersionsPending", arrivals.pending)
        self._count("VersionsWithheld", len(arrivals.withheld))
        reports.tell(self._sns, self._settings.topic_arn, arrivals.withheld, known, self._clock())

    def _follow(self, name: str, call: _Call, *, by_schedule: bool) -> Answer:
        """Start a gold table's job if one of its inputs has moved on."""
        settings = self._settings
        idle = {"job_run_id": None, "state": "idle"}
        try:
            inputs = self._inputs(name, call)
            gold = call.lineages.newest(table_uri(settings.analytics_tables, name))
        except NotRecordedError as error:
            if not by_schedule:
                raise  # so that AWS Lambda retries
            self._logger.info("GoldWaits", extra={"table": name, "reason": error.message})
            return idle
        if absent := [each for each, made in inputs.items() if not made]:
            self._logger.info(
                "GoldWaits", extra={"table": name, "reason": f"No rows yet: {', '.join(absent)}."}
            )
            return idle
        job = Job(self._glue, settings.gold[name].job)
        attempts = self._attempts(job)
        if not is_gold_behind(gold, [made for each in inputs.values() for made in each]):
            return idle
        taken = {version for made in gold for version in made.tables}
        news = [each[0] for each in inputs.values() if each[0].version not in taken]
        self._time("TableWait", min((made.committed_at for made in news), default=self._clock()))
        if (run := running(attempts)) is not None:
            return {"job_run_id": run.run_id, "state": "running"}
        failed = list(takewhile(lambda attempt: attempt.state != "SUCCEEDED", attempts))
        if by_schedule and not is_due(failed, lambda _: True, self._clock()):
            return idle
        return self._start(job, _versions(inputs))

    def _remake(self, name: str, call: _Call, days: tuple[date, ...]) -> Answer:
        """Start a gold table's job for days that somebody names."""
        inputs = self._inputs(name, call)
        if absent := [each for each, made in inputs.items() if not made]:
            raise UsageError(
                f"The table cannot be made: {', '.join(absent)} has no accepted lineage document."
            )
        arguments = {"--days": ",".join(day.isoformat() for day in days), **_versions(inputs)}
        return self._start(Job(self._glue, self._settings.gold[name].job), arguments)

    def _inputs(self, name: str, call: _Call) -> dict[str, list[Made]]:
        """What the newest documents of each input of a gold table say; nothing of one that has none."""
        tables = self._settings.processed_tables
        return {
            each: call.lineages.newest(table_uri(tables, each)) for each in self._settings.gold[name].inputs
        }

    def _knows_run(self, run_id: str, manifest_uri: str | None) -> bool:
        """Whether AWS Glue knows a run by this id, with this manifest."""
        tables = self._settings.silver if manifest_uri else self._settings.gold
        for table in tables.values():
            for attempt in Job(self._glue, table.job).attempts():
                if attempt.run_id == run_id and attempt.arguments.get("--manifest") == manifest_uri:
                    return True
        return False

    def _time(self, name: str, since: datetime, until: datetime | None = None) -> None:
        """Measure the time since then; of several in one invocation, the alarms are about the longest."""
        seconds = max(0.0, ((until or self._clock()) - since).total_seconds())
        self._metrics.add_metric(name=name, unit="Seconds", value=seconds)

    def _count(self, name: str, value: int) -> None:
        self._metrics.add_metric(name=name, unit="Count", value=value)


@dataclass(frozen=True, slots=True)
class _Call:
    """What one invocation uses to read evidence."""

    receipts: ReceiptGate
    writers: Writers
    lineages: Lineages


@dataclass(frozen=True, slots=True)
class _Progress:
    """The state of a table's manifests."""

    done: frozenset[str]
    """The digests of manifests that are done."""
    settling: frozenset[str]
    """The digests of manifests whose document has no receipt yet."""
    withheld: list[Withheld]
    """What their runs withheld."""
    published: Collection[ObjectVersion]
    """What they published of what was handed out once more."""
    disregard: dict[str, list[str]]
    """By digest, the names of refused documents."""


@dataclass(frozen=True, slots=True)
class _Time:
    remaining_seconds: Callable[[], float]
    floor: float

    def is_left(self) -> bool:
        return self.remaining_seconds() > self.floor


def _given(arguments: Mapping[str, str]) -> Callable[[Attempt], bool]:
    """Whether a run has these arguments."""
    return lambda attempt: all(attempt.arguments.get(name) == value for name, value in arguments.items())


def _versions(inputs: Mapping[str, list[Made]]) -> dict[str, str]:
    """The versions to make a gold table from, ones that count and no newer, as an argument of its job."""
    versions = (f"{name}@{made[0].version.version}" for name, made in inputs.items())
    return {"--versions": ",".join(versions)}
