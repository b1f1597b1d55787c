"""Athena as boto3 sees it: moto's server with the patch, and without it."""

# ruff: noqa: E501 - a statement stands on one line with its answer

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.athena.models import AthenaBackend
from moto.athena.responses import AthenaResponse
from moto.server import ThreadedMotoServer

from scripts.local_aws.patches import athena
from tests.local_aws.account import PATIENCE_SECONDS, Account
from tests.local_aws.lake import OPENX, TEXT

KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PATCHED = (
    (AthenaBackend, "start_query_execution"),
    *(
        (AthenaResponse, name)
        for name in (
            "start_query_execution",
            "get_query_execution",
            "get_query_results",
            "stop_query_execution",
            "delete_prepared_statement",
        )
    ),
)


class Cloud:
    """Clients of a server with a bucket for results, one of data, and a table of three rows."""

    def __init__(self, endpoint: str) -> None:
        session = boto3.Session("AKIATEST", "secret", region_name="us-east-1")
        self.athena = session.client("athena", endpoint_url=endpoint)
        self.s3 = session.client("s3", endpoint_url=endpoint)
        self.glue = session.client("glue", endpoint_url=endpoint)
        for bucket in ("results", "elsewhere", "data"):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_object(
            Bucket="data",
            Key="t/1.json",
            Body=b'{"a":1,"b":"x \\"y\\", z","c":["p",null]}\n{"a":2,"b":""}\n{"a":3,"b":null}\n',
        )
        self.glue.create_database(DatabaseInput={"Name": "db"})
        self.table("t")
        self.workgroup("ruled", BytesScannedCutoffPerQuery=10_000_000)

    def table(self, name: str) -> None:
        columns = {"a": "bigint", "b": "string", "c": "array<string>"}
        self.glue.create_table(
            DatabaseName="db",
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": {
                    "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
                    "Location": f"s3://data/{name}/",
                    "InputFormat": TEXT,
                    "SerdeInfo": {"SerializationLibrary": OPENX},
                },
            },
        )

    def workgroup(self, name: str, **configuration: Any) -> str:
        encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": KMS_KEY}
        result = {"OutputLocation": "s3://results/ruled/", "EncryptionConfiguration": encryption}
        default = {"ResultConfiguration": result, "EnforceWorkGroupConfiguration": True}
        self.athena.create_work_group(Name=name, Configuration={**default, **configuration})
        return name

    def start(self, sql: str, workgroup: str = "ruled", **options: Any) -> str:
        options = {"QueryExecutionContext": {"Database": "db"}, **options}
        started = self.athena.start_query_execution(QueryString=sql, WorkGroup=workgroup, **options)
        return str(started["QueryExecutionId"])

    def execution(self, query: str) -> Any:
        return self.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]

    def run(self, sql: str, workgroup: str = "ruled", **options: Any) -> Any:
        """Run to the end; the description of the execution."""
        query = self.start(sql, workgroup, **options)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (execution := self.execution(query))["Status"]["State"] in ("QUEUED", "RUNNING"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return execution

    def rows(self, sql: str, **options: Any) -> list[list[str | None]]:
        execution = self.run(sql, **options)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        results = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in results["ResultSet"]["Rows"]]

    def stored(self, uri: str) -> Any:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    kept = [(owner, name, getattr(owner, name, None)) for owner, name in PATCHED]
    athena.apply()
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Cloud(f"http://{host}:{port}")
    server.stop()
    for owner, name, method in kept:
        if method is None:
            delattr(owner, name)
        else:
            setattr(owner, name, method)


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return f"{error.value.response['Error']['Code']}: {error.value.response['Error']['Message']}"


def test_a_statement_gives_its_rows(cloud: Cloud) -> None:
    assert cloud.rows("SELECT a, b, c FROM t ORDER BY a") == [
        ["a", "b", "c"],
        ["1", 'x "y", z', "[p, null]"],
        ["2", "", None],
        ["3", None, None],
    ]


