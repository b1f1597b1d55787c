from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from typing import Any, cast

import pytest

from custody.report import ReportData, render_report
from custody.report.lineage import (
    SHOWN_OBJECTS,
    WIDTH,
    GoldLineage,
    GoldTable,
    RawObject,
    SilverTable,
    draw_lineage,
    gather_lineage,
)
from tests.support.lake import Lake, MemoryS3
from tests.unit.report.sample import DEPLOYMENT, HOSTILE, sample_data
from tests.unit.report.test_render import Page


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def lake(s3: MemoryS3) -> Lake:
    return Lake(DEPLOYMENT.buckets, s3.put)


def gathered(s3: MemoryS3) -> GoldLineage | None:
    return gather_lineage(cast("Any", s3), DEPLOYMENT)


def sample_lineage() -> GoldLineage:
    """Two gold tables over two silver ones, with names that try to inject HTML."""
    objects = tuple(
        RawObject(key, f"v{n}", sha256(key.encode()).hexdigest()) for n, key in enumerate(HOSTILE)
    )
    return GoldLineage(
        gold=(
            GoldTable("customer_value", 4, 1_203, (("customers", 9), ("viewing<b>\x1b[2J", 17))),
            GoldTable("daily_engagement", 11, None, (("viewing<b>\x1b[2J", 16),)),
        ),
        silver=(
            SilverTable("customers", 9, 6, 2, objects[:2]),
            SilverTable("viewing<b>\x1b[2J", 17, 12, 1_234, objects[2:7]),
        ),
        missing=("s3://b/tables/x@3 has no lineage document <i>.",),
    )


def test_without_gold_there_is_no_lineage(s3: MemoryS3, lake: Lake) -> None:
    lake.silver("customers", 1, [lake.raw("incoming/c/1")])
    lake.commit("customer_value", 0, "analytics")
    assert gathered(s3) is None


def test_gold_is_told_by_what_its_newest_version_stands_on(s3: MemoryS3, lake: Lake) -> None:
    entries = [lake.raw(f"incoming/c/{number}") for number in range(7)]
    for number, entry in enumerate(entries, start=1):
        lake.silver("customers", number, [entry, *entries[:1]][: 1 + (number == 3)])
    event = lake.raw("incoming/e/1")
    lake.silver("viewing_events", 2, [event])
    lake.gold("customer_value", 1, [("customers", 2), ("viewing_events", 2)])
    lake.gold("customer_value", 2, [("customers", 6), ("viewing_events", 2)])
    lake.gold("daily_engagement", 1, [("viewing_events", 2)], days=["2026-01-15"])
    lake.gold("daily_engagement", 2, [("viewing_events", 1)], days=["2026-01-14"])

    lineage = gathered(s3)
    assert lineage is not None
    assert lineage.gold == (
        GoldTable("customer_value", 2, 3, (("customers", 6), ("viewing_events", 2))),
        GoldTable("daily_engagement", 2, 3, (("viewing_events", 2),)),
    )
    customers, events = lineage.silver
    assert (customers.name, customers.version, customers.documents, customers.objects) == (
        "customers",
        6,
        6,
        6,
    )
    assert [item.key for item in customers.newest] == [f"incoming/c/{number}" for number in (5, 4, 3, 0, 2)]
    assert events.newest == (RawObject(event.version.key, event.version.version_id, event.sha256),)
    assert len(lineage.missing) == 1
    assert "viewing_events@1 has no lineage document" in lineage.missing[0]


def test_everything_lies_within_the_picture_and_nothing_on_another() -> None:
    picture = draw_lineage(sample_lineage())
    for block in picture.blocks:
        assert 0 <= block.x <= block.x + block.width <= WIDTH
        assert 0 <= block.y <= block.y + block.height <= picture.height
        for other in picture.blocks:
            apart = (
                block.x + block.width <= other.x
                or other.x + other.width <= block.x
                or block.y + block.height <= other.y
                or other.y + other.height <= block.y
            )
            assert apart or block is other
    assert [block.title for block in picture.blocks if "more" in block.title] == [
        f"and {1_234 - SHOWN_OBJECTS:,} more"
    ]
    assert len(picture.arrows) == 2 + 5 + 1 + 3


def test_many_gold_tables_on_one_silver_table_fit() -> None:
    gold = tuple(GoldTable(f"t{number}", 1, 1, (("s", 1),)) for number in range(6))
    picture = draw_lineage(GoldLineage(gold, (SilverTable("s", 1, 1, 0, ()),), ()))
    tops = [block.y for block in picture.blocks if block.title.startswith("t")]
    assert all(later - earlier >= 78 for earlier, later in pairwise(tops))


def page(data: ReportData) -> tuple[str, str]:
    html = render_report(data)
    return html, " ".join(Page(html).text.split())


def test_the_page_shows_it_in_a_picture_and_in_words() -> None:
    html, text = page(replace(sample_data(), lineage=sample_lineage()))
    assert "What the gold tables were made from" in text
    assert "customer_value, version 4, from customers, version 9 and viewing<b>" in text
    assert "and 1,229 more" in text
    assert "has no lineage document <i>." in text
    assert "custody lineage customer_value" in text
    for raw in ("<script>alert", "\x1b", "\u202e", "<b>", "<i>"):
        assert raw not in html


def test_without_tables_the_page_says_nothing_of_them() -> None:
    html, text = page(sample_data())
    assert "gold tables" not in text
    assert "lineage-title" not in html
