"""The report page: one self-contained HTML file that an auditor can read, print and keep."""

from __future__ import annotations

from custody.report.data import Lap, ReportData
from custody.report.gather import gather_report
from custody.report.lineage import gather_lineage
from custody.report.render import render_report

__all__ = ["Lap", "ReportData", "gather_lineage", "gather_report", "render_report"]
