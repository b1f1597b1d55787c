"""Tables: rows, partitions, which objects are read, and views."""

# ruff: noqa: E501 - a statement stands on one line with its answer

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.local_aws.athena.engine import Cancellation, CancelledError, QueryError, ScanLimitExceededError
from tests.local_aws.lake import CLOUDTRAIL, HCATALOG, Lake

RECORDS = {
    "Records": [
        {
            "eventName": "PutObject",
            "eventID": "e1",
            "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"userName": "u"}}},
            "requestParameters": {"bucketName": "b", "Host": ["a", "b"]},
            "resources": [{"ARN": "arn:aws:s3:::b/k", "type": "AWS::S3::Object"}],
            "additionalEventData": {"bytesTransferredIn": 25701.0},
        },
        {"eventName": "GetObject", "eventID": "e2", "requestParameters": None},
    ]
}


@pytest.fixture
def lake() -> Iterator[Lake]:
    lake = Lake()
    yield lake
    lake.engine.close()


@pytest.fixture(scope="module")
def days() -> Iterator[Lake]:
    """Forty objects, and views over them."""
    lake = Lake()
    lake.days()
    lake.view(
        "dated",
        "SELECT id, n, region, date(date_parse(day, '%Y/%m/%d')) AS d, from_iso8601_timestamp(at) AS t FROM events",
        {
            "id": "varchar",
            "n": "bigint",
            "region": "varchar",
            "d": "date",
            "t": "timestamp(3) with time zone",
        },
    )
    lake.view(
        "shifted",
        "SELECT id, CAST(d + INTERVAL '1' DAY AS date) AS d FROM dated",
        {"id": "varchar", "d": "date"},
    )
    lake.view(
        "both",
        "SELECT id, d FROM dated WHERE region = 'us-east-1' UNION ALL SELECT id, d FROM dated WHERE region = 'eu-west-1'",
        {"id": "varchar", "d": "date"},
    )
    lake.view(
        "first",
        "WITH r AS (SELECT id, d, row_number() OVER (PARTITION BY d, n ORDER BY id) AS p FROM dated) "
        "SELECT id, d FROM r WHERE p = 1",
        {"id": "varchar", "d": "date"},
    )
    lake.view(
        "pairs",
        "SELECT x.id, x.d, y.id AS before FROM both AS x LEFT JOIN shifted AS y ON x.d = y.d AND x.id = y.id",
        {"id": "varchar", "d": "date", "before": "varchar"},
    )
    lake.view(
        "tags", "SELECT id, d, tag FROM (SELECT e.id, e.tags, d.d FROM events e JOIN dated d ON e.id = d.id) "
        "CROSS JOIN UNNEST(tags) AS u(tag)", {"id": "varchar", "d": "date", "tag": "varchar"},
    )  # fmt: skip
    yield lake
    lake.engine.close()


def read_days(lake: Lake, sql: str) -> set[str]:
    """The days of the objects that a statement reads."""
    return {"-".join(uri.split("/")[5:8]) for uri in lake.run(sql).scanned}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("day = '2026/11/04'", {"04"}),
        ("day >= '2026/11/19'", {"19", "20"}),
        ("day IN ('2026/11/04', '2026/11/09', '2030/01/01')", {"04", "09"}),
        ("day LIKE '2026/11/0_' AND day > '2026/11/07'", {"08", "09"}),
        ("date(date_parse(day, '%Y/%m/%d')) = DATE '2026-11-04'", {"04"}),
        (
            "CAST(replace(day, '/', '-') AS date) BETWEEN DATE '2026-11-04' AND DATE '2026-11-05'",
            {"04", "05"},
        ),
        ("date_parse(day, '%Y/%m/%d') > current_timestamp - INTERVAL '2' DAY", {"19", "20"}),
        ("date_add('day', 7, date(date_parse(day, '%Y/%m/%d'))) = DATE '2026-11-20'", {"13"}),
        ("day_of_week(date(date_parse(day, '%Y/%m/%d'))) = 7", {"01", "08", "15"}),
        ("CASE WHEN day = '2026/11/03' THEN true ELSE false END", {"03"}),
        ("split(day, '/')[3] = '12'", {"12"}),
        ("TRY_CAST(split_part(day, '/', 3) AS bigint) % 10 = 0", {"10", "20"}),
        ("day = '2026/11/04' OR day = '2026/11/06'", {"04", "06"}),
        ("NOT day <> '2026/11/04' AND n = 4", {"04"}),
        ("day = '2026/11/04' AND n = 5", {"04"}),
        ("false", set()),
        ("day = '2031/01/01'", set()),
    ],
)
def test_a_filter_on_a_partition_column_reads_its_partitions(
    days: Lake, condition: str, expected: set[str]
) -> None:
    assert read_days(days, f"SELECT * FROM events WHERE {condition}") == {
        f"2026-11-{day}" for day in expected
    }


