"""The scan's report for a person: one page, self-contained, to be read from the top."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from custody.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from scripts.scan.model import Accepted, ToolReport


def render_page(reports: Sequence[ToolReport], made_at: datetime, revision: str) -> str:
    """Return the page as HTML: no scripts, nothing loaded, style allowed by its own hash only.

    made_at: UTC. revision: what was scanned, as Git names it. Every text is autoescaped, and what would not
    show on paper is written as an escape.
    """
    environment = Environment(
        loader=PackageLoader("scripts.scan"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seen"] = visible
    reasons = _by_reason(reports)
    style = environment.get_template("page.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        reports=reports,
        failures=sum(bool(report.failure) for report in reports),
        findings=sum(len(report.findings) for report in reports),
        reasons=reasons,
        accepted=sum(len(groups) for _, groups in reasons),
        made_at=made_at,
        revision=revision,
        style=Markup(style),  # noqa: S704 - a file of this package
        style_hash=digest,
    )


def _by_reason(reports: Sequence[ToolReport]) -> list[tuple[ToolReport, list[list[Accepted]]]]:
    """Group what one exception accepts: it is one decision, whatever number of resources it is about.

    What two tools accept for the same words stands with the first of them.
    """
    groups: dict[tuple[str, str], list[Accepted]] = {}
    of_report: dict[str, list[list[Accepted]]] = {report.tool: [] for report in reports}
    for report in reports:
        for one in report.accepted:
            key = (one.finding.rule, one.written)
            if key not in groups:
                groups[key] = []
                of_report[report.tool].append(groups[key])
            if one.finding not in (other.finding for other in groups[key]):
                groups[key].append(one)
    return [(report, sorted(of_report[report.tool])) for report in reports]
