"""Which deployment a command works on, and the list of deployments, which is as untrusted as any file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from custody.cli import main
from custody.cli.options import Format, Run
from custody.cli.places import Place, choose_place, list_path, read_list, write_list
from custody.errors import CustodyError, UsageError
from tests.unit.cloud import Cloud, deployed
from tests.unit.report.sample import DEPLOYMENT

KEY = "deployments/custody-local.json"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and an empty list."""
    for name in ("CUSTODY_DEPLOYMENT", "ENV", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def built(home: Path, env: str) -> str:
    path = home / "build" / env / "deployment.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(asdict(DEPLOYMENT)))
    return str(path.relative_to(home))


def test_what_is_named_goes_first_then_the_checkout_then_the_only_one_in_the_list(home: Path) -> None:
    write_list({"one": Place("/one.json", "p")})
    assert choose_place(None, {}) == Place("/one.json", "p")
    local = built(home, "local")
    assert choose_place(None, {}) == Place(local)
    assert choose_place(None, {"ENV": "/home/me/.shrc"}) == Place(local), "a shell's ENV is no environment"
    prod = built(home, "prod")
    assert choose_place(None, {"ENV": "prod"}) == Place(prod)
    assert choose_place("one", {"ENV": "prod"}) == Place("/one.json", "p")
    assert choose_place("./one", {}) == Place("./one")
    assert choose_place("s3://bucket/key", {}) == Place("s3://bucket/key")


@pytest.mark.parametrize(
    ("names", "named", "environ", "words"),
    [
        ([], None, {}, "no deployment file at build/local/deployment.json, and no deployment in the list"),
        (["one"], None, {"ENV": "prod"}, r"no deployment file at build/prod/deployment.json \(ENV is prod\)"),
        (["b", "a"], None, {}, "Several deployments could be meant; the list has a, b. Name one with"),
        (["a"], "b", {}, "There is no deployment b in the list; the list has a. Add it"),
        ([], "b", {}, "There is no deployment b in the list; the list is empty"),
    ],
)
def test_none_or_more_than_one_is_one_sentence(
    names: list[str], named: str | None, environ: dict[str, str], words: str
) -> None:
    write_list({name: Place(f"/{name}.json") for name in names})
    with pytest.raises(UsageError, match=words):
        choose_place(named, environ)


GOOD: dict[str, Any] = {"name": "a", "location": "s3://bucket/key", "profile": None}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"deployments": {}}',
        '{"deployments": [[]]}',
        '{"deployments": [' * 40_000,
        json.dumps({"deployments": [GOOD, GOOD]}),
        json.dumps({"deployments": [GOOD | {"name": "\x1b[2J"}]}),
        json.dumps({"deployments": [GOOD | {"name": 1}]}),
        json.dumps({"deployments": [GOOD | {"location": "relative.json"}]}),
        json.dumps({"deployments": [GOOD | {"location": "s3://bucket"}]}),
        json.dumps({"deployments": [GOOD | {"location": "s3://bucket/key?versionId=1"}]}),
        json.dumps({"deployments": [GOOD | {"profile": ["p"]}]}),
        json.dumps({"deployments": [GOOD], "padding": "x" * 2**20}),
    ],
)
def test_a_list_that_custody_did_not_write_is_one_sentence(
    content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    list_path().parent.mkdir(parents=True)
    list_path().write_text(content)
    assert main(["deployments", "list"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("custody: The list of deployments ")
    assert "\x1b" not in err
    assert err.endswith("Correct it, or delete it.\n")


def test_the_list_is_added_to_shown_and_removed_from(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "x.json"
    path.write_text(json.dumps(asdict(DEPLOYMENT)))
    assert main(["deployments", "add", "x.json", "--profile", "\u202ep"]) == 0
    assert read_list() == {"custody-local": Place(str(path), "\u202ep")}
    assert list_path().stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert main(["deployments", "list"]) == 0
    shown = capsys.readouterr().out
    assert r"\u202ep" in shown
    assert str(path) in shown
    assert main(["deployments", "list", "-f", "json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["deployments"]
    assert entry == {"name": "custody-local", "location": str(path), "profile": "\u202ep"}

    (home / "y.json").write_text(path.read_text())
    assert main(["deployments", "add", "y.json"]) == 2
    assert "another deployment custody-local" in capsys.readouterr().err
    assert main(["deployments", "add", "y.json", "--name", "Not A Name"]) == 2
    assert main(["deployments", "add", "none.json", "--name", "none"]) == 2
    assert main(["deployments", "add", "y.json", "--name", "other"]) == 0
    assert main(["deployments", "remove", "custody-local"]) == 0
    assert main(["deployments", "remove", "custody-local"]) == 2
    assert read_list() == {"other": Place(str(home / "y.json"))}
    assert main(["deployments", "remove", "other"]) == 0
    capsys.readouterr()
    assert main(["deployments", "list"]) == 0
    assert "The list is empty" in capsys.readouterr().err


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        yield cloud


def test_a_deployment_is_read_from_s3(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, s3 = f"s3://artifacts/{KEY}", cloud.client("s3")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert main(["ledger", "--deployment", uri]) == 3
    assert "NoSuchBucket" in capsys.readouterr().err
    s3.create_bucket(Bucket="artifacts")
    assert main(["ledger", "--deployment", uri]) == 2
    assert f"There is no deployment file at {uri}." in capsys.readouterr().err
    for content, words in (("{", "cannot be read"), ("{}", "lacks"), (" " * 2**20 + "{}", "too long")):
        s3.put_object(Bucket="artifacts", Key=KEY, Body=content.encode())
        assert main(["ledger", "--deployment", uri]) == 2
        assert words in capsys.readouterr().err
    s3.put_object(Bucket="artifacts", Key=KEY, Body=json.dumps(asdict(cloud.deployment)).encode())
    assert main(["deployments", "add", uri]) == 0
    assert main(["ledger"]) == 0, "it is the only one in the list"
    assert "no matching rows" in capsys.readouterr().err


def test_a_copy_is_verified_by_a_file_of_its_own_or_of_the_users(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whoever has the first account writes what lies in its buckets, and would name another copy."""
    s3, named = cloud.client("s3"), {"bucket": "the-copy", "region": "us-east-1"}
    document = json.dumps(asdict(replace(cloud.deployment, evidence_copy=named)))
    for bucket in ("artifacts", "the-copy"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=KEY, Body=document.encode())
    file = tmp_path / "deployment.json"
    file.write_text(document)
    assert main(["verify", "--from-copy", "--deployment", f"s3://artifacts/{KEY}"]) == 2
    assert f"s3://artifacts/{KEY} is not in the copy that it names, the-copy." in capsys.readouterr().err
    for place in (f"s3://the-copy/{KEY}", str(file)):
        assert main(["verify", "--from-copy", "--deployment", place]) == 3
        assert "key registry" in capsys.readouterr().err


def test_profile_and_region_go_before_the_lists_and_the_deployments(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = home / "config"
    config.write_text(
        "".join(f"[profile {name}]\nregion = eu-west-1\n" for name in ("listed", "mine", "env"))
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "env")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    write_list({"a": Place(str(home / built(home, "local")), "listed"), "b": Place(read_path(home))})

    def session(named: str, profile: str | None = None, region: str | None = None) -> tuple[str, str]:
        found = Run(named, Format.TABLE, profile, region).session
        return found.profile_name, found.region_name

    assert session("a") == ("listed", DEPLOYMENT.region)
    assert session("a", "mine", "ap-south-1") == ("mine", "ap-south-1")
    assert session("b") == ("env", DEPLOYMENT.region)
    with pytest.raises(CustodyError, match=r"profile \(gone\) could not be found"):
        session("a", "gone")


def read_path(home: Path) -> str:
    return str(home / "build" / "local" / "deployment.json")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["custody", "ver"], ["verify"]),
        (["custody", "deployments", ""], ["add", "list", "remove"]),
        (["custody", "ledger", "--status", "veri"], ["verified"]),
        (["custody", "verify", "--deployment", "d"], ["dev"]),
    ],
)
def test_a_shell_completes_commands_and_names(words: list[str], wanted: list[str]) -> None:
    write_list({"dev": Place("/dev.json"), "prod": Place("/prod.json")})
    done = subprocess.run(
        [sys.executable, "-m", "custody.cli"],
        env={
            **os.environ,
            "_CUSTODY_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (wanted, "")
