"""Semantics of statements: Athena's results where DuckDB's differ, and statements that fail in Athena."""

# ruff: noqa: E501 - a statement stands on one line with its answer

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.local_aws.athena.engine import QueryError
from scripts.local_aws.athena.natives import documents, numbers, texts
from scripts.local_aws.athena.types import java_double, parse_type
from tests.local_aws.lake import Lake


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    lake = Lake()
    yield lake
    lake.engine.close()


@pytest.fixture(scope="module")
def bare() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB as it is."""
    with duckdb.connect() as connection:
        yield connection


# Athena's answer to an expression that means something else to DuckDB.
DIFFERENCES = [
    ("5 / 2", "2"),
    ("-5 / 2", "-2"),
    ("regexp_extract('abc', 'x(.)', 1)", None),
    ("regexp_replace('a1b2', '[0-9]')", "ab"),
    ("regexp_replace('a1b2', '([0-9])', '<$1>')", "a<1>b<2>"),
    ("json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a')", None),
    ("json_extract_scalar('{\"a\": [1]}', '$.a')", None),
    ("json_extract_scalar('not json', '$.a')", None),
    ("json_extract('not json', '$.a')", None),
    ("date_diff('day', TIMESTAMP '2026-11-20 23:00:00', TIMESTAMP '2026-11-21 01:00:00')", "0"),
    ("date_diff('month', DATE '2026-01-31', DATE '2026-02-01')", "0"),
    ("concat('a', NULL)", None),
    ("greatest(1, NULL)", None),
    ("least(1, NULL)", None),
    ("substr('abc', 0)", ""),
    ("split_part('a/b', '/', 3)", None),
    ("CAST(2.5e0 AS bigint)", "3"),
    ("CAST(TIMESTAMP '2026-11-20 12:00:00' AS varchar)", "2026-11-20 12:00:00.000"),
    ("array_position(ARRAY[1, 2], 5)", "0"),
    ("contains(ARRAY[1, NULL], 2)", None),
    ("date_trunc('month', DATE '2026-11-20')", "2026-11-01"),
    ("DATE '2026-11-20' + INTERVAL '1' DAY", "2026-11-21"),
    (
        "sha256(to_utf8('a'))",
        "ca 97 81 12 ca 1b bd ca fa c2 31 b3 9a 23 dc 4d a7 86 ef f8 14 7c 4e 72 b9 80 77 85 af ee 48 bb",
    ),
    ("CAST('{\"a\": 1}' AS json)", '"{\\"a\\": 1}"'),
    ("CAST(json_extract('{\"a\": \"x\"}', '$.a') AS varchar)", "x"),
    ("format_datetime(TIMESTAMP '2026-11-20 12:00:00', 'yyyy-MM-dd''T''HH:mm:ss')", "2026-11-20T12:00:00"),
    ("day_of_week(DATE '2026-11-22')", "7"),
    ("millisecond(TIMESTAMP '2026-11-20 12:00:01.500')", "500"),
    ("date_parse('2026/11/20', '%Y/%m/%d')", "2026-11-20 00:00:00.000"),
    ("from_iso8601_timestamp('2026-11-20T12:00:00.123456Z')", "2026-11-20 12:00:00.123 UTC"),
    ("from_unixtime(1.5)", "1970-01-01 00:00:01.500 UTC"),
]


@pytest.mark.parametrize(("expression", "answer"), DIFFERENCES)
def test_athenas_answer(lake: Lake, expression: str, answer: str | None) -> None:
    assert lake.value(expression) == answer


@pytest.mark.parametrize(("expression", "answer"), DIFFERENCES)
def test_duckdb_alone_has_another(
    bare: duckdb.DuckDBPyConnection, expression: str, answer: str | None
) -> None:
    try:
        ((value,),) = bare.execute(f"SELECT {expression}").fetchall()
    except duckdb.Error:
        return
    assert (None if value is None else str(value)) != answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("coalesce(NULL, 'a')", "a"),
        ("nullif('a', 'a')", None),
        ("if(1 > 2, 'a')", None),
        ("CASE 'b' WHEN 'a' THEN 1 WHEN 'b' THEN 2 END", "2"),
        ("TRY(1 / 0)", None),
        ("TRY(date_parse('x', '%Y'))", None),
        ("TRY_CAST('x' AS bigint)", None),
        ("lower('AbC') || upper('d')", "abcD"),
        ("length('naïve')", "5"),
        ("substr('abc', -2)", "bc"),
        ("substring('abc', 2, 1)", "b"),
        ("replace('a-b', '-')", "ab"),
        ("strpos('abc', 'c') + position('b' IN 'abc')", "5"),
        ("split('a/b', '/')", "[a, b]"),
        ("split('a/b', '/')[2]", "b"),
        ("starts_with('abc', 'ab')", "true"),
        ("lpad('7', 3, '0') || rpad('7', 3, '0')", "007700"),
        ("concat_ws(',', 'a', NULL, 'b')", "a,b"),
        ("reverse('abc')", "cba"),
        ("trim(BOTH 'x' FROM 'xax')", "a"),
        ("'a_c' LIKE 'a!_c' ESCAPE '!'", "true"),
        ("'abc' LIKE 'a!_c' ESCAPE '!'", "false"),
        ("regexp_like('abc', '^a')", "true"),
        ("regexp_extract('abc', 'a(.)', 1)", "b"),
        ("regexp_extract_all('a1b2', '[0-9]')", "[1, 2]"),
        ("regexp_split('a1b', '[0-9]')", "[a, b]"),
        ("url_decode('a%20b+c')", "a b c"),
        ("to_hex(from_base64('YQ=='))", "61"),
        ("from_utf8(from_hex('61'))", "a"),
        ("md5(to_utf8('a')) = from_hex('0cc175b9c0f1b6a831c399e269772661')", "true"),
        ('json_extract_scalar(\'{"x-amz": [1, {"b": "c"}]}\', \'$["x-amz"][1].b\')', "c"),
        ("json_extract_scalar('{\"a\": 25701.0}', '$.a')", "25701.0"),
        ("json_extract_scalar('{\"a\": true}', '$.a')", "true"),
        ("json_extract_scalar('{\"a\": null}', '$.a')", None),
        ("json_extract('{\"a\": {\"b\": 1}}', '$.a')", '{"b":1}'),
        ("json_format(json_parse('{\"a\": 1}'))", '{"a":1}'),
        ("json_array_length('[1, 2]')", "2"),
        ("CAST(json_parse('[1, 2]') AS array(bigint))", "[1, 2]"),
        ('CAST(json_parse(\'{"a": "b"}\') AS map(varchar, varchar))', "{a=b}"),
        ("CAST(json_parse('{\"a\": 1}') AS row(a bigint)).a", "1"),
        ("CAST(json_parse('2.5') AS bigint)", "3"),
        ("CAST('7' AS bigint) + 1", "8"),
        ("CAST(true AS varchar)", "true"),
        ("CAST('abcdef' AS varchar(3))", "abc"),
        ("CAST(1.25 AS decimal(5, 1))", "1.3"),
        ("CAST(7 AS double) / 2", "3.5"),
        ("7 % 3", "1"),
        ("1.5 + 1", "2.5"),
        ("1.5 * 2", "3.0"),
        ("abs(-2)", "2"),
        ("ceil(1.2) + floor(1.8)", "3"),
        ("round(2.5e0)", "3.0"),
        ("round(2.345e0, 2)", "2.35"),
        ("mod(7, 3)", "1"),
        ("power(2, 3)", "8.0"),
        ("is_nan(0e0 / 0e0)", "true"),
        ("1e0 / 0", "Infinity"),
        ("current_date", "2026-11-20"),
        ("current_timestamp", "2026-11-20 13:15:00.123 UTC"),
        ("now() = current_timestamp", "true"),
        ("localtimestamp", "2026-11-20 13:15:00.123"),
        ("CAST(current_timestamp AT TIME ZONE 'UTC' AS timestamp)", "2026-11-20 13:15:00.123"),
        ("date(from_iso8601_timestamp('2026-11-20T23:59:59Z'))", "2026-11-20"),
        ("from_iso8601_date('2026-11-20')", "2026-11-20"),
        ("to_iso8601(from_iso8601_timestamp('2026-11-20T12:00:00Z'))", "2026-11-20T12:00:00.000Z"),
        ("to_unixtime(TIMESTAMP '1970-01-01 00:00:01.500')", "1.5"),
        ("date_add('day', -1, DATE '2026-03-01')", "2026-02-28"),
        ("date_add('minute', 5, TIMESTAMP '2026-11-20 12:00:00')", "2026-11-20 12:05:00.000"),
        ("date_add('quarter', 1, DATE '2026-11-30')", "2027-02-28"),
        (
            "date_diff('millisecond', TIMESTAMP '2026-11-20 12:00:00', TIMESTAMP '2026-11-20 12:00:01.5')",
            "1500",
        ),
        ("TIMESTAMP '2026-11-20 12:00:00' - TIMESTAMP '2026-11-19 11:59:58.5'", "1 00:00:01.500"),
        ("TIMESTAMP '2026-11-20 12:00:00' - INTERVAL '5' MINUTE", "2026-11-20 11:55:00.000"),
        ("TIMESTAMP '2026-11-20 12:00:00 UTC' > TIMESTAMP '2026-11-20 11:00:00'", "true"),
        ("EXTRACT(YEAR FROM DATE '2026-11-20') + quarter(DATE '2026-11-20')", "2030"),
        ("last_day_of_month(DATE '2026-02-10')", "2026-02-28"),
        ("date_format(TIMESTAMP '2026-11-20 09:05:03', '%Y-%m-%d %H:%i:%s')", "2026-11-20 09:05:03"),
        ("parse_datetime('20261120', 'yyyyMMdd')", "2026-11-20 00:00:00.000 UTC"),
        ("cardinality(ARRAY[1, 2])", "2"),
        ("element_at(ARRAY[1, 2], 3)", None),
        ("element_at(map(ARRAY['a'], ARRAY[1]), 'b')", None),
        ("array_join(ARRAY['a', NULL, 'b'], '-')", "a-b"),
        ("array_sort(ARRAY[2, NULL, 1])", "[1, 2, null]"),
        ("array_distinct(ARRAY[1, 1])", "[1]"),
        ("array_max(ARRAY[1, 3]) - array_min(ARRAY[1, 3])", "2"),
        ("array_remove(ARRAY[1, 2, 1], 1)", "[2]"),
        ("slice(ARRAY[1, 2, 3], 2, 2)", "[2, 3]"),
        ("flatten(ARRAY[ARRAY[1], ARRAY[2]])", "[1, 2]"),
        ("sequence(1, 3)", "[1, 2, 3]"),
        ("map_keys(map(ARRAY['a'], ARRAY[1]))", "[a]"),
        ("filter(ARRAY[1, 2, 3], x -> x > 1)", "[2, 3]"),
        ("transform(ARRAY[1, 2], x -> x * 10)", "[10, 20]"),
        ("any_match(ARRAY['a', 'b'], x -> x = 'b')", "true"),
        ("any_match(ARRAY['a', NULL], x -> x = 'b')", None),
        ("all_match(ARRAY[2, 4], x -> x % 2 = 0)", "true"),
        ("none_match(ARRAY[2, 4], x -> x % 2 = 0)", "false"),
        ("ARRAY['a'] || ARRAY['b']", "[a, b]"),
        ("2 IN (1, 2) AND 3 NOT IN (1, 2) AND 2 BETWEEN 1 AND 3", "true"),
        ("NULL IS NULL AND 1 IS NOT NULL AND 1 IS DISTINCT FROM NULL", "true"),
        ("EXISTS (SELECT 1) AND (SELECT 2) = 2", "true"),
        ("true", "true"),
        ("from_hex('00ff')", "00 ff"),
        ("1e-5", "1.0E-5"),
        ("1e7", "1.0E7"),
        ("CAST(0.1e0 AS real)", "0.1"),
    ],
)
def test_a_functions_value(lake: Lake, expression: str, answer: str | None) -> None:
    assert lake.value(expression) == answer


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT strptime('2026', '%Y')", "FUNCTION_NOT_FOUND: line 1:8: Function 'strptime' not registered"),
        ("SELECT list_sum(ARRAY[1])", "FUNCTION_NOT_FOUND: line 1:8: Function 'list_sum' not registered"),
        (
            "SELECT read_text('/etc/passwd')",
            "FUNCTION_NOT_FOUND: line 1:8: Function 'read_text' not registered",
        ),
        ("SELECT getenv('HOME')", "FUNCTION_NOT_FOUND: line 1:8: Function 'getenv' not registered"),
        (
            "SELECT lower(5)",
            "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for function lower",
        ),
        ("SELECT x FROM (VALUES 1) AS t(a)", "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved"),
        ("SELECT a + 1 AS b, b FROM (VALUES 1) AS t(a)", "COLUMN_NOT_FOUND: line 1:20: Column 'b'"),
        ("SELECT a AS b FROM (VALUES 1) AS t(a) WHERE b = 1", "COLUMN_NOT_FOUND: line 1:45: Column 'b'"),
        (
            "SELECT a FROM (VALUES 1) AS t(a), (VALUES 2) AS u(a)",
            "AMBIGUOUS_NAME: line 1:8: Column 'a' is ambiguous",
        ),
        (
            "SELECT 1 FROM nowhere",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.db.nowhere' does not exist",
        ),
        ("SELECT 1\nFROM x.y", "TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.x.y' does not exist"),
        ("SELECT 1 FROM snowflake.x.y", "CATALOG_NOT_FOUND: line 1:15: Catalog 'snowflake' does not exist"),
        ("SELECT '1' = 1", "TYPE_MISMATCH: line 1:8: Cannot apply operator: varchar = integer"),
        (
            "SELECT DATE '2026-11-20' = '2026-11-20'",
            "TYPE_MISMATCH: line 1:13: Cannot apply operator: date = varchar",
        ),
        ("SELECT 'a' || 5", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (varchar, integer)"),
        ("SELECT 1 WHERE 'a'", "TYPE_MISMATCH: line 1:16: a condition must evaluate to a boolean"),
        ("SELECT coalesce(1, 'a')", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer, varchar)"),
        (
            "SELECT 1 UNION ALL SELECT 'a'",
            "TYPE_MISMATCH: line 1:8: column 1 in UNION query has incompatible types",
        ),
        (
            "SELECT 1 UNION ALL SELECT 1, 2",
            "TYPE_MISMATCH: line 1:8: UNION query has different number of fields",
        ),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT CAST('x' AS date)", "INVALID_CAST_ARGUMENT: Value cannot be cast to date: x"),
        ("SELECT CAST('1.5' AS bigint)", "INVALID_CAST_ARGUMENT: Cannot cast '1.5' to BIGINT"),
        (
            "SELECT CAST('2026-11-20T12:00:00' AS timestamp)",
            "INVALID_CAST_ARGUMENT: Value cannot be cast to timestamp",
        ),
        ("SELECT CAST(1 AS date)", "TYPE_MISMATCH: line 1:13: Cannot cast integer to date"),
        ("SELECT CAST(1e0 AS varchar)", "NOT_SUPPORTED: line 1:13: cast(double as varchar)"),
        ("SELECT CAST(now() AS timestamp(6))", "NOT_SUPPORTED: line 1:13: cast to timestamp(6)"),
        ("SELECT from_iso8601_timestamp('2026-11-20 12:00')", "INVALID_FUNCTION_ARGUMENT: Invalid format"),
        (
            "SELECT from_iso8601_timestamp(x) FROM (VALUES '2026-11-20T12:00:00+02:00') AS t(x)",
            "NOT_SUPPORTED: a time zone other than UTC",
        ),
        (
            "SELECT try(from_iso8601_timestamp(x)) FROM (VALUES '2026-11-20T12:00:00+02:00') AS t(x)",
            "NOT_SUPPORTED: a time zone other than UTC",
        ),
        ("SELECT date_parse('x', '%Y')", 'INVALID_FUNCTION_ARGUMENT: Invalid format: "x"'),
        ("SELECT date_parse('x', '%w')", "INVALID_FUNCTION_ARGUMENT: line 1:8: %w not supported"),
        ("SELECT date_diff('fortnight', now(), now())", "INVALID_FUNCTION_ARGUMENT: line 1:8: 'fortnight'"),
        (
            "SELECT json_extract_scalar('{}', '$..a')",
            "INVALID_FUNCTION_ARGUMENT: line 1:8: Invalid JSON path: '$..a'",
        ),
        ("SELECT json_parse('{')", "INVALID_FUNCTION_ARGUMENT: Cannot convert va"),
        (
            "SELECT ARRAY[1][2]",
            "INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length",
        ),
        ("SELECT map(ARRAY['a'], ARRAY[1])['b']", "INVALID_FUNCTION_ARGUMENT: Key not present in map"),
        ("SELECT 2147483647 + 1", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("SELECT a, count(*) FROM (VALUES 1) AS t(a)", "EXPRESSION_NOT_AGGREGATE"),
        ("SELECT (SELECT a FROM (VALUES 1, 2) AS t(a))", "SUBQUERY_MULTIPLE_ROWS"),
        ("SELECT row_number()", "MISSING_OVER: line 1:8"),
        (
            "SELECT a FROM (VALUES 1) AS t(a) GROUP BY 2",
            "INVALID_COLUMN_REFERENCE: line 1:43: GROUP BY position 2",
        ),
        ("SELECT a FROM (VALUES 1) AS t(a, b)", "MISMATCHED_COLUMN_ALIASES"),
        ("SELECT 1::bigint", "SYNTAX_ERROR: line 1:9: mismatched input '::'"),
        ("SELECT 1 == 1", "SYNTAX_ERROR: line 1:10: mismatched input '=='"),
        ("SELECT [1]", "SYNTAX_ERROR: line 1:8: mismatched input '['"),
        ("SELECT {'a': 1}", "NOT_SUPPORTED"),
        ("SELECT a FROM", "SYNTAX_ERROR: line 1:10: mismatched input 'FROM'"),
        ("SELEC 1", "SYNTAX_ERROR: line 1:1: mismatched input 'SELEC'. Expecting: <query>"),
        ("", "SYNTAX_ERROR: line 1:1: mismatched input '<EOF>'"),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR: Only one sql statement is allowed."),
        ("SELECT * EXCLUDE (a) FROM (VALUES (1, 2)) AS t(a, b)", "NOT_SUPPORTED: line 1:8: except in star"),
        (
            "SELECT a FROM (VALUES 1) AS t(a) QUALIFY true",
            "SYNTAX_ERROR: line 1:34: mismatched input 'QUALIFY'",
        ),
        ("SELECT a FROM (VALUES 1) AS t(a) TABLESAMPLE BERNOULLI (5)", "NOT_SUPPORTED"),
        ("SELECT 1 IS TRUE", "SYNTAX_ERROR"),
        ("SELECT 'a' ILIKE 'A'", "NOT_SUPPORTED: line 1:8: ILike in an expression"),
        (
            "SELECT a FROM (VALUES 1) AS t(a) SEMI JOIN (VALUES 1) AS u(b) ON a = b",
            "NOT_SUPPORTED: line 1:52: SEMI JOIN",
        ),
        ("WITH RECURSIVE t(n) AS (SELECT 1) SELECT n FROM t", "NOT_SUPPORTED: line 1:16: recursive in with"),
    ],
)
def test_what_athena_refuses(lake: Lake, sql: str, reason: str) -> None:
    with pytest.raises(QueryError) as refused:
        lake.run(sql)

    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '/tmp/stolen'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM "/etc/passwd"',
        "SELECT * FROM glob('/*')",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO t SELECT 1",
        "DROP TABLE t",
        "CALL pragma_version()",
        "SELECT * FROM duckdb_settings()",
        "SELECT 1; COPY (SELECT 1) TO '/tmp/stolen'",
        "EXPLAIN COPY (SELECT 1) TO '/tmp/stolen'",
        "EXPLAIN ANALYZE SELECT 1",
    ],
)
def test_nothing_but_reading_of_tables(lake: Lake, sql: str) -> None:
    with pytest.raises(QueryError):
        lake.run(sql)


def test_the_databases_reach_no_file_whoever_asks(lake: Lake) -> None:
    """What the analysis rejects would fail anyway."""
    for database in (lake.engine._warehouse._data, lake.engine._warehouse._plans):
        for sql in ("SELECT * FROM read_text('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/stolen'"):
            with pytest.raises(duckdb.PermissionException):
                database.execute(sql)
        with pytest.raises(duckdb.InvalidInputException):
            database.execute("SET enable_external_access = true")


def test_names_and_texts_are_data(lake: Lake) -> None:
    hostile = "'); DROP TABLE p0; --"
    quoted = hostile.replace("'", "''")

    result = lake.run(f'SELECT "{hostile}" AS "a""; b", \'{quoted}\' FROM (VALUES 1) AS "x y"("{hostile}")')

    assert result.columns[0][0] == 'a"; b'
    assert result.rows == (("1", hostile),)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30))
def test_every_text_comes_back(text: str) -> None:
    written = "'" + text.replace("'", "''") + "'"

    assert _shared().value(written) == text
    assert _shared().value("?", written) == text


def test_parameters_are_constants_in_order(lake: Lake) -> None:
    values = lake.rows(
        "SELECT ?, ? FROM (VALUES 1, 2) AS t(a) WHERE a > ? LIMIT ?", "'o''k'", "DATE '2026-11-20'", "1", "5"
    )

    assert values == [("o'k", "2026-11-20")]


@pytest.mark.parametrize(
    "parameter", ["abc", "1, 2", "'a' OR 1 = 1", "(SELECT 1)", "1; SELECT 2", "lower('A')", "a -- ", ""]
)
def test_a_parameter_is_nothing_but_a_constant(lake: Lake, parameter: str) -> None:
    with pytest.raises(QueryError, match="SYNTAX_ERROR"):
        lake.run("SELECT ?", parameter)


@pytest.mark.parametrize("parameters", [(), ("1", "2")])
def test_there_are_as_many_parameters_as_places(lake: Lake, parameters: tuple[str, ...]) -> None:
    with pytest.raises(QueryError, match=f"expected 1 but found {len(parameters)}"):
        lake.run("SELECT ?", *parameters)


NUMBERS = "(VALUES (1, 'a'), (2, 'b'), (3, 'a'), (NULL, 'c')) AS t(n, k)"


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (f"SELECT k, count(*), sum(n), avg(n) FROM {NUMBERS} GROUP BY k ORDER BY k",
         [("a", "2", "4", "2.0"), ("b", "1", "2", "2.0"), ("c", "1", None, None)]),
        (f"SELECT count(DISTINCT k), count_if(n > 1), min(n), max_by(k, n), bool_or(n > 2) FROM {NUMBERS}",
         [("3", "2", "1", "a", "true")]),
        (f"SELECT array_agg(n ORDER BY n DESC), listagg(k, ',') WITHIN GROUP (ORDER BY k) FROM {NUMBERS}",
         [("[3, 2, 1, null]", "a,a,b,c")]),
        (f"SELECT sum(n) FILTER (WHERE k = 'a'), approx_distinct(k), arbitrary(1), map_agg(n, k) FILTER (WHERE n = 1) FROM {NUMBERS}",
         [("4", "3", "1", "{1=a}")]),
        (f"SELECT n, row_number() OVER (PARTITION BY k ORDER BY n DESC), lag(n) OVER (ORDER BY n), sum(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM {NUMBERS} WHERE n IS NOT NULL ORDER BY n",
         [("1", "2", None, "1"), ("2", "1", "1", "3"), ("3", "1", "2", "5")]),
        (f"SELECT last_value(n) IGNORE NULLS OVER (ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM {NUMBERS} LIMIT 1",
         [("2",)]),
        (f"SELECT n FROM {NUMBERS} ORDER BY n DESC", [("3",), ("2",), ("1",), (None,)]),
        (f"SELECT n FROM {NUMBERS} ORDER BY n NULLS FIRST LIMIT 1", [(None,)]),
        (f"SELECT k AS n FROM {NUMBERS} ORDER BY n DESC, t.n DESC LIMIT 2", [("c",), ("b",)]),
        (f"SELECT n FROM {NUMBERS} ORDER BY 1 OFFSET 1 FETCH FIRST 1 ROW ONLY", [("2",)]),
        (f"SELECT DISTINCT k FROM {NUMBERS} ORDER BY k", [("a",), ("b",), ("c",)]),
        (f"SELECT k, count(*) FROM {NUMBERS} GROUP BY ROLLUP (k) HAVING count(*) > 1 ORDER BY 2", [("a", "2"), (None, "4")]),
        (f"SELECT k FROM {NUMBERS} GROUP BY GROUPING SETS ((k), ()) ORDER BY k", [("a",), ("b",), ("c",), (None,)]),
        ("SELECT 1 UNION SELECT 1 UNION ALL SELECT 2 ORDER BY 1", [("1",), ("2",)]),
        ("SELECT 1 EXCEPT SELECT 2", [("1",)]),
        ("(SELECT 1) INTERSECT SELECT 1", [("1",)]),
        ("SELECT 1 AS a UNION ALL SELECT 2.5 ORDER BY a", [("1.0",), ("2.5",)]),
        ("WITH a(x) AS (SELECT 1), b AS (SELECT x + 1 AS y FROM a) SELECT x, y FROM a CROSS JOIN b", [("1", "2")]),
        ("WITH a(x) AS (VALUES 1, 2) SELECT max(x) FROM a", [("2",)]),
        ("SELECT * FROM (VALUES (1, 'a')) AS t(x, y) JOIN (VALUES (1, 'b')) AS u(x, z) USING (x)", [("1", "a", "b")]),
        ("SELECT coalesce(x, 9), y FROM (VALUES (1, 'a')) AS t(x, y) FULL JOIN (VALUES 2) AS u(x) USING (x) ORDER BY x", [("1", "a"), ("2", None)]),
        ("SELECT t.*, u.b FROM (VALUES 1, 2) AS t(a) LEFT JOIN (VALUES 2) AS u(b) ON t.a = u.b ORDER BY a", [("1", None), ("2", "2")]),
        ("SELECT a FROM (VALUES 1, 2) AS t(a) WHERE EXISTS (SELECT 1 FROM (VALUES 2) AS u(b) WHERE b = a)", [("2",)]),
        ("SELECT a FROM (VALUES 1, 2) AS t(a) WHERE a NOT IN (SELECT b FROM (VALUES 2) AS u(b))", [("1",)]),
        ("SELECT a, x, n FROM (VALUES (1, ARRAY['p', 'q'])) AS t(a, l) CROSS JOIN UNNEST(l) WITH ORDINALITY AS u(x, n)", [("1", "p", "1"), ("1", "q", "2")]),
        ("SELECT k, v FROM UNNEST(map(ARRAY['a'], ARRAY[1])) AS u(k, v)", [("a", "1")]),
        ("SELECT x, y FROM UNNEST(ARRAY[1, 2], ARRAY['a']) AS u(x, y)", [("1", "a"), ("2", None)]),
        ("SELECT a, x FROM (VALUES (1, ARRAY[5]), (2, CAST(ARRAY[] AS array(integer)))) AS t(a, l) CROSS JOIN UNNEST(l) AS u(x)", [("1", "5")]),
        ("SELECT a, x FROM (VALUES (1, ARRAY[5]), (2, NULL)) AS t(a, l) LEFT JOIN UNNEST(l) AS u(x) ON true ORDER BY a", [("1", "5"), ("2", None)]),
        ("SELECT a FROM (VALUES (1, ARRAY[5])) AS t(a, l) WHERE EXISTS (SELECT 1 FROM UNNEST(l) AS u(x) WHERE x = 5)", [("1",)]),
        ("SELECT 1 AS a, a FROM (VALUES 7) AS t(a)", [("1", "7")]),
    ],
)  # fmt: skip
def test_a_querys_rows(lake: Lake, sql: str, rows: list[tuple[str | None, ...]]) -> None:
    assert lake.rows(sql) == rows


def test_try_holds_all_it_is_put_around(lake: Lake) -> None:
    spoilt = "(VALUES '/w==', 'eyJhIjogMX0=') AS t(payload)"

    assert lake.rows(f"SELECT TRY(json_parse(from_utf8(from_base64(payload)))) FROM {spoilt}") == [
        (None,),
        ('{"a":1}',),
    ]
    with pytest.raises(
        QueryError,
        match="INVALID_FUNCTION_ARGUMENT: Cannot convert value to JSON: '\N{REPLACEMENT CHARACTER}'",
    ):
        lake.run(f"SELECT json_parse(from_utf8(from_base64(payload))) FROM {spoilt}")


def test_a_fault_of_ours_is_no_null_in_try(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise NameError("nothing of this name")

    monkeypatch.setattr(texts, "_single", broken)

    with pytest.raises(QueryError, match="GENERIC_INTERNAL_ERROR: upper: NameError"):
        lake.value("try(upper('é'))")


def test_result_columns_are_in_lower_case(lake: Lake) -> None:
    result = lake.run('SELECT 1 AS Total, t.MixedCase, 2 AS "QuoTed" FROM (VALUES 1) AS t(MixedCase)')

    assert [name for name, _ in result.columns] == ["total", "mixedcase", "quoted"]


def test_an_explanation_says_what_is_given_and_read(lake: Lake) -> None:
    lake.days()

    result = lake.run(
        "EXPLAIN SELECT id AS Name FROM events WHERE region = 'us-east-1' AND day = '2026/11/03'"
    )

    assert result.columns == (("Query Plan", "varchar"),)
    assert [line.split("[")[0] for line in (result.rows[0][0] or "").splitlines()] == [
        "Output",
        "    TableScan",
    ]
    assert "s3://lake/events/us-east-1/2026/11/03/f.json" in (result.rows[0][0] or "")
    assert lake.reads == []
    assert lake.run("EXPLAIN (TYPE VALIDATE) SELECT 1").rows == (("true",),)


def test_columns_have_athenas_names_and_types(lake: Lake) -> None:
    columns = lake.run(
        "SELECT 1, 'a' AS b, DATE '2026-11-20', now(), 1.25, 1e0, ARRAY[1], t.c, NULL, 3000000000 "
        'FROM (VALUES CAST(json_parse(\'{"x": "y"}\') AS row(x varchar))) AS t(c)'
    ).columns

    assert columns == (
        ("_col0", "integer"),
        ("b", "varchar"),
        ("_col2", "date"),
        ("_col3", "timestamp with time zone"),
        ("_col4", "decimal(3, 2)"),
        ("_col5", "double"),
        ("_col6", "array(integer)"),
        ("c", "row(x varchar)"),
        ("_col8", "unknown"),
        ("_col9", "bigint"),
    )


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-1000, 1000).filter(bool))
def test_integer_division_cuts(a: int, b: int) -> None:
    assert _shared().value(f"CAST({a} AS bigint) / ({b})") == str(math.trunc(a / b))


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)), st.integers(0, 5000))
def test_date_diff_undoes_date_add(day: date, count: int) -> None:
    later = day + timedelta(days=count)

    assert _shared().value(f"date_add('day', {count}, DATE '{day}')") == later.isoformat()
    assert _shared().value(f"date_diff('day', DATE '{day}', DATE '{later}')") == str(count)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_prints_as_in_java_and_reads_back(value: float) -> None:
    assert float(java_double(value)) == value
    assert _shared().value(f"CAST('{value!r}' AS double)") == java_double(value)


@pytest.mark.parametrize(
    ("value", "printed"),
    [(1.0, "1.0"), (0.0, "0.0"), (-0.0, "-0.0"), (0.001, "0.001"), (0.0001, "1.0E-4"), (9999999.0, "9999999.0"),
     (1e7, "1.0E7"), (123456789.5, "1.234567895E8"), (math.inf, "Infinity"), (math.nan, "NaN"), (100.0, "100.0")],
)  # fmt: skip
def test_java_prints_doubles_so(value: float, printed: str) -> None:
    """Examples of ``Double.toString``'s documentation: 10^-3 and 10^7 are where the exponent begins."""
    assert java_double(value) == printed


