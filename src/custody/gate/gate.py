"""The gate: jobs get object versions whose receipts hold, and no others.

``Gate.run`` answers one call. For each silver table it hands out what is new and proven in a manifest, tells
what it left, and starts the table's job with the oldest manifest that is not done. Gold is started when
silver has moved on and the newest lineage documents of all silver tables are recorded. Every step can be
taken again, and by two gates at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from custody.errors import CannotCheckError, CustodyError, UsageError
from custody.etl.lineage import Published, published
from custody.etl.store import S3Store, table_uri
from custody.evidence.hashing import ShortStreamError
from custody.evidence.registry import (
    MAX_REGISTRY_BYTES,
    REGISTRY_KEY,
    CurrentKeyRing,
    KeyRing,
    SignatureCheck,
    parse_registry,
)
from custody.gate.gold import NotRecordedError, is_gold_behind, newest_documents, require_recorded
from custody.gate.jobs import Attempt, Job, is_due, running
from custody.gate.left import LeftReports, SnsClient
from custody.gate.manifests import Chain, Source
from custody.gate.receipts import ReceiptGate
from custody.gate.requests import LookAtTables, RemakeDays, SilverDone, SilverTable, parse_event
from custody.gate.table import Arrivals, Examination
from custody.listing import list_versions_in_lanes

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

    from custody.evidence.objects import ObjectVersion
    from custody.gate.receipts import Left

GOLD = "gold"
_RESERVE_SECONDS = 30
"""Of a call's time, what is kept for the steps after checking; a tenth of a short call's."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of the deployment."""

    provenance_bucket: str
    raw_bucket: str
    processed_bucket: str
    analytics_bucket: str
    topic_arn: str
    watermark: timedelta
    gold_job: str
    silver: Mapping[str, SilverTable]

    @property
    def processed_tables(self) -> str:
        """The folder of the silver tables."""
        return f"s3://{self.processed_bucket}/tables"

    @property
    def analytics_tables(self) -> str:
        """The folder of the gold tables."""
        return f"s3://{self.analytics_bucket}/tables"


