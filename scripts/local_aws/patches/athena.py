"""Athena runs its statements.

moto lets each succeed without a row. Here StartQueryExecution runs it in a thread, on the tables of Glue and
the objects of S3, by the rules of its workgroup; GetQueryExecution says how it went, in Athena's words;
GetQueryResults pages through what it found, which lies in the output location, as ``<id>.csv`` with
``<id>.csv.metadata``, and nowhere else. A prepared statement can be deleted.
https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html
https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
https://docs.aws.amazon.com/athena/latest/ug/workgroups-setting-control-limits-cloudwatch.html
https://docs.aws.amazon.com/athena/latest/APIReference/API_DeletePreparedStatement.html
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from moto.athena.models import AthenaBackend, WorkGroup
from moto.athena.responses import AthenaResponse
from moto.core.exceptions import JsonRESTError
from moto.glue.models import glue_backends
from moto.s3.models import FakeKey, S3Backend, s3_backends

from scripts.local_aws.athena.engine import (
    Cancellation,
    CancelledError,
    Engine,
    QueryError,
    Result,
    ScanLimitExceededError,
    release_memory,
)
from scripts.local_aws.athena.parse import SHOW_WORDS
from scripts.local_aws.enforcement import behalf

_PAGE = 1000
_AT_ONCE = 4
_ENGINE_VERSION = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What is kept of a result; its rows lie in the output location, and only there.

    ``ends`` are the offsets in bytes between its lines, the heading's included.
    """

    columns: tuple[tuple[str, str], ...]
    ends: array[int]
    scanned_bytes: int

    @property
    def lines(self) -> int:
        """How many rows there are to get, the heading included."""
        return len(self.ends) - 1


