"""The scan's report for other programs: SARIF 2.1.0 and JUnit XML.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scripts.scan.model import Accepted, Finding, ToolReport

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, escaped or not (Char, XML 1.0, section 2.2)."""


def sarif(reports: Iterable[ToolReport]) -> dict[str, Any]:
    """Return a SARIF log: a run a tool, paths from the repository's root, what is accepted suppressed."""
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report) for report in reports]}


def junit(reports: Iterable[ToolReport]) -> str:
    """Return JUnit XML: a suite a tool, a case a finding, a skipped one for what is accepted.

    A tool that found nothing has one case, which passed; one that could not be run has one in error.
    """
    root = ET.Element("testsuites", name="scan")
    for report in reports:
        cases = max(1, len(report.findings)) + len(report.accepted)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=report.tool,
            tests=str(cases),
            failures=str(len(report.findings)),
            skipped=str(len(report.accepted)),
            errors=str(int(bool(report.failure))),
            time=f"{report.seconds:.1f}",
        )
        if not report.findings:
            case = ET.SubElement(
                suite, "testcase", name=_xml(report.asked or report.tool), classname=report.tool
            )
            if report.failure:
                ET.SubElement(case, "error", message="It could not be run.").text = _xml(report.failure)
        for finding in report.findings:
            failure = ET.SubElement(_case(suite, report, finding), "failure", message=_xml(finding.detail))
            failure.text = _xml(f"{finding.path}:{finding.line}: {finding.detail}\n{finding.mend}")
        for accepted in report.accepted:
            case = _case(suite, report, accepted.finding)
            ET.SubElement(case, "skipped", message=_xml(f"{accepted.reason} ({accepted.written})"))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, report: ToolReport, finding: Finding) -> ET.Element:
    name = _xml(f"{finding.rule} {finding.subject}")
    return ET.SubElement(suite, "testcase", name=name, classname=report.tool, file=_xml(finding.path))


def _run(report: ToolReport) -> dict[str, Any]:
    every: Sequence[tuple[Finding, Accepted | None]] = [
        *((finding, None) for finding in report.findings),
        *((accepted.finding, accepted) for accepted in report.accepted),
    ]
    rules = {finding.rule: finding for finding, _ in every}
    order = {rule: position for position, rule in enumerate(rules)}
    return {
        "tool": {
            "driver": {
                "name": report.tool,
                "version": report.version or "unknown",
                "rules": [_rule(finding) for finding in rules.values()],
            }
        },
        "invocations": [{"executionSuccessful": not report.failure}],
        "automationDetails": {"id": f"custody-scan/{report.tool.replace(', ', '-')}/"},
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The repository's root."}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, accepted, order[finding.rule]) for finding, accepted in every],
    }


def _rule(finding: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": finding.rule,
        "shortDescription": {"text": finding.title or finding.rule},
        "help": {"text": finding.mend or finding.title or finding.rule},
    }
    return rule | ({"helpUri": finding.link} if finding.link else {})


def _result(finding: Finding, accepted: Accepted | None, rule: int) -> dict[str, Any]:
    identity = "\n".join((finding.rule, finding.path, finding.where, finding.statement, finding.value))
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": "note" if accepted else "error",
        "message": {"text": f"{finding.subject}: {finding.detail}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": finding.path, "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": finding.line},
                }
            }
        ],
        "partialFingerprints": {"finding/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }
    if accepted:
        result["suppressions"] = [{"kind": "inSource", "justification": accepted.reason}]
    return result


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda found: f"\\x{ord(found.group()):02x}", text)
