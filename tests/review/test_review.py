"""``make review`` as a whole: of a plan, of two commits, and of what cannot be reviewed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.review.__main__ import main
from scripts.state.applied import tree_key
from scripts.terraform import BESIDE
from scripts.toolchain.toolchain import REPO
from tests.review.documents import planned, policy, resource, role, state, statement

BOUNDED = role("etl")


def plan_file(folder: Path, before: dict[str, Any], after: dict[str, Any], **more: Any) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps({**planned(before, after), **more}))
    return path


def reviewed(folder: Path, *arguments: str, tree: Path | None = None) -> tuple[int, dict[str, Any]]:
    status = main(arguments, tree=tree or folder, out=folder / "out")
    return status, json.loads((folder / "out" / "review.json").read_bytes())


def reads(resources: str) -> dict[str, Any]:
    read = policy(statement("s3:GetObject", resources, Sid="ReadInput"))
    return state(BOUNDED, resource("aws_iam_role_policy.x", name="objects", role="etl", policy=read))


def test_a_plan_that_widens_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_file(tmp_path, reads("arn:aws:s3:::b/in/*"), reads("arn:aws:s3:::b/*"))
    status, document = reviewed(tmp_path, "--plan", str(plan))
    assert status == 1
    assert document["verdict"] == "refused"
    shown = capsys.readouterr().out
    assert "role `etl` may now `s3:GetObject` on `arn:aws:s3:::b/*`" in shown
    assert shown == (tmp_path / "out" / "review.md").read_text()


def test_a_plan_that_narrows_or_does_nothing_passes(tmp_path: Path) -> None:
    wide, narrow = reads("arn:aws:s3:::b/*"), reads("arn:aws:s3:::b/in/*")
    status, document = reviewed(tmp_path, "--plan", str(plan_file(tmp_path, wide, narrow)))
    assert (status, document["verdict"]) == (0, "narrower")
    status, document = reviewed(tmp_path, "--plan", str(plan_file(tmp_path, wide, wide)))
    assert (status, document["verdict"], document["findings"]) == (0, "same", [])


def test_what_the_approvals_name_passes(tmp_path: Path) -> None:
    plan = plan_file(tmp_path, state(BOUNDED), reads("arn:aws:s3:::b/*"))
    (tmp_path / "terraform").mkdir()
    approvals = tmp_path / "terraform" / "access-approvals.yaml"
    entry = (
        "{principal: etl, actions: [s3:Get*], resources: ['arn:aws:s3:::b/*'], by: Ada, why: x, until: %s}"
    )
    approvals.write_text(f"approvals: [{entry % '9999-12-31'}]")
    status, document = reviewed(tmp_path, "--plan", str(plan))
    assert (status, document["verdict"]) == (0, "approved")
    approvals.write_text(f"approvals: [{entry % '2020-01-01'}]")
    status, document = reviewed(tmp_path, "--plan", str(plan))
    assert (status, len(document["approvals"]["expired"])) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of the arguments --base --plan is required"),
        (("--base", "x", "--plan", "y"), "not allowed with argument"),
    ],
)
def test_one_side_has_to_be_named(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        (None, 2, "plan.json cannot be read: No such file or directory."),
        ("no JSON", 2, "is not JSON. Make it with: terraform show -json <plan>"),
        ("[]", 2, "is not a plan. Make it with"),
        ('{"values": {}}', 2, "is not a plan. Make it with"),
        (
            '{"planned_values": {}, "resource_changes": [], "errored": true}',
            3,
            "ended with an error: it is not whole",
        ),
    ],
)
def test_what_is_no_plan_is_refused_in_one_sentence(
    tmp_path: Path, text: str | None, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    assert main(["--plan", str(path)], tree=tmp_path, out=tmp_path / "out") == status
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_approvals_that_cannot_be_read_are_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "terraform").mkdir()
    (tmp_path / "terraform" / "access-approvals.yaml").write_text("approvals: [1]")
    plan = plan_file(tmp_path, state(), state())
    assert main(["--plan", str(plan)], tree=tmp_path, out=tmp_path / "out") == 2
    assert capsys.readouterr().err == "access-approvals.yaml: entry 1 must be a mapping.\n"


def git(tree: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@example.org", *words],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def committed(tree: Path, message: str) -> str:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", message)
    return git(tree, "rev-parse", "HEAD")


def test_a_ref_that_is_none_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").touch()
    commit = committed(tmp_path, "without Terraform")
    for ref in ("nowhere", "--all", "HEAD:file"):
        assert main([f"--base={ref}"], tree=tmp_path, out=tmp_path / "out") == 2
        assert f"There is no commit {ref!r} here" in capsys.readouterr().err
    assert main(["--base", commit], tree=tmp_path, out=tmp_path / "out") == 2
    assert "has no terraform/ to compare with" in capsys.readouterr().err


def test_a_base_that_cannot_be_applied_is_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "terraform" / "env").mkdir(parents=True)
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "x.sql").touch()
    (tmp_path / "terraform" / "env" / "local.tfvars").touch()
    shutil.copy(REPO / "terraform" / "versions.tf", tmp_path / "terraform")
    (tmp_path / "terraform" / "main.tf").write_text('output "x" { value = file("is-not-here") }')
    git(tmp_path, "init", "--quiet")
    commit = committed(tmp_path, "broken")
    assert main(["--base", commit], tree=tmp_path, out=tmp_path / "out") == 3
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(
        f"Not checked: the base {commit[:12]} cannot be applied: Error: Invalid function argument "
        'Invalid value for "path" parameter: no file exists at "is-not-here"'
    )


@pytest.mark.xdist_group("review")
def test_a_commit_that_gives_the_etl_role_the_receipts_is_refused_and_its_reverse_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sides really applied; the second review finds both states kept."""
    tree = tmp_path / "tree"
    for folder in (*BESIDE, "terraform"):
        shutil.copytree(
            REPO / folder, tree / folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*")
        )
    git(tmp_path, "init", "--quiet", str(tree))
    before = committed(tree, "as it is")
    source = tree / "terraform" / "etl.tf"
    text, head = source.read_text(), 'data "aws_iam_policy_document" "etl_objects" {\n'
    assert head in text
    source.write_text(
        text.replace(
            head,
            f"""{head}  statement {{
    sid       = "ReadInput"
    actions   = ["s3:GetObject"]
    resources = ["${{local.bucket_arns["provenance"]}}/*"]
  }}

""",
        )
    )

    status, document = reviewed(tmp_path, "--base", before, tree=tree)

    provenance = "arn:aws:s3:::custody-local-provenance-123456789012/*"
    assert status == 1
    (finding,) = document["findings"]
    assert (finding["principal"], finding["actions"], finding["resources"]) == (
        *("custody-local-etl", ["s3:GetObject"]),
        [provenance],
    )
    assert (
        f"- role `custody-local-etl` may now `s3:GetObject` on `{provenance}`: identity policy `objects`, "
        "statement `ReadInput`; not allowed before"
    ) in capsys.readouterr().out

    after = committed(tree, "more")
    git(tree, "checkout", "--quiet", before)
    assert tree_key(tree / "terraform") == tree_key(tmp_path / "out" / before / "terraform")
    status, document = reviewed(tmp_path, "--base", after, tree=tree)

    assert (status, document["verdict"]) == (0, "narrower")
    assert [entry["text"] for entry in document["findings"]] == [
        f"role `custody-local-etl` may no longer `s3:GetObject` on `{provenance}`: identity policy "
        "`objects`, statement `ReadInput`"
    ]


def test_a_side_that_is_told_to_end_ends_and_does_not_wait_for_more_work() -> None:
    code = "import sys; from scripts.review.sources import _or_end; _or_end(sys.exit, 0); print('went on')"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
