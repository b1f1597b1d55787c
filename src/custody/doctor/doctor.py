"""Which stage of the pipeline is broken: each is checked separately, in the order an object passes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from custody.deployment import Deployment
from custody.doctor.tables import Tables
from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.copy import copy_of
from custody.evidence.hashing import read_body
from custody.evidence.keyring import parse_registry
from custody.evidence.registry import MAX_REGISTRY_BYTES, REGISTRY_KEY
from custody.gate.jobs import Job
from custody.gate.withheld import WithheldReports
from custody.ledger.athena import Athena
from custody.ledger.auditor import MAX_STATE_BYTES, STATE_KEY, parse_state
from custody.ledger.ledger import Scope, denied_rows, ledger_rows
from custody.listing import list_versions
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.keys import parse_log_registry
from custody.log.note import MAX_NOTE_BYTES, Note, parse_note, parse_verifier_key
from custody.log.sources import in_bucket
from custody.log.store import LOG_PREFIX
from custody.log.succession import LogEnd, end_at, parse_succession
from custody.log.tiles import CHECKPOINT
from custody.log.tree import Tree
from custody.times import format_time
from custody.trail.log_files import list_log_files
from custody.trail.selectors import unlogged_management_writes, unlogged_objects
from custody.trail.settings import shortcomings
from custody.verify.key_use import is_over

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_cloudtrail.type_defs import TrailTypeDef
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


class State(StrEnum):
    """The state of a stage."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One stage, its state, and what to do about it (empty if it is healthy)."""

    stage: str
    state: State
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        """The check for a JSON document."""
        return {name: str(value) for name, value in asdict(self).items()}


