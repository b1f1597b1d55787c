"""The plan that these tests read, made once by the real Terraform, without server and credentials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.terraform import serverless_environ
from scripts.toolchain.provider import VARIABLE, served_provider
from tests.plan.document import PlanDocument
from tests.support.plans import local_plan


@pytest.fixture(scope="package", autouse=True)
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One process of the provider for all these plans: they are of one environment, without a server."""
    with (
        served_provider(serverless_environ(), tmp_path_factory.mktemp("provider")) as environ,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(VARIABLE, environ[VARIABLE])
        yield


@pytest.fixture(scope="session")
def plan() -> PlanDocument:
    return PlanDocument(local_plan())
