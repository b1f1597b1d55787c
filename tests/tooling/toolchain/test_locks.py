"""The lock files: complete, hashed, independent of the index, and consistent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.toolchain.setup import REQUIREMENTS

LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
_PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ;]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return dict(_PIN.findall((REQUIREMENTS / f"{lock}.txt").read_text()))


def test_every_list_of_wishes_has_its_lock() -> None:
    assert {path.stem for path in LOCKS} == {path.stem for path in REQUIREMENTS.glob("*.in")}
    assert len(LOCKS) == 14


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_version_is_hashed_and_no_index_or_place_is_named(lock: Path) -> None:
    text = lock.read_text()
    for entry in re.split(r"\n(?=\S)", text):
        first = entry.splitlines()[0]
        assert _PIN.match(entry), first
        assert "--hash=sha256:" in entry, first
    assert not re.search(r"://|--(extra-)?index-url|--find-links| /", text)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_wish_is_in_its_lock(lock: Path) -> None:
    wishes = lock.with_suffix(".in").read_text().splitlines()
    names = {re.split(r"[\[=<>~]", wish)[0].strip() for wish in wishes if wish and wish[0] not in "#-"}
    assert names
    assert names <= pins(lock.stem).keys()


def test_what_ships_is_what_is_tested() -> None:
    shipped, tested = pins("lambda"), pins("dev")
    assert {name: tested[name] for name in shipped} == shipped


def test_airflow_gets_what_its_tests_have_and_what_the_command_line_lacks_there() -> None:
    """Of what the command line needs, Airflow itself and the provider of Amazon bring all else."""
    added, tested = pins("mwaa"), pins("airflow")
    assert {name: tested[name] for name in added} == added
    assert added.keys() == {"isal", "securesystemslib"}


def test_build_tools_are_the_same_everywhere() -> None:
    built, tested = pins("build"), pins("dev")
    assert {name: tested[name] for name in built} == built


def test_what_ships_brings_no_boto3() -> None:
    assert not {"boto3", "botocore", "cryptography", "cffi"} & pins("lambda").keys()


def test_lambda_brings_an_older_boto3_than_ours() -> None:
    def version(lock: str) -> tuple[int, ...]:
        return tuple(int(part) for part in pins(lock)["boto3"].split("."))

    assert version("lambda-runtime") < version("dev")
    assert pins("dev")["boto3"] == pins("dev")["botocore"]