def test_columns_are_in_lower_case_in_the_answer_and_in_the_file(cloud: Cloud) -> None:
    execution = cloud.run('SELECT a AS Total, b AS "MixedCase" FROM t WHERE a = 2')

    results = cloud.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]
    assert [column["Name"] for column in results["ResultSetMetadata"]["ColumnInfo"]] == ["total", "mixedcase"]
    assert [cell["VarCharValue"] for cell in results["Rows"][0]["Data"]] == ["total", "mixedcase"]
    stored = cloud.stored(execution["ResultConfiguration"]["OutputLocation"])["Body"].read()
    assert stored.splitlines()[0] == b'"total","mixedcase"'


def test_an_explanation_is_a_utility(cloud: Cloud) -> None:
    execution = cloud.run("EXPLAIN SELECT a FROM t")

    assert execution["Status"]["State"] == "SUCCEEDED"
    assert (execution["StatementType"], execution["SubstatementType"]) == ("UTILITY", "EXPLAIN")
    assert execution["Statistics"]["DataScannedInBytes"] == 0


def test_the_execution_is_described(cloud: Cloud) -> None:
    sql = "SELECT a FROM t"

    execution = cloud.run(sql)

    assert execution["Query"] == sql
    assert execution["StatementType"] == "DML"
    assert execution["WorkGroup"] == "ruled"
    assert execution["QueryExecutionContext"] == {"Database": "db", "Catalog": "awsdatacatalog"}
    assert execution["EngineVersion"]["EffectiveEngineVersion"] == "Athena engine version 3"
    size = cloud.s3.head_object(Bucket="data", Key="t/1.json")["ContentLength"]
    assert execution["Statistics"]["DataScannedInBytes"] == size
    assert execution["Status"]["SubmissionDateTime"] <= execution["Status"]["CompletionDateTime"]
    assert "StateChangeReason" not in execution["Status"]
    assert (
        execution["QueryExecutionId"]
        in cloud.athena.list_query_executions(WorkGroup="ruled")["QueryExecutionIds"]
    )


def test_results_lie_in_the_output_location_encrypted(cloud: Cloud) -> None:
    execution = cloud.run("SELECT a, b FROM t ORDER BY a")

    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://results/ruled/{execution['QueryExecutionId']}.csv"
    stored = cloud.stored(location)
    assert stored["Body"].read() == b'"a","b"\n"1","x ""y"", z"\n"2",""\n"3",\n'
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)
    assert b'"Name": "b"' in cloud.stored(f"{location}.metadata")["Body"].read()


def test_an_enforcing_workgroup_decides_where(cloud: Cloud) -> None:
    asked = {"ResultConfiguration": {"OutputLocation": "s3://elsewhere/mine"}}
    lenient = cloud.workgroup("lenient", EnforceWorkGroupConfiguration=False)

    enforced = cloud.run("SELECT 1", **asked)
    free = cloud.run("SELECT 1", lenient, **asked)

    assert enforced["ResultConfiguration"]["OutputLocation"].startswith("s3://results/ruled/")
    assert free["ResultConfiguration"]["OutputLocation"].startswith("s3://elsewhere/mine/")


def test_columns_are_described(cloud: Cloud) -> None:
    execution = cloud.run("SELECT a, b, c, 1.25 AS d, CAST(1 AS real) AS r, now() AS n FROM t")

    results = cloud.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])

    columns = results["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(column["Name"], column["Type"]) for column in columns] == [
        ("a", "bigint"),
        ("b", "varchar"),
        ("c", "array"),
        ("d", "decimal"),
        ("r", "float"),
        ("n", "timestamp with time zone"),
    ]
    assert (columns[3]["Precision"], columns[3]["Scale"]) == (3, 2)


