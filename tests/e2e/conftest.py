"""One pipeline, deployed by the real Terraform from the zip that ships, for all tests that need no other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from scripts.applied import kept, tree_key
from scripts.pipeline import Landed, Pipeline, deployed
from scripts.toolchain import BUILD


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    work_dir = BUILD / "test" / "pipeline"
    shutil.rmtree(work_dir, ignore_errors=True)
    with deployed(work_dir) as running:
        kept(tree_key(), lambda _: running.terraform.show_json())  # for the tests that compare such states
        yield running


@pytest.fixture(scope="session")
def landed(pipeline: Pipeline) -> list[Landed]:
    """The sample data set, dropped, recorded and delivered by the trail."""
    dropped = pipeline.drop_sample()
    pipeline.await_receipts([entry.version for entry in dropped])
    pipeline.deliver_trail()
    return dropped