def test_both_partition_columns_count(days: Lake) -> None:
    result = days.run("SELECT id FROM events WHERE region || day = 'eu-west-12026/11/04'")

    assert result.rows == (("eu-west-1/4",),)
    assert result.scanned == {"s3://lake/events/eu-west-1/2026/11/04/f.json"}
    assert result.scanned_bytes == len(days.objects["events/eu-west-1/2026/11/04/f.json"])
    assert len(result.scanned) == 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM dated WHERE d = DATE '2026-11-04'", {"04"}),
        ("SELECT * FROM both WHERE d = DATE '2026-11-04'", {"04"}),
        ("SELECT * FROM first WHERE d >= DATE '2026-11-19'", {"19", "20"}),
        ("SELECT * FROM shifted WHERE d = DATE '2026-11-04'", {"03"}),
        ("SELECT * FROM pairs WHERE d = DATE '2026-11-04'", {"03", "04"}),
        ("SELECT count(*) FROM both WHERE year(d) = 2026 AND month(d) = 11 AND day(d) < 3", {"01", "02"}),
        ("WITH a AS (SELECT * FROM dated), b AS (SELECT * FROM a UNION ALL SELECT * FROM a) "
         "SELECT * FROM b WHERE d = DATE '2026-11-07'", {"07"}),
        ("SELECT u.tag FROM dated CROSS JOIN UNNEST(ARRAY[id]) AS u(tag) WHERE d = DATE '2026-11-04'", {"04"}),
        ("SELECT d, count(*) FROM dated GROUP BY d HAVING d = DATE '2026-11-04'", {"04"}),
        ("SELECT * FROM dated WHERE d = DATE '2026-11-04' AND t > TIMESTAMP '2026-11-04 00:00:00'", {"04"}),
        ("SELECT max(d) FROM (SELECT * FROM dated WHERE d < DATE '2026-11-03') AS x", {"01", "02"}),
    ],
)  # fmt: skip
def test_a_filter_reaches_through_views_and_queries(days: Lake, sql: str, expected: set[str]) -> None:
    assert read_days(days, sql) == {f"2026-11-{day}" for day in expected}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*), min(day), max(day) FROM events",
        "SELECT * FROM events WHERE n = 4",
        "SELECT * FROM dated WHERE t = TIMESTAMP '2026-11-04 10:00:00'",
        "SELECT * FROM events WHERE day = (SELECT max(day) FROM events)",
        "SELECT * FROM (SELECT d FROM dated ORDER BY d LIMIT 5) AS x WHERE d = DATE '2026-11-01'",
        "SELECT * FROM pairs WHERE coalesce(before, 'x') = 'x'",
    ],
)
def test_without_such_a_filter_everything_is_read(days: Lake, sql: str) -> None:
    assert len(read_days(days, sql)) == 20


OPERATORS = ["=", "<>", "<", ">="]


@settings(max_examples=25)
@given(st.data())
def test_what_is_not_read_was_not_in_the_answer(data: st.DataObject) -> None:
    """The same filter, put where it cannot reach the partitions (behind OFFSET), has the same rows."""
    lake = _days()
    day = data.draw(st.integers(0, 22))
    conditions = [
        f"d {data.draw(st.sampled_from(OPERATORS))} DATE '2026-11-01' + INTERVAL '{day}' DAY",
        f"day(d) % {data.draw(st.integers(2, 5))} = {data.draw(st.integers(0, 4))}",
        f"region {data.draw(st.sampled_from(['=', '<>']))} 'us-east-1'",
        f"n {data.draw(st.sampled_from(OPERATORS))} {day}",
    ]
    chosen = data.draw(st.lists(st.sampled_from(conditions), min_size=1, unique=True))
    where = data.draw(st.sampled_from([" AND ", " OR "])).join(chosen)

    pruned = lake.run(f"SELECT id FROM dated WHERE {where} ORDER BY id")
    behind = lake.run(f"SELECT id FROM (SELECT * FROM dated OFFSET 0) AS x WHERE {where} ORDER BY id")

    assert pruned.rows == behind.rows
    assert pruned.scanned <= behind.scanned


_SHARED: list[Lake] = []


