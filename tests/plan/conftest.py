"""The plan that these tests read, made once by the real Terraform, without server and credentials."""

from __future__ import annotations

import pytest

from tests.plan.document import PlanDocument
from tests.support.plans import local_plan


@pytest.fixture(scope="session")
def plan() -> PlanDocument:
    return PlanDocument(local_plan())
