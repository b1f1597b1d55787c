"""Describe the effects of a change on access and data, and reject wider access without an approval.

    python -m scripts.review --base <git ref>     both sides applied to an AWS on this machine
    python -m scripts.review --plan <plan json>   a real environment: state before and after a plan

Markdown goes to standard output and ``build/review/review.md``, data to ``build/review/review.json``,
progress to standard error. Exit status: 0 nothing gets wider, or only with approval; 1 something gets wider;
2 wrong use (no such ref, not a plan, unreadable approvals); 3 it could not be checked; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from scripts.review.access import compare_access
from scripts.review.approvals import judge, read_approvals
from scripts.review.findings import Finding
from scripts.review.fold import folded
from scripts.review.moves import read_moves
from scripts.review.page import Compared, as_json, as_markdown
from scripts.review.renames import without_renames
from scripts.review.resources import compare_resources
from scripts.review.sides import Side, applied_sides, planned_sides
from scripts.review.sources import NotCheckedError, commit_of, documents, read_plan
from scripts.state.contracts import contract_losses
from scripts.toolchain.toolchain import BUILD, REPO, ToolError


def compare(before: Side, after: Side, actions: dict[str, list[str]] | None = None) -> list[Finding]:
    """Return every change, with all that comes of it in one.

    actions: what a plan does, by address, if there is one.
    """
    lost = [
        Finding("wider", "destruction", f"table {table}", f"Its contract changes. {sentence}")
        for table, sentence in contract_losses(before.document, after.document)
    ]
    before, renamed = without_renames(before, after)
    findings = [*compare_access(before, after), *compare_resources(before, after, actions)]
    return lost + renamed + folded(findings, before, after)


def review_base(ref: str, tree: Path, out: Path) -> tuple[Compared, list[Finding]]:
    """Compare the commit ``ref`` names with the working tree in ``tree``: applied, and what else differs."""
    commit = commit_of(ref, tree)
    applied, planned = documents(commit, tree, out)
    # The plans are called by their file of variables, <root>/env/<environment>.tfvars.
    roots = {"env/applied": applied, **planned}
    findings = [
        finding
        for name, pair in roots.items()
        for code in [read_moves(tree / "terraform" / Path(name).parent.parent)]
        for finding in compare(*applied_sides(*pair, code))
    ]
    return Compared(f"{ref} ({commit[:12]})", ", ".join(["working tree", *planned])), findings


def review_plan(path: Path) -> tuple[Compared, list[Finding]]:
    """Compare what a plan found with what it would leave."""
    plan = read_plan(path)
    actions = {change["address"]: change["change"]["actions"] for change in plan["resource_changes"]}
    return Compared("as it is", f"plan {path.name}"), compare(*planned_sides(plan), actions)


def main(arguments: Sequence[str] | None = None, *, tree: Path = REPO, out: Path = BUILD / "review") -> int:
    """Run one review; see the module's docstring for the exit status.

    tree: whose working tree, history and approvals. out: where the files are written.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.review", description="Review access and data.")
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--base", metavar="REF", help="the commit to compare the working tree with")
    side.add_argument("--plan", metavar="FILE", type=Path, help="terraform show -json of a plan")
    options = parser.parse_args(arguments)
    try:
        approvals = read_approvals(tree / "terraform" / "access-approvals.yaml")
        out.mkdir(parents=True, exist_ok=True)
        for name in ("review.md", "review.json"):
            (out / name).unlink(missing_ok=True)
        compared, findings = (
            review_plan(options.plan) if options.plan else review_base(options.base, tree, out)
        )
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    except NotCheckedError as error:
        print(f"Not checked: {error}.", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    judged = judge(findings, approvals, datetime.now(UTC).date())
    page = as_markdown(compared, judged)
    (out / "review.md").write_text(page, encoding="utf-8")
    (out / "review.json").write_text(json.dumps(as_json(compared, judged), indent=2) + "\n", encoding="utf-8")
    print(page, end="")
    return 1 if judged.refused else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