class Gate:
    """Answers calls. One instance serves any number, one after the other."""

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

    def run(self, event: object, remaining_seconds: Callable[[], float]) -> Answer:
        """Do what the event asks for; the answer as a JSON document.

        ``{"tables": {table: {"manifest", "entries", "bytes", "left", "pending", "handed_over", "job_run_id",
        "state"}}, "gold": {"job_run_id", "state"}}``, each where it was asked for. ``manifest`` is the first
        that this call wrote, ``handed_over`` the one it started the job with, each a URI or ``None``; entries
        and bytes are of all that it wrote. ``state`` is ``started``, ``running`` or ``idle``.

        A part that fails keeps the others from nothing; then ``CannotCheckError`` says what failed. Raises
        ``UsageError`` for an event that asks for nothing.
        """
        self._count("JobsStarted", 0)  # so that each call has metrics
        request = parse_event(event, self._settings.silver)
        receipts = self._receipts()
        work: list[tuple[str, Callable[[], Answer]]] = []
        match request:
            case LookAtTables(names, by_schedule):
                total = remaining_seconds()
                for position, name in enumerate(names, 1):
                    # each table has its share of the time, whatever those before it took
                    floor = total * (1 - position / len(names)) + min(_RESERVE_SECONDS, total / 10)
                    time = _Time(remaining_seconds, floor)
                    work.append((name, partial(self._look, name, receipts, time.is_left)))
                    work.append((name, partial(self._hand_over, name, by_schedule)))
                if by_schedule:
                    work.append((GOLD, partial(self._follow, receipts, by_schedule=True)))
            case RemakeDays(days):
                work.append((GOLD, partial(self._remake, receipts, days)))
            case SilverDone(name):
                # a backlog does not wait for the schedule
                work.append((name, partial(self._hand_over, name, by_schedule=True)))
                work.append((GOLD, partial(self._follow, receipts, by_schedule=False)))
        return self._do(work)

    def _do(self, work: list[tuple[str, Callable[[], Answer]]]) -> Answer:
        answers: Answer = {}
        failures = []
        for name, part in work:
            try:
                answers.setdefault(name, {}).update(part())
            except (BotoCoreError, ClientError, CustodyError, ShortStreamError) as error:
                self._logger.exception("PartFailed", extra={"part": name})
                failures.append(f"{name}: {error}")
        if failures:
            raise CannotCheckError(" ".join(dict.fromkeys(failures)))
        gold = {GOLD: answers.pop(GOLD)} if GOLD in answers else {}
        return {"tables": answers, **gold}

    def _receipts(self) -> ReceiptGate:
        settings = self._settings

        def read() -> KeyRing:
            body = self._s3.get_object(Bucket=settings.provenance_bucket, Key=REGISTRY_KEY)["Body"]
            return parse_registry(body.read(MAX_REGISTRY_BYTES + 1), self._signatures)

        ring = CurrentKeyRing(read)
        return ReceiptGate(self._s3, settings.provenance_bucket, ring, self._clock(), settings.watermark)

    def _look(self, name: str, receipts: ReceiptGate, has_time: Callable[[], bool]) -> Answer:
        """Check what arrived for one table, hand out what holds, tell what is left."""
        settings, now = self._settings, self._clock()
        prefix = settings.silver[name].prefix
        chain = self._chain(name)
        reports = LeftReports(self._s3, settings.processed_bucket, chain.folder, name)
        _, known = reports.last()
        examination = Examination(chain, receipts, known, has_time, now)
        arrivals = examination.run(list_versions_in_lanes(self._s3, settings.raw_bucket, prefix))
        chain.fold(self._done(name))
        self._tell(name, arrivals, known, reports)
        arrivals.require_whole()
        return {
            "manifest": chain.uri(arrivals.manifests[0]) if arrivals.manifests else None,
            "entries": arrivals.verified,
            "bytes": arrivals.size_bytes,
            "left": len(arrivals.left),
            "pending": arrivals.pending,
        }

    def _chain(self, name: str) -> Chain:
        settings = self._settings
        source = Source(name, settings.raw_bucket, settings.silver[name].prefix)
        chain = Chain(self._s3, settings.processed_bucket, source)
        chain.read()
        return chain

    def _done(self, name: str) -> frozenset[str]:
        """The digests of the manifests that are done: their lineage documents are there."""
        table = table_uri(self._settings.processed_tables, name)
        return frozenset(document.id for document in published(S3Store(self._s3), table))

    def _hand_over(self, name: str, by_schedule: bool) -> Answer:
        """Start the job with the oldest manifest that is not done, unless it runs."""
        job = Job(self._glue, self._settings.silver[name].job)
        attempts = job.attempts()
        if (run := running(attempts)) is not None:
            return {"handed_over": None, "job_run_id": run.run_id, "state": "running"}
        # read after the runs, so that what a run did that ended meanwhile is seen
        chain = self._chain(name)
        for manifest in chain.waiting(self._done(name)):
            arguments = {"--manifest": chain.uri(manifest)}
            if by_schedule and not is_due(attempts, _given(arguments), self._clock()):
                continue
            started = self._start(job, arguments)
            uri = chain.uri(manifest) if started["state"] == "started" else None
            return {"handed_over": uri, **started}
        return {"handed_over": None, "job_run_id": None, "state": "idle"}

    def _start(self, job: Job, arguments: Mapping[str, str]) -> Answer:
        run_id = job.start(arguments)
        if run_id is not None:
            self._count("JobsStarted", 1)
            extra = {"job": job.name, "run": run_id, "arguments": dict(arguments)}
            self._logger.info("JobStarted", extra=extra)
        return {"job_run_id": run_id, "state": "running" if run_id is None else "started"}

    def _tell(
        self,
        name: str,
        arrivals: Arrivals,
        known: Mapping[ObjectVersion, Left],
        reports: LeftReports,
    ) -> None:
        for version, left in sorted(arrivals.left.items()):
            if version not in known or known[version].reason != left.reason:
                extra = {"table": name, "object": version.uri, "reason": left.reason, "detail": left.detail}
                self._logger.warning("VersionLeft", extra=extra)
        self._count("VersionsVerified", arrivals.verified)
        self._count("VersionsPending", arrivals.pending)
        self._count("VersionsLeft", len(arrivals.left))
        reports.tell(self._sns, self._settings.topic_arn, arrivals.left, self._clock())

    def _follow(self, receipts: ReceiptGate, *, by_schedule: bool) -> Answer:
        """Start the gold job if silver has moved on."""
        settings = self._settings
        idle = {"job_run_id": None, "state": "idle"}
        silver = self._silver_documents()
        if silver is None or not is_gold_behind(self._s3, settings.analytics_tables, silver):
            return idle
        job = Job(self._glue, settings.gold_job)
        attempts = job.attempts()
        if (run := running(attempts)) is not None:
            return {"job_run_id": run.run_id, "state": "running"}
        failed = list(takewhile(lambda attempt: attempt.state != "SUCCEEDED", attempts))
        if by_schedule and not is_due(failed, lambda _: True, self._clock()):
            return idle
        try:
            for document in silver:
                require_recorded(self._s3, receipts, document)
        except NotRecordedError as error:
            if not by_schedule:
                raise  # so that AWS Lambda calls again
            self._logger.info("GoldWaits", extra={"reason": error.message})
            return idle
        return self._start(job, {})

    def _remake(self, receipts: ReceiptGate, days: tuple[date, ...]) -> Answer:
        """Start the gold job for days that somebody names."""
        silver = self._silver_documents()
        if silver is None:
            raise UsageError("Gold cannot be made: a silver table has no lineage document yet.")
        for document in silver:
            require_recorded(self._s3, receipts, document)
        arguments = {"--days": ",".join(day.isoformat() for day in days)}
        return self._start(Job(self._glue, self._settings.gold_job), arguments)

    def _silver_documents(self) -> list[Published] | None:
        """The newest lineage documents of all silver tables; ``None`` while one of them has none."""
        found = []
        for name in self._settings.silver:
            documents = newest_documents(self._s3, table_uri(self._settings.processed_tables, name))
            if not documents:
                return None
            found += documents
        return found

    def _count(self, name: str, value: int) -> None:
        self._metrics.add_metric(name=name, unit="Count", value=value)


@dataclass(frozen=True, slots=True)
class _Time:
    remaining_seconds: Callable[[], float]
    floor: float

    def is_left(self) -> bool:
        return self.remaining_seconds() > self.floor


def _given(arguments: Mapping[str, str]) -> Callable[[Attempt], bool]:
    """Whether a run was given these arguments."""
    return lambda attempt: all(attempt.arguments.get(name) == value for name, value in arguments.items())
