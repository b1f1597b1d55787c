"""``custody warehouse``: from a gold table in Amazon S3 to a row in Snowflake, and to its raw object."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends

import loader
from custody.cli import main
from custody.times import parse_time
from custody.warehouse.anomalies import queries
from custody.warehouse.connection import Session, open_session, settings_of
from custody.warehouse.setup import setup_statements
from scripts.local_warehouse import local_snowflake, of_amazon_s3, runs_here
from scripts.toolchain.toolchain import REPO
from tests.support.evidence import REGION, World, worlds
from tests.warehouse.made_lake import MadeLake

PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)

UNKNOWN = "\n".join((PEM.splitlines()[0], "MAwCAQAwBQYDKbsBBAA=", PEM.splitlines()[-1], ""))
"""Of an algorithm that nobody knows."""


@pytest.fixture(scope="module")
def make_world() -> Iterator[Callable[[], World]]:
    with worlds() as make:
        yield make


@pytest.fixture(scope="module")
def endpoint(make_world: Callable[[], World]) -> Iterator[str]:
    """Where DuckDB reads what is in moto."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def made(
    request: pytest.FixtureRequest,
    make_world: Callable[[], World],
    endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MadeLake]:
    """A gold table, a Snowflake that is set up for it, and the command line's deployment."""
    made = MadeLake(make_world(), tmp_path, by=getattr(request, "param", None))
    secrets = boto3.client("secretsmanager", region_name=REGION)
    name = f"custody-test-{tmp_path.name}"
    made.deployment.snowflake["secret_arn"] = secrets.create_secret(Name=name, SecretString=PEM)["ARN"]
    topic = boto3.client("sns", region_name=REGION).create_topic(Name=name)["TopicArn"]
    made.deployment = replace(made.deployment, topic_arn=topic)
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(asdict(made.deployment)))
    monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(path))
    settings = settings_of(made.deployment)
    with local_snowflake(tmp_path / "snowflake", settings, of_amazon_s3(endpoint, REGION, "id", "key")):
        with session_of(made) as session:
            for statement in setup_statements(settings, [made.contract]):
                if runs_here(statement):
                    session.run(statement)
        yield made


def session_of(made: MadeLake) -> Any:
    return open_session(settings_of(made.deployment), b"", "test")


def run(
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
    status: int = 0,
    program: Callable[[list[str]], int] = main,
) -> dict[str, Any]:
    capsys.readouterr()
    found = program([*arguments, "--format", "json"])
    out, err = capsys.readouterr()
    assert found == status, err
    answer = out[out.index("{\n") if "{\n" in out else out.index('{"start"') :]  # after the recorder's log
    document: dict[str, Any] = json.loads(answer)
    return document


def test_row_is_traced_to_its_raw_object_and_receipt(
    made: MadeLake, capsys: pytest.CaptureFixture[str]
) -> None:
    version = made.make([{"id": "a'; --", "amount": 1}, {"id": "b", "amount": 2}])

    loaded = run(capsys, "warehouse", "load", "visits")
    again = run(capsys, "warehouse", "load", "visits")
    traced = run(capsys, "warehouse", "trace", "visits", "id=a'; --")

    assert loaded == {"table": "VISITS", "version": version, "rows": 2, "files": 1, "copied": 1}
    assert again == loaded | {"copied": 0}
    (file,) = made.data_files()
    assert traced["file"]["version"] == file.uri
    assert traced["file"]["receipt"].endswith(file.receipt_key)
    assert [found["version"] for found in traced["raw"]] == [made.raw.version.uri]
    assert traced["raw"][0]["receipt"].endswith(made.raw.version.receipt_key)
    assert traced["raw"][0]["sha256"] == made.raw.sha256
    assert (traced["problems"], traced["missing"]) == ([], [])
    assert main(["warehouse", "trace", "visits", "id=b"]) == 0
    assert made.raw.version.receipt_key in capsys.readouterr().out.replace("\n", "")


def test_what_snowflake_says_of_loads_is_asked(made: MadeLake, capsys: pytest.CaptureFixture[str]) -> None:
    answer = run(capsys, "warehouse", "anomalies")
    assert (answer["findings"], answer["unchecked"]) == ([], {})
    assert answer["rules"] == [*queries()]
    session: Session
    with session_of(made) as session:
        session.run("DROP VIEW MONITOR.COST")
    assert list(run(capsys, "warehouse", "anomalies", status=3)["unchecked"]) == ["warehouse-cost"]
    with session_of(made) as session:
        session.run(
            "INSERT INTO SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY (query_id, start_time, user_name, query_type, "
            "execution_status) SELECT 'q', CURRENT_TIMESTAMP(), ?, 'COPY', 'FAIL'",
            [f"{made.deployment.snowflake['name']}_LOADER"],
        )
    (found,) = run(capsys, "warehouse", "anomalies", "--until", "2100-01-01", "--since", "1d", status=1)[
        "findings"
    ]
    assert (found["claim"], found["evidence"]) == ("anomaly.warehouse-failed-loads", "q")