@dataclass(slots=True)
class Execution:
    """One statement that was started, and how far it has come."""

    query: str
    context: Mapping[str, str]
    parameters: list[str]
    workgroup: WorkGroup
    output: str
    encryption: Mapping[str, str]
    scan_limit: int | None
    access_key_id: str
    """The caller's, in whose name it reads and writes."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "QUEUED"
    reason: str | None = None
    submitted: float = field(default_factory=time.time)
    began: float | None = None
    completed: float | None = None
    stored: StoredResult | None = None
    cancellation: Cancellation = field(default_factory=Cancellation)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_ddl(self) -> bool:
        """Whether Athena counts this as DDL, of which the results have no heading and lie in a text file."""
        return self.query.lstrip().lower().startswith(SHOW_WORDS)

    def end(self, status: str, reason: str | None = None) -> None:
        """Enter a final state, if there is none yet."""
        with self.lock:
            if self.completed is None:
                self.status, self.reason, self.completed = status, reason, time.time()


class Athena:
    """What runs the statements of one account and region."""

    def __init__(self, backend: AthenaBackend) -> None:
        self.s3: S3Backend = s3_backends[backend.account_id][backend.partition]
        self.engine = Engine(_Glue(backend.account_id, backend.region_name), _S3(self.s3))
        self.places = threading.BoundedSemaphore(_AT_ONCE)
        self.started: dict[str, str] = {}

    def run(self, execution: Execution) -> None:
        """Run to a final state, whatever happens."""
        with self.places:
            with execution.lock:
                if execution.completed is not None:
                    return
                execution.status, execution.began = "RUNNING", time.time()
            try:
                with behalf.athena_for(execution.access_key_id):
                    execution.stored = self._run(execution)
            except QueryError as error:
                execution.end("FAILED", str(error))
            except PermissionError as error:
                execution.end("FAILED", f"PERMISSION_DENIED: {error}")
            except ScanLimitExceededError:
                execution.end("CANCELLED", "Bytes scanned limit was exceeded")
            except CancelledError:
                execution.end("CANCELLED", "Query cancelled by user")
            except Exception as error:
                execution.end("FAILED", f"GENERIC_INTERNAL_ERROR: {error}")
                raise
            else:
                execution.end("SUCCEEDED")
            finally:
                release_memory()

    def _run(self, execution: Execution) -> StoredResult:
        result = self.engine.run(
            execution.query,
            execution.context.get("Database", "default"),
            execution.parameters,
            execution.scan_limit,
            execution.cancellation,
        )
        behalf.athena_reads(self.s3, map(_split, result.scanned))
        return self._write(execution, result)

    def _write(self, execution: Execution, result: Result) -> StoredResult:
        bucket, key = _split(execution.output)
        lines = [_text(row) for row in result.rows] if execution.is_ddl else _csv(result)
        body = b"".join(lines)
        metadata = json.dumps(_column_info(result.columns)).encode()
        option, kms_key = execution.encryption.get("EncryptionOption"), execution.encryption.get("KmsKey")
        encryption = {"SSE_S3": "AES256", "SSE_KMS": "aws:kms", "CSE_KMS": None, None: None}[option]
        behalf.athena_writes(self.s3, bucket, key, kms_key)
        for name, value in ((key, body), (f"{key}.metadata", metadata)):
            self.s3.put_object(bucket, name, value, encryption=encryption, kms_key_id=kms_key)
        ends = array("Q", accumulate(map(len, lines), initial=0))
        return StoredResult(result.columns, ends, result.scanned_bytes)

    def read(self, execution: Execution, first: int, size: int) -> list[list[str | None]]:
        """Read rows of a result, its heading being one, back from where it is stored."""
        stored = execution.stored
        bucket, key = _split(execution.output)
        found = self.s3.buckets[bucket].keys.get(key) if bucket in self.s3.buckets else None
        if stored is None or not isinstance(found, FakeKey):
            raise _refusal("Could not find results")
        body, read = found.value, _read_text if execution.is_ddl else _read_csv
        lines = (body[begin:end] for begin, end in pairwise(stored.ends[first : first + size + 1]))
        return [read(line.decode(), len(stored.columns)) for line in lines]


class _Glue:
    """moto's Glue as a catalogue."""

    def __init__(self, account_id: str, region: str) -> None:
        self._glue = glue_backends[account_id][region]

    def get_table(self, database: str, name: str) -> Mapping[str, Any] | None:
        behalf.athena_finds(database, name)
        found = self._glue.databases.get(database)
        table = found.tables.get(name) if found else None
        return table.as_dict() if table else None

    def databases(self) -> Iterable[str]:
        return list(self._glue.databases)

    def tables(self, database: str) -> Iterable[str]:
        found = self._glue.databases.get(database)
        if found is None:
            raise QueryError("SCHEMA_NOT_FOUND", f"line 1:1: Schema '{database}' does not exist")
        return list(found.tables)


class _S3:
    """moto's S3 as a store of current versions."""

    def __init__(self, s3: S3Backend) -> None:
        self._s3 = s3

    def list(self, bucket: str, prefix: str) -> Iterable[tuple[str, int, str]]:
        behalf.athena_lists(bucket, prefix)
        for name in list(dict.keys(self._keys(bucket))):
            key = self._keys(bucket).get(name) if name.startswith(prefix) else None
            if isinstance(key, FakeKey):
                yield name, key.size, key.etag

    def read(self, bucket: str, key: str) -> bytes:
        found = self._keys(bucket).get(key)
        if not isinstance(found, FakeKey):
            raise QueryError(
                "HIVE_CANNOT_OPEN_SPLIT", f"Error opening Hive split s3://{bucket}/{key}: Not Found"
            )
        return found.value

    def _keys(self, bucket: str) -> Any:
        found = self._s3.buckets.get(bucket)
        if found is None:
            raise QueryError("HIVE_METASTORE_ERROR", f"The specified bucket does not exist: {bucket}")
        return found.keys


def apply() -> None:
    """Run statements, and answer for them."""
    AthenaBackend.start_query_execution = _start  # type: ignore[method-assign,assignment]
    AthenaResponse.start_query_execution = _start_query_execution  # type: ignore[method-assign]
    AthenaResponse.get_query_execution = _get_query_execution  # type: ignore[method-assign]
    AthenaResponse.get_query_results = _get_query_results  # type: ignore[method-assign]
    AthenaResponse.stop_query_execution = _stop_query_execution  # type: ignore[method-assign]
    AthenaResponse.delete_prepared_statement = _delete_prepared_statement  # type: ignore[attr-defined]


