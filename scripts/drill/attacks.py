"""The attacks: what somebody does who wants data or evidence to be other than it is, and what sees it.

Each takes only from what the drill itself has made, or puts back what it changed: it notes how before it
changes it. What has to be deployed for an attack is a deployment's; nothing here makes it weaker first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from custody.evidence.objects import ObjectVersion
from scripts.drill.alerts import Alert, Kind
from scripts.drill.scene import DrillError, Scene

FORGERIES = 20
"""Of these at least ten are within one hour, which ``denied-burst`` asks for."""
FLOOD_OBJECTS = 30


@dataclass(frozen=True)
class Attack:
    """One attack, and the alert that must follow."""

    name: str
    does: str
    alert: Alert
    act: Callable[[Scene], None]
    is_held: bool = False
    """Whether what it changed stays until it was seen: the alert is about the effect, not the call."""
    must_be_refused: bool = False
    """Nobody may do this: it is an attempt."""
    may_be_refused: bool = False
    """If it is denied there is nothing to see."""
    only_local: str = ""
    """Why it is not tried in an account."""


def _overwrite(scene: Scene) -> None:
    """The rule reads receipts, once they are sealed."""
    scene.recorded()
    _await_seal(scene, scene.receipt_of(scene.drop(body=b"other bytes\n")))


def _delete_raw_version(scene: Scene) -> None:
    """Not below a recorded prefix: an object with a receipt that is gone would be a finding for ever."""
    _delete(scene, scene.drop(folder="drill"))


def _delete_receipt(scene: Scene) -> None:
    """Its version, and then without it, which would hide it under a delete marker."""
    _, receipt = scene.recorded()
    _delete(scene, receipt)
    _hide(scene, receipt)


def _delete(scene: Scene, version: ObjectVersion) -> None:
    scene.attempt(
        scene.stack.client("s3").delete_object,
        Bucket=version.bucket,
        Key=version.key,
        VersionId=version.version_id,
    )


def _hide(scene: Scene, receipt: ObjectVersion) -> None:
    s3 = scene.stack.client("s3")
    answer = scene.attempt(s3.delete_object, Bucket=receipt.bucket, Key=receipt.key)
    if answer is not None:
        marker = answer["VersionId"]
        scene.undo.later(
            f"the delete marker {marker} hides s3://{receipt.bucket}/{receipt.key}",
            lambda: s3.delete_object(Bucket=receipt.bucket, Key=receipt.key, VersionId=marker),
        )


def _forge_receipt(scene: Scene) -> None:
    """As a principal that is not the recorder, in the place of an object that has none yet."""
    s3 = scene.stack.client("s3")
    for number in range(FORGERIES):
        made_up = ObjectVersion(scene.raw, f"incoming/drill/{scene.run}/forged.txt", f"version-{number}")
        scene.attempt(
            s3.put_object, Bucket=scene.provenance, Key=made_up.receipt_key, Body=b"{}", IfNoneMatch="*"
        )


def _change_receipt_in_storage(scene: Scene) -> None:
    version, receipt = scene.recorded()
    scene.subject = version.uri
    place = _place(receipt) | {"action": "flip_byte", "offset": 120}
    scene.undo.later(f"{receipt.uri} has a changed byte", lambda: scene.behind_the_api("tamper", **place))
    scene.behind_the_api("tamper", **place)


def _delete_receipt_in_storage(scene: Scene) -> None:
    version, receipt = scene.recorded()
    _await_seal(scene, receipt)
    scene.subject = version.uri
    place = _place(receipt)
    scene.undo.later(
        f"{receipt.uri} is gone", lambda: scene.behind_the_api("tamper", action="restore", **place)
    )
    scene.behind_the_api("tamper", action="delete", **place)


def _place(version: ObjectVersion) -> dict[str, Any]:
    return {"bucket": version.bucket, "key": version.key, "version_id": version.version_id}


def _await_seal(scene: Scene, receipt: ObjectVersion) -> None:
    """Wait until the sealer's queue is empty: a receipt that is not sealed yet is missed by nothing."""
    deadline = time.monotonic() + scene.stack.patience.rule
    while _waiting(scene, "sealer"):
        if time.monotonic() > deadline:
            raise DrillError(f"{receipt.uri} was not sealed in time.")
        time.sleep(scene.stack.patience.look)


def _waiting(scene: Scene, queue: str) -> int:
    """How many messages a queue has, those that somebody works on included."""
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    asked = scene.stack.client("sqs").get_queue_attributes(
        QueueUrl=scene.stack.deployment.queues[queue], AttributeNames=[*names]
    )
    return sum(int(asked["Attributes"][name]) for name in names)


