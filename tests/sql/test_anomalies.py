"""The rules of sql/anomalies: true on what is bad; silent on normal life, and on what only looks bad."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from custody.evidence.receipt import Receipt
from custody.ledger.anomalies import Anomaly, Found, find_anomalies
from custody.ledger.rules import Period, all_rules
from scripts.local_aws.athena.planned import PlannedTable
from tests.sql.conftest import DATABASE
from tests.sql.evidence import (
    ANALYTICS,
    PROCESSED,
    PROVENANCE,
    RAW,
    TRAIL_LOG,
    Record,
    assumed_role,
    backfill_of,
    copy_object,
    denied,
    event,
    get_object,
    iam_user,
    put_object,
    receipt_of,
    sso_user,
    with_event,
)
from tests.sql.warehouse import Warehouse
from tests.support.normal_life import (
    DATA_KEY,
    DEPLOYER,
    DEPLOYMENT,
    ETL,
    GATE,
    LOG_KEY,
    OFFICE,
    PEOPLE,
    PREFIX,
    PRODUCER,
    RECORDER,
    RETIRED_KEY,
    SEALER,
    SIGNING_KEY,
    START,
    Life,
    management,
    normal_life,
    sign,
)

DAYS = 60
MONTH = Period(START + timedelta(days=30), START + timedelta(days=60))
"""The second month: the first one is its history."""
BAD_DAY = START + timedelta(days=50)
"""A Tuesday."""


def deliver(warehouse: Warehouse, life: Life) -> Warehouse:
    for day, records in sorted(life.records.items()):
        warehouse.deliver(*records, on=day.date())
    warehouse.record(*life.receipts)
    return warehouse


@pytest.fixture(scope="module")
def lived(planned_tables: dict[str, PlannedTable]) -> Warehouse:
    return deliver(Warehouse(planned_tables.values(), DATABASE), normal_life(DAYS))


def ask(warehouse: Warehouse, period: Period = MONTH) -> Found:
    found = find_anomalies(warehouse.athena(), DEPLOYMENT, period, tuple(all_rules().values()))
    assert not found.unasked
    return found


def test_a_month_of_normal_life_is_silent(lived: Warehouse) -> None:
    assert [(one.rule.name, one.subject, one.principal, one.detail) for one in ask(lived).anomalies] == []


MALLORY = sso_user("mallory@example.org")
ROOT = {
    "type": "Root",
    "principalId": "123456789012",
    "arn": "arn:aws:iam::123456789012:root",
    "accountId": "123456789012",
}
STRANGER = {"type": "AWSAccount", "principalId": "AIDASTRANGER", "accountId": "999999999999"}
BY_MALLORY = {"identity": MALLORY, "sourceIPAddress": OFFICE}
TRAIL = DEPLOYMENT.trail_arn
AFTER_A_DAY_OF_SILENCE = MONTH.until + timedelta(days=1, hours=2)


def at(minute: int) -> datetime:
    """A moment of the bad day."""
    return BAD_DAY + timedelta(minutes=minute)


def s3_change(name: str, bucket: str, minute: int = 600, **fields: object) -> Record:
    return management("s3", name, at(minute), {"bucketName": bucket}, identity=MALLORY, **fields)


def kms_change(name: str, key: str) -> Record:
    resources = [{"accountId": "123456789012", "type": "AWS::KMS::Key", "ARN": key}]
    return management(
        "kms", name, at(600), {"keyId": key.rpartition("/")[2]}, identity=MALLORY, resources=resources
    )


def overwritten(
    name: str, parameter: str, short: str, *, identity: Record = MALLORY, **fields: object
) -> Record:
    """A call that puts an alarm, a dashboard or a rule of the kit."""
    service = "events" if name in {"PutRule", "PutTargets"} else "monitoring"
    return management(service, name, at(600), {parameter: f"{PREFIX}-{short}"}, identity=identity, **fields)


def raw(name: str, minute: int = 600, **options: Record) -> Record:
    return put_object(
        RAW, f"incoming/{name}", at(minute), **({"identity": PRODUCER, "sourceIPAddress": OFFICE} | options)
    )  # type: ignore[arg-type]


def stored(receipt: Receipt, when: datetime) -> Record:
    """The trail's record of a receipt that the recorder stores."""
    return put_object(PROVENANCE, receipt.version.receipt_key, when, identity=RECORDER)