def test_results_come_in_pages(cloud: Cloud) -> None:
    execution = cloud.run("SELECT x FROM UNNEST(sequence(1, 2500)) AS u(x) ORDER BY x")
    query = execution["QueryExecutionId"]

    pages = list(cloud.athena.get_paginator("get_query_results").paginate(QueryExecutionId=query))
    small = cloud.athena.get_query_results(QueryExecutionId=query, MaxResults=2)

    sizes = [len(page["ResultSet"]["Rows"]) for page in pages]
    values = [row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert sizes == [1000, 1000, 501]
    assert values == ["x", *map(str, range(1, 2501))]
    assert [row["Data"][0]["VarCharValue"] for row in small["ResultSet"]["Rows"]] == ["x", "1"]
    assert "InvalidRequestException" in refused(
        cloud.athena.get_query_results, QueryExecutionId=query, NextToken="no token of ours"
    )


@pytest.mark.parametrize(
    "value", ["", '"', '""', '"",""', ",", "\n", 'a\r\n",\n"b', "\t", "\u2028 \x85 \x1c", "\U0001f600 ä", None]
)  # fmt: skip
def test_a_result_is_read_back_as_it_was(cloud: Cloud, value: str | None) -> None:
    literal = "CAST(NULL AS varchar)" if value is None else "'" + value.replace("'", "''") + "'"

    assert cloud.rows(f'SELECT {literal} AS "a", {literal} AS b FROM UNNEST(sequence(1, 2)) AS u(x)') == [
        ["a", "b"],
        [value, value],
        [value, value],
    ]
    assert cloud.rows(f"SELECT {literal} AS a") == [["a"], [value]]


def test_a_deleted_result_is_gone(cloud: Cloud) -> None:
    """Athena stores results only in S3."""
    execution = cloud.run("SELECT a FROM t")
    query = execution["QueryExecutionId"]
    cloud.s3.delete_object(Bucket="results", Key=f"ruled/{query}.csv")

    answer = refused(cloud.athena.get_query_results, QueryExecutionId=query)

    assert answer == "InvalidRequestException: Could not find results"
    assert cloud.execution(query)["Statistics"] == execution["Statistics"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT 1 FROM nowhere", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.db.nowhere' does not exist"),
        ("SELECT z FROM t", "COLUMN_NOT_FOUND: line 1:8: Column 'z' cannot be resolved or requester is not "
         "authorized to access requested resources"),
        ("SELECT no_such(a) FROM t", "FUNCTION_NOT_FOUND: line 1:8: Function 'no_such' not registered"),
        ("SELECT a FROM", "SYNTAX_ERROR: line 1:10: mismatched input 'FROM'"),
        ("DROP TABLE t", "NOT_SUPPORTED: DROP: this engine only supports reads"),
        ("COPY (SELECT 1) TO '/tmp/stolen'", "SYNTAX_ERROR: line 1:1: mismatched input 'COPY'. Expecting: <query>"),
    ],
)  # fmt: skip
def test_a_failure_says_why(cloud: Cloud, sql: str, reason: str) -> None:
    execution = cloud.run(sql)

    assert execution["Status"]["State"] == "FAILED"
    assert execution["Status"]["StateChangeReason"] == reason
    assert execution["Status"]["AthenaError"]["ErrorMessage"] == reason
    assert refused(
        cloud.athena.get_query_results, QueryExecutionId=execution["QueryExecutionId"]
    ) == "InvalidRequestException: Query did not finish successfully. Final query state: FAILED"  # fmt: skip


def test_parameters_are_bound(cloud: Cloud) -> None:
    assert cloud.rows("SELECT a FROM t WHERE b = ?", ExecutionParameters=["'x \"y\", z'"]) == [["a"], ["1"]]
    hostile = cloud.run("SELECT a FROM t WHERE b = ?", ExecutionParameters=["'x' OR true"])
    assert hostile["Status"]["State"] == "FAILED"
    assert hostile["ExecutionParameters"] == ["'x' OR true"]


def test_the_database_is_that_of_the_context(cloud: Cloud) -> None:
    elsewhere = cloud.run("SELECT a FROM t", QueryExecutionContext={"Database": "other"})

    assert elsewhere["Status"]["StateChangeReason"].startswith(
        "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.other.t'"
    )
    assert len(cloud.rows("SELECT a FROM db.t", QueryExecutionContext={"Database": "other"})) == 4


def test_too_much_to_scan_is_not_scanned(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket="data", Key="big/1.json", Body=b'{"a":1}\n' + b" " * 10_000_000)
    cloud.table("big")
    small = cloud.workgroup("small", BytesScannedCutoffPerQuery=10_000_000)
    enough = cloud.workgroup("enough", BytesScannedCutoffPerQuery=10_000_008)

    execution = cloud.run("SELECT a FROM big", small)

    assert execution["Status"]["State"] == "CANCELLED"
    assert execution["Status"]["StateChangeReason"] == "Bytes scanned limit was exceeded"
    assert execution["Statistics"]["DataScannedInBytes"] == 0
    assert cloud.run("SELECT a FROM big", enough)["Status"]["State"] == "SUCCEEDED"


