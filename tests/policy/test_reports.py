"""The reports of a scan: whole, relative to the repository, and safe to open."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from scripts.scan.model import Accepted, Finding, ToolReport
from scripts.scan.page import render_page
from scripts.scan.reports import junit, sarif

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e]]>&"
FOUND = Finding(
    path="terraform/audit.tf",
    line=3,
    rule="CKV_CUSTODY_1",
    where=f"module.{HOSTILE}",
    statement="RecorderReads",
    detail="it is weak",
    title="It must be strong",
    mend="Make it strong.",
    link="https://example.org/rule",
)
KEPT = Finding(path="terraform/modules/key/main.tf", line=9, rule="CKV_AWS_356", where="a.b", detail="star")
REPORTS = [
    ToolReport(
        tool="checkov, source",
        version="3.3",
        asked="the source",
        rules=61,
        checked=124,
        unit="resources",
        findings=(FOUND,),
        accepted=(Accepted(KEPT, "A key has no other form", "terraform/modules/key/main.tf:12"),),
        seconds=1.25,
    ),
    ToolReport("zizmor", "1.32", "the workflows", None, 3, "workflows", ()),
]
SHAPE = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results", "automationDetails"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "version", "rules"],
                                "properties": {
                                    "rules": {
                                        "items": {
                                            "required": ["id", "shortDescription", "help"],
                                            "properties": {
                                                "helpUri": {"type": "string", "pattern": "^https://"},
                                                "shortDescription": {"required": ["text"]},
                                                "help": {"required": ["text"]},
                                            },
                                        }
                                    }
                                },
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {
                        "type": "array",
                        "items": {
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"], "properties": {"text": {"minLength": 1}}},
                                "locations": {
                                    "minItems": 1,
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {"uri": {"pattern": "^[^/].*[^/]$"}}
                                                    },
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1}
                                                        }
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                                "suppressions": {
                                    "items": {
                                        "required": ["kind"],
                                        "properties": {"kind": {"enum": ["inSource", "external"]}},
                                    }
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What SARIF 2.1.0 demands of what we write, and what GitHub's code scanning demands beyond that."""


def test_sarif_is_of_its_shape_and_says_all() -> None:
    log = json.loads(json.dumps(sarif(REPORTS)))
    jsonschema.validate(log, SHAPE)
    assert len({run["automationDetails"]["id"] for run in log["runs"]}) == len(log["runs"])
    results = [result for run in log["runs"] for result in run["results"]]
    assert [(result["ruleId"], result["level"]) for result in results] == [
        ("CKV_CUSTODY_1", "error"),
        ("CKV_AWS_356", "note"),
    ]
    for run in log["runs"]:
        for result in run["results"]:
            assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert results[1]["suppressions"] == [{"kind": "inSource", "justification": "A key has no other form"}]


@pytest.mark.parametrize("path", ["/terraform/audit.tf", "terraform/"])
def test_the_shape_refuses_a_path_that_is_not_one_of_the_repository(path: str) -> None:
    log = sarif(REPORTS)
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = path
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(log, SHAPE)


def test_junit_has_a_case_for_all_and_can_be_read() -> None:
    root = ET.fromstring(junit(REPORTS))  # noqa: S314 - our own
    first, second = root.findall("testsuite")
    assert (first.get("tests"), first.get("failures"), first.get("skipped")) == ("2", "1", "1")
    assert len(first.findall("testcase")) == 2
    assert (second.get("tests"), second.get("failures")) == ("1", "0")
    (failure,) = root.iter("failure")
    assert failure.text == "terraform/audit.tf:3: it is weak\nMake it strong."
    assert "\\x1b" in first.findall("testcase")[0].get("name", "")


def test_the_page_tells_everything_from_the_top() -> None:
    page = render_page(REPORTS, NOW, "a8a12d7")
    for words in (
        "1 finding: this must not be deployed",
        "terraform/audit.tf:3",
        "It must be strong",
        "Make it strong.",
        "A key has no other form",
        "terraform/modules/key/main.tf:12",
        "124 resources",
        "a8a12d7",
    ):
        assert words in page, words
    assert page.index("What was checked") < page.index("What failed") < page.index("What is accepted")


def test_what_could_not_be_run_is_no_green() -> None:
    broken = ToolReport("zizmor", "", "", None, 0, "", (), failure=f"no tool {HOSTILE}")
    assert not broken.green
    page = render_page([broken], NOW, "a8a12d7")
    assert "so there is no result" in page
    assert "No findings" not in page
    (suite,) = ET.fromstring(junit([broken])).findall("testsuite")  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("1", "1", "0")
    assert "no tool <script>" in (next(suite.iter("error")).text or "")
    log = json.loads(json.dumps(sarif([broken])))
    jsonschema.validate(log, SHAPE)
    assert log["runs"][0]["invocations"] == [{"executionSuccessful": False}]


def test_a_scan_without_findings_says_so() -> None:
    assert "No findings except accepted ones." in render_page(REPORTS[1:], NOW, "a8a12d7")


def test_nothing_on_the_page_acts() -> None:
    page = render_page(REPORTS, NOW, HOSTILE)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page