def test_what_snowflake_says_of_loads_is_told_to_the_topic(
    made: MadeLake, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[made.deployment.topic_arn]
    assert loader.main([]) == 0
    (told,) = re.findall(r"rules, (\S+) to (\S+): 0 findings", capsys.readouterr().err)
    since, until = map(parse_time, told)
    assert until - since == dt.timedelta(hours=25)
    assert main(["warehouse", "tell", "--since", "1h"]) == 2
    assert re.search(r"The end, \S+, is not after --since\.", capsys.readouterr().err)
    period = ("--since", "2026-01-01", "--until", "2100-01-01")
    assert run(capsys, *period, program=loader.main)["findings"] == []
    assert topic.sent_notifications == []
    session: Session
    with session_of(made) as session:
        session.run("DROP VIEW MONITOR.COST")
        session.run(
            "INSERT INTO SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY (query_id, start_time, user_name, query_type, "
            "execution_status) SELECT 'q', CURRENT_TIMESTAMP(), ?, 'COPY', 'FAIL'",
            [f"{made.deployment.snowflake['name']}_LOADER"],
        )
    assert run(capsys, program=loader.main, status=3)["findings"] == []  # it is not three hours old yet
    answer = run(capsys, *period, program=loader.main, status=3)
    ((_, text, subject, attributes, _),) = topic.sent_notifications
    (found,) = answer["findings"]
    assert subject == f"[medium] {made.deployment.name}: warehouse-failed-loads"
    assert "COPY failed" in text
    assert (attributes["kind"]["Value"], attributes["anomaly"]["Value"]) == ("warehouse", found["id"])
    assert list(answer["unchecked"]) == ["warehouse-cost"]


def test_the_loader_waits_until_the_receipts_of_its_jobs_table_are_sealed(
    made: MadeLake, capsys: pytest.CaptureFixture[str]
) -> None:
    version = made.make([{"id": "a", "amount": 1}], seal=False)
    job = f"{made.deployment.name}-processed-to-analytics-visits"
    pauses: list[int] = []

    def pause() -> None:
        pauses.append(1)
        if len(pauses) == 2:
            made.seal()

    loaded = run(capsys, job, program=lambda words: loader.main(words, pause))

    assert (loaded["version"], loaded["rows"]) == (version, 1)
    assert len(pauses) == 2


def test_the_loader_tries_again_for_half_an_hour_and_not_what_will_not_go_away(
    made: MadeLake, capsys: pytest.CaptureFixture[str]
) -> None:
    made.make([{"id": "a", "amount": 1}], seal=False)
    pauses: list[int] = []
    assert loader.main(["visits"], lambda: pauses.append(1)) == 3
    assert len(pauses) == loader.TRIES - 1
    assert loader.main(["arrivals"], lambda: pauses.append(2)) == 2
    assert 2 not in pauses
    assert "There is no gold table 'arrivals'" in capsys.readouterr().err


def test_a_loader_that_another_was_quicker_than_has_nothing_left_to_do(
    made: MadeLake, capsys: pytest.CaptureFixture[str]
) -> None:
    version = made.make([{"id": "a", "amount": 1}], seal=False)

    def other() -> None:
        made.seal()
        assert loader.main(["visits"]) == 0

    loaded = run(capsys, "visits", program=lambda words: loader.main(words, other))

    assert (loaded["version"], loaded["copied"]) == (version, 0)
    session: Session
    with session_of(made) as session:
        assert session.run("SELECT delta_version, row_count FROM CUSTODY_LOADS") == [(version, 1)]
        assert session.run("SELECT id, amount FROM VISITS") == [("a", 1)]


def test_the_loader_is_a_plain_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loader", "visits"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(str(REPO / folder) for folder in ("task", "src")),
            "CUSTODY_DEPLOYMENT": str(tmp_path / "deployment.json"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no deployment file at" in done.stderr
    assert done.stderr.count("\n") == 1


def test_history_that_was_changed_is_told_of(made: MadeLake, capsys: pytest.CaptureFixture[str]) -> None:
    made.make([{"id": "a", "amount": 1}])
    run(capsys, "warehouse", "load", "visits")
    session: Session
    with session_of(made) as session:
        session.run("UPDATE CUSTODY_FILES SET SHA256 = 'other'")

    traced = run(capsys, "warehouse", "trace", "visits", "id=a", status=1)

    assert "The load history has SHA-256 other" in traced["problems"][0]


@pytest.mark.parametrize("change", ["AMOUNT = 1000", "AMOUNT = NULL"])
def test_row_that_its_file_does_not_have_is_told_of(
    made: MadeLake, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    made.make([{"id": "a", "amount": 1}])
    run(capsys, "warehouse", "load", "visits")
    session: Session
    with session_of(made) as session:
        session.run(f"UPDATE VISITS SET {change}")

    traced = run(capsys, "warehouse", "trace", "visits", "id=a", status=1)

    assert "The row does not have the values that it has in s3://" in traced["problems"][0]


@pytest.mark.parametrize("made", ["day"], indirect=True)
def test_row_that_its_file_has_on_another_day_is_told_of(
    made: MadeLake, capsys: pytest.CaptureFixture[str]
) -> None:
    made.make([{"day": dt.date(2026, 1, 1), "id": "a", "amount": 1}])
    run(capsys, "warehouse", "load", "visits")
    run(capsys, "warehouse", "trace", "visits", "id=a", "day=2026-01-01")
    session: Session
    with session_of(made) as session:
        session.run("UPDATE VISITS SET DAY = '2026-01-02'")

    traced = run(capsys, "warehouse", "trace", "visits", "id=a", "day=2026-01-02", status=1)

    assert "The row does not have the values that it has in s3://" in traced["problems"][0]


def test_row_of_a_file_that_was_overwritten_is_told_of(
    made: MadeLake, capsys: pytest.CaptureFixture[str]
) -> None:
    made.make([{"id": "a", "amount": 1}])
    run(capsys, "warehouse", "load", "visits")
    (file,) = made.data_files()
    made.world.put(file.key, made.world.read(file.bucket, file.key), file.bucket)

    traced = run(capsys, "warehouse", "trace", "visits", "id=a", status=1)

    assert "was overwritten or deleted" in traced["problems"][0]


def test_raw_object_that_is_gone_is_told_of(made: MadeLake, capsys: pytest.CaptureFixture[str]) -> None:
    made.make([{"id": "a", "amount": 1}])
    run(capsys, "warehouse", "load", "visits")
    raw = made.raw.version
    made.world.s3.delete_object(Bucket=raw.bucket, Key=raw.key, VersionId=raw.version_id)

    traced = run(capsys, "warehouse", "trace", "visits", "id=a", status=1)

    assert traced["problems"] == [f"{raw.uri} does not exist any more."]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["load", "arrivals"], "There is no gold table 'arrivals'"),
        (["trace", "visits", "id"], "A row is named by its key"),
        (["trace", "visits", "id=a", "id=b"], "A row is named by its key"),
        (["trace", "visits", "amount=1"], "The key of visits is id"),
        (["trace", "visits", "id=\udc80"], "The value of id is no string, which it is by the contract"),
        (["trace", "visits", "id=nobody"], "VISITS has no row with this key"),
    ],
)
def test_wrong_use_is_one_sentence(
    made: MadeLake, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    made.make([{"id": "a", "amount": 1}])

    assert main(["warehouse", *arguments]) == 2

    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_target_that_is_not_there_is_one_sentence(made: MadeLake, capsys: pytest.CaptureFixture[str]) -> None:
    made.make([{"id": "a", "amount": 1}])
    with session_of(made) as session:
        session.run("DROP TABLE VISITS")

    assert main(["warehouse", "load", "visits"]) == 2

    assert "There is no table VISITS in the warehouse that the loader may read." in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [" ", "secret words", PEM.replace("PRIVATE", "PUBLIC"), PEM[:200], UNKNOWN],
    ids=["blank", "words", "public", "cut", "unknown"],
)
def test_secret_that_is_no_key_is_told_without_its_value(
    made: MadeLake, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    made.make([{"id": "a", "amount": 1}])
    secrets = boto3.client("secretsmanager", region_name=REGION)
    secrets.put_secret_value(SecretId=made.deployment.snowflake["secret_arn"], SecretString=value)

    assert main(["warehouse", "load", "visits"]) == 2

    out, err = capsys.readouterr()
    assert "is no unencrypted RSA private key of 2,048 bits or more in PEM" in err
    assert not any(line in out + err for line in value.splitlines() if len(line) > 8)