def test_a_statement_can_be_stopped(cloud: Cloud) -> None:
    """A join that would take hours."""
    numbers = "UNNEST(sequence(1, 10000)) AS {0}({0})"
    joined = " CROSS JOIN ".join(numbers.format(name) for name in "xyz")
    query = cloud.start(f"SELECT count(*) FROM {joined} WHERE x * y % 7 = z % 5")
    while cloud.execution(query)["Status"]["State"] == "QUEUED":
        time.sleep(0.02)
    assert "Query has not yet finished. Current state: RUNNING" in refused(
        cloud.athena.get_query_results, QueryExecutionId=query
    )

    cloud.athena.stop_query_execution(QueryExecutionId=query)

    assert cloud.execution(query)["Status"]["State"] == "CANCELLED"
    assert cloud.rows("SELECT 1 AS a") == [["a"], ["1"]]


def test_listings_have_no_heading(cloud: Cloud) -> None:
    execution = cloud.run("SHOW TABLES 't'")

    assert execution["StatementType"] == "DDL"
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(".txt")
    assert cloud.stored(execution["ResultConfiguration"]["OutputLocation"])["Body"].read() == b"t\n"
    assert cloud.rows("SHOW TABLES IN db 't'") == [["t"]]
    assert cloud.run("SHOW TABLES IN nowhere")["Status"]["StateChangeReason"].startswith("SCHEMA_NOT_FOUND")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"WorkGroup": "nowhere"}, "WorkGroup is not found."),
        ({"WorkGroup": "primary"}, "No output location provided."),
        (
            {"WorkGroup": "primary", "ResultConfiguration": {"OutputLocation": "s3://nowhere/"}},
            "output bucket nowhere",
        ),
        (
            {"WorkGroup": "primary", "ResultConfiguration": {"OutputLocation": "results"}},
            "not a valid S3 path",
        ),
    ],
)
def test_what_cannot_start_is_refused(cloud: Cloud, arguments: dict[str, Any], message: str) -> None:
    answer = refused(cloud.athena.start_query_execution, QueryString="SELECT 1", **arguments)

    assert answer.startswith("InvalidRequestException")
    assert message in answer


def test_one_token_starts_one_statement(cloud: Cloud) -> None:
    token = "t" * 32

    assert cloud.start("SELECT 1", ClientRequestToken=token) == cloud.start(
        "SELECT 1", ClientRequestToken=token
    )
    assert cloud.start("SELECT 1") != cloud.start("SELECT 1")


def test_an_unknown_execution_is_refused(cloud: Cloud) -> None:
    for call in (
        cloud.athena.get_query_execution,
        cloud.athena.get_query_results,
        cloud.athena.stop_query_execution,
    ):
        assert "InvalidRequestException: QueryExecution gone was not found" in refused(
            call, QueryExecutionId="gone"
        )


def test_new_objects_are_seen(cloud: Cloud) -> None:
    def total() -> str | None:
        return cloud.rows("SELECT count(*) FROM t WHERE a > 100")[1][0]

    cloud.s3.put_object(Bucket="data", Key="t/2.json", Body=b'{"a":101}\n')
    one = total()
    cloud.s3.delete_object(Bucket="data", Key="t/2.json")

    assert (one, total()) == ("1", "0")


def test_a_prepared_statement_can_be_deleted(cloud: Cloud) -> None:
    name = {"StatementName": "s", "WorkGroup": "ruled"}
    cloud.athena.create_prepared_statement(**name, QueryStatement="SELECT ?")

    cloud.athena.delete_prepared_statement(**name)

    assert refused(cloud.athena.delete_prepared_statement, **name).startswith("ResourceNotFoundException")


def test_moto_alone_finds_nothing(moto: Account) -> None:
    """Without the patch even invalid statements succeed, and no statement returns rows."""
    client = moto.client("athena")
    started = client.start_query_execution(QueryString="SELECT 1 FROM nowhere", WorkGroup="primary")
    query = started["QueryExecutionId"]
    for _ in range(3):
        execution = client.get_query_execution(QueryExecutionId=query)["QueryExecution"]

    assert execution["Status"]["State"] == "SUCCEEDED"
    assert client.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"] == []
