"""What the evidence costs: generates ``docs/cost.md`` from a table of prices and a count of requests.

    python -m scripts.docs.cost [--check]

Exit status 0, or with ``--check`` 1 if the page is out of date. Only what grows with objects is counted, and
what a month costs by itself; the jobs, their tables and what people query are the deployer's.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from scripts.toolchain.toolchain import REPO

PAGE = REPO / "docs" / "cost.md"
PRICES_OF = "November 2026"
"""When the prices below were looked up."""


@dataclass(frozen=True)
class Price:
    """A list price of us-east-1 in US dollars, and where AWS states it."""

    what: str
    dollars: float
    per: int
    page: str

    def times(self, count: float) -> float:
        """The price of ``count`` units."""
        return self.dollars * count / self.per


PRICES = {
    "put": Price("S3 PUT and LIST requests", 0.005, 1_000, "s3"),
    "get": Price("S3 GET requests", 0.0004, 1_000, "s3"),
    "gigabyte": Price("S3 Standard, a GB for a month", 0.023, 1, "s3"),
    "key": Price("KMS keys, a month each", 1.0, 1, "kms"),
    "sign": Price("KMS signatures, ECC", 0.15, 10_000, "kms"),
    "event": Price("CloudTrail data events", 0.10, 100_000, "cloudtrail"),
    "message": Price("SQS requests", 0.40, 1_000_000, "sqs"),
    "call": Price("Lambda requests", 0.20, 1_000_000, "lambda"),
    "second": Price("Lambda GB-seconds, arm64", 0.0000133334, 1, "lambda"),
    "scan": Price("Athena, a TB scanned", 5.0, 1, "athena"),
    "alarm": Price("CloudWatch alarms, a month each", 0.10, 1, "cloudwatch"),
    "composite": Price("CloudWatch composite alarms, a month each", 0.50, 1, "cloudwatch"),
    "dashboard": Price("CloudWatch dashboards, a month each", 3.0, 1, "cloudwatch"),
    "secret": Price("Secrets Manager secrets, a month each", 0.40, 1, "secrets-manager"),
    "task": Price("Fargate, an hour of a vCPU with 2 GB, arm64", 0.03238 + 2 * 0.00356, 1, "fargate"),
    "dpu": Price("Glue, an hour of a worker G.1X", 0.44, 1, "glue"),
    "airflow": Price("MWAA, an hour of a small environment", 0.49, 1, "managed-workflows-for-apache-airflow"),
    "endpoint": Price("VPC interface endpoints, an hour in each zone", 0.01, 1, "privatelink"),
    "metric": Price("CloudWatch custom metrics, a month each", 0.30, 1, "cloudwatch"),
}

RECEIPT_BYTES = 1_600
"""A receipt's envelope, and so an entry of the log."""
BATCH_BYTES = 450
"""An entry in a batch, compressed."""
SEGMENT_BYTES = 150
"""A row of a segment, compressed."""
TRAIL_BYTES = 250
"""An event in the trail's log files, compressed."""
TREE_BYTES = 90
"""An entry's hashes in tiles, and its row in the index."""

