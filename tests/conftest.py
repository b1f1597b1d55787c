"""Settings of every test: no property fails on a busy machine, an interrupt works, nothing is left at home.

A shell lets background processes ignore interrupts, and with them all that the tests start.
boto3 reads the model of each service once, instead of once per session: most of the time of many tests.
moto loads the URLs of Amazon S3 once, instead of once per call: no test changes what they depend on.
The garbage collector looks seldom, and not at what was imported and collected: that stays to the end.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import botocore.session
import pytest
from botocore.loaders import create_loader
from hypothesis import HealthCheck, settings
from moto.core.base_backend import BaseBackend
from moto.s3.models import S3Backend

signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("without a clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without a clock")

_models = create_loader()
botocore.session.Session._register_data_loader = lambda session: session.register_component(
    "data_loader", _models
)

gc.set_threshold(20_000, 20, 20)

S3Backend._url_module = BaseBackend._url_module  # type: ignore[method-assign]


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # DuckDB prints what is not collected before the end


@pytest.fixture(scope="session", autouse=True)
def no_state_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands save for an interrupted run is not in the home of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
