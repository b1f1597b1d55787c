"""From silver to gold: pure DataFrame functions with the same result on every engine.

The result depends only on the input rows: the same versions of the silver tables give the same rows.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812


def daily_engagement(events: DataFrame) -> DataFrame:
    """What was watched, by ``event_date``, ``country`` and ``device``; only from rows of the events."""
    return events.groupBy("event_date", "country", "device").agg(
        F.countDistinct("customer_id").alias("viewers"),
        F.countDistinct("title_id").alias("titles"),
        F.count(F.lit(1)).alias("events"),
        F.count(F.when(F.col("event_type") == "play", F.lit(1))).alias("plays"),
        F.count(F.when(F.col("event_type") == "complete", F.lit(1))).alias("completions"),
        F.coalesce(F.sum("watched_seconds"), F.lit(0)).cast("bigint").alias("watched_seconds"),
    )


def customer_value(customers: DataFrame, events: DataFrame) -> DataFrame:
    """What each customer spent and watched; one row per customer, with or without events."""
    viewer = F.col("customer_id").alias("viewer")
    watched = events.groupBy(viewer).agg(
        F.sum("watched_seconds").cast("bigint").alias("watched_seconds"),
        F.min("event_date").alias("first_event_date"),
        F.max("event_date").alias("last_event_date"),
    )
    active = _distinct(events, "event_date", "active_days")
    titles = _distinct(events, "title_id", "titles")
    spent = F.col("total_spent_usd")
    segment = (
        F.when(spent >= 1000, F.lit("high"))
        .when(spent >= 100, F.lit("medium"))
        .when(spent > 0, F.lit("low"))
        .otherwise(F.lit("none"))
    )
    customer = F.col("customer_id")
    return (
        customers.join(watched, customer == F.col("viewer"), "left")
        .join(active, customer == F.col("viewer_active_days"), "left")
        .join(titles, customer == F.col("viewer_titles"), "left")
    ).select(
        "customer_id",
        "country",
        "signup_date",
        "is_premium",
        "total_orders",
        "total_spent_usd",
        *(F.coalesce(name, F.lit(0)).alias(name) for name in ("active_days", "titles", "watched_seconds")),
        "first_event_date",
        "last_event_date",
        segment.alias("segment"),
    )


def _distinct(events: DataFrame, name: str, count: str) -> DataFrame:
    """The number of distinct values for each viewer; in two steps, so that no engine keeps a set for each."""
    pairs = events.select("customer_id", name).distinct()
    return pairs.groupBy(F.col("customer_id").alias(f"viewer_{count}")).agg(F.count(F.lit(1)).alias(count))