GB_PER_FUNCTION = 1.73
SECONDS_TO_RECORD = 0.06
"""Of the recorder, a small object: most of it is waiting, shared by the ten of a batch."""
SECONDS_TO_HASH_A_GB = 4.0
TASK_SECONDS_A_GB = 12.0
"""Of the hasher, which reads one stream, at about 85 MB a second."""
VCPUS_OF_A_WORKER = 4
"""G.1X (AWS Glue Developer Guide, "AWS Glue worker types")."""
LOOKS_A_MONTH = 4 * 24 * 30
LOAD_MINUTES = 5
"""Of the loader's task, most of them waiting for Snowflake."""
HOURS_A_MONTH = 730
REQUESTS_OF_A_SEAL = {"put": 8, "get": 4, "sign": 1, "event": 12, "call": 1, "second": 1.5 * GB_PER_FUNCTION}
SEALS_A_MONTH = 60 * 24 * 30
SECONDS_OF_AN_AUDIT = 60
"""Of the auditor, which waits for Athena."""
GB_OF_AN_AUDIT = 0.5
TRAIL_DAYS_OF_AN_AUDIT = 2 + 4 * 4 + 4
"""What its statements read of the trail: the rules on calls, the ledger (as ``question``), the gap."""
RECEIPT_DAYS_OF_AN_AUDIT = 5
TRAIL_DAYS_ONCE_A_DAY = 30 + 2 + 4 * 19
"""New principals and new networks, in one scan; receipts stored now, and the ledger's two weeks before."""
RECEIPT_DAYS_ONCE_A_DAY = 3 * 30 + 20 + 365
"""Files that are missing, volumes, objects written again; the ledger; the times of a year of receipts."""
STATEMENTS_OF_AN_AUDIT, STATEMENTS_ONCE_A_DAY = 3, 5
WITNESS: dict[str, float] = {"key": 3, "alarm": 4, "metric": 2}
"""Of the module, for one log. The keys are its own, the topic's, and the one that signs."""
LEAST_SCAN_BYTES = 10_000_000
"""What Athena charges a statement that reads less."""
KEYS, ALARMS, COMPOSITES, DASHBOARDS, METRICS = 7, 50, 1, 1, 16
MILLION = 1_000_000


def price(counts: dict[str, float]) -> float:
    """The price of these counts, by the names in ``PRICES``."""
    return sum(PRICES[name].times(count) for name, count in counts.items())


def record(objects: float) -> float:
    """Recording and sealing objects, once: requests, signatures, events."""
    return price(
        {
            # the object's write; its read, and the receipt's write, by the recorder; the sealer's read
            "event": 4 * objects,
            "get": 2 * objects,
            "put": objects,
            "sign": objects,
            "message": 2 * 1.2 * objects,
            "call": 0.1 * objects,
            "second": SECONDS_TO_RECORD * GB_PER_FUNCTION * objects,
        }
    )


def hash_gigabytes(gigabytes: float) -> float:
    """Hashing, by the recorder."""
    return price({"second": gigabytes * SECONDS_TO_HASH_A_GB * GB_PER_FUNCTION})


def keep(objects: float) -> float:
    """Keeping the evidence of objects for a month."""
    stored = 2 * RECEIPT_BYTES + BATCH_BYTES + SEGMENT_BYTES + TREE_BYTES + 4 * TRAIL_BYTES
    return price({"gigabyte": stored * objects / 1e9})


def month() -> float:
    """A month of a deployment in which something arrives every minute, apart from the objects."""
    seals = {name: count * SEALS_A_MONTH for name, count in REQUESTS_OF_A_SEAL.items()}
    return price(
        {
            **seals,
            "key": KEYS,
            "alarm": ALARMS,
            "composite": COMPOSITES,
            "dashboard": DASHBOARDS,
            "metric": METRICS,
        }
    )


def load(files: float) -> float:
    """Loading data files into Snowflake: each is hashed and copied, its receipt and leaf are read."""
    return price({"get": 4 * files, "event": 4 * files})


def question(objects_a_day: float) -> float:
    """The ledger's question about a day: four days of the trail, read four times, and five of receipts."""
    return price({"scan": objects_a_day * (4 * 4 * TRAIL_BYTES + 5 * SEGMENT_BYTES) / 1e12})


def audit(objects_a_day: float, every_minutes: int) -> float:
    """A month of the auditor: what its statements scan, its seconds and requests.

    The trail has the objects' events, and those of a seal every minute.
    """
    runs, days = 60 * 24 * 30 / every_minutes, 30
    seals = REQUESTS_OF_A_SEAL["event"] * SEALS_A_MONTH / 30
    trail, receipts = (4 * objects_a_day + seals) * TRAIL_BYTES, objects_a_day * SEGMENT_BYTES
    often = TRAIL_DAYS_OF_AN_AUDIT * trail + RECEIPT_DAYS_OF_AN_AUDIT * receipts
    daily = TRAIL_DAYS_ONCE_A_DAY * trail + RECEIPT_DAYS_ONCE_A_DAY * receipts
    scanned = runs * max(often, STATEMENTS_OF_AN_AUDIT * LEAST_SCAN_BYTES)
    scanned += days * max(daily, STATEMENTS_ONCE_A_DAY * LEAST_SCAN_BYTES)
    return price(
        {
            "scan": scanned / 1e12,
            "second": runs * SECONDS_OF_AN_AUDIT * GB_OF_AN_AUDIT,
            "call": runs,
            "put": runs,
            "get": 2 * runs,
        }
    )