CUSTOMER_KEY = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
BYPASS = {"x-amz-bypass-governance-retention": "true"}
EVIDENCE_KEY = "provenance/a.json"

BAD: dict[str, list[Record]] = {
    "trail-stopped": [management("cloudtrail", "StopLogging", at(600), {"name": TRAIL}, identity=MALLORY)],
    "trail-narrowed": [
        management("cloudtrail", "PutEventSelectors", at(600), {"trailName": PREFIX}, identity=MALLORY),
        management(
            "cloudtrail", "UpdateTrail", at(600), {"name": PREFIX}, errorCode="AccessDenied", identity=MALLORY
        ),
    ],
    "evidence-opened": [
        s3_change("PutBucketPolicy", PROVENANCE),
        s3_change("DeleteBucketPublicAccessBlock", TRAIL_LOG),
    ],
    "evidence-lifecycle": [s3_change("PutBucketLifecycle", TRAIL_LOG)],
    "evidence-lock": [
        s3_change("PutBucketVersioning", PROVENANCE),
        s3_change("DeleteBucketReplication", TRAIL_LOG),
    ],
    "evidence-encryption": [s3_change("PutBucketEncryption", PROVENANCE)],
    "data-bucket-changed": [
        s3_change("PutBucketPolicy", RAW),
        s3_change("PutBucketLifecycle", PROCESSED),
        s3_change("DeleteBucketOwnershipControls", ANALYTICS),
    ],
    "notifications-changed": [s3_change("PutBucketNotification", RAW)],
    "access-log-changed": [s3_change("PutBucketLogging", PROVENANCE)],
    "key-weakened": [
        kms_change("ScheduleKeyDeletion", SIGNING_KEY),
        kms_change("DisableKey", DATA_KEY),
        kms_change("CreateGrant", LOG_KEY),
    ],
    "signing-key-misused": [sign(SIGNING_KEY, at(600), SEALER), sign(LOG_KEY, at(600), MALLORY)],
    "signing-key-untimely": [sign(RETIRED_KEY, at(600), RECORDER)],
    "raw-deleted": [
        event("DeleteObject", RAW, "incoming/a.csv", at(600), parameters={"versionId": "v"}, **BY_MALLORY)
    ],
    "evidence-deleted": [denied(event("DeleteObject", PROVENANCE, EVIDENCE_KEY, at(600), **BY_MALLORY))],
    "retention-changed": [
        event("PutObjectRetention", PROVENANCE, EVIDENCE_KEY, at(600), parameters=BYPASS, **BY_MALLORY)
    ],
    "object-reencrypted": [
        denied(event("UpdateObjectEncryption", RAW, "incoming/a.csv", at(600), **BY_MALLORY))
    ],
    "customer-key": [
        denied(
            copy_object(
                PROCESSED, "tables/a", f"{PROCESSED}/tables/a", at(600), parameters=CUSTOMER_KEY, **BY_MALLORY
            )
        )
    ],
    "denied-burst": [
        denied(get_object(RAW, f"incoming/{n}", at(660 + n), identity=PEOPLE[1], sourceIPAddress=OFFICE))
        for n in range(10)
    ]
    + [
        management(
            "sns",
            "Subscribe",
            at(660 + n),
            {"topicArn": DEPLOYMENT.topic_arn},
            identity=PEOPLE[1],
            errorCode="AuthorizationError",
        )
        for n in range(10)
    ],
    "root-used": [management("signin", "ConsoleLogin", at(600), {}, identity=ROOT)],
    "long-lived-key": [
        get_object(RAW, "incoming/a.csv", at(600), identity=iam_user("ci"), sourceIPAddress=OFFICE)
    ],
    "untrusted-network": [
        get_object(RAW, "incoming/a.csv", at(600), identity=PEOPLE[0], sourceIPAddress="198.51.100.9")
    ],
    "other-account": [get_object(RAW, "incoming/a.csv", at(600), identity=STRANGER, sourceIPAddress=OFFICE)],
    "evidence-forged": [
        put_object(PROVENANCE, "provenance/forged.json", at(600), identity=SEALER),
        put_object(PROVENANCE, "segments/dt=2026-01-01/0-1.ndjson.gz", at(600), identity=RECORDER),
    ],
    "function-stopped": [
        management(
            "lambda",
            "PutFunctionConcurrency20171031",
            at(600),
            {"functionName": f"{PREFIX}-recorder"},
            identity=MALLORY,
        ),
        management(
            "lambda",
            "UpdateEventSourceMapping20150331",
            at(600),
            {"uUID": "a14464a9-d7ea-4dea-89d7-9d4c5bc0b2b4", "enabled": False},
            identity=MALLORY,
        ),
        management(
            "lambda",
            "UpdateFunctionCode20150331v2",
            at(600),
            {"functionName": f"arn:aws:lambda:us-east-1:123456789012:function:{PREFIX}-sealer"},
            identity=MALLORY,
        ),
        management(
            "lambda",
            "RemovePermission20150331v2",
            at(600),
            {"functionName": f"{PREFIX}-auditor", "statementId": "schedule"},
            identity=MALLORY,
        ),
    ],
    "queue-purged": [
        management(
            "sqs",
            "PurgeQueue",
            at(600),
            {"queueUrl": f"https://sqs.us-east-1.amazonaws.com/123456789012/{PREFIX}-recorder-dlq"},
            identity=MALLORY,
        ),
        management(
            "sqs",
            "SetQueueAttributes",
            at(600),
            {"queueUrl": f"https://sqs.us-east-1.amazonaws.com/123456789012/{PREFIX}-recorder"},
            identity=MALLORY,
        ),
    ],
    "alerts-silenced": [
        management(
            "monitoring",
            "DisableAlarmActions",
            at(600),
            {"alarmNames": [f"{PREFIX}-recorder-errors"]},
            identity=MALLORY,
        ),
        management(
            "sns",
            "SetSubscriptionAttributes",
            at(600),
            {
                "subscriptionArn": f"arn:aws:sns:us-east-1:123456789012:{PREFIX}-alerts:1",
                "attributeName": "FilterPolicy",
                "attributeValue": '{"severity": ["none"]}',
            },
            identity=MALLORY,
        ),
        management(
            "monitoring",
            "PutAlarmMuteRule",
            at(600),
            {"name": "quiet", "muteTargets": {"alarmNames": [f"{PREFIX}-evidence-at-risk"]}},
            identity=MALLORY,
        ),
        overwritten("PutMetricAlarm", "alarmName", "recorder-errors"),
        overwritten("PutCompositeAlarm", "alarmName", "evidence-at-risk", errorCode="AccessDenied"),
        overwritten("PutDashboard", "dashboardName", "health"),
        overwritten("PutRule", "name", "trail-changed", identity=ROOT),
        overwritten("PutTargets", "rule", "key-changed", identity=assumed_role(f"{PREFIX}-deploy2", "x")),
    ],
    "unprovenanced": [raw("orders/unproven.csv")],
    "new-principal": [get_object(PROCESSED, "tables/daily/p", at(600), **BY_MALLORY)],
}

