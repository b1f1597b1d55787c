"""The last release, deployed by its own code, and upgraded to this working tree: ``make test-upgrade``.

The release's commit is read from ``CHANGELOG.md``; a clone without its history cannot run this.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from custody.deployment import load_deployment
from custody.evidence.objects import ObjectVersion
from scripts.demo.dataset import File, deliveries
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline
from scripts.local_aws import LocalAws
from scripts.release.changelog import last_release
from scripts.terraform import Terraform
from scripts.toolchain.toolchain import BUILD, REPO

ROWS = 200
STATEFUL = {
    "aws_cloudtrail",
    "aws_cloudwatch_log_group",
    "aws_kinesis_firehose_delivery_stream",
    "aws_kms_key",
    "aws_s3_bucket",
    "aws_secretsmanager_secret",
    "aws_sns_topic",
    "aws_sqs_queue",
}
"""Types of resources that lose data, evidence or subscriptions when they are destroyed or replaced."""


def run(folder: Path, *command: str) -> None:
    """Run a command of another checkout, with nothing of this one's Python."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
    }
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def released() -> Path:
    """The release's checkout, set up and built by its own code."""
    commit = last_release().commit
    folder = BUILD / "upgrade" / str(commit)
    if not folder.is_dir():
        archive = subprocess.run(
            ["git", "archive", "--format=tar", str(commit)], cwd=REPO, capture_output=True, check=False
        )
        assert archive.returncode == 0, archive.stderr.decode()
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
            packed.extractall(folder, filter="data")
    run(folder, "make", "build")
    return folder


@dataclass(frozen=True)
class Upgraded:
    """The deployment after the upgrade, and what is to be known of the time before."""

    pipeline: Pipeline
    changes: Sequence[dict[str, object]]
    old: list[ObjectVersion]
    """Versions that the release recorded."""


@pytest.fixture(scope="session")
def upgraded(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    work = released / "build" / "local"
    shutil.rmtree(work, ignore_errors=True)
    with LocalAws(work / "aws") as aws:
        run(released, "make", "apply")
        terraform = Terraform("local", work_dir=work, environ=aws.environ(), say=lambda _: None)
        deployment = load_deployment(terraform.deployment_path)
        roles = json.loads(terraform.deployment_path.read_text())["roles"]
        before = Pipeline(aws, terraform, deployment, roles, [REPO / "examples" / "streaming"])
        old = [each.version for each in before.drop_sample()]
        old += deliver(before, tmp_path_factory.mktemp("before"), seed=1)
        before.await_receipts(old)
        before.deliver_trail()

        plan = terraform.plan()
        outputs = terraform.apply()
        deployment = load_deployment(terraform.deployment_path)
        yield Upgraded(replace(before, deployment=deployment, roles=outputs["roles"]), plan.changes, old)


def deliver(pipeline: Pipeline, folder: Path, seed: int) -> list[ObjectVersion]:
    """Deliver data under keys of its own, and have tables made of it."""

    def named(files: Iterator[File]) -> Iterator[File]:
        for truth, chunks in files:
            key = PurePosixPath(truth.key)
            truth.key = str(key.with_stem(f"{key.stem}-{seed}"))
            yield truth, chunks

    lake = Lake(pipeline)
    versions: list[ObjectVersion] = []
    for dataset in pipeline.datasets:
        for table, files in deliveries(dataset, ROWS, seed).items():
            versions += lake.deliver(table, named(files), folder).versions
    lake.process()
    return versions


def test_nothing_stateful_is_destroyed_or_replaced(upgraded: Upgraded) -> None:
    assert upgraded.changes
    lost = [
        change["address"]
        for change in upgraded.changes
        if {"delete", "forget"} & set(change["change"]["actions"]) and change["type"] in STATEFUL  # type: ignore[index]
    ]
    assert lost == []


def test_a_second_plan_changes_nothing(upgraded: Upgraded) -> None:
    again = upgraded.pipeline.terraform.plan()
    assert not again.has_changes, again.summary()


def test_all_evidence_holds_and_new_objects_join_the_old(upgraded: Upgraded, tmp_path: Path) -> None:
    pipeline = upgraded.pipeline
    new = deliver(pipeline, tmp_path, seed=2)
    pipeline.await_receipts(new)
    pipeline.deliver_trail()

    done = pipeline.custody("verify", "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["findings"], document["unchecked"]) == (0, [], []), done.stderr
    assert document["claims"]["object.hash"]["passed"] >= len(upgraded.old) + len(new)
    for command in (("fsck",), ("doctor",)):
        done = pipeline.custody(*command)
        assert done.returncode == 0, done.stdout + done.stderr
