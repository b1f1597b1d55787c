"""The map of controls is up to date, and everything that it names exists; missing references are found."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from scripts.docs.controls import (
    DATA,
    MEND,
    PAGE,
    Controls,
    Measure,
    Project,
    dangling,
    main,
    page,
    read_controls,
)
from scripts.toolchain.toolchain import REPO, ToolError


@pytest.fixture(scope="module")
def project() -> Project:
    return Project()


@pytest.fixture(scope="module")
def controls() -> Controls:
    return read_controls(DATA.read_text())


def test_nothing_dangles(controls: Controls, project: Project) -> None:
    assert list(dangling(controls, project)) == []


def test_the_page_is_what_the_data_says(controls: Controls) -> None:
    assert PAGE.read_text() == page(controls), f"run: {MEND}"


def test_every_framework_and_measure_is_on_the_page(controls: Controls) -> None:
    text = page(controls)
    assert [framework.name for framework in controls.frameworks] == [
        "SOC 2",
        "HIPAA",
        "GDPR",
        "CIS AWS Foundations Benchmark",
    ]
    for framework in controls.frameworks:
        assert f"\n## {framework.name}\n" in text
        assert all(f"\n| {line.line} | " in text for line in framework.lines)
    assert all(text.count(f'<a id="{name}"></a>') == 1 for name in controls.measures)
    assert "The kit alone does not\nmake you compliant." in text


@pytest.mark.parametrize(
    ("part", "reference", "sentence"),
    [
        ("resources", "module.trail.aws_cloudtrail.other", "no resource module.trail.aws_cloudtrail.other"),
        ("resources", "module.trails.aws_cloudtrail.this", "no resource module.trails"),
        ("resources", "module.alerts.module.keys.aws_kms_key.this", "no resource module.alerts.module.keys"),
        ("resources", "module.trail.data.aws_region.current", "no resource module.trail.data"),
        ("resources", "aws_cloudtrail", "no resource aws_cloudtrail"),
        ("resources", "bootstrap.aws_cloudtrail.this", "no resource bootstrap.aws_cloudtrail.this"),
        ("resources", ".github/workflows/other.yml", "no resource .github/workflows/other.yml"),
        ("proof", "tests/plan/test_buckets.py::test_other", "no test tests/plan/test_buckets.py::test_other"),
        ("proof", "tests/plan/test_other.py::test_evidence_is_locked", "no test tests/plan/test_other.py"),
        ("proof", "tests/plan/document.py::PlanDocument", "no test tests/plan/document.py"),
        (
            "proof",
            "terraform/tests/audit.tftest.hcl::other",
            "no test terraform/tests/audit.tftest.hcl::other",
        ),
        ("proof", "access: Hope", "the access matrix has no topic 'Hope'"),
        ("proof", "CKV_AWS_99999", "no check CKV_AWS_99999"),
        ("proof", "CKV_CUSTODY_99999", "no check CKV_CUSTODY_99999"),
        ("proof", "CKV_AWS_26", "CKV_AWS_26 applies to none of its resources"),
        ("proof", "CKV_AWS_252", "CKV_AWS_252 is skipped for module.trail.aws_cloudtrail.this"),
        ("proof", "trail.digests", "no claim trail.digests"),
        ("proof", "gate of hope", "no gate of hope"),
        ("proof", "make test", "no claim make test"),
        ("evidence", "custody guess", "no custody guess"),
        ("evidence", "make certain", "no make certain"),
        ("evidence", "s3 trails AWSLogs/", "no s3 trails AWSLogs/"),
        ("evidence", "docs/other.md", "no docs/other.md"),
    ],
)
def test_what_dangles_is_found(
    controls: Controls, project: Project, part: str, reference: str, sentence: str
) -> None:
    measure: Measure = controls.measures["trail"]
    changed = msgspec.structs.replace(measure, **{part: [*getattr(measure, part), reference]})
    (found,) = dangling(
        msgspec.structs.replace(controls, measures={**controls.measures, "trail": changed}), project
    )
    assert found.startswith("trail: ")
    assert sentence in found


@pytest.mark.parametrize("part", ["resources", "proof", "evidence"])
def test_a_measure_that_nothing_stands_for_is_found(controls: Controls, project: Project, part: str) -> None:
    changed = msgspec.structs.replace(controls.measures["ledger"], **{part: []})
    (found,) = dangling(
        msgspec.structs.replace(controls, measures={**controls.measures, "ledger": changed}), project
    )
    assert found == "ledger: a measure needs resource, proof and evidence."


def test_lines_and_measures_that_miss_each_other_are_found(controls: Controls, project: Project) -> None:
    first, *others = controls.frameworks
    one, two, *_ = first.lines
    lines = [
        msgspec.structs.replace(one, measures=[*one.measures, "hope"]),
        msgspec.structs.replace(two, measures=[]),
    ]
    spare = {**controls.measures, "spare": controls.measures["trail"]}
    changed = Controls(spare, [msgspec.structs.replace(first, lines=lines), *others])
    assert list(dangling(changed, project)) == [
        f"SOC 2 {one.line}: there is no measure hope.",
        f"SOC 2 {two.line}: nothing supports it: leave it out.",
        *(f"{name}: no line names it." for name in _unused(changed)),
    ]


def _unused(controls: Controls) -> list[str]:
    used = {name for framework in controls.frameworks for line in framework.lines for name in line.measures}
    assert "spare" not in used
    return sorted(controls.measures.keys() - used)


def test_a_check_that_comes_to_be_skipped_is_found(controls: Controls, tmp_path: Path) -> None:
    for name in ("terraform", "tests", "docs", "glue", "sql", "src", "requirements", ".github"):
        shutil.copytree(REPO / name, tmp_path / name, ignore=shutil.ignore_patterns(".terraform"))
    for name in ("CODEOWNERS", "Makefile"):
        shutil.copy(REPO / name, tmp_path)
    module = tmp_path / "terraform" / "modules" / "trail" / "main.tf"
    opening = 'resource "aws_cloudtrail" "this" {\n'
    module.write_text(
        module.read_text().replace(opening, f"{opening}  # checkov:skip=CKV_AWS_67:One region will do\n")
    )
    assert list(dangling(controls, Project(tmp_path, Project().scanner))) == [
        "trail: CKV_AWS_67 is skipped for module.trail.aws_cloudtrail.this."
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title: TLS only", "heading: TLS only", r"unknown field `heading`.*measures"),
        ("    title: TLS only\n", "", "missing required field `title`"),
        ('line: "2.1.1"', "line: 2.1", "Expected `str`, got `float`"),
        ("measures:", "measures: [", "while parsing"),
    ],
)
def test_data_that_cannot_be_read_is_refused(old: str, new: str, words: str) -> None:
    text = DATA.read_text()
    assert old in text
    with pytest.raises(ToolError, match=rf"docs/controls\.yaml cannot be read: .*{words}"):
        read_controls(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("data", "shown", "words", "status", "said"),
    [
        ("{data}", "{page}", ["--check"], 0, ""),
        ("{data}", "old", ["--check"], 1, "is out of date. Run: make docs"),
        ("{data}", "old", [], 0, "has been updated"),
        ("{dangling}", "{page}", [], 1, "trail: there is no claim trail.events."),
        ("measures: {}", "{page}", [], 2, "cannot be read"),
    ],
)
def test_the_exit_status_says_how_it_went(
    controls: Controls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    data: str,
    shown: str,
    words: list[str],
    status: int,
    said: str,
) -> None:
    text, current = DATA.read_text(), page(controls)
    known = {
        "{data}": text,
        "{dangling}": text.replace("- trail.event\n", "- trail.events\n"),
        "{page}": current,
    }
    (tmp_path / "data").write_text(known.get(data, data))
    (tmp_path / "page").write_text(known.get(shown, shown))
    monkeypatch.setattr("scripts.docs.controls.DATA", tmp_path / "data")
    monkeypatch.setattr("scripts.docs.controls.PAGE", tmp_path / "page")
    monkeypatch.setattr("sys.argv", ["controls", *words])
    assert main() == status
    assert said in "".join(capsys.readouterr())
    assert (tmp_path / "page").read_text() == (shown if words and status else current)


def test_what_would_break_a_table_is_escaped(controls: Controls) -> None:
    first, *others = controls.frameworks
    line = msgspec.structs.replace(first.lines[0], asks="a | b\nc")
    changed = msgspec.structs.replace(
        controls, frameworks=[msgspec.structs.replace(first, lines=[line]), *others]
    )
    assert f"| {line.line} | a \\| b c |" in page(changed)
