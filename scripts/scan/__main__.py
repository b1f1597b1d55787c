"""Scan everything that may be deployed: ``make scan``.

    python -m scripts.scan [secrets|zizmor]

Prints findings with their remedies, and one line per tool. A full scan also writes ``build/scan``:
``index.html`` for people, ``scan.sarif`` and ``junit.xml`` for programs. Exit status: 0 all findings are
accepted, 1 findings, 2 wrong use, 3 something could not be scanned, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from custody.terminal import visible
from scripts.scan.exceptions import read_exemptions
from scripts.scan.known import Tree
from scripts.scan.model import ScanError, ToolReport
from scripts.scan.page import render_page
from scripts.scan.reports import junit, sarif
from scripts.scan.tools import Scan, every_tool
from scripts.terraform import SOURCE
from scripts.toolchain.toolchain import BUILD, REPO, ToolError

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = BUILD / "scan"
TREES = (
    *(Tree(name, SOURCE, SOURCE / "env" / f"{name}.tfvars") for name in ("local", "dev", "prod")),
    Tree("optional", SOURCE, SOURCE / "policies" / "optional.tfvars"),
    *(
        Tree(f"bootstrap_{name}", SOURCE, SOURCE / "bootstrap" / "env" / f"{name}.tfvars", root="bootstrap")
        for name in ("dev", "prod")
    ),
)
"""Everything that can be deployed: the kit in each environment, what each real one is started from, and the
parts that no environment has switched on."""


def scan_all(scan: Scan, only: str | None = None) -> list[ToolReport]:
    """Run every tool or one, even if one cannot run; print and return what they say."""
    reports: list[ToolReport] = []
    for name, run in every_tool(scan):
        if only not in (None, name):
            continue
        start = time.monotonic()
        try:
            made = run(scan)
        except (ScanError, ToolError, OSError) as error:
            made = [ToolReport(name, "", "", None, 0, "", (), failure=str(error))]
        seconds = (time.monotonic() - start) / len(made)
        for report in (one.took(seconds) for one in made):
            if report.failure:
                print(f"\n{report.failure}")
            for finding in report.findings:
                print(
                    f"\n{finding.path}:{finding.line}: {visible(finding.rule)} {visible(finding.title)}\n"
                    f"  {visible(finding.subject)}: {visible(finding.detail)}\n"
                    f"  mend: {visible(finding.mend)}"
                )
            print(report.line(), flush=True)
            reports.append(report)
    return reports


def write(reports: list[ToolReport], folder: Path) -> None:
    """Write the reports for persons and programs."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    described = subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=False)
    revision = described.stdout.strip() or "unknown"
    (folder / "index.html").write_text(render_page(reports, datetime.now(UTC), revision))
    (folder / "scan.sarif").write_text(json.dumps(sarif(reports), indent=1) + "\n")
    (folder / "junit.xml").write_text(junit(reports))


def main() -> int:
    """Scan; see the module's docstring for the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.scan", description="Scan what may be deployed.")
    parser.add_argument(
        "tool", nargs="?", choices=("secrets", "zizmor"), help="only this tool, which needs no plan"
    )
    only = parser.parse_args().tool
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.setdefault("GOGC", "400")  # a provider's schema fills the heap: collect it less often
    try:
        scan = Scan(
            repo=REPO,
            trees=TREES,
            work=OUTPUT / "work",
            exemptions=tuple(read_exemptions()),
            say=lambda text: print(text, file=sys.stderr),
        )
        reports = scan_all(scan, only)
        if only is None:
            write(reports, OUTPUT)
    except (ScanError, OSError) as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    found = sum(len(report.findings) for report in reports)
    if only is None:
        print(f"\n{found} findings; the full report: {(OUTPUT / 'index.html').relative_to(REPO)}")
    if any(report.failure for report in reports):
        print("Not everything was scanned, so there is no result.")
        return 3
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
