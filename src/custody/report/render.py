"""From data to the page. Pure: no clock, no service, no randomness."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from custody.findings import Claim
from custody.ledger.ledger import LedgerStatus
from custody.report.charts import LAYERS, STATUSES, order, stacked, timeline
from custody.report.data import NOT_PROVEN, ReportData
from custody.report.lineage import draw_lineage
from custody.terminal import beginning, visible

STATUS_MEANINGS = {
    LedgerStatus.VERIFIED: "CloudTrail logged the write, and a receipt of the same version agrees with it. "
    "The checks above say whether its bytes are still the same.",
    LedgerStatus.LATE: "As verified, but the receipt was made later than the watermark allows.",
    LedgerStatus.PENDING: "One side is not there yet, but may still arrive in time.",
    LedgerStatus.MISMATCH: "Log and receipt contradict each other, or only key and time agree: no proof.",
    LedgerStatus.UNPROVENANCED: "CloudTrail logged the write, and there is no receipt for it.",
    LedgerStatus.UNWITNESSED: "There is a receipt, and CloudTrail logged no such write.",
    LedgerStatus.UNTRACKED: "Written outside the recorded prefixes: it was not hashed.",
}

CLAIM_MEANINGS = {
    Claim.OBJECT_HASH: "The bytes stored today hash to the SHA-256 in the receipt.",
    Claim.RECEIPT_SIGNATURE: "The receipt is signed with a key valid at that time, and is for this object.",
    Claim.RECEIPT_UNIQUE: "There is exactly one receipt for the version; it was never replaced or hidden.",
    Claim.TRAIL_EVENT: "CloudTrail logged the write for every receipt, and every write has its receipt.",
    Claim.TRAIL_DIGEST: "CloudTrail's log files are as it delivered them, by its signed digest files.",
    Claim.TRAIL_COMPLETE: "No log file is missing in the digests, and no time is without a digest.",
    Claim.LINEAGE_INPUTS: "A table's version names its inputs, and each had its receipt before it was read.",
    Claim.LOG_CHECKPOINT: "Each state of the log is signed by it, and the newest is of today, or its end.",
    Claim.LOG_CONSISTENCY: "Each state of the log extends the one before: nothing in it was changed.",
    Claim.LOG_INCLUSION: "The receipts are what was sealed in the log, byte for byte.",
    Claim.LOG_COMPLETE: "Every receipt is in the log, and no receipt in the log is gone.",
    Claim.LEDGER_ROW: "The rows of the ledger are what the sealed receipts say.",
    Claim.KEY_USE: "No key has signed outside its time.",
}

LAYER_MEANINGS = {
    "bronze": "raw data, as uploaded by producers",
    "silver": "processed data, cleaned by the pipeline",
    "gold": "analytics data, what analysts query",
    "adopted": "buckets that somebody else has, recorded where they lie",
    "provenance": "the evidence itself",
    "audit_log": "CloudTrail's log",
    "unknown": "a bucket outside the layers",
}


def render_report(data: ReportData) -> str:
    """Return the page as HTML: no scripts, no external resources, style allowed only by its hash.

    Text from outside is autoescaped, and invisible characters are written as escapes.
    """
    environment = _environment()
    style = environment.get_template("report.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        data=data,
        style=Markup(style),  # noqa: S704  # a file of this package
        style_hash=digest,
        statuses=STATUSES,
        layers=order(data.by_layer, LAYERS),
        not_proven_statuses=[status.value for status in NOT_PROVEN],
        status_meanings=STATUS_MEANINGS,
        claim_meanings=CLAIM_MEANINGS,
        layer_meanings=LAYER_MEANINGS,
        stacked=stacked,
        timeline=timeline(data.timeline, data.unit),
        picture=None if data.lineage is None else draw_lineage(data.lineage),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("custody.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        seen=visible, brief=_brief, moment=_moment, number=_number, duration=_duration, plural=_plural
    )
    return environment


def _moment(time: datetime | None) -> str:
    """``2026-01-15 09:30:00``; the page says once that all times are UTC."""
    return "unknown" if time is None else time.strftime("%Y-%m-%d %H:%M:%S")


def _brief(text: str) -> str:
    """User agents are long; only the beginning is useful."""
    return beginning(visible(text), 32)


def _number(value: int) -> str:
    return f"{value:,}"


def _plural(value: int, one: str, many: str | None = None) -> str:
    """``1 write``, ``2,000 writes``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def _duration(seconds: float) -> str:
    """A duration in suitable units: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