LOOKS_BAD: dict[str, list[Record]] = {
    "trail-stopped": [management("cloudtrail", "StopLogging", at(600), {"name": "somebody-elses"})],
    "trail-narrowed": [management("cloudtrail", "PutInsightSelectors", at(600), {"trailName": TRAIL})],
    "evidence-opened": [management("s3", "PutBucketPolicy", at(600), {"bucketName": "somebody-elses"})],
    "evidence-lifecycle": [management("s3", "PutBucketLifecycle", at(600), {"bucketName": "somebody-elses"})],
    "evidence-lock": [management("s3", "PutBucketVersioning", at(600), {"bucketName": "somebody-elses"})],
    "evidence-encryption": [
        management("s3", "PutBucketEncryption", at(600), {"bucketName": "somebody-elses"})
    ],
    "data-bucket-changed": [management("s3", "PutBucketTagging", at(600), {"bucketName": RAW})],
    "notifications-changed": [
        management("s3", "PutBucketNotification", at(600), {"bucketName": "somebody-elses"})
    ],
    "access-log-changed": [management("s3", "PutBucketLogging", at(600), {"bucketName": "somebody-elses"})],
    "key-weakened": [
        kms_change("ScheduleKeyDeletion", DATA_KEY + "-of-another"),
        kms_change("TagResource", SIGNING_KEY),
        # of a service, for its own use of the key
        kms_change("CreateGrant", DATA_KEY)
        | {"userIdentity": MALLORY | {"invokedBy": "firehose.amazonaws.com"}},
    ],
    "signing-key-misused": [
        sign(SIGNING_KEY, at(600), RECORDER),
        sign(LOG_KEY + "-of-another", at(600), MALLORY),
    ],
    "signing-key-untimely": [sign(RETIRED_KEY, at(600), RECORDER, errorCode="DisabledException")],
    "raw-deleted": [
        denied(
            event("DeleteObject", RAW, "incoming/a.csv", at(600), identity=PRODUCER, sourceIPAddress=OFFICE)
        )
    ],
    "evidence-deleted": [event("DeleteObject", PROCESSED, "tables/old", at(600), identity=ETL)],
    "retention-changed": [event("PutObjectTagging", PROVENANCE, EVIDENCE_KEY, at(600), identity=RECORDER)],
    "object-reencrypted": [
        event("UpdateObjectEncryption", "somebody-elses", "a", at(600), identity=DEPLOYER)
    ],
    "customer-key": [put_object("somebody-elses", "a", at(600), parameters=CUSTOMER_KEY, identity=DEPLOYER)],
    "denied-burst": [
        denied(get_object(RAW, f"incoming/{n}", at(900 + n), identity=PEOPLE[2], sourceIPAddress=OFFICE))
        for n in range(9)
    ],
    "root-used": [
        management(
            "s3",
            "CreateBucket",
            at(600),
            {"bucketName": "x"},
            identity=ROOT | {"invokedBy": "s3.amazonaws.com"},
        )
    ],
    "long-lived-key": [get_object("somebody-elses", "a", at(600), identity=iam_user("ci"))],
    "untrusted-network": [
        get_object(RAW, "incoming/a.csv", at(600), identity=GATE, sourceIPAddress="198.51.100.9")
    ],
    "other-account": [
        denied(get_object(RAW, "incoming/a.csv", at(600), identity=STRANGER, sourceIPAddress=OFFICE))
    ],
    "evidence-forged": [
        denied(
            put_object(
                PROVENANCE, "provenance/forged.json", at(600), identity=DEPLOYER, sourceIPAddress=OFFICE
            )
        )
    ],
    "function-stopped": [
        management("lambda", "PutFunctionConcurrency20171031", at(600), {"functionName": "somebody-elses"}),
        management(
            "lambda", "UpdateFunctionCode20150331v2", at(600), {"functionName": "other"}, identity=MALLORY
        ),
    ],
    "queue-purged": [
        management("sqs", "PurgeQueue", at(600), {"queueUrl": "https://sqs/1/somebody-elses"}),
        management(
            "sqs",
            "SetQueueAttributes",
            at(600),
            {"queueUrl": f"https://sqs/1/{PREFIX}-recorder"},
            identity=DEPLOYER,
        ),
    ],
    "alerts-silenced": [
        management("monitoring", "DeleteAlarms", at(600), {"alarmNames": ["somebody-elses"]}),
        # one of his own, which is about the kit
        management(
            "monitoring",
            "PutMetricAlarm",
            at(600),
            {"alarmName": "mine", "dimensions": [{"name": "FunctionName", "value": f"{PREFIX}-recorder"}]},
            identity=MALLORY,
        ),
        overwritten("PutMetricAlarm", "alarmName", "recorder-errors", identity=DEPLOYER),
        overwritten("PutTargets", "rule", "key-changed", identity=iam_user("operator")),
        overwritten(
            "PutRule",
            "name",
            "key-changed",
            identity=assumed_role(
                "AWSReservedSSO_custody-deploy_0123456789abcdef",
                "ada@example.org",
                "aws-reserved/sso.amazonaws.com/eu-west-1/",
            ),
        ),
    ],
    "new-principal": [get_object("somebody-elses", "a", at(600), identity=assumed_role("other", "x"))],
}


