"""Ask checkov, parliament and cloudsplaining: JSON on stdin and stdout, a line a question, a line an answer.

    .venv-checkov/bin/python scripts/scan/worker.py source|plan|policies|secrets

It runs in checkov's own environment and imports nothing of ours. A process answers one kind of question, as
checkov keeps the checks it has loaded for everything it scans. Ends with its input.

    source    {"folder"}                      the folder of Terraform, scanned as written
    plan      {"file", "folder"}              a plan's JSON, and the folder it was made from, which tells
                                              lines and skips and is read once; null if neither is asked for
    policies  {"policies": [{"kind", "document"}]}
    secrets   {"folder", "files"}             paths relative to the folder

``source``, ``plan`` and ``secrets`` are answered by {"version", "rules", "resources", "failed", "skipped",
"errors"}; ``policies`` by {"versions", "rules", "findings"}: a list of findings for each policy, in order.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKS = Path(__file__).resolve().parents[2] / "terraform" / "policies"


def terraform(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what scans Terraform with checkov's checks and those of ``terraform/policies/<kind>``."""
    os.environ["EVAL_TF_PLAN_AFTER_UNKNOWN"] = "true"  # what a plan does not know yet is there all the same
    # A plan is read as JSON whatever its size. As YAML checkov writes the file's path into every mapping, and
    # then takes a path with 40 letters, digits and slashes in a row for a secret key of AWS (CKV_AWS_45).
    os.environ["CHECKOV_MAX_IAC_FILE_SIZE"] = "0"
    from checkov.common.runners.runner_registry import RunnerRegistry  # noqa: PLC0415
    from checkov.runner_filter import RunnerFilter  # noqa: PLC0415
    from checkov.terraform.plan_runner import Runner as PlanRunner  # noqa: PLC0415
    from checkov.terraform.runner import Runner as SourceRunner  # noqa: PLC0415

    framework, runner = {"plan": ("terraform_plan", PlanRunner), "source": ("terraform", SourceRunner)}[kind]
    # For each plan of one folder checkov would parse all of the folder again.
    read = cache(RunnerRegistry.get_enriched_resources)
    RunnerRegistry.get_enriched_resources = lambda repo_roots, **_: read(tuple(repo_roots), False)
    unloaded = [str(CHECKS / kind)]  # a second loading would run each of them twice

    def scan(question: dict[str, Any]) -> dict[str, Any]:
        folder = question["folder"]
        os.environ["CUSTODY_PLAN"] = question.get("file", "")  # our own checks read it themselves
        enriched = [folder] if kind == "plan" and folder else None
        registry = RunnerRegistry(
            "",
            RunnerFilter(
                framework=[framework],
                checks=question.get("checks"),
                repo_root_for_plan_enrichment=enriched,
                include_all_checkov_policies=True,
            ),
            runner(),
        )
        (report,) = registry.run(
            root_folder=None if kind == "plan" else folder,
            files=[question["file"]] if kind == "plan" else None,
            external_checks_dir=unloaded.copy() or None,
            repo_root_for_plan_enrichment=enriched,
        )
        unloaded.clear()
        return _answer(report)

    return scan


def secrets(question: dict[str, Any]) -> dict[str, Any]:
    """Search files for secrets."""
    from checkov.common.runners.runner_registry import RunnerRegistry  # noqa: PLC0415
    from checkov.runner_filter import RunnerFilter  # noqa: PLC0415
    from checkov.secrets.runner import SECRET_TYPE_TO_ID, Runner  # noqa: PLC0415

    folder = Path(question["folder"])
    runner_filter = RunnerFilter(framework=["secrets"], enable_secret_scan_all_files=True)
    os.chdir(folder)  # checkov names a file as it is given
    (report,) = RunnerRegistry("", runner_filter, Runner()).run(files=question["files"])
    return _answer(report) | {"resources": len(question["files"]), "rules": len(SECRET_TYPE_TO_ID)}


def policies(question: dict[str, Any]) -> dict[str, Any]:
    """Ask parliament and cloudsplaining about every policy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # parliament imports pkg_resources
        import parliament  # noqa: PLC0415
    from cloudsplaining.scan.policy_document import PolicyDocument  # noqa: PLC0415
    from cloudsplaining.scan.resource_policy_document import ResourcePolicyDocument  # noqa: PLC0415

    def of_parliament(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
        statements = (
            document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        )
        lines = ",\n".join(json.dumps(statement) for statement in statements)  # so that a line is a statement
        rest = json.dumps({key: value for key, value in document.items() if key != "Statement"})
        for finding in parliament.analyze_policy_string(
            f'{rest[:-1]}, "Statement": [\n{lines}\n]}}'
        ).findings:
            told = parliament.enhance_finding(finding)
            line = told.location.get("line", 0) if isinstance(told.location, dict) else 0
            about = statements[line - 2] if 2 <= line <= len(statements) + 1 else {}
            yield {
                "tool": "parliament",
                "rule": told.issue,
                "title": told.title,
                "detail": told.detail,
                "statement": about.get("Sid", ""),
            }

    def of_cloudsplaining(document: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
        if kind in {"identity", "boundary"}:
            policy = PolicyDocument(document)
            found_by_rule = {
                "PrivilegeEscalation": policy.allows_privilege_escalation,
                "DataExfiltration": policy.allows_data_exfiltration_actions,
                "ResourceExposure": policy.permissions_management_without_constraints,
                "CredentialsExposure": policy.credentials_exposure,
                "ServiceWildcard": policy.service_wildcard,
                "InfrastructureModification": policy.infrastructure_modification,
            }
        else:
            found_by_rule = {"InternetAccess": ResourcePolicyDocument(document).internet_accessible_actions}
        for rule, found in found_by_rule.items():
            for one in found:
                yield {"tool": "cloudsplaining", "rule": rule, "title": rule, "detail": one, "statement": ""}

    return {
        "versions": {name: version(name) for name in ("cloudsplaining", "parliament")},
        "rules": {"cloudsplaining": 7, "parliament": len(parliament.config)},
        "findings": [
            [
                *of_parliament(policy["document"]),
                *of_cloudsplaining(policy["document"], policy["kind"]),
            ]
            for policy in question["policies"]
        ],
    }


def _answer(report: Any) -> dict[str, Any]:
    def record(one: Any) -> dict[str, Any]:
        return {
            "rule": one.check_id,
            "title": one.check_name,
            "path": one.file_path,
            "lines": list(one.file_line_range),
            "resource": one.resource,
            "details": list(one.details or ()),
            "mend": one.guideline or "",
            "reason": one.check_result.get("suppress_comment", ""),
        }

    every = [*report.passed_checks, *report.failed_checks, *report.skipped_checks]
    return {
        "version": version("checkov"),
        "rules": len({one.check_id for one in every}),
        "resources": len(report.resources),
        "failed": [record(one) for one in report.failed_checks],
        "skipped": [record(one) for one in report.skipped_checks],
        "errors": sorted(report.parsing_errors),
    }


def main() -> None:
    """Answer until the input ends. What the libraries print goes to stderr."""
    logging.disable(logging.WARNING)
    kinds = {"source": terraform, "plan": terraform}
    kind = sys.argv[1]
    answer = kinds[kind](kind) if kind in kinds else {"policies": policies, "secrets": secrets}[kind]
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
