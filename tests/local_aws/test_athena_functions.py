"""Athena's functions: each supported one runs, and each unsupported one fails with that reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.docs import athena_functions
from scripts.local_aws.athena.engine import QueryError
from scripts.local_aws.athena.functions import AGGREGATES_AND_WINDOWS, SCALARS, SUBSCRIPT
from scripts.local_aws.athena.functions.catalogue import documented
from tests.local_aws.lake import Lake

RUN = [each for each in documented() if each.example]
LACKED = [each.name for each in documented() if not each.example]
WITHOUT_BRACKETS = {"current_catalog", "current_schema", "current_time", "current_user", "localtime"}
OF_OTHERS = athena_functions.OF_OTHER_ENGINES


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    lake = Lake()
    yield lake
    lake.engine.close()


@pytest.mark.parametrize(("example", "value"), [pytest.param(e.example, e.value, id=e.name) for e in RUN])
def test_what_is_said_to_run_runs(lake: Lake, example: str, value: str) -> None:
    assert lake.value(example) == value


@pytest.mark.parametrize("name", [each.name for each in RUN])
def test_an_example_is_one_of_its_function(name: str) -> None:
    (example,) = (each.example for each in RUN if each.name == name)

    assert name in example.lower()


@pytest.mark.parametrize("name", LACKED)
def test_what_is_lacked_is_not_supported(lake: Lake, name: str) -> None:
    call = name if name in WITHOUT_BRACKETS else f"{name}(1)"

    with pytest.raises(QueryError, match="NOT_SUPPORTED"):
        lake.value(call)


@pytest.mark.parametrize("name", OF_OTHERS)
def test_what_athena_has_not_is_not_registered(lake: Lake, name: str) -> None:
    with pytest.raises(QueryError) as refused:
        lake.value(f"{name}(1)")

    assert str(refused.value) == f"FUNCTION_NOT_FOUND: line 1:8: Function '{name}' not registered"


def test_every_function_here_is_one_of_athenas() -> None:
    assert (SCALARS.keys() | AGGREGATES_AND_WINDOWS.keys()) - {SUBSCRIPT} <= {each.name for each in RUN}


def test_the_list_is_in_order_and_names_each_once() -> None:
    names = [each.name for each in documented()]

    assert names == sorted(set(names))


def test_the_page_is_written_from_the_list() -> None:
    assert athena_functions.PAGE.read_text(encoding="utf-8") == athena_functions.render()