def _stop_trail(scene: Scene) -> None:
    cloudtrail, trail = scene.stack.client("cloudtrail"), scene.stack.deployment.trail_arn
    scene.change(
        cloudtrail.stop_logging,
        "the trail does not log",
        lambda: cloudtrail.start_logging(Name=trail),
        Name=trail,
    )


def _narrow_selectors(scene: Scene) -> None:
    cloudtrail, trail = scene.stack.client("cloudtrail"), scene.stack.deployment.trail_arn
    before = cloudtrail.get_event_selectors(TrailName=trail)["AdvancedEventSelectors"]
    scene.change(
        cloudtrail.put_event_selectors,
        "the trail logs less than before",
        lambda: cloudtrail.put_event_selectors(TrailName=trail, AdvancedEventSelectors=before),
        TrailName=trail,
        AdvancedEventSelectors=before[:-1] or before,
    )


def _open_policy(scene: Scene) -> None:
    """With a statement that gives the own account what it has."""
    s3, bucket = scene.stack.client("s3"), scene.provenance
    before = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    opened = json.loads(before)
    opened["Statement"].append(
        {
            "Sid": "Drill",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{scene.stack.deployment.account_id}:root"},
            "Action": "s3:GetBucketLocation",
            "Resource": f"arn:aws:s3:::{bucket}",
        }
    )
    scene.change(
        s3.put_bucket_policy,
        f"the policy of {bucket} has the statement Drill",
        lambda: s3.put_bucket_policy(Bucket=bucket, Policy=before),
        Bucket=bucket,
        Policy=json.dumps(opened),
    )


def _purge_by_lifecycle(scene: Scene) -> None:
    """With a rule for a prefix that nothing is below."""
    s3, bucket = scene.stack.client("s3"), scene.stack.deployment.buckets["cloudtrail-log"]
    before = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    rule = {"ID": "drill", "Status": "Enabled", "Filter": {"Prefix": "drill/"}, "Expiration": {"Days": 1}}
    scene.change(
        s3.put_bucket_lifecycle_configuration,
        f"the lifecycle of {bucket} has the rule drill",
        lambda: s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": before}
        ),
        Bucket=bucket,
        LifecycleConfiguration={"Rules": [*before, rule]},
    )


def _disable_key(scene: Scene) -> None:
    kms, key = scene.stack.client("kms"), scene.stack.deployment.keys["signing"]
    scene.change(kms.disable_key, f"the key {key} is disabled", lambda: kms.enable_key(KeyId=key), KeyId=key)


def _forget_notification(scene: Scene) -> None:
    s3, bucket = scene.stack.client("s3"), scene.raw
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    del before["ResponseMetadata"]
    scene.change(
        s3.put_bucket_notification_configuration,
        f"{bucket} notifies nobody of new objects",
        lambda: s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=before),
        Bucket=bucket,
        NotificationConfiguration={},
    )


def _stop_function(scene: Scene) -> None:
    functions, name = scene.stack.client("lambda"), scene.stack.deployment.functions["recorder"]
    before = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")

    def restore() -> None:
        if before is None:
            functions.delete_function_concurrency(FunctionName=name)
        else:
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=before)

    scene.change(
        functions.put_function_concurrency,
        f"{name} may not run",
        restore,
        FunctionName=name,
        ReservedConcurrentExecutions=0,
    )


def _throttle_function(scene: Scene) -> None:
    _stop_function(scene)
    scene.drop()


def _purge_queue(scene: Scene) -> None:
    if _waiting(scene, "recorder-dlq"):
        raise DrillError("There are dead letters in the recorder's queue, which a purge would lose.")
    scene.attempt(
        scene.stack.client("sqs").purge_queue, QueueUrl=scene.stack.deployment.queues["recorder-dlq"]
    )


def _silence_rule(scene: Scene) -> None:
    events, name = scene.stack.client("events"), f"{scene.stack.prefix}-key-changed"
    scene.change(
        events.disable_rule, f"the rule {name} is disabled", lambda: events.enable_rule(Name=name), Name=name
    )


def _overwrite_rule(scene: Scene) -> None:
    """As an analyst: a rule that hears nothing takes the place of one."""
    if scene.stack.analyst is None:
        raise DrillError(f"{scene.name} needs another person.")
    events, name = scene.stack.client("events"), f"{scene.stack.prefix}-queue-changed"
    asked = events.describe_rule(Name=name)
    before = {each: asked[each] for each in ("Name", "EventPattern", "State", "Description")}
    scene.change(
        scene.stack.analyst("events").put_rule,
        f"the rule {name} hears nothing",
        lambda: events.put_rule(**before),
        **before | {"EventPattern": json.dumps({"source": ["drill"]})},
    )


