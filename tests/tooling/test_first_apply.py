"""When a first deployment that is broken off again and again can go no further."""

from __future__ import annotations

from scripts.first_apply import Course
from scripts.terraform import TerraformError


def test_an_apply_that_was_refused_something_is_gone_on_from() -> None:
    course = Course()
    assert course.goes_on(9, 3, TerraformError("refused"))
    assert course.goes_on(6, 0, None)
    assert (course.applies, course.problems) == ([(9, 3), (6, 0)], [])


def test_one_that_fails_though_nothing_was_refused_is_the_end() -> None:
    course = Course()
    assert not course.goes_on(9, 0, TerraformError("the queue is no queue"))
    assert course.problems == ["apply 1 could not go on: the queue is no queue"]


def test_so_is_a_plan_that_always_finds_something_to_change() -> None:
    course = Course()
    assert course.goes_on(9, 0, None)
    assert not course.goes_on(1, 0, None)
    assert course.problems == [
        "apply 2 had 1 change to make, though nothing was in the way of the one before"
    ]