_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), _NUMBERS | st.sampled_from(["true", "null", '"1.0"', '"\\u00e9"', "{}"])
        )
    ),
    st.sampled_from(["{{{}}}", '{{"b": {{{}}}}}', '{{"b": [{{{}}}]}}']),
)
def test_a_number_in_json_is_as_it_is_written(members: list[tuple[str, str]], outer: str) -> None:
    """The first of a name counts, as ``find`` has it, which reads token by token."""
    document = outer.format(", ".join(f'"{name}": {value}' for name, value in members))
    for path in ("$.a", "$.b.a", "$.b[0].a"):
        asked = f"SELECT json_extract_scalar(d, '{path}') FROM (VALUES '{document}') AS t (d)"
        assert _shared().rows(asked) == [(documents.json_extract_scalar(document, path),)]


@given(
    st.lists(
        _NUMBERS
        | st.sampled_from(["", " 1", "1 ", "+1.5", ".5", "1.", "1d", "NaN", "-Infinity", "nan", "1_0"]),
        min_size=1,
    )
)
def test_a_texts_number_is_javas(written: list[str]) -> None:
    def exact(text: str) -> tuple[str | None, str | None]:
        try:
            value = numbers.to_double(text)
        except QueryError:
            return None, None
        try:
            return java_double(value), str(numbers.double_to_integer(value, "bigint"))
        except QueryError:
            return java_double(value), None

    values = ", ".join(f"({at}, '{text}')" for at, text in enumerate(written))
    double = "try_cast(d || '' AS double)"
    asked = f"SELECT {double}, try_cast({double} AS bigint) FROM (VALUES {values}) AS t (n, d) ORDER BY n"
    assert _shared().rows(asked) == [exact(text) for text in written]


