"""Collect the report's content: queries of the ledger and a verification."""

from __future__ import annotations

from datetime import datetime, timedelta

from custody.deployment import Deployment
from custody.ledger.athena import Athena
from custody.ledger.ledger import (
    EVERYTHING,
    Scope,
    access_counts,
    access_summary,
    denied_rows,
    ledger_counts,
    ledger_rows,
    ledger_timeline,
)
from custody.report.charts import choose_unit
from custody.report.data import ReportData
from custody.verify.verify import VerificationReport

LEDGER_ROWS = 500
DENIED_ROWS = 100
ACCESS_ROWS = 100
"""Maximum rows on a page for people; the page gives the number of others."""


def gather_report(
    athena: Athena,
    deployment: Deployment,
    verification: VerificationReport,
    *,
    generated_at: datetime,
    scope: Scope = EVERYTHING,
) -> ReportData:
    """Query everything on the page with Athena, except the durations; ``scope`` is that of the ledger.

    Raises ``CannotCheckError`` if it does not answer.
    """
    counts = ledger_counts(athena, scope)
    firsts = [count.first for count in counts if count.first is not None]
    lasts = [count.last for count in counts if count.last is not None]
    unit = choose_unit(max(lasts) - min(firsts) if firsts and lasts else timedelta())
    return ReportData(
        generated_at=generated_at,
        deployment=deployment,
        verification=verification,
        counts=tuple(counts),
        unit=unit,
        timeline=tuple(ledger_timeline(athena, unit, scope)),
        rows=tuple(ledger_rows(athena, scope, limit=LEDGER_ROWS)),
        access_counts=tuple(access_counts(athena, scope)),
        denied=tuple(denied_rows(athena, scope, limit=DENIED_ROWS)),
        accesses=tuple(access_summary(athena, scope, limit=ACCESS_ROWS)),
        laps=(),
        scope=scope,
    )
