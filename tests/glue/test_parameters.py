from __future__ import annotations

from datetime import date

import pytest

from custody.errors import UsageError
from custody.etl.parameters import Parameters

GLUE = ["--JOB_ID", "j_1", "--enable-metrics", "--tables", "s3://b/tables/", "--n=3", "--JOB_RUN_ID", "jr_1"]


def test_reads_what_glue_gives() -> None:
    read = Parameters([*GLUE, "--days", "2026-01-15,2026-01-16"])
    assert (read.text("JOB_RUN_ID"), read.folder("tables"), read.text("n")) == ("jr_1", "s3://b/tables", "3")
    assert read.days("days") == (date(2026, 1, 15), date(2026, 1, 16))
    assert (read.versions("absent", ["a"]), read.days("absent")) == (None, ())
    pinned = Parameters(["--versions", "a@0,b_2@13"])
    assert pinned.versions("versions", ["a", "b_2"]) == {"a": 0, "b_2": 13}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no parameter --tables"),
        (["--tables"], "no parameter --tables"),
        (["--tables", "--n"], "no parameter --tables"),
        (["--tables", "/data"], "--tables is '/data', not the URI of a folder"),
        (["--tables", "s3://b", "--versions", "x"], "--versions is 'x', not a version each of a, b"),
        (["--tables", "s3://b", "--versions", "a@1"], "not a version each of a, b"),
        (["--tables", "s3://b", "--versions", "a@1,b@-1"], "not a version each of a, b"),
        (["--tables", "s3://b", "--versions", "a@1,b@2,"], "not a version each of a, b"),
        (["--tables", "s3://b", "--versions", "a@1,b@2,c@3"], "not a version each of a, b"),
        (["--tables", "s3://b", "--days", "soon"], "--days is 'soon', not days"),
    ],
)
def test_refused(arguments: list[str], sentence: str) -> None:
    read = Parameters(arguments)
    with pytest.raises(UsageError) as caught:
        assert [read.folder("tables"), read.versions("versions", ["a", "b"]), read.days("days")]
    assert sentence in str(caught.value)