@pytest.fixture(scope="module")
def attacked(lived: Warehouse) -> list[Anomaly]:
    """What the rules find once everything bad has happened in that normal life, and what only looks so."""
    for records in (*BAD.values(), *LOOKS_BAD.values()):
        lived.deliver(*records, on=BAD_DAY.date())
    forged = raw("orders/mismatch.csv", 610)
    again = raw("orders/2026/04/20/0.csv", 620)
    new_place = get_object(RAW, "incoming/x", at(630), identity=PEOPLE[1], sourceIPAddress="10.1.2.3")
    lived.deliver(forged, again, new_place, on=BAD_DAY.date())
    lived.record(
        with_event(receipt_of(forged), principal_id="AWS:AROAMALLORY:x"),
        receipt_of(again),
        receipt_of(raw("orders/unwitnessed.csv", 630)),
    )
    flood = [raw(f"orders/{number}.csv", number) for number in range(-1440, -1400)]
    lived.deliver(*flood, on=BAD_DAY.date())
    lived.record(*map(receipt_of, flood))
    lived.record(backdated := receipt_of(put_object(RAW, "incoming/old.csv", BAD_DAY - timedelta(days=300))))
    lived.deliver(stored(backdated, at(640)), on=BAD_DAY.date())
    return ask(lived, Period(MONTH.since, AFTER_A_DAY_OF_SILENCE)).anomalies


