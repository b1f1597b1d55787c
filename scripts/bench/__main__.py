"""Benchmarks, each compared with a reference on the same machine: ``make bench``.

    python -m scripts.bench

Writes ``build/bench.json``, rows of name, value, unit, reference and ratio, and prints them with their
limits. Every reference is measured in the same run, in alternating rounds, so that a busy machine slows both.
Exit status 1 if a limit is broken, 2 if it could not be measured.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from custody.evidence.hashing import hash_stream
from scripts.local_aws import LocalAws, LocalAwsError
from scripts.local_aws.launch import operator_environment
from scripts.toolchain.environment import without_aws
from scripts.toolchain.setup import WAREHOUSE_TEST, set_up_warehouse
from scripts.toolchain.toolchain import BUILD, REPO, ToolError

WORK = BUILD / "bench"
ZIP = BUILD / "lambda" / "recorder.zip"
RUNTIME = BUILD / "runtime"
CHILD = REPO / "scripts" / "bench" / "child.py"

OBJECT_BYTES = 1 << 30
HASH_ROUNDS = 5
IMPORT_ROUNDS = 15
RECEIPTS = 400
RECEIPT_ROUNDS = 5
VERIFY_OBJECTS = 5000
VERIFY_ROUNDS = 3
SEALED_RECEIPTS = 50_000
UNSEALED_RECEIPTS = 2_000
ETL_ROWS = 1_000_000
ETL_ROUNDS = 3
FORMAT_ROWS = 500_000
SEAL_LEAVES = 200_000
TRAIL_EVENTS = 200_000
TRAIL_FILES = 1_200
RULE_EVENTS = 1_000_000
RULES_LIMIT_SECONDS = 2 * 60
LEDGER_EVENTS = 1_000_000
LEDGER_LIMIT_BYTES = 2_500_000_000
ETL_LIMIT_SECONDS = 180
ETL_LIMIT_BYTES = 4 << 30
WAREHOUSE_ROWS = 5_000
SPARK_LIMIT_BYTES = 1_500_000_000
VERIFY_LIMIT_BYTES = 512 << 20


@dataclass(frozen=True)
class Row:
    """One measurement. ``ratio`` is value / reference."""

    name: str
    value: float
    unit: str
    reference: float
    ratio: float


@dataclass(frozen=True)
class Limit:
    """The limits of a ratio; either side may be open."""

    least: float = 0.0
    most: float = float("inf")

    def __str__(self) -> str:
        return f"≥ {self.least}" if self.least else f"≤ {self.most}"


LIMITS = {
    "hash_stream": Limit(least=0.80),
    "recorder_import": Limit(most=1.25),
    "recorder_zip_bytes": Limit(most=1.0),
    "receipts_per_second": Limit(least=0.5),
    "seal_leaves_per_second": Limit(least=0.5),
    "trail_events_per_second": Limit(least=2.2),
    "trail_validate": Limit(least=10.0),
    "rules_events_per_second": Limit(least=5.0),
    "rules_processor_seconds": Limit(most=1.0),
    "ledger_query": Limit(most=0.05),
    "ledger_query_peak_bytes": Limit(most=1.1),
    "verify_objects_per_second": Limit(least=1.8),
    "verify_receipts_per_second": Limit(least=0.3),
    "verify_requests_per_receipt": Limit(most=0.02),
    "verify_cost_growth": Limit(most=11),
    "verify_peak_bytes": Limit(most=1.0),
    "read_gzip": Limit(most=1.3),
    "read_zstd": Limit(most=1.3),
    "read_parquet": Limit(most=1.3),
    "read_json": Limit(most=2.0),
    "warehouse_rows_per_second": Limit(least=3.0),
    "etl_rows_per_second": Limit(least=0.85),
    "etl_spark_rows_per_second": Limit(least=0.5),
    "etl_spark_peak_bytes": Limit(most=1.0),
    "etl_cost_growth": Limit(most=9),
    "etl_seconds": Limit(most=1.0),
    "etl_peak_bytes": Limit(most=1.0),
}
ZIP_LIMIT_BYTES = 1_500_000


def row(name: str, value: float, unit: str, reference: float) -> Row:
    """Return a row, rounded to four significant digits."""
    return Row(name, round(value, 4), unit, round(reference, 4), round(value / reference, 4))


@contextmanager
def child(*arguments: str | Path, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a child process of this benchmark, with an isolated Python."""
    words = [sys.executable, "-I", "-S", "-B", str(CHILD), *(str(argument) for argument in arguments)]
    process = subprocess.Popen(
        words,
        env=environ or without_aws(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str]) -> Any:
    """Return the next line that a child prints, a JSON document. Raises ``ToolError`` if it ends instead."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise ToolError(f"{' '.join(map(str, process.args))} ended with {process.wait()}.")  # type: ignore[arg-type]
    return json.loads(line)


def openssl_sha256() -> float:
    """Return the bytes per second that openssl hashes on one core, in large blocks."""
    program = shutil.which("openssl")
    if program is None:
        raise ToolError("openssl is not on PATH; the speed of hashing is measured against it.")
    for options in (["-seconds", "1", "-bytes", "1048576"], []):  # LibreSSL has neither option
        done = subprocess.run(
            [program, "speed", *options, "sha256"], capture_output=True, text=True, check=False
        )
        found = re.search(r"^sha256\s.*?([\d.]+)k\s*$", done.stdout, re.MULTILINE)
        if done.returncode == 0 and found:
            return float(found.group(1)) * 1000
    raise ToolError(f"The output of openssl speed sha256 cannot be read: {done.stderr[-500:]}")


def bench_hash_stream() -> Row:
    """Bytes per second of GET and hash, with boto3 from a server that only uses sendfile."""
    block = os.urandom(1 << 23)
    path = WORK / "object.bin"
    with path.open("wb") as out:
        for _ in range(OBJECT_BYTES // len(block)):
            out.write(block)
    ours, theirs = [], []
    try:
        with child("serve", path) as server:
            endpoint = f"http://127.0.0.1:{answer(server)}"
            keys = operator_environment(endpoint)
            s3 = boto3.client(
                "s3",
                endpoint_url=endpoint,
                region_name=keys["AWS_REGION"],
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                config=Config(response_checksum_validation="when_required"),
            )
            for _ in range(HASH_ROUNDS):
                start = time.perf_counter()
                found = s3.get_object(Bucket="bucket", Key="key")
                with closing(found["Body"]) as body:
                    hash_stream(body, OBJECT_BYTES)
                ours.append(OBJECT_BYTES / (time.perf_counter() - start))
                theirs.append(openssl_sha256())
    finally:
        path.unlink()
    return row("hash_stream", max(ours), "bytes/s", max(theirs))


def function_environ(**more: str) -> dict[str, str]:
    """Return the recorder's environment, with dummy names."""
    return {
        **operator_environment("http://127.0.0.1:9"),
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "CODE_SHA256": "0" * 64,
        "POWERTOOLS_METRICS_NAMESPACE": "Custody",
        "POWERTOOLS_SERVICE_NAME": "recorder",
        "PROVENANCE_BUCKET": "provenance",
        "SIGNING_KEY_ID": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
        "SIGNING_KEY_VALID_FROM": "2025-01-01T00:00:00Z",
        **more,
    }


