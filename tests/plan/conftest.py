"""The plan that these tests read, made once by the real Terraform, without server and credentials."""

from __future__ import annotations

import pytest

from scripts.terraform import Terraform
from tests.plan.document import PlanDocument


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> PlanDocument:
    terraform = Terraform("local", work_dir=tmp_path_factory.mktemp("plan"), say=lambda _: None)
    return PlanDocument(terraform.plan().document)