def _athena(backend: AthenaBackend) -> Athena:
    """Return what runs a backend's statements; it goes when the backend is reset."""
    running: dict[str, Athena] = backend.__dict__
    if "custody_athena" not in running:
        running["custody_athena"] = Athena(backend)
    return running["custody_athena"]


def _refusal(message: str) -> JsonRESTError:
    return JsonRESTError("InvalidRequestException", message)


def _start(backend: AthenaBackend, execution: Execution, token: str | None) -> str:
    athena = _athena(backend)
    if token and token in athena.started:
        return athena.started[token]
    bucket, _ = _split(execution.output)
    if bucket not in athena.s3.buckets:
        raise _refusal(f"Unable to verify/create output bucket {bucket}")
    backend.executions[execution.id] = execution  # type: ignore[assignment]
    if token:
        athena.started[token] = execution.id
    threading.Thread(target=athena.run, args=(execution,), name="athena", daemon=True).start()
    return execution.id


def _start_query_execution(self: AthenaResponse) -> str:
    query = self._get_param("QueryString") or ""
    if not query.strip():
        raise _refusal("line 1:1: mismatched input '<EOF>'. Expecting: <query>")
    name = self._get_param("WorkGroup") or "primary"
    workgroup = self.athena_backend.work_groups.get(name)
    if workgroup is None:
        raise _refusal("WorkGroup is not found.")
    if workgroup.state == "DISABLED":
        raise _refusal(f"WorkGroup {name} is disabled.")
    rules = workgroup.configuration
    asked, own = self._get_param("ResultConfiguration") or {}, rules.get("ResultConfiguration") or {}
    chosen = own if rules.get("EnforceWorkGroupConfiguration") else {**own, **asked}
    location = chosen.get("OutputLocation")
    if not location:
        raise _refusal(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    execution = Execution(
        query=query,
        context=self._get_param("QueryExecutionContext") or {},
        parameters=self._get_param("ExecutionParameters") or [],
        workgroup=workgroup,
        output=location,
        encryption=chosen.get("EncryptionConfiguration") or {},
        scan_limit=rules.get("BytesScannedCutoffPerQuery"),
        access_key_id=self.get_access_key(),
    )
    execution.output = f"{location.rstrip('/')}/{execution.id}.{'txt' if execution.is_ddl else 'csv'}"
    start: Any = self.athena_backend.start_query_execution
    return json.dumps({"QueryExecutionId": start(execution, self._get_param("ClientRequestToken"))})


def _execution(response: AthenaResponse) -> Execution:
    execution_id = response._get_param("QueryExecutionId")
    found: Any = response.athena_backend.executions.get(execution_id)
    if found is None:
        raise _refusal(f"QueryExecution {execution_id} was not found")
    return found  # type: ignore[no-any-return]


def _get_query_execution(self: AthenaResponse) -> str:
    execution = _execution(self)
    with execution.lock:
        return json.dumps({"QueryExecution": _description(execution)})


def _description(execution: Execution) -> dict[str, Any]:
    status: dict[str, Any] = {"State": execution.status, "SubmissionDateTime": execution.submitted}
    if execution.completed is not None:
        status["CompletionDateTime"] = execution.completed
    if execution.reason is not None:
        status["StateChangeReason"] = execution.reason
    if execution.status == "FAILED":
        status["AthenaError"] = {
            "ErrorCategory": 2,
            "ErrorType": 1301,
            "Retryable": False,
            "ErrorMessage": execution.reason,
        }
    first = execution.query.split(maxsplit=1)[0].upper()
    now = execution.completed or time.time()
    began = execution.began or now
    described: dict[str, Any] = {
        "QueryExecutionId": execution.id,
        "Query": execution.query,
        "StatementType": "DDL" if execution.is_ddl else "UTILITY" if first == "EXPLAIN" else "DML",
        "SubstatementType": first if execution.is_ddl or first == "EXPLAIN" else "SELECT",
        "ResultConfiguration": {"OutputLocation": execution.output},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": {"Catalog": "awsdatacatalog", **execution.context},
        "Status": status,
        "Statistics": {
            "EngineExecutionTimeInMillis": round((now - began) * 1000),
            "DataScannedInBytes": execution.stored.scanned_bytes if execution.stored else 0,
            "TotalExecutionTimeInMillis": round((now - execution.submitted) * 1000),
            "QueryQueueTimeInMillis": round((began - execution.submitted) * 1000),
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        },
        "WorkGroup": execution.workgroup.name,
        "EngineVersion": _ENGINE_VERSION,
    }
    if execution.encryption:
        described["ResultConfiguration"]["EncryptionConfiguration"] = execution.encryption
    if execution.parameters:
        described["ExecutionParameters"] = execution.parameters
    return described


def _get_query_results(self: AthenaResponse) -> str:
    execution = _execution(self)
    if execution.completed is None:
        raise _refusal(f"Query has not yet finished. Current state: {execution.status}")
    if execution.status != "SUCCEEDED" or execution.stored is None:
        raise _refusal(f"Query did not finish successfully. Final query state: {execution.status}")
    size, begin = self._get_param("MaxResults") or _PAGE, self._get_param("NextToken") or "0"
    if not 1 <= size <= _PAGE or not re.fullmatch(r"\d+", begin):
        raise _refusal("MaxResults must be between 1 and 1000, and NextToken one that was given")
    first = int(begin)
    page = _athena(self.athena_backend).read(execution, first, size)
    answer: dict[str, Any] = {
        "UpdateCount": 0,
        "ResultSet": {
            "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in page],
            "ResultSetMetadata": {"ColumnInfo": _column_info(execution.stored.columns)},
        },
    }
    if first + len(page) < execution.stored.lines:
        answer["NextToken"] = str(first + len(page))
    return json.dumps(answer)


def _stop_query_execution(self: AthenaResponse) -> str:
    execution = _execution(self)
    execution.cancellation.cancel()
    execution.end("CANCELLED", "Query cancelled by user")
    return json.dumps({})


def _delete_prepared_statement(self: AthenaResponse) -> str:
    name, workgroup = self._get_param("StatementName"), self._get_param("WorkGroup")
    statements = self.athena_backend.prepared_statements
    if name not in statements or statements[name].workgroup != workgroup:
        message = f"PreparedStatement {name} was not found in workGroup {workgroup}"
        raise JsonRESTError("ResourceNotFoundException", message)
    del statements[name]
    return json.dumps({})


def _column_info(columns: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    described = []
    for name, kind in columns:
        base = kind.partition("(")[0]
        digits = re.fullmatch(r"decimal\((\d+), (\d+)\)", kind)
        described.append(
            {
                "CatalogName": "hive",
                "SchemaName": "",
                "TableName": "",
                "Name": name,
                "Label": name,
                "Type": {"real": "float"}.get(base, base),
                "Precision": int(digits[1]) if digits else 2147483647 if base == "varchar" else 0,
                "Scale": int(digits[2]) if digits else 0,
                "Nullable": "UNKNOWN",
                "CaseSensitive": base == "varchar",
            }
        )
    return described


def _csv(result: Result) -> list[bytes]:
    """Write the heading and the rows as Athena does: every value in quotes, NULL as nothing at all."""
    rows = [[name for name, _ in result.columns], *result.rows]
    lines = (",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in row) for row in rows)
    return [f"{line}\n".encode() for line in lines]


def _read_csv(line: str, _: int) -> list[str | None]:
    values = re.findall(r'("[^"]*(?:""[^"]*)*"|)[,\n]', line)
    return [value[1:-1].replace('""', '"') if value else None for value in values]


def _text(row: Iterable[str | None]) -> bytes:
    return ("\t".join(value or "" for value in row) + "\n").encode()


def _read_text(line: str, columns: int) -> list[str | None]:
    return [*line.removesuffix("\n").split("\t", columns - 1)]


def _split(location: str) -> tuple[str, str]:
    match = re.fullmatch(r"s3://([^/]+)/(.*)", location)
    if match is None:
        raise _refusal(f"outputLocation is not a valid S3 path: {location}")
    return match[1], match[2]