@pytest.mark.parametrize(
    ("kind", "limit"), [("tinyint", 1 << 7), ("smallint", 1 << 15), ("integer", 1 << 31), ("bigint", 1 << 63)]
)
def test_a_double_is_an_integer_up_to_the_types_limit(kind: str, limit: int) -> None:
    near = [math.nextafter(sign * float(limit), to) for sign in (-1, 1) for to in (0, math.inf, -math.inf)]
    for value in (
        *near,
        -float(limit),
        float(limit),
        limit - 1.5,
        -0.5,
        0.5,
        1.5,
        -0.0,
        7.0,
        math.inf,
        math.nan,
    ):
        asked = f"SELECT cast(cast(d AS double) AS {kind}) FROM (VALUES '{value!r}') AS t (d)"
        asked = asked.replace("inf", "Infinity").replace("nan", "NaN")
        try:
            exact = str(numbers.double_to_integer(value, kind))
        except QueryError as error:
            with pytest.raises(QueryError, match=error.code):
                _shared().rows(asked)
        else:
            assert _shared().rows(asked) == [(exact,)], value


@pytest.mark.parametrize("written", ["uuid", "array<", "struct<a>", "decimal(x)", "", "ipaddress"])
def test_an_unknown_type_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"type|invalid literal"):
        parse_type(written)


_LAKE: list[Lake] = []


def _shared() -> Lake:
    """One lake for the properties, which take no fixtures."""
    if not _LAKE:
        _LAKE.append(Lake())
    return _LAKE[0]