def question_without_log(objects_a_day: float, days: int) -> float:
    """The same, where the single receipts are read: all of them, a request each."""
    receipts = objects_a_day * days
    scanned = 4 * 4 * objects_a_day * TRAIL_BYTES + receipts * RECEIPT_BYTES
    return price({"scan": scanned / 1e12, "get": receipts, "event": receipts})


def verify(objects: float, *, sealed: bool) -> float:
    """The requests of a verification of everything, and what the trail makes of them."""
    receipts = objects / 256 if sealed else objects
    return price(
        {
            "put": 2 * objects / 1000,
            "get": objects + receipts,
            "event": objects + receipts,
        }
    )


def render() -> str:
    """The page."""
    lines = [
        "<!-- Generated by scripts/docs/cost.py: make docs. -->",
        "# What the evidence costs",
        "",
        f"List prices of us-east-1 in US dollars, {PRICES_OF}, without free tiers and discounts.",
        "The counts are of this kit's own requests for small objects; jobs, tables, and what people query",
        "and download are not here. An estimate: what you pay is in your account's Cost Explorer.",
        "",
        "| price | | stated at |",
        "|---|---:|---|",
        *(
            f"| {each.what} | {each.dollars:.10g} per {each.per:,} | {_link(each)} |"
            for each in PRICES.values()
        ),
        "",
        "## By objects",
        "",
        "| | dollars |",
        "|---|---:|",
        f"| to record and seal a million small objects, once | {money(record(MILLION))} |",
        f"| to keep their evidence for a month | {money(keep(MILLION))} |",
        f"| to hash a terabyte, besides | {money(hash_gigabytes(1000))} |",
        "",
        f"Of the {money(record(MILLION))}, signatures are {money(price({'sign': MILLION}))} and the trail's",
        f"data events {money(price({'event': 4 * MILLION}))}.",
        "",
        "## By month",
        "",
        "| new objects a month | fixed | record and seal | evidence of a year | in all |",
        "|---:|---:|---:|---:|---:|",
        *(
            f"| {count:,.0f} | {money(month())} | {money(record(count))} | {money(keep(12 * count))} | "
            f"{money(month() + record(count) + keep(12 * count))} |"
            for count in (MILLION / 10, MILLION, 10 * MILLION)
        ),
        "",
        f"Fixed are {KEYS} keys, about {ALARMS} alarms, a composite one, {METRICS} metrics, a dashboard, and",
        "a seal every minute. CloudWatch charges nothing for the first three dashboards of an account.",
        "`seal_seconds` makes seals rarer; where nothing arrives there are none.",
        "",
        "## To ask and to verify",
        "",
        "A day's question to the ledger, where as many objects arrive every day of a year:",
        "",
        "| objects a day | with the log | with single receipts | log saves |",
        "|---:|---:|---:|---:|",
        *(
            f"| {count:,.0f} | {money(question(count))} | {money(question_without_log(count, 365))} | "
            f"{1 - question(count) / question_without_log(count, 365):.1%} |"
            for count in (MILLION / 100, MILLION / 10, MILLION)
        ),
        "",
        "A month of the auditor, by how often it asks (`auditor.every_minutes`):",
        "",
        "| objects a day | every 15 minutes | every hour | every 12 hours |",
        "|---:|---:|---:|---:|",
        *(
            f"| {count:,.0f} | {' | '.join(money(audit(count, minutes)) for minutes in (15, 60, 720))} |"
            for count in (MILLION / 100, MILLION / 10, MILLION)
        ),
        "",
        "Almost all of it is the trail that Athena scans: the last days in each run, and 30 days once",
        "a day. `query.scan_limit_bytes` has to allow the largest statement: 30 days of the trail.",
        "A trail that is there already ([how](existing_trail.md)) saves the data events of the price list,",
        "which its owner pays once for all; scanned is then what it logs of the whole account.",
        "",
        "Requests of `custody verify` over everything, with the data events that they are; reading the",
        "objects within the Region costs no transfer:",
        "",
        "| objects | with the log | with single receipts | log saves |",
        "|---:|---:|---:|---:|",
        *(
            f"| {count:,.0f} | {money(verify(count, sealed=True))} | {money(verify(count, sealed=False))} | "
            f"{1 - verify(count, sealed=True) / verify(count, sealed=False):.0%} |"
            for count in (MILLION, 10 * MILLION, 100 * MILLION)
        ),
        "",
        "What is left is reading the objects themselves: `--sample` reads a share of them, and a report of",
        "S3 Batch Operations [stands in for it](design.md#objects-that-amazon-s3-has-hashed).",
        "",
        "## To hash large objects",
        "",
        "Where `large_objects` is set, a task looks into the queue every 15 minutes, a minute each",
        f"(Fargate's least): {money(price({'task': LOOKS_A_MONTH / 60}))} a month, and",
        f"{money(price({'alarm': 3}))} for alarms. A TB that it hashes costs",
        f"{money(price({'task': 1000 * TASK_SECONDS_A_GB / 3600}))}. The two endpoints by which its network",
        f"reaches the images cost {money(price({'endpoint': 2 * HOURS_A_MONTH}))} a month in each zone.",
        "",
        "## To hash every object again",
        "",
        "Where `verify_objects` is set, each run costs, besides one worker that drives it for its whole",
        f"time: {money(price({'dpu': 1000 * TASK_SECONDS_A_GB / 3600 / VCPUS_OF_A_WORKER}))} a TB, at the",
        f"speed of the hasher on each of a worker's {VCPUS_OF_A_WORKER} processors, and",
        f"{money(price({'get': MILLION, 'event': MILLION}))} a million objects for requests and data events.",
        "",
        "## A witness in another account",
        "",
        f"The module `witness`, for one log: {money(price(WITNESS))} a month for {WITNESS['key']} keys,",
        f"{WITNESS['alarm']} alarms and {WITNESS['metric']} metrics. What a log asks are cents; what",
        "strangers can ask is [limited](proof.md#a-witness-in-an-account-of-its-own).",
        "",
        "## To run Airflow",
        "",
        f"Where `orchestrator` is set: {money(price({'airflow': HOURS_A_MONTH}))} a month for a small",
        "environment, whether it runs or waits; more for each further worker, web server and scheduler; and",
        f"{money(price({'key': 1, 'alarm': 1}))} for a key and an alarm. How its subnets reach AWS is the",
        "price of their VPC.",
        "",
        "## To load Snowflake",
        "",
        f"Where `snowflake` is set: a key and a secret, {money(price({'key': 1, 'secret': 1}))} a month;",
        f"and {money(load(1000))} in AWS for 1,000 data files that are loaded, without the transfer to an",
        "account in another Region. What Snowflake takes are credits: `sql/warehouse/cost.sql` tells how",
        "many, and the resource monitor stops loads at 20 a month.",
        "",
        "With `snowflake.task`: two alarms and a task of a minute a day, without Airflow,",
        f"{money(price({'alarm': 2, 'task': 30 / 60}))} a month; and",
        f"{money(price({'task': 1000 * LOAD_MINUTES / 60}))} for 1,000 loads of {LOAD_MINUTES} minutes.",
        "How its subnets reach Snowflake and AWS is the price of their VPC.",
        "",
    ]
    return "\n".join(lines)


def _link(each: Price) -> str:
    return f"[AWS](https://aws.amazon.com/{each.page}/pricing/)"


def money(dollars: float) -> str:
    """Dollars, to the cent or two significant digits."""
    return f"{dollars:,.2f}" if dollars >= 0.1 else f"{dollars:.2g}"


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(prog="python -m scripts.docs.cost")
    parser.add_argument("--check", action="store_true", help="only compare the page")
    text = render()
    if parser.parse_args().check:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