def _silence_alarm(scene: Scene) -> None:
    cloudwatch, names = scene.stack.client("cloudwatch"), [f"{scene.stack.prefix}-recorder-errors"]
    scene.change(
        cloudwatch.disable_alarm_actions,
        f"the alarm {names[0]} tells nobody",
        lambda: cloudwatch.enable_alarm_actions(AlarmNames=names),
        AlarmNames=names,
    )


def _silence_subscriber(scene: Scene) -> None:
    """A subscriber of the drill's own: no message reaches him."""
    sqs, sns = scene.stack.client("sqs"), scene.stack.client("sns")
    url = sqs.create_queue(QueueName=f"drill-subscriber-{scene.run}")["QueueUrl"]
    scene.undo.later(f"there is the queue {url}", lambda: sqs.delete_queue(QueueUrl=url))
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    subscription = sns.subscribe(
        TopicArn=scene.stack.deployment.topic_arn,
        Protocol="sqs",
        Endpoint=asked["Attributes"]["QueueArn"],
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    if scene.attempt(sns.unsubscribe, SubscriptionArn=subscription) is None:
        scene.undo.later(
            f"there is the subscription {subscription}",
            lambda: sns.unsubscribe(SubscriptionArn=subscription),
        )


def _stop_kms(scene: Scene) -> None:
    """Until the recorder has given up on an object: then its notification is sent again."""
    scene.undo.later("a notification is in the dead-letter queue", lambda: _redrive(scene))
    scene.undo.later("AWS KMS does not answer", lambda: scene.behind_the_api("kms/outage", on=False))
    scene.behind_the_api("kms/outage", on=True)
    scene.drop()


def _redrive(scene: Scene) -> None:
    """Send the dead letters about the drill's object to the recorder, which must record it now."""
    sqs, queues = scene.stack.client("sqs"), scene.stack.deployment.queues
    key = f"incoming/drill/{scene.run}/{scene.name}.txt"
    for message in _dead_letters(scene, lambda body: key in body):
        sqs.send_message(QueueUrl=queues["recorder"], MessageBody=message["Body"])
        sqs.delete_message(QueueUrl=queues["recorder-dlq"], ReceiptHandle=message["ReceiptHandle"])
    head = scene.stack.client("s3").head_object(Bucket=scene.raw, Key=key)
    scene.receipt_of(ObjectVersion(scene.raw, key, head["VersionId"]))


def _poison(scene: Scene) -> None:
    sqs, queue = scene.stack.client("sqs"), scene.stack.deployment.queues["recorder"]
    body = f"drill {scene.run}: no notification"

    def remove() -> None:
        found = _dead_letters(scene, lambda text: text == body)
        for message in found:
            sqs.delete_message(
                QueueUrl=scene.stack.deployment.queues["recorder-dlq"],
                ReceiptHandle=message["ReceiptHandle"],
            )
        if not found:
            raise DrillError("it is still on its way to the dead-letter queue; delete it there")

    scene.change(sqs.send_message, f"there is the message {body!r}", remove, QueueUrl=queue, MessageBody=body)


def _dead_letters(scene: Scene, is_ours: Callable[[str], bool]) -> list[dict[str, Any]]:
    """The recorder's dead letters that are the drill's; all others can be received again at once."""
    sqs, queue = scene.stack.client("sqs"), scene.stack.deployment.queues["recorder-dlq"]
    ours: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=60).get(
        "Messages"
    ):
        for message in messages:
            (ours if is_ours(message["Body"]) else others).append(message)
    for message in others:
        sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    return ours


def _flood(scene: Scene) -> None:
    """More events than are recorded in time; as if they had waited for longer than the alarm allows."""
    alarm = f"{scene.stack.prefix}-recorder-backlog"
    (set_up,) = scene.stack.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    scene.undo.later("the recorder's queue is not empty", lambda: _await_empty(scene))
    name = scene.stack.deployment.queues["recorder"].rpartition("/")[2]
    scene.undo.later(
        "the recorder's queue is held", lambda: scene.behind_the_api("queues/hold", queue=name, held=False)
    )
    scene.behind_the_api("queues/hold", queue=name, held=True)
    for number in range(FLOOD_OBJECTS):
        scene.drop(folder=f"incoming/drill/flood-{number}")
    scene.behind_the_api("queues/wait", queue=name, seconds=int(set_up["Threshold"]) + 1)


def _await_empty(scene: Scene) -> None:
    deadline = time.monotonic() + scene.stack.patience.rule
    while left := _waiting(scene, "recorder"):
        if time.monotonic() > deadline:
            raise DrillError(f"{left} messages wait")
        time.sleep(scene.stack.patience.look)


_STORAGE = "nobody can change what AWS stores behind its API"

