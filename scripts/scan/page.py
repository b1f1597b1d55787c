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
    style = environment.get_template("page.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        reports=reports,
        findings=sum(len(report.findings) for report in reports),
        reasons=[(report, _by_reason(report.accepted)) for report in reports],
        accepted=sum(len(_by_reason(report.accepted)) for report in reports),
        made_at=made_at,
        revision=revision,
        style=Markup(style),  # noqa: S704 - a file of this package
        style_hash=digest,
    )


def _by_reason(accepted: Sequence[Accepted]) -> list[list[Accepted]]:
    """Group what one exception accepts: it is one decision, whatever number of resources it is about."""
    groups: dict[tuple[str, str], list[Accepted]] = {}
    for one in accepted:
        groups.setdefault((one.finding.rule, one.written), []).append(one)
    return sorted(groups.values(), key=lambda group: (group[0].written.split(":")[0], group[0].finding.rule))
