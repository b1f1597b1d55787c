"""The flattened view: a record's content in columns, whatever its format."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.sql.evidence import (
    ACCOUNT,
    ANALYTICS,
    ARTIFACTS,
    NOON,
    PROCESSED,
    PROVENANCE,
    RAW,
    RECORDER,
    TRAIL_LOG,
    Record,
    assumed_role,
    complete_multipart,
    copy_object,
    denied,
    event,
    get_object,
    iam_user,
    put_object,
    service,
    sso_user,
    version_of,
)
from tests.sql.warehouse import Warehouse

ALL = "SELECT * FROM cloudtrail_s3_events_flattened"


def test_a_write_in_columns(warehouse: Warehouse) -> None:
    write = put_object(RAW, "incoming/customers.csv")
    warehouse.deliver(write)

    row = warehouse.row(ALL)

    assert row == {
        "event_date": "2026-03-10",
        "eventtime": "2026-03-10 12:00:00.000",
        "eventname": "PutObject",
        "eventid": write["eventID"],
        "requestid": write["requestID"],
        "awsregion": "us-east-1",
        "access": "write",
        "bucket_name": RAW,
        "object_key": "incoming/customers.csv",
        "version_id": version_of(write),
        "copy_source": None,
        "layer": "bronze",
        "bytes_in": "25701",
        "bytes_out": "0",
        "user_type": "IAMUser",
        "user_arn": f"arn:aws:iam::{ACCOUNT}:user/ada",
        "user_name": "ada",
        "principal_id": "AIDACKCEVSQ6C2EXAMPLE",
        "role_arn": None,
        "invoked_by": None,
        "sourceipaddress": "192.0.2.10",
        "useragent": "[aws-cli/2.31.0]",
        "vpcendpointid": None,
        "errorcode": None,
        "errormessage": None,
        "in_ledger": "true",
        "user_account_id": ACCOUNT,
        "on_behalf_of_user_id": None,
        "identity_store_arn": None,
        "caller": "ada",
        "deletion": None,
        "eventsource": "s3.amazonaws.com",
        "eventtype": "AwsApiCall",
        "eventcategory": "Data",
        "readonly": "false",
    }


def test_the_query_of_the_runbook_that_asked_for_this_view(warehouse: Warehouse) -> None:
    warehouse.deliver(put_object(RAW, "test/hello.txt"), get_object(RAW, "test/hello.txt"))

    rows = warehouse.rows(
        f"""
        SELECT eventTime, eventName, user_arn, bucket_name, object_key
        FROM cloudtrail_s3_events_flattened
        WHERE bucket_name='{RAW}'
          AND eventName='PutObject'
        ORDER BY eventTime DESC;
        """
    )

    assert [list(row.values())[1:] for row in rows] == [
        ["PutObject", f"arn:aws:iam::{ACCOUNT}:user/ada", RAW, "test/hello.txt"]
    ]


@pytest.mark.parametrize(
    ("identity", "user_name", "user_arn", "role_arn", "invoked_by"),
    [
        (iam_user("ada"), "ada", f"arn:aws:iam::{ACCOUNT}:user/ada", None, None),
        (
            sso_user("grace@example.org"),
            "grace@example.org",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_DataEngineer_0123456789abcdef/grace@example.org",
            f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/"
            "AWSReservedSSO_DataEngineer_0123456789abcdef",
            None,
        ),
        (
            assumed_role("custody-local-people-producer", "grace"),
            "grace",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/custody-local-people-producer/grace",
            f"arn:aws:iam::{ACCOUNT}:role/custody-local-people-producer",
            None,
        ),
        (
            assumed_role("loader", "job-7") | {"invokedBy": "glue.amazonaws.com"},
            "loader",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/loader/job-7",
            f"arn:aws:iam::{ACCOUNT}:role/loader",
            "glue.amazonaws.com",
        ),
        (service("delivery.logs.amazonaws.com"), None, None, None, "delivery.logs.amazonaws.com"),
        (
            {
                "type": "Root",
                "principalId": ACCOUNT,
                "arn": f"arn:aws:iam::{ACCOUNT}:root",
                "accountId": ACCOUNT,
            },
            None,
            f"arn:aws:iam::{ACCOUNT}:root",
            None,
            None,
        ),
        (
            {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"},
            None,
            None,
            None,
            None,
        ),
    ],
    ids=["iam-user", "identity-center", "people", "role-by-service", "service", "root", "anonymous"],
)
def test_who_it_was(
    warehouse: Warehouse,
    identity: Record,
    user_name: str | None,
    user_arn: str | None,
    role_arn: str | None,
    invoked_by: str | None,
) -> None:
    warehouse.deliver(put_object(RAW, "incoming/a.csv", identity=identity, sourceIPAddress="AWS Internal"))

    row = warehouse.row(ALL)

    assert row["user_type"] == identity["type"]
    assert row["user_name"] == user_name
    assert row["user_arn"] == user_arn
    assert row["role_arn"] == role_arn
    assert row["invoked_by"] == invoked_by
    assert row["principal_id"] == identity.get("principalId")
    assert row["sourceipaddress"] == "AWS Internal"


STRANGER = "999999999999"
ANONYMOUS = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
FOREIGN = {"type": "AWSAccount", "principalId": "AIDAQRSTUVWXYZEXAMPLE", "accountId": STRANGER}
FEDERATED = {
    "type": "FederatedUser",
    "principalId": f"{ACCOUNT}:jo.placeholder",
    "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/jo.placeholder",
    "accountId": ACCOUNT,
    "sessionContext": {
        "sessionIssuer": {
            "type": "IAMUser",
            "principalId": "AIDAPLACEHOLDERBROKER",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/token-broker",
            "accountId": ACCOUNT,
            "userName": "token-broker",
        }
    },
}


def foreign(identity: Record) -> Record:
    """The same one, of another account."""
    return identity | {"accountId": STRANGER, "arn": identity["arn"].replace(ACCOUNT, STRANGER)}


@pytest.mark.parametrize(
    ("identity", "user_name", "caller"),
    [
        (iam_user("ada"), "ada", "ada"),
        (FEDERATED, "jo.placeholder", "jo.placeholder"),
        (sso_user("grace@example.org"), "grace@example.org", "grace@example.org"),
        (foreign(iam_user("ada")), None, f"arn:aws:iam::{STRANGER}:user/ada"),
        (
            foreign(sso_user("grace")),
            None,
            f"arn:aws:sts::{STRANGER}:assumed-role/AWSReservedSSO_DataEngineer_0123456789abcdef/grace",
        ),
        (FOREIGN, None, f"{STRANGER}/AIDAQRSTUVWXYZEXAMPLE"),
        ({"type": "AWSAccount", "accountId": STRANGER}, None, STRANGER),
        (ANONYMOUS, None, "(anonymous)"),
        (service("delivery.logs.amazonaws.com"), None, "delivery.logs.amazonaws.com"),
        ({}, None, None),
    ],
    ids=[
        "user",
        "federated",
        "person",
        "foreign-user",
        "foreign-person",
        "foreign",
        "foreign-account",
        "anonymous",
        "service",
        "nothing",
    ],
)
def test_a_caller_of_another_account_is_none_of_ours(
    warehouse: Warehouse, identity: Record, user_name: str | None, caller: str | None
) -> None:
    read = get_object(RAW, "incoming/a.csv")
    warehouse.deliver(read | {"userIdentity": identity})

    row = warehouse.row(ALL)

    assert (row["user_name"], row["caller"]) == (user_name, caller)
    assert row["user_account_id"] == identity.get("accountId")


@pytest.mark.parametrize("part", ["arn", "accountId"])
def test_one_side_of_a_foreign_identity_is_enough(warehouse: Warehouse, part: str) -> None:
    ours = sso_user("grace@example.org")
    warehouse.deliver(get_object(RAW, "incoming/a.csv", identity=ours | {part: foreign(ours)[part]}))

    assert warehouse.row(ALL)["user_name"] is None


def test_on_whose_behalf_it_was(warehouse: Warehouse) -> None:
    identity = sso_user("grace@example.org")
    warehouse.deliver(get_object(RAW, "incoming/a.csv", identity=identity))

    row = warehouse.row(ALL)

    assert row["on_behalf_of_user_id"] == identity["onBehalfOf"]["userId"]
    assert row["identity_store_arn"] == identity["onBehalfOf"]["identityStoreArn"]


MARKER = {"x-amz-delete-marker": "true", "x-amz-version-id": "EXAMPLE.marker"}


@pytest.mark.parametrize(
    ("parameters", "response", "deletion", "version"),
    [
        ({}, MARKER, "marker_set", "EXAMPLE.marker"),
        ({}, MARKER | {"x-amz-delete-marker": True}, "marker_set", "EXAMPLE.marker"),
        ({}, None, "marker_set", None),
        ({"versionId": "EXAMPLE.5"}, {"x-amz-version-id": "EXAMPLE.5"}, "version_destroyed", "EXAMPLE.5"),
        ({"versionId": "EXAMPLE.5"}, None, "version_destroyed", "EXAMPLE.5"),
        ({"versionId": "EXAMPLE.marker"}, MARKER, "marker_removed", "EXAMPLE.marker"),
    ],
)
def test_what_a_deletion_did(
    warehouse: Warehouse, parameters: Record, response: Record | None, deletion: str, version: str | None
) -> None:
    warehouse.deliver(
        event("DeleteObject", RAW, "incoming/a.csv", parameters=parameters, response=response),
    )

    row = warehouse.row(ALL)

    assert (row["access"], row["deletion"], row["version_id"]) == ("delete", deletion, version)


@pytest.mark.parametrize(
    ("record", "deletion"),
    [
        (event("DeleteObjects", RAW, None), "batch"),
        (denied(event("DeleteObject", RAW, "a", parameters={"versionId": "v"})), None),
        (denied(event("DeleteObjects", RAW, None)), None),
        (event("DeleteObjectTagging", RAW, "a"), None),
        (get_object(RAW, "a"), None),
    ],
    ids=["batch", "refused", "refused-batch", "tags", "read"],
)
def test_what_is_no_deletion_of_one_object(
    warehouse: Warehouse, record: Record, deletion: str | None
) -> None:
    warehouse.deliver(record)

    assert warehouse.row(ALL)["deletion"] == deletion


NO_EVENTS = {
    "aggregated": {
        "eventVersion": "1.0",
        "accountId": ACCOUNT,
        "eventId": "00000000-0000-4000-8000-000000000077",
        "eventCategory": "Aggregated",
        "eventType": "AwsAggregatedEvent",
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "awsRegion": "us-east-1",
    },
    "network-activity": put_object(
        RAW, "incoming/n", eventCategory="NetworkActivity", eventType="AwsVpceEvent", vpcEndpointId="vpce-0"
    ),
    "insight": put_object(RAW, "incoming/i", eventCategory="Insight", eventType="AwsCloudTrailInsight"),
    "unheard-of": put_object(RAW, "incoming/u", eventCategory="Unheard"),
    "addendum": put_object(RAW, "incoming/d", addendum={"reason": "UPDATED_DATA", "originalEventID": "e"}),
    "addendum-of-a-request": put_object(RAW, "incoming/r", addendum={"originalRequestID": "r"}),
}


@pytest.mark.parametrize("kind", NO_EVENTS)
def test_a_record_that_is_no_event_is_no_row(warehouse: Warehouse, kind: str) -> None:
    write = put_object(RAW, "incoming/beside.csv")
    warehouse.deliver(NO_EVENTS[kind], write, on=NOON.date())

    assert warehouse.row(ALL)["eventid"] == write["eventID"]


def test_a_management_event_is_an_access_and_no_write(warehouse: Warehouse) -> None:
    warehouse.deliver(
        event("PutBucketPolicy", RAW, None, eventCategory="Management", managementEvent=True),
        put_object(RAW, "incoming/odd", eventCategory="Management"),
    )

    rows = warehouse.rows(f"{ALL} ORDER BY eventname")

    assert [(row["eventname"], row["eventcategory"], row["in_ledger"]) for row in rows] == [
        ("PutBucketPolicy", "Management", "false"),
        ("PutObject", "Management", "false"),
    ]


def test_one_odd_record_breaks_no_question(warehouse: Warehouse) -> None:
    write = put_object(RAW, "incoming/a.csv")
    odd = [
        put_object(RAW, "incoming/odd", eventTime="soon"),
        put_object(RAW, "incoming/odd", extra={"bytesTransferredIn": 1e300, "bytesTransferredOut": "many"}),
        put_object(RAW, "incoming/odd", requestParameters=None),
        put_object(RAW, "incoming/odd", requestParameters={"bucketName": RAW}),
        {"eventSource": "s3.amazonaws.com", "eventName": "PutObject"},
    ]
    warehouse.deliver(write, *odd)

    assert len(warehouse.rows(ALL)) == 6


KEYS = [
    "incoming/plus+and%20percent and space.csv",
    'incoming/o\'brien "quoted".csv',
    "incoming/Zoë/データ/😀.csv",
    "incoming/new\nline\tand\\backslash.csv",
    "incoming/../up.csv",
    "incoming/",
]


def test_keys_come_as_they_are(warehouse: Warehouse) -> None:
    warehouse.deliver(*(put_object(RAW, key) for key in KEYS))

    assert sorted(str(row["object_key"]) for row in warehouse.rows(ALL)) == sorted(KEYS)


def test_a_host_may_be_a_list_and_presigned_parameters_may_be_there(warehouse: Warehouse) -> None:
    presigned = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": "20260310T120000Z",
        "X-Amz-Expires": "3600",
        "X-Amz-SignedHeaders": "host",
        "Host": ["a.s3.amazonaws.com", "a.s3.us-east-1.amazonaws.com"],
    }
    warehouse.deliver(
        put_object(
            RAW,
            "incoming/presigned.csv",
            parameters=presigned,
            extra={"AuthenticationMethod": "QueryString", "bytesTransferredIn": 12},
        )
    )

    row = warehouse.row(ALL)

    assert (row["bucket_name"], row["object_key"]) == (RAW, "incoming/presigned.csv")
    assert row["bytes_in"] == "12"


def test_a_record_may_lack_its_parts(warehouse: Warehouse) -> None:
    bare = event("ListObjects", RAW, None, read_only=True)
    bare |= {"requestParameters": None, "additionalEventData": None, "resources": None, "tlsDetails": None}
    del bare["responseElements"], bare["eventCategory"], bare["managementEvent"]
    warehouse.deliver(bare)

    row = warehouse.row(ALL)

    assert (row["bucket_name"], row["object_key"], row["bytes_in"]) == (None, None, None)
    assert (row["layer"], row["access"], row["in_ledger"]) == ("unknown", "list", "false")


def test_every_version_of_the_record_is_read(warehouse: Warehouse) -> None:
    for version in ("1.05", "1.11", "2.4", "3.0"):
        warehouse.deliver(put_object(RAW, version, eventVersion=version, unheardOf={"of": ["field"]}))

    assert len(warehouse.rows(ALL)) == 4


def test_a_copy_names_its_source_and_is_of_its_destination(warehouse: Warehouse) -> None:
    write = copy_object(PROCESSED, "silver/a.csv", f"{RAW}/incoming/a%20b.csv")
    warehouse.deliver(write)

    row = warehouse.row(ALL)

    assert (row["bucket_name"], row["object_key"]) == (PROCESSED, "silver/a.csv")
    assert row["copy_source"] == f"{RAW}/incoming/a%20b.csv"
    assert row["version_id"] == version_of(write)
    assert row["layer"] == "silver"


def test_a_multipart_upload_is_written_when_it_is_completed(warehouse: Warehouse) -> None:
    key = "incoming/big.bin"
    last = complete_multipart(RAW, key, NOON + timedelta(minutes=2))
    warehouse.deliver(
        event("CreateMultipartUpload", RAW, key),
        event("UploadPart", RAW, key),
        event("UploadPart", RAW, key),
        last,
    )

    rows = warehouse.rows(f"{ALL} ORDER BY eventtime, eventname")

    assert [(row["eventname"], row["access"], row["in_ledger"]) for row in rows] == [
        ("CreateMultipartUpload", "change", "false"),
        ("UploadPart", "change", "false"),
        ("UploadPart", "change", "false"),
        ("CompleteMultipartUpload", "write", "true"),
    ]
    assert rows[-1]["version_id"] == version_of(last)


@pytest.mark.parametrize(
    ("name", "read_only", "access"),
    [
        ("PutObject", False, "write"),
        ("PostObject", False, "write"),
        ("CopyObject", False, "write"),
        ("CompleteMultipartUpload", False, "write"),
        ("GetObject", True, "read"),
        ("HeadObject", True, "read"),
        ("GetObjectTagging", True, "read"),
        ("ListObjectVersions", True, "list"),
        ("ListParts", True, "list"),
        ("DeleteObject", False, "delete"),
        ("DeleteObjects", False, "delete"),
        ("DeleteObjectTagging", False, "change"),
        ("PutObjectRetention", False, "change"),
        ("AbortMultipartUpload", False, "change"),
    ],
)
def test_what_kind_of_access_it_was(warehouse: Warehouse, name: str, read_only: bool, access: str) -> None:
    warehouse.deliver(event(name, RAW, "incoming/a.csv", read_only=read_only))

    assert warehouse.row(ALL)["access"] == access


def test_a_version_that_was_asked_for_stands_in_the_request(warehouse: Warehouse) -> None:
    warehouse.deliver(get_object(RAW, "incoming/a.csv", parameters={"versionId": "EXAMPLE.old"}))

    row = warehouse.row(ALL)

    assert row["version_id"] == "EXAMPLE.old"
    assert row["bytes_out"] == "25701"


@pytest.mark.parametrize(
    ("bucket", "key", "identity", "layer", "in_ledger"),
    [
        (RAW, "incoming/a.csv", iam_user("ada"), "bronze", "true"),
        (RAW, "elsewhere/a.csv", iam_user("ada"), "bronze", "true"),
        (PROCESSED, "a", iam_user("ada"), "silver", "true"),
        (ANALYTICS, "a", iam_user("ada"), "gold", "true"),
        (PROVENANCE, "provenance/x.json", RECORDER, "provenance", "false"),
        (PROVENANCE, "provenance/x.json", iam_user("mallory"), "provenance", "true"),
        (PROVENANCE, "provenance/x.json", assumed_role("other", "recorder"), "provenance", "true"),
        (PROVENANCE, "keys/registry.json", RECORDER, "provenance", "true"),
        (TRAIL_LOG, "AWSLogs/forged.json.gz", iam_user("mallory"), "audit_log", "false"),
        (ARTIFACTS, "functions/recorder.zip", iam_user("ada"), "unknown", "false"),
    ],
)
def test_what_is_a_row_of_the_ledger(
    warehouse: Warehouse, bucket: str, key: str, identity: Record, layer: str, in_ledger: str
) -> None:
    warehouse.deliver(put_object(bucket, key, identity=identity))

    row = warehouse.row(ALL)

    assert (row["layer"], row["in_ledger"]) == (layer, in_ledger)


def test_a_refused_write_is_no_row_of_the_ledger(warehouse: Warehouse) -> None:
    warehouse.deliver(denied(put_object(RAW, "incoming/a.csv")))

    row = warehouse.row(ALL)

    assert (row["errorcode"], row["errormessage"], row["version_id"]) == (
        "AccessDenied",
        "Access Denied",
        None,
    )
    assert (row["access"], row["in_ledger"]) == ("write", "false")


def test_an_event_is_one_row_however_often_it_is_delivered(warehouse: Warehouse) -> None:
    write, other = put_object(RAW, "incoming/a.csv"), put_object(RAW, "incoming/b.csv")
    warehouse.deliver(write, write)
    warehouse.deliver(other, write)

    assert len(warehouse.rows(ALL)) == 2


def test_another_day_of_delivery_is_another_row(warehouse: Warehouse) -> None:
    write = put_object(RAW, "incoming/a.csv", NOON.replace(hour=23, minute=59))
    warehouse.deliver(write)
    warehouse.deliver(write, on=date(2026, 3, 11))

    assert [row["event_date"] for row in warehouse.rows(f"{ALL} ORDER BY event_date")] == [
        "2026-03-10",
        "2026-03-11",
    ]


def test_only_s3_is_asked_about(warehouse: Warehouse) -> None:
    warehouse.deliver(
        put_object(RAW, "incoming/a.csv"), event("Decrypt", RAW, None, eventSource="kms.amazonaws.com")
    )

    assert len(warehouse.rows(ALL)) == 1


def test_a_region_that_is_not_projected_is_not_read(warehouse: Warehouse) -> None:
    warehouse.deliver(put_object(RAW, "incoming/a.csv"), region="eu-north-1")

    assert warehouse.rows(ALL) == []


@pytest.mark.parametrize(
    ("role", "key", "rows"),
    [
        ("custody-local-sealer", "log/checkpoint", 0),
        ("custody-local-sealer", "segments/dt=2026-03-10/0-1.ndjson.gz", 0),
        ("custody-local-sealer", "keys/registry.json", 1),
        ("custody-local-etl", "log/checkpoint", 1),
    ],
)
def test_the_log_is_no_write_to_be_proven_unless_another_wrote_it(
    warehouse: Warehouse, role: str, key: str, rows: int
) -> None:
    warehouse.deliver(put_object(PROVENANCE, key, identity=assumed_role(role, role)))

    assert len(warehouse.rows("SELECT event_date FROM provenance_ledger")) == rows