def _days() -> Lake:
    if not _SHARED:
        lake = Lake()
        lake.days()
        lake.view(
            "dated",
            "SELECT id, n, region, date(date_parse(day, '%Y/%m/%d')) AS d FROM events",
            {"id": "varchar", "n": "bigint", "region": "varchar", "d": "date"},
        )
        _SHARED.append(lake)
    return _SHARED[0]


def test_an_object_is_read_once(days: Lake) -> None:
    days.run("SELECT count(*) FROM events")
    result = days.run("SELECT count(*) FROM events")

    assert days.reads == []
    assert len(result.scanned) == 40


def test_what_changes_in_the_store_changes_in_the_table(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"})
    lake.objects |= {"t/1": b'{"a":1}\n{"a":2}', "t/2": b'{"a":3}'}
    assert lake.rows("SELECT sum(a) FROM t") == [("6",)]

    lake.objects |= {"t/1": b'{"a":10}', "t/3": b'{"a":4}'}
    del lake.objects["t/2"]

    assert lake.rows("SELECT sum(a) FROM t") == [("14",)]
    assert lake.reads == ["t/1", "t/3"]


def test_a_bad_object_fails_the_query_until_it_is_mended(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"})
    lake.objects |= {"t/1": b'{"a":1}', "t/2": b"no json"}
    for _ in range(2):
        with pytest.raises(QueryError, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
            lake.run("SELECT a FROM t")

    lake.objects["t/2"] = b'{"a":2}'

    assert lake.rows("SELECT a FROM t ORDER BY a") == [("1",), ("2",)]


def test_much_is_read_by_several_processes_as_little_is_by_one(lake: Lake) -> None:
    lake.table("t", {"a": "bigint", "v": "string"})
    for at in range(10):
        padding = chr(ord("a") + at) * (1 << 20)
        lake.objects[f"t/{at}"] = b"".join(b'{"a":%d,"v":"%s"}\n' % (n, padding.encode()) for n in (at, -at))
    bad = lake.objects["t/7"]
    lake.objects["t/7"] = bad.replace(b'"a":7', b'"a":"seven"')
    with pytest.raises(QueryError, match=r"^HIVE_BAD_DATA: Error parsing a field value in t/7"):
        lake.run("SELECT a FROM t")

    lake.objects["t/7"] = bad

    asked = 'SELECT a, substr(v, 1, 1), length(v), "$path" FROM t'
    assert lake.rows(asked) == [
        (str(n), chr(ord("a") + at), str(1 << 20), f"s3://lake/t/{at}") for at in range(10) for n in (at, -at)
    ]


def test_malformed_rows_can_be_rows_of_nulls(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"}, serde={"ignore.malformed.json": "true"})
    lake.objects["t/1"] = b'no json\n{"a":1}\n'

    assert lake.rows("SELECT a FROM t ORDER BY a") == [("1",), (None,)]


def test_a_text_column_keeps_json_as_text(lake: Lake) -> None:
    lake.table("t", {"v": "string"})
    lake.objects["t/1"] = b'{"v": {"a": [1]}}\n{"V": "x"}\n{"v": 2.50}\n{"v": true}\n{"v": null}\n{}\n'

    assert [row[0] for row in lake.rows("SELECT v FROM t")] == ['{"a": [1]}', "x", "2.50", "true", None, None]


def test_values_take_the_columns_types(lake: Lake) -> None:
    lake.table(
        "t",
        {
            "i": "int", "d": "double", "b": "boolean", "day": "date", "at": "timestamp", "n": "decimal(5,2)",
            "l": "array<int>", "m": "map<string,string>", "s": "struct<Inner:string,list:array<struct<x:int>>>",
        },
    )  # fmt: skip
    row = {
        "i": "7", "d": 1, "b": True, "day": "2026-11-20", "at": "2026-11-20 12:00:00.5", "n": 1.5,
        "l": [1, None], "m": {"k": 1}, "s": {"INNER": {"y": 1}, "list": [{"X": 1}]},
    }  # fmt: skip
    lake.objects["t/1"] = json.dumps(row).encode()

    assert lake.rows("SELECT * FROM t") == [
        ("7", "1.0", "true", "2026-11-20", "2026-11-20 12:00:00.500", "1.50", "[1, null]", "{k=1}",
         '{inner={"y":1}, list=[{x=1}]}')
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "written"),
    [("int", '"x"'), ("int", "1.5"), ("int", "3000000000"), ("boolean", '"perhaps"'), ("date", '"20.11.2026"'),
     ("timestamp", '"2026-11-20T12:00:00Z"'), ("array<int>", "1"), ("struct<a:int>", "[]"), ("double", '"x"')],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_fails(lake: Lake, kind: str, written: str) -> None:
    lake.table("t", {"v": kind})
    lake.objects["t/1"] = f'{{"v": {written}}}'.encode()

    with pytest.raises(QueryError, match="HIVE_BAD_DATA"):
        lake.run("SELECT v FROM t")


def test_cloudtrail_files_are_taken_apart(lake: Lake) -> None:
    lake.table(
        "trail",
        {
            "eventname": "string",
            "eventid": "string",
            "useridentity": "struct<type:string,sessioncontext:struct<sessionissuer:struct<username:string>>>",
            "requestparameters": "string",
            "resources": "array<struct<arn:string,accountid:string,type:string>>",
            "additionaleventdata": "string",
        },
        library=HCATALOG,
        input_format=CLOUDTRAIL,
    )
    lake.objects["trail/f.json.gz"] = gzip.compress(json.dumps(RECORDS).encode())

    assert lake.rows(
        "SELECT eventid, useridentity.sessioncontext.sessionissuer.username, requestparameters, r.arn, r.accountid, "
        "json_extract_scalar(additionaleventdata, '$.bytesTransferredIn') "
        "FROM trail LEFT JOIN UNNEST(resources) AS r(arn, accountid, type) ON true ORDER BY eventid"
    ) == [
        ("e1", "u", '{"bucketName": "b", "Host": ["a", "b"]}', "arn:aws:s3:::b/k", None, "25701.0"),
        ("e2", None, None, None, None, None),
    ]


def test_a_broken_archive_fails(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"})
    lake.objects["t/f.gz"] = gzip.compress(b'{"a":1}')[:-9]

    with pytest.raises(QueryError, match="HIVE_CURSOR_ERROR: Failed to read file"):
        lake.run("SELECT a FROM t")


def test_hidden_objects_and_folder_markers_are_no_data(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"})
    lake.objects |= {"t/": b"", "t/_tmp": b"x", "t/.hidden": b"x", "t/sub/1": b'{"a":1}', "tother/1": b"x"}

    assert lake.rows("SELECT a FROM t") == [("1",)]


def test_each_row_knows_its_object(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"})
    lake.objects |= {"t/a b": b'{"a":1}', "t/c": b'{"a":2}'}

    assert lake.rows('SELECT a, "$path" FROM t ORDER BY a') == [
        ("1", "s3://lake/t/a b"),
        ("2", "s3://lake/t/c"),
    ]
    assert [name for name, _ in lake.run("SELECT * FROM t").columns] == ["a"]


@pytest.mark.parametrize(
    ("parameters", "keys"),
    [
        ({"projection.p.type": "enum", "projection.p.values": "a,ab"}, {"t/p=a/1": True, "t/p=ab/1": True, "t/p=c/1": False}),
        ({"projection.p.type": "integer", "projection.p.range": "1,10"}, {"t/p=3/1": True, "t/p=11/1": False, "t/p=x/1": False}),
        ({"projection.p.type": "integer", "projection.p.range": "1,10", "projection.p.digits": "2"},
         {"t/p=03/1": True, "t/p=3/1": False}),
        ({"projection.p.type": "date", "projection.p.format": "yyyy-MM-dd", "projection.p.range": "2026-11-01,NOW"},
         {"t/p=2026-11-20/1": True, "t/p=2026-11-21/1": False, "t/p=2026-10-31/1": False, "t/p=2026-13-01/1": False}),
        ({"projection.p.type": "date", "projection.p.format": "yyyyMMdd", "projection.p.range": "NOW-3DAYS,NOW+1DAY"},
         {"t/p=20261118/1": True, "t/p=20261121/1": True, "t/p=20261116/1": False}),
    ],
)  # fmt: skip
def test_only_projected_partitions_exist(
    lake: Lake, parameters: dict[str, str], keys: dict[str, bool]
) -> None:
    lake.table(
        "t",
        {"a": "bigint"},
        partitions={"p": "string"},
        parameters={"projection.enabled": "true", **parameters},
    )
    lake.objects |= dict.fromkeys(keys, b'{"a":1}')

    assert {uri.removeprefix("s3://lake/") for uri in lake.run("SELECT p FROM t").scanned} == {
        k for k, v in keys.items() if v
    }


@pytest.mark.parametrize(
    "change",
    [
        {"partitions": {"p": "string"}},
        {
            "partitions": {"p": "string"},
            "parameters": {"projection.enabled": "true", "projection.p.type": "injected"},
        },
        {"library": "org.apache.hadoop.hive.serde2.OpenCSVSerde"},
        {"input_format": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"},
        {"serde": {"dots.in.keys": "true"}},
        {"columns": {"a": "uniontype<int,string>"}},
    ],
)
def test_what_is_not_known_of_a_table_fails(lake: Lake, change: dict[str, Any]) -> None:
    lake.table("t", **({"columns": {"a": "bigint"}} | change))

    with pytest.raises(QueryError, match="NOT_SUPPORTED: line 1:15"):
        lake.run("SELECT 1 FROM t")


def test_a_views_columns_are_those_it_was_stored_with(lake: Lake) -> None:
    lake.view("v", "SELECT 1 AS a, 'x' AS b", {"a": "bigint", "b": "varchar"})

    assert lake.run("SELECT * FROM v").columns == (("a", "bigint"), ("b", "varchar"))
    assert lake.rows("SELECT v.b FROM db.v") == [("x",)]


@pytest.mark.parametrize(
    ("sql", "columns", "reason"),
    [
        ("SELECT 1 AS a", {"b": "integer"}, "cannot be coerced to column"),
        ("SELECT 'x' AS a", {"a": "bigint"}, "of type varchar projected from query view at position 0"),
        ("SELECT 1 AS a, 2 AS b", {"a": "integer"}, r"stored view column count \(1\) does not match"),
        (
            "SELECT c AS a FROM (VALUES 1) AS t(b)",
            {"a": "integer"},
            "line 1:8: Column 'c' cannot be resolved",
        ),
        (
            "SELECT 1 AS a FROM gone",
            {"a": "integer"},
            "line 1:20: Table 'awsdatacatalog.db.gone' does not exist",
        ),
    ],
)
def test_a_stale_view_fails(lake: Lake, sql: str, columns: dict[str, str], reason: str) -> None:
    lake.view("v", sql, columns)

    with pytest.raises(QueryError, match=f"INVALID_VIEW: line 1:15: Failed analyzing stored view .*{reason}"):
        lake.run("SELECT * FROM v")


def test_a_view_without_a_query_fails(lake: Lake) -> None:
    lake.view("v", "SELECT 1 AS a", {"a": "integer"})
    lake.catalog["db", "v"] = {**lake.catalog["db", "v"], "ViewOriginalText": "/* Presto View: e30= */"}

    with pytest.raises(QueryError, match="INVALID_VIEW"):
        lake.run("SELECT * FROM v")


def test_a_views_names_are_looked_up_where_it_was_made(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"})
    lake.objects["t/1"] = b'{"a":1}'
    lake.view("v", "SELECT a FROM t", {"a": "bigint"})

    assert lake.engine.run("SELECT a FROM db.v", "other").rows == (("1",),)
    with pytest.raises(QueryError, match="TABLE_NOT_FOUND"):
        lake.engine.run("SELECT a FROM t", "other")


def test_the_scan_limit_is_kept(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"})
    lake.objects["t/1"] = b'{"a":1}'

    assert lake.run("SELECT a FROM t", scan_limit=7).scanned_bytes == 7
    lake.objects["t/1"] = b'{"a":10}'
    with pytest.raises(ScanLimitExceededError):
        lake.run("SELECT a FROM t", scan_limit=7)
    assert lake.reads == []


def test_a_statement_can_be_stopped(lake: Lake) -> None:
    stopped = Cancellation()
    stopped.cancel()

    with pytest.raises(CancelledError):
        lake.engine.run("SELECT 1", "db", cancellation=stopped)


def test_what_is_there_can_be_listed(lake: Lake) -> None:
    lake.table("t", {"a": "bigint"}, partitions={"p": "string"})
    lake.view("v", "SELECT 1 AS a", {"a": "integer"})

    assert lake.rows("SHOW TABLES") == [("t",), ("v",)]
    assert lake.rows("SHOW TABLES IN db 't*'") == [("t",)]
    assert lake.rows("SHOW VIEWS") == [("v",)]
    assert lake.rows("SHOW DATABASES") == [("db",), ("other",)]
    assert lake.rows("SHOW COLUMNS IN t") == [("a",), ("p",)]
    assert lake.rows("DESCRIBE db.t") == [("a", "bigint", ""), ("p", "string", "")]
    with pytest.raises(QueryError, match="TABLE_NOT_FOUND"):
        lake.run("DESCRIBE nowhere")
    with pytest.raises(QueryError, match="NOT_SUPPORTED"):
        lake.run("SHOW PARTITIONS t")