EXPECTED = {
    "access-log-changed": {f"s3://{PROVENANCE}"},
    "alerts-silenced": {
        "monitoring.amazonaws.com",
        "quiet",
        "sns.amazonaws.com",
        f"{PREFIX}-evidence-at-risk",
        f"{PREFIX}-health",
        f"{PREFIX}-key-changed",
        f"{PREFIX}-recorder-errors",
        f"{PREFIX}-trail-changed",
    },
    "customer-key": {f"s3://{PROCESSED}"},
    "data-bucket-changed": {f"s3://{RAW}", f"s3://{PROCESSED}", f"s3://{ANALYTICS}"},
    "denied-burst": {f"s3://{RAW}", DEPLOYMENT.topic_arn},
    "evidence-deleted": {f"s3://{PROVENANCE}"},
    "evidence-encryption": {f"s3://{PROVENANCE}"},
    "evidence-forged": {f"s3://{PROVENANCE}"},
    "evidence-lifecycle": {f"s3://{TRAIL_LOG}"},
    "evidence-lock": {f"s3://{PROVENANCE}", f"s3://{TRAIL_LOG}"},
    "evidence-opened": {f"s3://{PROVENANCE}", f"s3://{TRAIL_LOG}"},
    "file-missing": {"incoming/customers/"},
    "function-stopped": {
        "lambda.amazonaws.com",
        f"arn:aws:lambda:us-east-1:123456789012:function:{PREFIX}-sealer",
        f"{PREFIX}-auditor",
        f"{PREFIX}-recorder",
    },
    "key-weakened": {SIGNING_KEY, DATA_KEY, LOG_KEY},
    "long-lived-key": {f"s3://{RAW}"},
    "mismatch": {f"s3://{RAW}/incoming/orders/mismatch.csv"},
    "new-network": {"198.51.100.0/24", "10.1.2.0/24"},
    "new-principal": {MALLORY["arn"], iam_user("ci")["arn"], "999999999999/AIDASTRANGER"},
    "notifications-changed": {f"s3://{RAW}"},
    "object-reencrypted": {f"s3://{RAW}"},
    "other-account": {f"s3://{RAW}"},
    "queue-purged": {
        f"https://sqs.us-east-1.amazonaws.com/123456789012/{PREFIX}-{name}"
        for name in ("recorder", "recorder-dlq")
    },
    "raw-deleted": {f"s3://{RAW}"},
    "raw-overwritten": {f"s3://{RAW}/incoming/orders/2026/04/20/0.csv"},
    "receipt-backdated": {f"s3://{RAW}/incoming/old.csv"},
    "retention-changed": {f"s3://{PROVENANCE}"},
    "root-used": {"signin.amazonaws.com"},
    "signing-key-misused": {SIGNING_KEY, LOG_KEY},
    "signing-key-untimely": {RETIRED_KEY},
    "trail-gap": {"the trail"},
    "trail-narrowed": {PREFIX},
    "trail-stopped": {TRAIL},
    "unprovenanced": {f"s3://{RAW}/incoming/orders/unproven.csv"},
    "untrusted-network": {f"s3://{RAW}"},
    "unwitnessed": {f"s3://{RAW}/incoming/orders/unwitnessed.csv"},
    "volume-unusual": {f"s3://{RAW}/incoming/orders/"},
}


