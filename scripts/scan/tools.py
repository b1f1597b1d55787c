"""The tools of a scan. Each looks at one thing and says what it found as a ``ToolReport``."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.scan.engine import engine
from scripts.scan.exceptions import Exemption, divide
from scripts.scan.known import Tree, known_plans
from scripts.scan.model import Accepted, Finding, ScanError, ToolReport
from scripts.state.policies import Policy, policies
from scripts.toolchain.toolchain import REPO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ZIZMOR = REPO / ".venv" / "bin" / "zizmor"
MEND_POLICY = "Narrow the statement; or, if it must stay, say why in terraform/policies/exceptions.yaml."
MEND_LEAK = (
    "Revoke it, then remove it. If it is not a real secret (such as an example of AWS), say so in"
    " terraform/policies/exceptions.yaml, with its digest as value."
)
MEND_INLINE = "Fix it, or add an inline checkov:skip with its reason to the block."
ITSELF = [
    "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000",
    "arn:aws:kms:us-east-1:123456789012:alias/itself",
]
"""What a key's own policy is asked about with: there, and only there, ``*`` means the key and its names."""

_IGNORED = re.compile(r"#\s*zizmor:\s*ignore\[[^\]]*\]\s*(.*)")


@dataclass(frozen=True)
class Scan:
    """What is scanned, and where what is made for it lies.

    repo: the root of the repository; ``terraform`` and ``.github`` are in it. say: progress, for a person.
    """

    repo: Path
    trees: tuple[Tree, ...]
    work: Path
    exemptions: tuple[Exemption, ...]
    say: Callable[[str], None]

    @property
    def terraform(self) -> Path:
        """The folder of the Terraform."""
        return self.repo / "terraform"

    @cached_property
    def plans(self) -> dict[str, dict[str, Any]]:
        """The plans of all trees, in which everything a policy says is known; made once."""
        return known_plans(self.trees, self.work / "plans", say=self.say)

    @cached_property
    def sids(self) -> dict[str, tuple[str, int]]:
        """Where each statement id is written, if that is one place."""
        found: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for path in sorted(self.terraform.rglob("*.tf")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                for sid in re.findall(r'\bsid\s*=\s*"([A-Za-z0-9]+)"|^\s+([A-Z][A-Za-z0-9]+)\s*=\s*\{', line):
                    found["".join(sid)].add((path.relative_to(self.repo).as_posix(), number))
        return {sid: next(iter(places)) for sid, places in found.items() if len(places) == 1}

    @cached_property
    def blocks(self) -> dict[str, tuple[str, int]]:
        """Where each module is called and each resource of a root stands, by the beginning of an address."""
        found: dict[str, tuple[str, int]] = {}
        for tree in self.trees:
            for path in sorted((tree.source / tree.root).glob("*.tf")):
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    if block := re.match(r'(module|resource "([\w-]+)") "([\w-]+)" \{', line):
                        address = f"{block.group(2) or 'module'}.{block.group(3)}"
                        found.setdefault(address, (path.relative_to(self.repo).as_posix(), number))
        return found

    def place(self, address: str, sid: str) -> tuple[str, int]:
        """Return where to look for a statement of the policy at an address: path and line."""
        beginning = ".".join(re.sub(r"\[.*", "", part) for part in address.split(".")[:2])
        return self.sids.get(sid) or self.blocks.get(beginning) or ("terraform/README.md", 1)


def source(scan: Scan) -> ToolReport:
    """Ask checkov, with the checks of ``terraform/policies/source``, about Terraform as it is written."""
    with engine("source", scan.work) as asked:
        answer = asked.ask(folder=str(scan.terraform))
    _refuse_unread(answer)
    if not answer["resources"]:
        raise ScanError("The source holds nothing.")
    return ToolReport(
        tool="checkov, source",
        version=answer["version"],
        asked="Terraform as it is written, modules that no plan holds yet included",
        rules=answer["rules"],
        checked=answer["resources"],
        unit="resources",
        findings=tuple(sorted({_of_checkov(scan, record) for record in answer["failed"]})),
        accepted=tuple(sorted({_skipped(scan, record) for record in answer["skipped"]})),
    )


def planned(scan: Scan) -> ToolReport:
    """Ask checkov, with the checks of ``terraform/policies/plan``, about what would be deployed."""
    failed: set[Finding] = set()
    skipped: set[Accepted] = set()
    rules = resources = 0
    answer: dict[str, Any] = {}
    with engine("plan", scan.work) as asked:
        for name, document in scan.plans.items():
            file = scan.work / f"{name}.json"
            file.write_text(json.dumps(document))
            answer = asked.ask(file=str(file), folder=str(scan.terraform))
            _refuse_unread(answer)
            if not answer["resources"]:
                raise ScanError(f"The plan of {name} holds nothing.")
            failed |= {_of_checkov(scan, record, f" (in {name})") for record in answer["failed"]}
            skipped |= {_skipped(scan, record) for record in answer["skipped"]}
            rules, resources = max(rules, answer["rules"]), resources + answer["resources"]
    return ToolReport(
        tool="checkov, plan",
        version=answer["version"],
        asked=f"what would be deployed: the plans of {_and(scan.plans)}",
        rules=rules,
        checked=resources,
        unit="resources",
        findings=tuple(sorted(failed)),
        accepted=tuple(sorted(skipped)),
    )


def rendered(scan: Scan, plans: dict[str, dict[str, Any]]) -> tuple[ToolReport, ToolReport]:
    """Ask parliament and cloudsplaining about every policy in these plans."""
    every: list[Policy] = []
    for name, document in plans.items():
        found = policies(document)
        unread = [policy.address for policy in found if policy.document is None and not _is_elsewhere(policy)]
        if unread:
            raise ScanError(f"The plan of {name} does not tell these policies: {', '.join(unread)}.")
        every += [policy for policy in found if policy.document is not None]
    if not every:
        raise ScanError("The plans hold no policy.")
    with engine("policies", scan.work) as asked:
        answer = asked.ask(policies=[{"kind": one.kind, "document": complete(one)} for one in every])
    found_by: dict[str, set[Finding]] = {tool: set() for tool in answer["versions"]}
    for policy, findings in zip(every, answer["findings"], strict=True):
        for one in findings:
            found_by[one["tool"]].add(_of_policy(scan, policy, one))
    reports = []
    for tool, number in answer["versions"].items():
        left, accepted = divide(tool, found_by[tool], scan.exemptions)
        reports.append(
            ToolReport(
                tool=tool,
                version=number,
                asked=f"every policy in the plans of {_and(plans)}: of roles, their trust, boundaries, "
                "buckets, keys, queues and topics",
                rules=answer["rules"][tool],
                checked=len(every),
                unit="policies",
                findings=left,
                accepted=accepted,
            )
        )
    return reports[1], reports[0]


def complete(policy: Policy) -> dict[str, Any]:
    """Return the policy as the linters want it: with the resource that its place implies.

    A role's trust names none, as it is about that role; in a key's policy ``*`` is that key.
    """
    document = json.loads(json.dumps(policy.document))
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if policy.kind == "trust":
            statement.setdefault("Resource", f"arn:aws:iam::123456789012:role/{policy.owner}")
        elif ".aws_kms_key" in f".{policy.address}" and statement.get("Resource") == "*":
            statement["Resource"] = ITSELF
    return dict(document)


def workflows(scan: Scan) -> ToolReport:
    """Ask zizmor, as strict as it can be (persona auditor), about the workflows."""
    folder = scan.repo / ".github"
    files = sorted((folder / "workflows").glob("*.y*ml"))
    if not files:
        raise ScanError("There are no workflows in .github/workflows: nothing gates a pull request.")
    honoured, every = _zizmor(folder), _zizmor(folder, "--no-ignores")
    findings = {_of_zizmor(scan, one) for one in honoured}
    accepted = set()
    for one in every:
        finding = _of_zizmor(scan, one)
        if finding not in findings:
            reasons = {
                match.group(1)
                for location in one["locations"]
                for comment in location["concrete"]["comments"]
                if (match := _IGNORED.search(comment))
            }
            if not any(reasons):
                raise ScanError(f"{finding.path}:{finding.line} ignores {finding.rule} without a reason.")
            accepted.add(Accepted(finding, "; ".join(sorted(reasons)), f"{finding.path}:{finding.line}"))
    return ToolReport(
        tool="zizmor",
        version=version("zizmor"),
        asked="the workflows and actions in .github, as an auditor (the strictest persona), without network",
        rules=None,
        checked=len(files),
        unit="workflows",
        findings=tuple(sorted(findings)),
        accepted=tuple(sorted(accepted)),
    )


def secrets(scan: Scan) -> ToolReport:
    """Search every file of the repository for secrets with detect-secrets, which checkov carries."""
    files = _files(scan.repo)
    with engine("secrets", scan.work) as asked:
        answer = asked.ask(folder=str(scan.repo), files=files)
    found = {
        Finding(
            path=record["path"].lstrip("/"),
            line=record["lines"][0],
            rule=record["rule"],
            where=record["path"].lstrip("/"),
            detail=f"looks like a secret; the digest of it is {record['resource']}",
            title=record["title"],
            mend=MEND_LEAK,
            value=record["resource"],
        )
        for record in answer["failed"]
    }
    left, accepted = divide("secrets", found, scan.exemptions)
    in_place = {_skipped(scan, record, "") for record in answer["skipped"]}
    return ToolReport(
        tool="secrets",
        version=answer["version"],
        asked="every file that is or would be committed, by checkov's detect-secrets",
        rules=answer["rules"],
        checked=len(files),
        unit="files",
        findings=left,
        accepted=tuple(sorted({*accepted, *in_place})),
    )


def _of_checkov(scan: Scan, record: dict[str, Any], about: str = "", folder: str = "terraform/") -> Finding:
    path = folder + record["path"].lstrip("/")
    details = [f"{detail}{about}" for detail in record["details"]]
    return Finding(
        path=path,
        line=record["lines"][0] or 1,
        rule=record["rule"],
        where=record["resource"],
        detail="; ".join(details) or f"this fails{about}",
        title=record["title"],
        mend=MEND_INLINE if record["mend"].startswith("http") or not record["mend"] else record["mend"],
        link=record["mend"] if record["mend"].startswith("http") else "",
    )


def _skipped(scan: Scan, record: dict[str, Any], folder: str = "terraform/") -> Accepted:
    """Return what an inline skip accepts; the place is the skip's own line."""
    finding = _of_checkov(scan, record, folder=folder)
    lines = (scan.repo / finding.path).read_text().splitlines()
    first, last = record["lines"]
    line = next(
        (n for n in range(first, last + 1) if f"checkov:skip={finding.rule}" in lines[n - 1]), finding.line
    )
    if not record["reason"].strip():
        raise ScanError(f"{finding.path}:{line} skips {finding.rule} without a reason.")
    return Accepted(finding, record["reason"], f"{finding.path}:{line}")


def _of_policy(scan: Scan, policy: Policy, found: dict[str, Any]) -> Finding:
    detail = found["detail"] if isinstance(found["detail"], str) else json.dumps(found["detail"])
    path, line = scan.place(policy.address, found["statement"])
    return Finding(
        path=path,
        line=line,
        rule=found["rule"],
        where=f"{policy.address} ({policy.kind})",
        statement=found["statement"],
        detail=detail,
        title=found["title"],
        mend=MEND_POLICY,
    )


def _of_zizmor(scan: Scan, found: dict[str, Any]) -> Finding:
    primary = next(
        (one for one in found["locations"] if one["symbolic"]["kind"] == "Primary"), found["locations"][0]
    )
    path = Path(primary["symbolic"]["key"]["Local"]["verbatim_path"])
    route = ".".join(str(next(iter(step.values()))) for step in primary["symbolic"]["route"]["route"])
    return Finding(
        path=path.relative_to(scan.repo).as_posix(),
        line=primary["concrete"]["location"]["start_point"]["row"] + 1,
        rule=found["ident"],
        where=route or path.name,
        detail=primary["symbolic"]["annotation"],
        title=found["desc"],
        mend="Fix the workflow, or add # zizmor: ignore[rule] and the reason at the end of the line.",
        link=found["url"],
    )


def _zizmor(folder: Path, *options: str) -> list[dict[str, Any]]:
    words = ["--offline", "--no-progress", "--quiet", "--persona", "auditor", "--strict-collection"]
    done = subprocess.run(
        [ZIZMOR, *words, "--format", "json-v1", "--no-exit-codes", *options, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ScanError(f"{done.stderr.strip()}\nzizmor could not read the workflows.")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _files(repo: Path) -> list[str]:
    """Return the files that are in the repository or would be by ``git add``."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=repo, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ScanError(f"{done.stderr.strip()}\nGit cannot say which files there are to search for secrets.")
    return sorted(name for name in done.stdout.split("\0") if name and (repo / name).is_file())


def _refuse_unread(answer: dict[str, Any]) -> None:
    if answer["errors"]:
        raise ScanError(f"checkov cannot read {', '.join(answer['errors'])}.")


def _is_elsewhere(policy: Policy) -> bool:
    """Whether it is a policy that is not ours to write, such as one of AWS's own: its name is its ARN."""
    return policy.name.startswith("arn:")


def _and(names: Sequence[str] | dict[str, Any]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def every_tool(scan: Scan) -> Iterator[tuple[str, Callable[[Scan], Sequence[ToolReport]]]]:
    """Yield the tools by name, the cheapest first."""
    yield "zizmor", lambda scan: [workflows(scan)]
    yield "secrets", lambda scan: [secrets(scan)]
    yield "checkov, source", lambda scan: [source(scan)]
    yield "checkov, plan", lambda scan: [planned(scan)]
    yield "parliament and cloudsplaining", lambda scan: rendered(scan, scan.plans)
