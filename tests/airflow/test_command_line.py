"""The command line works with the packages of each Airflow: a task starts it there."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.local_airflow import Airflow
from tests.unit.test_deployment import OUTPUTS

MALFORMED = """
from custody.errors import EvidenceError
from custody.trail.digests import parse_digest_content
from custody.trail.log_files import parse_log_content
from custody.verify.canonical import read_canonical

for content in (b"{", b"[]", b"\\xff", b'{"awsAccountId": 1}'):
    for parse in (lambda data: parse_digest_content(data, {}), parse_log_content):
        try:
            parse(content)
        except EvidenceError:
            pass
    assert read_canonical(content) is None
contents = parse_log_content(b'{"Records": [{"eventName": 1}, {"eventID": "1"}]}')
print(len(contents.unreadable))
"""
"""Prints how many records of a file could not be read; whatever is malformed, no other error is raised."""


def test_what_is_malformed_raises_errors_of_ours(folder: Path, tmp_path: Path) -> None:
    """msgspec's own are other ones in the releases that an Airflow may have."""
    done = Airflow(folder, tmp_path).run("python", "-c", MALFORMED, more={})
    assert (done.returncode, done.stdout) == (0, "2\n")


def test_a_command_runs_and_wrong_use_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(OUTPUTS))
    where = {"CUSTODY_DEPLOYMENT": str(path), "AWS_ENDPOINT_URL": "nowhere"}
    for words, status, said in (
        (("--version",), 0, "custody 0."),
        (("verify", "--sampel"), 2, "custody: No such option"),
        (("verify",), 2, "custody: The AWS configuration is not valid"),
        (("warehouse", "load", "orders"), 2, "custody: This deployment has no warehouse."),
    ):
        done = Airflow(folder, tmp_path).run("custody", *words, more=where)
        assert (done.returncode, done.stdout[: len(said)], done.stdout.count("\n")) == (status, said, 1)