def test_every_rule_finds_what_is_bad_and_nothing_that_only_looks_so(attacked: list[Anomaly]) -> None:
    found: dict[str, set[str]] = {}
    for one in attacked:
        found.setdefault(one.rule.name, set()).add(one.subject)

    assert found == EXPECTED
    assert EXPECTED.keys() == all_rules().keys()


@pytest.mark.parametrize("name", ["new-network", "new-principal", "untrusted-network"])
def test_a_rule_by_itself_finds_what_it_finds_with_others(
    attacked: list[Anomaly], lived: Warehouse, name: str
) -> None:
    period = Period(MONTH.since, AFTER_A_DAY_OF_SILENCE)
    alone = find_anomalies(lived.athena(), DEPLOYMENT, period, (all_rules()[name],)).anomalies

    assert [one.to_dict() for one in alone] == [one.to_dict() for one in attacked if one.rule.name == name]


def test_an_anomaly_says_what_and_how_often(attacked: list[Anomaly]) -> None:
    burst, _ = [one for one in attacked if one.rule.name == "denied-burst"]

    assert burst.occurrences == 10
    assert (burst.first, burst.last) == (at(660), at(669))
    assert burst.principal == PEOPLE[1]["arn"]
    assert burst.detail.startswith("GetObject AccessDenied {")
    assert burst.evidence == BAD["denied-burst"][0]["eventID"]


def test_what_a_message_says_of_its_time_makes_no_write_older_than_an_adoption(
    planned_tables: dict[str, PlannedTable],
) -> None:
    since = at(600)
    receipts = {minute: receipt_of(raw(f"{minute}.csv", minute)) for minute in (598, 602)}
    receipts[603] = with_event(receipt_of(raw("603.csv", 603)), time=at(599))
    warehouse = Warehouse(planned_tables.values(), DATABASE)
    warehouse.record(*receipts.values())
    rule, period = all_rules()["unwitnessed"], Period(BAD_DAY, BAD_DAY + timedelta(days=1))
    deployment = replace(DEPLOYMENT, adopted_since={RAW: since})

    found = find_anomalies(warehouse.athena(), deployment, period, (rule,)).anomalies

    assert {one.subject.rpartition("/")[2] for one in found} == {"602.csv", "603.csv"}