ATTACKS = (
    Attack(
        "raw-object-overwritten",
        "another version of a raw object is put",
        Alert(Kind.ANOMALY, "raw-overwritten"),
        _overwrite,
    ),
    Attack(
        "raw-version-deleted",
        "a version of a raw object is deleted",
        Alert(Kind.ANOMALY, "raw-deleted"),
        _delete_raw_version,
        may_be_refused=True,
    ),
    Attack(
        "receipt-deleted",
        "a receipt is deleted, its version and as a whole",
        Alert(Kind.ANOMALY, "evidence-deleted"),
        _delete_receipt,
        must_be_refused=True,
    ),
    Attack(
        "receipt-forged",
        "receipts are put by somebody who is not the recorder",
        Alert(Kind.ANOMALY, "denied-burst"),
        _forge_receipt,
        must_be_refused=True,
    ),
    Attack(
        "receipt-forged-in-storage",
        "a byte of a receipt is changed behind the API",
        Alert(Kind.CLAIM, "receipt.signature"),
        _change_receipt_in_storage,
        is_held=True,
        only_local=_STORAGE,
    ),
    Attack(
        "receipt-deleted-in-storage",
        "a sealed receipt is deleted behind the API",
        Alert(Kind.CLAIM, "log.complete"),
        _delete_receipt_in_storage,
        is_held=True,
        only_local=_STORAGE,
    ),
    Attack(
        "trail-stopped", "the trail is stopped", Alert(Kind.RULE, "trail-changed", "StopLogging"), _stop_trail
    ),
    Attack(
        "selectors-narrowed",
        "the trail logs less",
        Alert(Kind.RULE, "trail-changed", "PutEventSelectors"),
        _narrow_selectors,
    ),
    Attack(
        "policy-opened",
        "the receipts' bucket gets another policy",
        Alert(Kind.RULE, "evidence-bucket-changed", "PutBucketPolicy"),
        _open_policy,
    ),
    Attack(
        "lifecycle-purge",
        "a rule has the trail's files expire",
        Alert(Kind.RULE, "evidence-bucket-changed", "PutBucketLifecycle"),
        _purge_by_lifecycle,
    ),
    Attack(
        "key-disabled",
        "the key that signs receipts is disabled",
        Alert(Kind.RULE, "key-changed", "DisableKey"),
        _disable_key,
    ),
    Attack(
        "notification-removed",
        "new raw objects are notified to nobody",
        Alert(Kind.RULE, "data-bucket-changed", "PutBucketNotification"),
        _forget_notification,
    ),
    Attack(
        "function-stopped",
        "the recorder may not run",
        Alert(Kind.RULE, "recording-changed", "PutFunctionConcurrency"),
        _stop_function,
    ),
    Attack(
        "function-throttled",
        "the recorder may not run, and an object arrives",
        Alert(Kind.ALARM, "recorder-throttles"),
        _throttle_function,
        is_held=True,
        only_local="AWS does not say how often Lambda tries a function that may not run",
    ),
    Attack(
        "queue-purged",
        "the recorder's dead letters are purged",
        Alert(Kind.RULE, "queue-changed", "PurgeQueue"),
        _purge_queue,
    ),
    Attack(
        "rule-silenced",
        "a rule of EventBridge is disabled",
        Alert(Kind.RULE, "alerts-changed", "DisableRule"),
        _silence_rule,
    ),
    Attack(
        "alarm-silenced",
        "an alarm's actions are disabled",
        Alert(Kind.RULE, "alerts-changed", "DisableAlarmActions"),
        _silence_alarm,
    ),
    Attack(
        "rule-overwritten",
        "somebody who does not deploy puts a rule of EventBridge that hears nothing",
        Alert(Kind.RULE, "alerts-overwritten", "PutRule"),
        _overwrite_rule,
        only_local="the drill cannot sign in as somebody else",
    ),
    Attack(
        "subscriber-silenced",
        "a subscriber of the alerts is removed",
        Alert(Kind.RULE, "alerts-changed", "Unsubscribe"),
        _silence_subscriber,
    ),
    Attack(
        "poison-message",
        "a message that means nothing is sent to the recorder",
        Alert(Kind.ALARM, "recorder-dead-letters"),
        _poison,
        is_held=True,
    ),
    Attack(
        "kms-outage",
        "AWS KMS does not answer while an object arrives",
        Alert(Kind.ALARM, "recorder-dead-letters"),
        _stop_kms,
        is_held=True,
        only_local="nobody can make AWS KMS fail",
    ),
    Attack(
        "flood",
        "more objects arrive than are recorded in time",
        Alert(Kind.ALARM, "recorder-backlog"),
        _flood,
        is_held=True,
        only_local="a flood that Lambda does not keep up with for half the watermark costs money",
    ),
)
"""Every attack, in the order of a drill."""