class StsClient(Protocol):
    """The part of the AWS STS client that is used."""

    def get_caller_identity(self) -> dict[str, str]:
        """The caller's identity."""
        ...


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of the services of the pipeline."""

    sts: StsClient
    s3: S3Client
    sqs: SQSClient
    functions: LambdaClient
    kms: KMSClient
    cloudtrail: CloudTrailClient
    athena: AthenaClient
    glue: GlueClient
    copy: S3Client
    """For the Region of the second copy, if there is one."""


class _BrokenError(Exception):
    """A stage is broken; the first argument says what is wrong, the second what to do."""

    state = State.BROKEN


class _UnknownError(_BrokenError):
    """The state of a stage cannot be had."""

    state = State.UNKNOWN


def exit_code(checks: list[Check]) -> int:
    """1 if a stage is broken, 3 if one could not be checked, else 0."""
    states = {check.state for check in checks}
    return 1 if State.BROKEN in states else 3 if State.UNKNOWN in states else 0


def examine(clients: Clients, athena: Athena, deployment: Deployment, now: datetime) -> Iterator[Check]:
    """Check the stages one after the other.

    If AWS does not answer, or the account is another one, the other stages are ``unknown`` and not checked.
    """
    examination = _Examination(clients, athena, deployment, now)
    first, *others = examination.stages()
    answer = _ask(*first)
    yield answer
    for stage, ask in others:
        if answer.state is State.OK:
            yield _ask(stage, ask)
        else:
            yield Check(stage, State.UNKNOWN, f"Not checked: {first[0]} must be right first.")


_ABSENT = {
    "404",
    "EntityNotFoundException",
    "NoSuchBucket",
    "NoSuchKey",
    "NotFoundException",
    "ResourceNotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "TrailNotFoundException",
    "ObjectLockConfigurationNotFoundError",
    "InvalidRequestException",  # Amazon Athena's error for a workgroup that does not exist
}
"""Error codes for a required resource that does not exist."""

REPLICATED_WITHIN = timedelta(hours=1)
"""Amazon S3 User Guide, "Replication Time Control": 99.99 % of all objects within 15 minutes."""

_APPLY = "Run make apply."
_OWNER = "Its owner:"


def _ask(stage: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(stage, State.OK, ask())
    except _BrokenError as error:
        detail, remedy = error.args
        return Check(stage, error.state, detail, remedy)
    except CannotCheckError as error:
        return Check(stage, State.BROKEN, error.message, error.remedy)
    except EvidenceError as error:
        return Check(stage, State.BROKEN, error.message, "Find out who wrote it; then run make apply.")
    except ClientError as error:
        details = error.response.get("Error", {})
        words = f"{error.operation_name}: {details.get('Code')} {details.get('Message', '')}".rstrip()
        if details.get("Code") in _ABSENT:
            state, remedy = State.BROKEN, _APPLY
        else:
            state, remedy = State.UNKNOWN, "Use credentials that may read the configuration."
        return Check(stage, state, words, remedy)
    except BotoCoreError as error:
        return Check(stage, State.UNKNOWN, str(error), "Check the network, the endpoint and the credentials.")


@dataclass(frozen=True, slots=True)
class _Examination:
    """The checks. Each returns a short description of the healthy state, or raises."""

    clients: Clients
    athena: Athena
    deployment: Deployment
    now: datetime

    def stages(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("credentials", self.credentials),
            ("deployment", self.last_apply),
            ("buckets", self.buckets),
            ("object lock", self.object_lock),
            ("notifications", self.notifications),
            *(
                (f"adopted {bucket}", partial(self.adopted, bucket))
                for bucket in self.deployment.adopted_since
            ),
            ("queue", self.queue),
            ("dead letters", self.dead_letters),
            ("recorder", self.recorder),
            ("event source", self.event_source),
            *([("large objects", self.large_objects)] if "hasher" in self.deployment.queues else []),
            ("signing key", self.signing_key),
            ("key registry", self.key_registry),
            ("ended keys", self.ended_keys),
            *([("sealer", self.sealer), ("log", self.log)] if "sealer" in self.deployment.functions else []),
            *([("second copy", self.second_copy)] if self.deployment.evidence_copy else []),
            ("trail", self.trail),
            ("data events", self.data_events),
            ("management events", self.management_events),
            *([("gate", self.gate), ("jobs", self.jobs)] if self.deployment.jobs else []),
            *((f"table {name}", partial(self.table, name)) for name in self.deployment.tables),
            ("workgroup", self.workgroup),
            ("ledger", self.ledger),
            ("object access", self.object_access),
            *([("auditor", self.auditor)] if "auditor" in self.deployment.functions else []),
        ]

    def credentials(self) -> str:
        identity = self.clients.sts.get_caller_identity()
        if identity["Account"] != self.deployment.account_id:
            raise _BrokenError(
                f"The credentials are for account {identity['Account']}, but the deployment is in "
                f"{self.deployment.account_id}.",
                "Sign in to the deployment's account, or name the right deployment file with --deployment.",
            )
        return identity["Arn"]

    def last_apply(self) -> str:
        if self.deployment.unfinished_apply is not None:
            raise _BrokenError(
                f"The apply or destroy of {self.deployment.unfinished_apply} did not succeed: the "
                "deployed resources may differ from the deployment file.",
                "Run make plan apply, and read its output.",
            )
        return "the last apply succeeded"

    def buckets(self) -> str:
        own = self._own_buckets()
        for bucket in own.values():
            versioning = self.clients.s3.get_bucket_versioning(Bucket=bucket)
            if versioning.get("Status") != "Enabled":
                raise _BrokenError(f"Versioning is not enabled on {bucket}.", _APPLY)
        return f"{len(own)} exist, with versioning enabled"

    def object_lock(self) -> str:
        own = self._own_buckets()
        for bucket in (own[short] for short in ("provenance", "cloudtrail-log") if short in own):
            answer = self.clients.s3.get_object_lock_configuration(Bucket=bucket)
            rule = answer["ObjectLockConfiguration"].get("Rule", {}).get("DefaultRetention")
            if not rule:
                raise _BrokenError(f"{bucket} has no default retention.", _APPLY)
        kept = "cannot be deleted or replaced during its retention"
        if self.deployment.has_own_trail:
            return f"evidence {kept}"
        return f"receipts and log {kept}; how long the trail's files stay is up to their owner"

    def notifications(self) -> str:
        queue_arn = self._queue_arn("recorder")
        notifying = self.deployment.recorded_prefixes.keys() - self.deployment.adopted_since.keys()
        for bucket in sorted(notifying):
            answer = self.clients.s3.get_bucket_notification_configuration(Bucket=bucket)
            targets = {
                target["QueueArn"]
                for target in answer.get("QueueConfigurations", [])
                if any(event.startswith("s3:ObjectCreated:") for event in target["Events"])
            }
            if queue_arn not in targets:
                raise _BrokenError(f"{bucket} does not notify the recorder's queue of new objects.", _APPLY)
        return f"{len(notifying)} buckets notify the recorder's queue"

    def adopted(self, bucket: str) -> str:
        s3 = self.clients.s3
        region = s3.head_bucket(Bucket=bucket).get("BucketRegion", self.deployment.region)
        if region != self.deployment.region:
            raise _BrokenError(
                f"It is in {region}: its events go to the bus there, and not to {self.deployment.region}.",
                f"Take it out of adopted_buckets, and deploy the kit in {region} for it.",
            )
        if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            raise _BrokenError(
                "Versioning is not enabled, and a receipt is of a version: nothing new is recorded.",
                f"Its owner: aws s3api put-bucket-versioning --bucket {bucket} "
                "--versioning-configuration Status=Enabled",
            )
        if "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=bucket):
            raise _BrokenError(
                "It sends no events to EventBridge: nothing new is recorded.",
                "Its owner: add EventBridgeConfiguration to its notifications (docs/adopting.md says how).",
            )
        for prefix in self.deployment.recorded_prefixes[bucket]:
            self._require_readable(bucket, prefix, "adopted_bucket_statements")
        return "versioned, sends its events to EventBridge, can be read"

    def _require_readable(self, bucket: str, prefix: str, output: str) -> bool:
        """Read a byte of the first object below a prefix; ``output`` has what allows it.

        Return whether there is one.
        """
        s3 = self.clients.s3
        try:
            found = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Versions", ())
            for entry in found:
                s3.get_object(
                    Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"], Range="bytes=0-0"
                )["Body"].close()
        except ClientError as error:
            if (code := error.response["Error"]["Code"]) in {"InvalidRange", "InvalidObjectState"}:
                return True  # it is empty, or archived
            raise _BrokenError(
                f"Below {prefix!r} it cannot be read: {error.operation_name}: {code}.",
                f"{_OWNER} add the statements of the output {output} to the policies of the bucket and of "
                "its key.",
            ) from error
        return bool(found)

    def queue(self) -> str:
        return self._backlog("recorder")

    def large_objects(self) -> str:
        self._require_no_dead_letters("hasher", "recorded")
        return self._backlog("hasher")

    def _backlog(self, short: str) -> str:
        attributes = self.clients.sqs.get_queue_attributes(
            QueueUrl=self.deployment.queues[short],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return (
            f"{attributes['ApproximateNumberOfMessages']} waiting, "
            f"{attributes['ApproximateNumberOfMessagesNotVisible']} being recorded"
        )

    def dead_letters(self) -> str:
        self._require_no_dead_letters("recorder", "recorded")
        return "none"

    def _require_no_dead_letters(self, short: str, done: str) -> None:
        depth = int(
            self.clients.sqs.get_queue_attributes(
                QueueUrl=self.deployment.queues[f"{short}-dlq"],
                AttributeNames=["ApproximateNumberOfMessages"],
            )["Attributes"]["ApproximateNumberOfMessages"]
        )
        if depth:
            raise _BrokenError(
                f"{depth} message{'' if depth == 1 else 's'} could not be {done}.",
                f"Read the reason in the {short}'s log, fix it, then redrive the dead-letter queue.",
            )

    def recorder(self) -> str:
        return self._function("recorder")

    def sealer(self) -> str:
        state = self._function("sealer")
        self._require_no_dead_letters("sealer", "sealed")
        return f"{state}; {self._event_source('sealer')}"

    def log(self) -> str:
        bucket = self.deployment.buckets["provenance"]
        origin = parse_log_registry(self._registry()).origin
        found = self.clients.s3.get_object(Bucket=bucket, Key=f"{LOG_PREFIX}{CHECKPOINT}")
        note = parse_note(read_body(found, MAX_NOTE_BYTES))
        checkpoint = parse_checkpoint(note.text)
        if checkpoint.origin != origin:
            raise _BrokenError(
                f"The checkpoint is of the log {checkpoint.origin[:200]!r}, not {origin!r}.",
                "Find out who wrote it (CloudTrail: PutObject of log/checkpoint).",
            )
        signed = format_time(found["LastModified"])
        if end := self._end(bucket, checkpoint):
            return f"it has ended with {end.size} entries, signed at {signed}"
        if self.now - found["LastModified"] > timedelta(days=1):
            raise _BrokenError(
                f"The checkpoint was signed at {signed}: the log stands still.",
                "Read the reason in the sealer's log.",
            )
        declared = parse_succession(self._registry()).end
        if declared is not None and self.now - declared.at > timedelta(days=1):
            raise _BrokenError(
                f"The log was to end at {format_time(declared.at)}, and goes on.",
                "Read the reason in the sealer's log: its hourly run ends it.",
            )
        return f"{checkpoint.size} entries, signed at {signed}{self._cosigned(note, found['LastModified'])}"

    def _end(self, bucket: str, checkpoint: Checkpoint) -> LogEnd | None:
        """The statement that the log has ended, if that can be read."""
        tree = Tree(in_bucket(self.clients.s3, bucket, LOG_PREFIX), checkpoint.size)
        try:
            return end_at(tree, checkpoint.size, checkpoint.root)
        except (CannotCheckError, EvidenceError):
            return None

    def _cosigned(self, note: Note, stored_at: datetime) -> str:
        """Which of the log's witnesses have a line below the newest checkpoint."""
        witnesses = {label: parse_verifier_key(key) for label, key in self.deployment.witnesses.items()}
        there, lacking = list[str](), list[str]()
        for label, key in sorted(witnesses.items()):
            (there if any(line.is_by(key) for line in note.signatures) else lacking).append(label)
        if lacking and self.now - stored_at > timedelta(hours=2):
            raise _BrokenError(
                f"The checkpoint of {format_time(stored_at)} is not cosigned by {', '.join(lacking)}.",
                "Read in the sealer's log what they answered.",
            )
        cosigned = f", cosigned by {', '.join(there)}" if there else ""
        return cosigned + (f"; not yet by {', '.join(lacking)}" if lacking else "")

    def second_copy(self) -> str:
        """It has what was written last: Amazon S3 replicates within minutes, in no order."""
        copy, found = copy_of(self.deployment), list[str]()
        for what, key, version_id, stored_at in self._to_be_copied():
            name = f"the {what} of {format_time(stored_at)}"
            try:
                self.clients.copy.head_object(Bucket=copy.bucket, Key=key, VersionId=version_id)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _ABSENT:
                    raise
                raise _BrokenError(
                    f"{copy.bucket} lacks {name}: it was not replicated, or is older than the copy.",
                    "See the alarms evidence-copy-<short>-failed, and run make apply; then custody verify "
                    "--copy names what is missing.",
                ) from error
            found.append(name)
        return f"it has {' and '.join(found)}" if found else "nothing is an hour old, and must be there"

    def _to_be_copied(self) -> Iterator[tuple[str, str, str, datetime]]:
        """Of log and trail, the newest file that the copy must have: what, key, version id, when stored."""
        s3, buckets = self.clients.s3, self.deployment.buckets
        due = self.now - REPLICATED_WITHIN
        checkpoint = f"{LOG_PREFIX}{CHECKPOINT}"
        for entry in list_versions(s3, buckets["provenance"], checkpoint):
            is_one = entry.key == checkpoint and not entry.is_delete_marker
            if is_one and entry.last_modified <= due:  # the newest come first
                yield "checkpoint", entry.key, entry.version_id, entry.last_modified
                break
        if self.deployment.has_own_trail:
            bucket, folder = buckets["cloudtrail-log"], self.deployment.trail_folder
            days = (due - timedelta(days=1)).date(), due.date()
            digests = list_log_files(s3, bucket, folder, *days, digests=True)
            old = [each for each in digests if each.key.endswith(".json.gz") and each.stored_at <= due]
            if old:
                newest = max(old, key=attrgetter("stored_at"))
                yield "digest of the trail", newest.key, newest.version_id, newest.stored_at

    def gate(self) -> str:
        state = self._function("gate")
        bucket = self.deployment.buckets["processed"]
        page = self.clients.s3.list_objects_v2(Bucket=bucket, Prefix="manifests/", Delimiter="/")
        folders = [each["Prefix"] for each in page.get("CommonPrefixes", ())]
        withheld = []
        for folder in folders:
            table = folder.split("/")[1]
            _, versions = WithheldReports(self.clients.s3, bucket, folder, table).last()
            if versions:
                withheld.append(f"{len(versions)} of {table}")
        if withheld:
            raise _BrokenError(
                f"Object versions are withheld from the jobs: {', '.join(withheld)}.",
                f"The newest report below s3://{bucket}/manifests/<table>/_withheld/ names them.",
            )
        return f"{state}; nothing is withheld from {len(folders)} tables"

    def jobs(self) -> str:
        said, failed = [], []
        for short, name in sorted(self.deployment.jobs.items()):
            run = next(iter(Job(self.clients.glue, name).attempts()), None)
            if run is None:
                said.append(f"{short} has not run yet")
                continue
            when = format_time((run.ended_at or run.started_at).replace(microsecond=0))
            said.append(f"{short} {run.state} {when}")
            if run.is_over and run.state != "SUCCEEDED":
                failed.append(f"{short} {run.state} {when} ({run.run_id}): {run.message}".rstrip(": "))
        if failed:
            raise _BrokenError(
                "; ".join(failed),
                "See the run's log stream in the jobs' logs. The gate retries later, or at once if it is "
                "invoked for the table.",
            )
        return "; ".join(said) or "none"

    def table(self, name: str) -> str:
        try:
            return Tables(self.clients.s3, self.deployment).tell(name)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise EvidenceError(
                f"A lineage document of {name} does not say what it must: {error!r}."
            ) from error

    def _function(self, short: str) -> str:
        configuration = self.clients.functions.get_function_configuration(
            FunctionName=self.deployment.functions[short]
        )
        state, update = (
            configuration.get("State", "Active"),
            configuration.get("LastUpdateStatus", "Successful"),
        )
        if state not in ("Active", "Inactive") or update == "Failed":
            reason = configuration.get("StateReason") or configuration.get("LastUpdateStatusReason") or ""
            raise _BrokenError(
                f"The function is {state}, its last update {update}. {reason}".rstrip(), _APPLY
            )
        return f"{configuration['FunctionName']} is {state.lower()}"

    def event_source(self) -> str:
        return self._event_source("recorder")

    def _event_source(self, short: str) -> str:
        function = self.deployment.functions[short]
        mappings = self.clients.functions.list_event_source_mappings(EventSourceArn=self._queue_arn(short))[
            "EventSourceMappings"
        ]
        # a mapping may belong to a version or an alias of the function: its ARN with a qualifier
        states = [each["State"] for each in mappings if f"{each['FunctionArn']}:".startswith(f"{function}:")]
        if not states:
            raise _BrokenError(f"The {short} has no event source mapping for its queue.", _APPLY)
        state = states[0]
        if state not in ("Enabled", "Enabling", "Updating", "Creating"):
            raise _BrokenError(
                f"The {short} does not read its queue: the event source mapping is {state}.",
                "Enable the event source mapping, or run make apply.",
            )
        return f"the {short} reads its queue ({state.lower()})"

    def signing_key(self) -> str:
        metadata = self.clients.kms.describe_key(KeyId=self.deployment.keys["signing"])["KeyMetadata"]
        state = metadata.get("KeyState", "unknown")
        if state != "Enabled" or metadata.get("KeyUsage") != "SIGN_VERIFY":
            raise _BrokenError(
                f"The key is {state}, with key usage {metadata.get('KeyUsage')}.",
                "Enable it (aws kms enable-key) unless it was disabled on purpose; receipts wait until then.",
            )
        return "enabled, signs"

    def key_registry(self) -> str:
        ring = parse_registry(self._registry())
        key = ring.keys.get(self.deployment.keys["signing"])
        if key is None:
            raise _BrokenError(
                "The signing key is not in the key registry: its signatures cannot be verified.", _APPLY
            )
        if self.now < key.valid_from or (key.valid_until is not None and self.now >= key.valid_until):
            raise _BrokenError(
                "The signing key is not valid now according to the key registry.",
                "Rotate: add a key to signing_keys.",
            )
        if key.revoked_at is not None and self.now >= key.revoked_at:
            raise _BrokenError("The signing key is revoked.", "Rotate: add a key to signing_keys.")
        return f"the signing key is one of {len(ring.keys)}, valid since {format_time(key.valid_from)}"

    def ended_keys(self) -> str:
        """AWS KMS knows the last use of a key; a trail has its uses only if it logs management reads."""
        registry = self._registry()
        keys = dict(parse_registry(registry).keys)
        if "sealer" in self.deployment.functions:
            keys |= parse_log_registry(registry).keys
        ended = [key for key in keys.values() if is_over(key, self.now)]
        verified = 0
        for key in ended:
            try:
                used = self.clients.kms.get_key_last_usage(KeyId=key.key_id)["KeyLastUsage"]
            except self.clients.kms.exceptions.NotFoundException:
                continue  # deleted
            if not used or not is_over(key, used["Timestamp"]):
                continue
            if used["Operation"] == "Sign":
                raise _BrokenError(
                    f"The key {key.key_id} has signed at {format_time(used['Timestamp'])}, after its end.",
                    f"Find out who used it (CloudTrail: event {used['CloudTrailEventId']}), and disable it.",
                )
            verified += 1
        if verified:
            return f"{len(ended)} have ended; the last use of {verified} is to verify, which hides any before"
        return f"{len(ended)} have ended, and none has signed since" if ended else "none"

    def trail(self) -> str:
        arn, own = self.deployment.trail_arn, self.deployment.has_own_trail
        with self._asking_about(arn):
            status = self.clients.cloudtrail.get_trail_status(Name=arn)
            if not own:
                self._require_evidence(self.clients.cloudtrail.get_trail(Name=arn)["Trail"])
        if not status["IsLogging"]:
            raise _BrokenError(
                "The trail is not logging: writes leave no evidence in CloudTrail.",
                "Find out who stopped it (CloudTrail: StopLogging), then run aws cloudtrail start-logging."
                if own
                else f"{_OWNER} aws cloudtrail start-logging --name {arn}",
            )
        if failure := status.get("LatestDeliveryError") or status.get("LatestDigestDeliveryError"):
            raise _BrokenError(
                f"CloudTrail cannot deliver: {failure}.", "Check the policies of the log bucket and its key."
            )
        if not own:
            self._require_trail_files()
        delivered = status.get("LatestDeliveryTime")
        return f"logging; last delivery {format_time(delivered) if delivered else 'not yet'}"

    @contextmanager
    def _asking_about(self, arn: str) -> Iterator[None]:
        """A trail of another account that AWS says nothing about is not known to be well."""
        try:
            yield
        except ClientError as error:
            if arn.split(":")[4] == self.deployment.account_id:
                raise
            code = error.response["Error"]["Code"]
            raise _UnknownError(
                f"AWS does not say from here how the trail {arn} is set: {error.operation_name}: {code}.",
                "Ask its owner, in its own account: aws cloudtrail get-trail, get-trail-status and "
                "get-event-selectors.",
            ) from error

    def _require_evidence(self, trail: TrailTypeDef) -> None:
        """Of a trail of somebody else's: it writes digests, for all Regions, to the bucket that is read."""
        bucket, folder = self.deployment.buckets["cloudtrail-log"], self.deployment.trail_folder
        for what, option in shortcomings(trail, bucket, folder):
            update = f"aws cloudtrail update-trail --name {self.deployment.trail_arn} {option}"
            raise _BrokenError(
                what, f"{_OWNER} {update}" if option else "Correct existing_trail; make apply."
            )

    def _require_trail_files(self) -> None:
        """Of a trail of somebody else's: this account's files can be read."""
        bucket, folder = self.deployment.buckets["cloudtrail-log"], self.deployment.trail_folder
        there = [
            self._require_readable(bucket, f"{folder}{kind}/", "existing_trail_owner")
            for kind in ("CloudTrail", "CloudTrail-Digest")
        ]
        if not any(there):
            raise _UnknownError(
                f"There is no file below s3://{bucket}/{folder}: it cannot be said that the trail logs here.",
                "A new trail delivers within the hour. Otherwise correct existing_trail; make apply.",
            )

    def data_events(self) -> str:
        """What must have an event is logged: every read and write of an object, but in buckets of logs."""
        own = self.deployment.has_own_trail
        arn = self.deployment.trail_arn
        s3 = f"arn:{arn.split(':')[1]}:s3:::"
        places = [
            f"{bucket}/{prefix}"
            for bucket in self.deployment.adopted_since
            for prefix in self.deployment.recorded_prefixes[bucket]
        ] + [
            f"{bucket}/"
            for short, bucket in self.deployment.buckets.items()
            if short not in ("access-logs", "cloudtrail-log")
        ]
        with self._asking_about(arn):
            selectors = self.clients.cloudtrail.get_event_selectors(TrailName=arn)
        auditor = self.deployment.roles.get("auditor", "").replace(":iam:", ":sts:")
        sessions = frozenset([f"{auditor.replace(':role/', ':assumed-role/')}/"] if auditor else ())
        if unlogged := unlogged_objects(selectors, (f"{s3}{place}" for place in places), sessions):
            raise _BrokenError(
                f"The trail does not log {'; '.join(unlogged)}.",
                "Find out who changed it (CloudTrail: PutEventSelectors), then run make apply."
                if own
                else f"{_OWNER} add the event selectors of the output existing_trail_owner to its own.",
            )
        return f"reads and writes of objects are logged at {len(places)} places"

    def management_events(self) -> str:
        trail_arn = self.deployment.trail_arn
        arn = self.deployment.management_trail_arn or trail_arn
        whose = "The trail" if arn == trail_arn else f"The trail {arn}"
        if arn != trail_arn:
            remedy = "Let it log them again; or leave management_trail_arn out and run make apply, so that "
            remedy += "the deployment's own trail logs them."
        elif self.deployment.has_own_trail:
            remedy = (
                "Find out who changed it (CloudTrail: PutEventSelectors, StopLogging), then run make apply."
            )
        else:
            remedy = f"{_OWNER} let it log them, or name a trail that does in management_trail_arn."
        deaf = "no alarm for a stopped trail, an opened evidence bucket or a disabled key can work"
        try:
            with self._asking_about(arn):
                trail = self.clients.cloudtrail.get_trail(Name=arn)["Trail"]
        except self.clients.cloudtrail.exceptions.TrailNotFoundException as error:
            raise _BrokenError(f"{whose} does not exist: {deaf}.", remedy) from error
        home = arn.split(":")[3]
        if not trail.get("IsMultiRegionTrail") and home != self.deployment.region:
            raise _BrokenError(f"{whose} logs only {home}: {deaf}.", remedy)
        with self._asking_about(arn):
            is_logging = self.clients.cloudtrail.get_trail_status(Name=arn)["IsLogging"]
            selectors = self.clients.cloudtrail.get_event_selectors(TrailName=arn)
        if not is_logging:
            raise _BrokenError(f"{whose} is not logging: {deaf}.", remedy)
        if unlogged := unlogged_management_writes(selectors):
            raise _BrokenError(f"{whose} does not log {unlogged}: {deaf}.", remedy)
        return f"{'this trail' if arn == trail_arn else arn} logs management write events"

    def workgroup(self) -> str:
        workgroup = self.clients.athena.get_work_group(WorkGroup=self.deployment.workgroup)["WorkGroup"]
        if workgroup.get("State") != "ENABLED":
            raise _BrokenError(f"The workgroup is {workgroup.get('State')}.", "Enable it, or run make apply.")
        return "enabled"

    def ledger(self) -> str:
        since = self.now - timedelta(hours=1)
        found = next(ledger_rows(self.athena, Scope(since), limit=1), None)
        return "answers" if found else "answers; no writes in the last hour"

    def object_access(self) -> str:
        since = self.now - timedelta(hours=1)
        found = next(denied_rows(self.athena, Scope(since), limit=1), None)
        return "answers; attempts were denied in the last hour" if found else "answers"

    def auditor(self) -> str:
        state = self._function("auditor")
        bucket = self.deployment.buckets["artifacts"]
        stored = self.clients.s3.list_objects_v2(Bucket=bucket, Prefix=STATE_KEY).get("Contents")
        if not stored:
            return f"{state}; it has not run yet"
        found = self.clients.s3.get_object(Bucket=bucket, Key=STATE_KEY)
        ran = found["LastModified"]
        if self.now - ran > timedelta(days=1):
            raise _BrokenError(
                f"The auditor has not run to its end since {format_time(ran)}: no anomaly is told.",
                "Read the reason in the auditor's log.",
            )
        known = parse_state(read_body(found, MAX_STATE_BYTES))
        if unasked := known.unasked():
            faults = [
                f"{name} since {format_time(known.asked.get(name, ran))}: {why}"
                for name, why in unasked.items()
            ]
            raise _BrokenError(
                f"{len(faults)} rule{'' if len(faults) == 1 else 's'} could not be asked when last due, and "
                f"what they look for is not found: {'; '.join(faults)}",
                "Mend what the reason says (aws athena get-query-execution shows the query). Ask meanwhile: "
                f"custody anomalies --rule {' --rule '.join(unasked)}",
            )
        return f"{state}; ran at {format_time(ran)}, and could ask every rule that was due"

    def _own_buckets(self) -> dict[str, str]:
        """The buckets that the deployment has made, by short name."""
        others = set[str]() if self.deployment.has_own_trail else {"cloudtrail-log"}
        return {short: name for short, name in self.deployment.buckets.items() if short not in others}

    def _registry(self) -> bytes:
        bucket = self.deployment.buckets["provenance"]
        found = self.clients.s3.get_object(Bucket=bucket, Key=REGISTRY_KEY)
        return read_body(found, MAX_REGISTRY_BYTES)

    def _queue_arn(self, short: str) -> str:
        """Build the ARN from the URL: both have region, account and name."""
        name = self.deployment.queues[short].rpartition("/")[2]
        partition = self.deployment.trail_arn.split(":")[1]
        return f"arn:{partition}:sqs:{self.deployment.region}:{self.deployment.account_id}:{name}"