def unpack(name: str, *, compiled: bool) -> Path:
    """Unpack the recorder's zip as AWS Lambda does, with or without the bytecode of a first import."""
    folder = WORK / name
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(folder)
    if compiled:
        subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    return folder


def bench_imports() -> list[Row]:
    """Processor seconds to import the recorder's handler, compared with boto3 and an S3 client only.

    A new process each time; medians. The first row has bytecode on both sides. The second, without a limit,
    is a start from the zip itself, in which the handler has none.
    """
    folders = {
        "reference": (unpack("compiled", compiled=True), "client"),
        "recorder_import": (unpack("compiled", compiled=True), "handler"),
        "recorder_import_without_bytecode": (unpack("plain", compiled=False), "handler"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in folders}
    for _ in range(IMPORT_ROUNDS):
        for name, (folder, what) in folders.items():
            with child("import", what, folder, RUNTIME, environ=function_environ()) as process:
                seconds[name].append(float(answer(process)))
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    reference = medians.pop("reference")
    return [row(name, value, "s", reference) for name, value in medians.items()]


def bench_receipts() -> Row:
    """Receipts per second of the handler, compared with a bare GET and PUT for each on the same local AWS."""
    with LocalAws(WORK / "aws") as aws:
        keys = aws.environ()
        options = {
            "endpoint_url": aws.endpoint,
            "region_name": keys["AWS_REGION"],
            "aws_access_key_id": keys["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": keys["AWS_SECRET_ACCESS_KEY"],
        }
        s3 = boto3.client("s3", **options)  # type: ignore[call-overload]
        for bucket in ("raw", "provenance"):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        kms = boto3.client("kms", **options)  # type: ignore[call-overload]
        key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        environ = function_environ(SIGNING_KEY_ID=key, **aws.environ())
        with child(
            "receipts", unpack("receipts", compiled=True), RUNTIME, str(RECEIPTS), environ=environ
        ) as process:
            rounds = [answer(process) for _ in range(RECEIPT_ROUNDS)]
    handler = min(found["handler"] for found in rounds)
    bare = min(found["bare"] for found in rounds)
    return row("receipts_per_second", RECEIPTS / handler, "1/s", RECEIPTS / bare)


def bench_verify() -> Row:
    """Small objects per second of ``custody verify``, compared with bare GETs of them and of their receipts.

    Wall-clock time, the best of each. Both read from a very cheap stand-in on the same machine; the bare GETs
    are made by one process, with the same number of threads.
    """
    words = [sys.executable, "-m", "scripts.bench.store", str(VERIFY_OBJECTS)]
    environ = without_aws(os.environ)
    store = subprocess.Popen(words, cwd=REPO, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        told = answer(store)
        environ |= operator_environment(told["endpoint"])
        seconds: dict[str, list[float]] = {"kit": [], "bare": []}
        for _ in range(VERIFY_ROUNDS):
            for what, found in seconds.items():
                words = [sys.executable, "-m", "scripts.bench.verify", what]
                done = subprocess.run(
                    words,
                    cwd=REPO,
                    env=environ,
                    input=json.dumps(told),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode != 0:
                    raise ToolError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-500:]}")
                found.append(float(done.stdout))
    finally:
        store.kill()
        store.communicate()
    kit, bare = min(seconds["kit"]), min(seconds["bare"])
    return row("verify_objects_per_second", VERIFY_OBJECTS / kit, "1/s", VERIFY_OBJECTS / bare)


def bench_verify_sealed() -> list[Row]:
    """Receipts per processor second of ``custody verify`` from the log's bundles, and requests for each.

    The first row's reference is the check of as many signatures with nothing else, in processor seconds too,
    so that the number of processors does not matter, and in as many processes at once. That of the requests
    is the same verification of a deployment without a log; that of the growth, the processor seconds for a
    tenth of the receipts.
    """
    sealed = verify_receipts(SEALED_RECEIPTS, "sealed")
    tenth = verify_receipts(SEALED_RECEIPTS // 10, "sealed")
    single = verify_receipts(UNSEALED_RECEIPTS)
    count = sealed["receipts"]
    return [
        row("verify_receipts_per_second", count / sealed["seconds"], "1/s", count / sealed["bare"]),
        row(
            "verify_requests_per_receipt",
            sealed["requests"] / count,
            "",
            single["requests"] / single["receipts"],
        ),
        row("verify_cost_growth", sealed["whole"], "s", tenth["whole"]),
        row("verify_peak_bytes", sealed["peak_bytes"], "bytes", VERIFY_LIMIT_BYTES),
    ]


def verify_receipts(count: int, *options: str) -> dict[str, float]:
    """Serve so many receipts and verify them; what ``scripts.bench.verify_sealed`` printed."""
    environ = without_aws(os.environ)
    words = [sys.executable, "-m", "scripts.bench.store", str(count), *options]
    store = subprocess.Popen(words, cwd=REPO, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        told = answer(store)
        words = [sys.executable, "-m", "scripts.bench.verify_sealed"]
        done = subprocess.run(
            words,
            cwd=REPO,
            env=environ | operator_environment(told["endpoint"]),
            input=json.dumps(told),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ToolError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-500:]}")
        found: dict[str, float] = json.loads(done.stdout)
    finally:
        store.kill()
        store.communicate()
    return found


def printed(module: str, *arguments: str | int | Path) -> Any:
    """Run a module and return the JSON that it prints."""
    words = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
    done = subprocess.run(
        words, cwd=REPO, env=without_aws(os.environ), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def bench_seal() -> Row:
    """Leaves that the sealer appends in a processor second, compared with hashing the same tree."""
    found: dict[str, float] = printed("scripts.bench.seal", SEAL_LEAVES)
    return row("seal_leaves_per_second", SEAL_LEAVES / found["kit"], "1/s", SEAL_LEAVES / found["bare"])


def bench_trail() -> Row:
    """Events of CloudTrail's log files read in a processor second, compared with the standard library.

    Both decompress and hash the files, which takes a third of the kit's time.
    """
    found: dict[str, float] = printed("scripts.bench.trail", TRAIL_EVENTS)
    return row("trail_events_per_second", TRAIL_EVENTS / found["kit"], "1/s", TRAIL_EVENTS / found["bare"])


def bench_trail_validate() -> Row:
    """Log files validated in a second of the clock, compared with ``aws cloudtrail validate-logs``.

    The AWS CLI asks for one file after the other, and compares hashes alone; ``custody verify`` asks for many
    at once, and reads the events, which takes most of its processor time.
    """
    found: dict[str, float] = printed("scripts.bench.trail_validate", TRAIL_FILES)
    return row("trail_validate", TRAIL_FILES / found["kit"], "1/s", TRAIL_FILES / found["aws"])


def bench_rules() -> list[Row]:
    """Events of a month that all anomaly rules are asked about in a processor second, and seconds for all.

    The first row's reference asks each rule by itself. It takes a quarter of an hour for all events, so both
    are measured on a tenth. The second row is the processor seconds of reading the files and of asking, all
    events, against those that two processors have in a minute.
    """
    tenth: dict[str, float] = printed("scripts.bench.rules", RULE_EVENTS // 10, "compare")
    whole: dict[str, float] = printed("scripts.bench.rules", RULE_EVENTS)
    count = RULE_EVENTS // 10
    return [
        row("rules_events_per_second", count / tenth["kit"], "1/s", count / tenth["flattened"]),
        row("rules_processor_seconds", whole["reading"] + whole["kit"], "s", RULES_LIMIT_SECONDS),
    ]


def bench_ledger() -> list[Row]:
    """Bytes that the ledger's question about one day of a month reads, and memory to ask about the month.

    The first row's reference is all of the trail's files and each receipt as the object that it is. Trail and
    receipts are a row a write each.
    """
    found: dict[str, float] = printed("scripts.bench.ledger", LEDGER_EVENTS)
    return [
        row("ledger_query", found["day"], "bytes", found["unsealed"]),
        row("ledger_query_peak_bytes", found["peak_bytes"], "bytes", LEDGER_LIMIT_BYTES),
    ]


def etl(*arguments: str | int | Path) -> dict[str, float]:
    """Run ``scripts.bench.etl`` and return what it prints."""
    found: dict[str, float] = printed("scripts.bench.etl", *arguments)
    return found


def bench_formats() -> list[Row]:
    """Processor microseconds to read a row in each format, against the same tables as plain lines.

    Of all tables that a format is measured on together. Of the narrow CSV table alone, gzip costs up to 1.35:
    inflating takes 0.3 of what a row of 86 bytes does.
    """
    found: dict[str, dict[str, float]] = printed("scripts.bench.formats", FORMAT_ROWS)
    rows, plain = found.pop("rows"), found.pop("plain")

    def mean(by_table: dict[str, float], tables: Iterable[str]) -> float:
        return (
            sum(by_table[table] * rows[table] for table in tables)
            / sum(rows[table] for table in tables)
            * 1e6
        )

    return [
        row(f"read_{name}", mean(by_table, by_table), "µs", mean(plain, by_table))
        for name, by_table in found.items()
    ]


def bench_etl() -> list[Row]:
    """A million rows in the largest of the tables, from raw to gold, against a tenth and bare pysail.

    Rows per second and growth use processor seconds, the best of each; ``etl_seconds`` is wall-clock time
    and, like ``etl_peak_bytes``, the worst. The growth's reference is the time for a tenth of the data.

    The rows per second are about those of bare pysail, whose expressions type and judge; the kit's reader
    also finds the numbers and the errors of rows.

    On Spark the silver job alone is measured, against Spark's own readers and a window over the same rows. It
    has about 0.6 of their rows per second. Half of its time hardly grows with the rows: Java plans, compiles
    and warms up for each of its queries, of which the reference has one a table.
    """
    small, large = WORK / "etl" / "small", WORK / "etl" / "large"
    etl("data", small, ETL_ROWS // 10)
    etl("data", large, ETL_ROWS)
    runs = [("kit", large), ("bare", large), ("kit", small)]
    rounds = [[etl(what, folder) for what, folder in runs] for _ in range(ETL_ROUNDS)]
    kit, bare, tenth = (min(found, key=lambda run: run["cpu_seconds"]) for found in zip(*rounds, strict=True))
    spark, readers = (printed("scripts.bench.spark", what, large) for what in ("kit", "bare"))
    return [
        row(
            "etl_rows_per_second",
            kit["rows"] / kit["cpu_seconds"],
            "1/s",
            bare["rows"] / bare["cpu_seconds"],
        ),
        row("etl_cost_growth", kit["cpu_seconds"], "s", tenth["cpu_seconds"]),
        row("etl_seconds", max(found[0]["seconds"] for found in rounds), "s", ETL_LIMIT_SECONDS),
        row("etl_peak_bytes", max(found[0]["peak_bytes"] for found in rounds), "bytes", ETL_LIMIT_BYTES),
        row(
            "etl_spark_rows_per_second",
            spark["rows"] / spark["cpu_seconds"],
            "1/s",
            spark["rows"] / readers["cpu_seconds"],
        ),
        row("etl_spark_peak_bytes", spark["peak_bytes"], "bytes", SPARK_LIMIT_BYTES),
    ]


def measure() -> list[Row]:
    """Measure everything; returns the rows in the order of the table."""
    if not ZIP.is_file() or not RUNTIME.is_dir():
        raise ToolError("The functions are not built. Run: make build")
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    try:
        size = row("recorder_zip_bytes", ZIP.stat().st_size, "bytes", ZIP_LIMIT_BYTES)
        return [
            bench_hash_stream(),
            *bench_imports(),
            size,
            bench_receipts(),
            bench_seal(),
            bench_trail(),
            bench_trail_validate(),
            *bench_rules(),
            *bench_ledger(),
            bench_verify(),
            *bench_verify_sealed(),
            *bench_formats(),
            *bench_etl(),
            bench_warehouse(),
        ]
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


def bench_warehouse() -> Row:
    """Measure a load into a Snowflake on this machine, compared with the connector's ``executemany``."""
    set_up_warehouse(test=True)
    done = subprocess.run(
        [
            str(WAREHOUSE_TEST / "bin" / "python"),
            *("-m", "scripts.local_warehouse.bench", str(WORK / "warehouse"), str(WAREHOUSE_ROWS), "1"),
        ],
        cwd=REPO,
        env=without_aws(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"The benchmark of the warehouse ended with {done.returncode}.")
    best = json.loads(done.stdout)
    return row("warehouse_rows_per_second", best["load"], "rows/s", best["executemany"])


def broken(rows: list[Row]) -> list[str]:
    """Return the names of the rows that break their limit."""
    return [
        found.name
        for found in rows
        if found.name in LIMITS and not LIMITS[found.name].least <= found.ratio <= LIMITS[found.name].most
    ]


def table(rows: list[Row]) -> str:
    """Return the rows as a table, with their limits and a broken one marked."""
    bad = broken(rows)
    lines = [f"{'':34}{'value':>15}{'reference':>15} {'unit':8}{'ratio':>6}  limit"]
    for found in rows:
        limit = str(LIMITS.get(found.name, "none")) + ("  BROKEN" if found.name in bad else "")
        numbers = f"{_number(found.value):>15}{_number(found.reference):>15}"
        lines.append(f"{found.name:34}{numbers} {found.unit:8}{found.ratio:6.2f}  {limit}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def main() -> int:
    """Measure, write and print; 0 within all limits, 1 not, 2 not measured."""
    try:
        rows = measure()
    except (ToolError, LocalAwsError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    (BUILD / "bench.json").write_text(json.dumps([asdict(found) for found in rows], indent=2) + "\n")
    print(table(rows))
    print("The same data are in build/bench.json.")
    return 1 if broken(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