def test_a_receipt_is_looked_at_when_it_was_stored_whatever_time_it_tells(
    planned_tables: dict[str, PlannedTable],
) -> None:
    """The period is a day, as the auditor's; all writes below are told to be of days before."""
    before, ago = BAD_DAY - timedelta(days=10), timedelta(days=10, minutes=600)
    writes = {name: put_object(RAW, f"incoming/{name}", before) for name in ("late", "filled", "false", "no")}
    told = [record for name, record in writes.items() if name != "no"]
    new = put_object(RAW, "incoming/new", at(600))
    receipts = [
        receipt_of(writes["late"], after=ago),
        backfill_of(writes["filled"], after=ago),
        with_event(receipt_of(writes["false"], after=ago), principal_id="AWS:AROAMALLORY:x"),
        receipt_of(writes["no"], after=ago),
        with_event(receipt_of(new), time=BAD_DAY - timedelta(days=100)),
        receipt_of(put_object(RAW, "incoming/back", BAD_DAY - timedelta(days=200))),
    ]
    warehouse = Warehouse(planned_tables.values(), DATABASE)
    warehouse.deliver(*told, on=before.date())
    warehouse.deliver(new, *(stored(receipt, at(600)) for receipt in receipts), on=BAD_DAY.date())
    warehouse.record(*receipts)
    day, rules = Period(BAD_DAY, BAD_DAY + timedelta(days=1)), tuple(all_rules().values())

    found = find_anomalies(warehouse.athena(), DEPLOYMENT, day, rules).anomalies

    about = [one for one in found if one.evidence.startswith(f"s3://{PROVENANCE}/")]
    assert {one.subject.rpartition("/")[2] for one in about} == {"false", "no", "new", "back"}
    assert {(one.rule.name, one.first) for one in about} == {("receipt-backdated", at(600))}
    details = {one.subject.rpartition("/")[2]: one.detail for one in about}
    assert details["false"].startswith("mismatch principal_id; written at 2026-04-11 00:00:00.000, ")
    assert details["no"].startswith("unwitnessed; ")
    assert details["back"].startswith("its own times; ")


def test_of_one_rule_and_hour_only_the_first_are_asked_for(attacked: list[Anomaly], lived: Warehouse) -> None:
    day = Period(BAD_DAY, BAD_DAY + timedelta(days=1))
    rules = tuple(all_rules()[name] for name in ("key-weakened", "trail-stopped"))
    every = [one for one in attacked if one.rule in rules]
    found = find_anomalies(lived.athena(), DEPLOYMENT, day, rules, most=1).anomalies

    assert len(every) > len(found)
    assert {one.rule.name for one in found} == {"key-weakened", "trail-stopped"}
    firsts: dict[tuple[str, datetime], datetime] = {}
    for one in sorted(every, key=lambda one: one.first):
        firsts.setdefault((one.rule.name, one.hour), one.first)
    assert {(one.rule.name, one.hour): one.first for one in found} == firsts


def test_only_who_deploys_may_overwrite_an_alarm(attacked: list[Anomaly]) -> None:
    who = {one.principal for one in attacked if one.rule.name == "alerts-silenced"}

    assert who == {MALLORY["arn"], ROOT["arn"], f"arn:aws:iam::123456789012:role/{PREFIX}-deploy2"}


def test_attempts_are_found_with_what_succeeded(attacked: list[Anomaly]) -> None:
    (narrowed,) = [one for one in attacked if one.rule.name == "trail-narrowed"]

    assert narrowed.occurrences == 2


def test_too_few_and_too_many_objects_are_unusual(attacked: list[Anomaly]) -> None:
    details = [one.detail for one in attacked if one.rule.name == "volume-unusual"]

    assert details == [
        "52 objects; on that weekday usually 12 to 12",
        "0 objects; on that weekday usually 12 to 12",
    ]


def test_the_days_of_the_period_are_read_and_no_others(attacked: list[Anomaly], lived: Warehouse) -> None:
    day = Period(BAD_DAY, BAD_DAY + timedelta(days=1))
    found = find_anomalies(lived.athena(), DEPLOYMENT, day, (all_rules()["trail-stopped"],))

    assert [one.rule.name for one in found.anomalies] == ["trail-stopped"]
    assert lived.days_read() == {f"{BAD_DAY + timedelta(days=later):%Y-%m-%d}" for later in range(9)}
