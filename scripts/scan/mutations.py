"""Weaken our own code in small ways, one at a time, and see that a gate turns red: the test of the gates.

    python -m scripts.scan.mutations

``tests/policy/mutations.yaml`` says what is changed, what that weakens, and which rule of which gate must
catch it. Each stands in a copy of the code of its own. It is caught if that rule is red for it and green for
the code as it is; if the code itself is red, nothing is proven, and that is said. Prints the score; exit
status 0 if all are caught, 1 if not, 2 if a mutation no longer fits the code, 3 if something could not be
run, 130 on an interrupt.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import string
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scripts.review.__main__ import compare
from scripts.review.findings import Finding
from scripts.review.sides import applied_sides
from scripts.scan.engine import Engine, engine
from scripts.scan.exceptions import read_exemptions
from scripts.scan.known import Tree, known_plans
from scripts.scan.model import ScanError
from scripts.scan.tools import Scan, rendered, secrets, workflows
from scripts.terraform import BESIDE, serverless_environ
from scripts.toolchain.environment import without_aws
from scripts.toolchain.provider import VARIABLE, served_provider
from scripts.toolchain.toolchain import BUILD, REPO, ToolError, terraform_environ, terraform_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FILE = REPO / "tests" / "policy" / "mutations.yaml"
WORK = BUILD / "mutations"
GATES = ("source", "plan", "policies", "review", "terraform test", "workflows", "secrets")
AT_ONCE = 10
"""Trees that one run of Terraform plans. More would save little and need much memory."""


@dataclass(frozen=True)
class Mutation:
    """One small edit, and what must catch it.

    file: from the repository's root; old, new: the text there, which must be there once, and what takes its
    place. gate, rule: who must turn red, and by what: a check's id, a linter's finding, for ``review`` a type
    of resource and what of it the finding names, or for ``terraform test`` the name of a run. plan: which
    plan shows it (``local``, ``prod``, ``bootstrap_prod``). only: which addresses of it are enough; planning
    fewer takes less.
    """

    name: str
    weakens: str
    file: str
    old: str
    new: str
    gate: str
    rule: str
    plan: str = "local"
    only: tuple[str, ...] = ()

    @property
    def shown_by(self) -> tuple[str, tuple[str, ...]]:
        """What plan shows it, and which addresses of it."""
        return self.plan, self.only

    @property
    def folder(self) -> Path:
        """The folder that holds the file: a module, for the gates that look at one."""
        return Path(self.file).parent


def read_mutations(path: Path = FILE) -> list[Mutation]:
    """Return the mutations. Raises ``ScanError`` if one is half said or two have one name."""
    entries = yaml.safe_load(path.read_text())
    mutations = []
    for entry in entries:
        try:
            mutations.append(Mutation(**{**entry, "only": tuple(entry.get("only", ()))}))
        except TypeError as error:
            raise ScanError(f"{path.name}: {entry.get('name', entry)}: {error}.") from error
    names = [mutation.name for mutation in mutations]
    for mutation in mutations:
        if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", mutation.name) or names.count(mutation.name) > 1:
            raise ScanError(f"{path.name}: {mutation.name!r} is no name, or two have it.")
        if mutation.gate not in GATES:
            raise ScanError(f"{path.name}: {mutation.name}: there is no gate {mutation.gate!r}.")
    return mutations


def mutate(mutation: Mutation, repo: Path) -> str:
    """Return the file's text with the edit. Raises ``ScanError`` if it does not fit there once."""
    text = (repo / mutation.file).read_text() if (repo / mutation.file).is_file() else ""
    count = text.count(mutation.old)
    if count != 1:
        raise ScanError(
            f"{mutation.name} is stale: its old text stands {count} times in {mutation.file}. Write it anew."
        )
    return text.replace(mutation.old, mutation.new.replace("{access key}", _access_key()))


def _access_key() -> str:
    """Return an access key's id as AWS forms them, which is nobody's."""
    return "AKIA" + "".join(random.choices(string.ascii_uppercase + "234567", k=16))  # noqa: S311 - no secret


class Trial:
    """One run of all mutations. ``repo`` is what they weaken; what is made for it goes to ``work``."""

    def __init__(self, mutations: Sequence[Mutation], repo: Path = REPO, work: Path = WORK) -> None:
        self._mutations = mutations
        self._repo = repo
        self._work = work
        self._scan = Scan(repo, (), work / "scan", tuple(read_exemptions()), lambda _: None)
        self._red: dict[tuple[Path, str], bool] = {}
        shutil.rmtree(work, ignore_errors=True)
        self._sound = self._copy("sound")
        self._mutants = {
            mutation.name: self._copy(mutation.name, mutation)
            for mutation in mutations
            if _in_terraform(mutation)
        }

    def run(self) -> Iterator[tuple[Mutation, str]]:
        """Yield each mutation with why it is not caught; empty if it is. Plans are made beside the scans."""
        of_gate = {gate: [one for one in self._mutations if one.gate == gate] for gate in GATES}
        aside = ThreadPoolExecutor(1)
        try:
            planned = [aside.submit(self._plans, batch) for batch in self._batches()]
            tested = aside.submit(lambda: list(self._by_terraform_test(of_gate["terraform test"])))
            for gate in ("workflows", "secrets"):
                yield from self._by_file(of_gate[gate])
            yield from self._by_source(of_gate["source"])
            with engine("plan", self._work / "scan") as checkov:
                for batch in planned:
                    for mutation, sound, mutant in batch.result():
                        yield mutation, self._judge(mutation, checkov, sound, mutant)
            yield from tested.result()
        finally:
            aside.shutdown(cancel_futures=True)

    def _copy(self, name: str, mutation: Mutation | None = None) -> Path:
        """Return a copy of the Terraform in a tree of its own; a weakened one shares the other files."""
        tree = self._work / "trees" / name
        shutil.copytree(
            self._sound if mutation else self._repo / "terraform",
            tree / "terraform",
            symlinks=True,
            ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "policies"),
            copy_function=os.link if mutation else shutil.copy,
        )
        for beside in BESIDE:
            (tree / beside).symlink_to(self._repo / beside)
        if mutation:
            (tree / mutation.file).unlink()
            (tree / mutation.file).write_text(mutate(mutation, self._repo))
        return tree / "terraform"

    def _batches(self) -> Iterator[list[Mutation]]:
        """Yield the mutations that plans of one environment show, those that share a sound plan together."""
        shown = [mutation for mutation in self._mutations if mutation.gate in {"plan", "policies", "review"}]
        shown.sort(key=lambda mutation: mutation.shown_by)
        for _, ones in groupby(shown, lambda mutation: mutation.plan):
            of_one = list(ones)
            for first in range(0, len(of_one), AT_ONCE):
                yield of_one[first : first + AT_ONCE]

    def _plans(self, batch: Sequence[Mutation]) -> list[tuple[Mutation, Path, Path]]:
        """Plan a batch, and the code as it is where that has not been; return each mutation's two plans."""
        folder = self._work / "plans"
        folder.mkdir(exist_ok=True)
        names = {shown_by: f"sound_{_digest(shown_by)}" for shown_by in {one.shown_by for one in batch}}
        trees = [_tree(one.name, self._mutants[one.name], *one.shown_by) for one in batch]
        trees += [
            _tree(name, self._sound, *shown_by)
            for shown_by, name in names.items()
            if not (folder / f"{name}.json").exists()
        ]
        for name, document in known_plans(trees, self._work / "root", say=lambda _: None).items():
            (folder / f"{name}.json").write_text(json.dumps(document))
        return [(one, folder / f"{names[one.shown_by]}.json", folder / f"{one.name}.json") for one in batch]

    def _judge(self, mutation: Mutation, checkov: Engine, sound: Path, mutant: Path) -> str:
        def red(plan: Path) -> bool:
            if mutation.gate == "review":
                sides = applied_sides(*(json.loads(side.read_bytes()) for side in (sound, plan)))
                return any(_names(finding, mutation.rule) for finding in compare(*sides))
            if mutation.gate == "policies":
                reports = rendered(self._scan, {"it": json.loads(plan.read_bytes())})
                return mutation.rule in {finding.rule for report in reports for finding in report.findings}
            return _fails(checkov.ask(file=str(plan), folder=None, checks=[mutation.rule]))

        if (sound, mutation.rule) not in self._red:
            self._red[sound, mutation.rule] = red(sound)
        return _verdict(self._red[sound, mutation.rule], red(mutant))

    def _by_source(self, mutations: Iterable[Mutation]) -> Iterator[tuple[Mutation, str]]:
        """Ask checkov about the one folder that the mutation is in: it is what the check looks at."""
        with engine("source", self._work / "scan") as checkov:
            for mutation in mutations:
                inside = mutation.folder.relative_to("terraform")
                sound, mutant = (
                    _fails(checkov.ask(folder=str(tree / inside), checks=[mutation.rule]))
                    for tree in (self._sound, self._mutants[mutation.name])
                )
                yield mutation, _verdict(sound, mutant)

    def _by_terraform_test(self, mutations: Iterable[Mutation]) -> Iterator[tuple[Mutation, str]]:
        """Make the run that must fail of the module that the mutation is in, as it is and as it becomes."""
        of_module = defaultdict(list)
        for mutation in mutations:
            of_module[mutation.folder.relative_to("terraform")].append(mutation)
        if not of_module:
            return
        plain = terraform_environ(without_aws(os.environ)) | {"AWS_REGION": "us-east-1"}
        with served_provider(plain, self._work / "provider") as environ:
            tested = self._copy("tested")
            for module, ones in of_module.items():
                for mutation in ones:
                    mutant = self._mutants[mutation.name]
                    _write_runs(tested / module, mutation, self._sound / module, mutant / module)
                passed = _terraform_test(tested / module, [mutation.name for mutation in ones], environ)
                for mutation in ones:
                    if mutation.name not in passed:
                        yield mutation, f"there is no run {mutation.rule}"
                    else:
                        sound = passed[f"sound_{mutation.name}"]
                        yield mutation, _verdict(not sound, not passed[mutation.name])

    def _by_file(self, mutations: Iterable[Mutation]) -> Iterator[tuple[Mutation, str]]:
        """Ask the tools that read files as they are, in a repository that holds nothing but the one file."""
        tools = {"workflows": workflows, "secrets": secrets}
        for mutation in mutations:
            red = []
            for kind, text in (
                ("sound", (self._repo / mutation.file).read_text()),
                ("weak", mutate(mutation, self._repo)),
            ):
                repo = self._work / "files" / mutation.name / kind
                (repo / mutation.file).parent.mkdir(parents=True)
                (repo / mutation.file).write_text(text)
                subprocess.run(["git", "init", "--quiet", repo], check=True)  # noqa: S607 - Git is where it is
                report = tools[mutation.gate](Scan(repo, (), self._work / "scan", (), lambda _: None))
                red.append(mutation.rule in {finding.rule for finding in report.findings})
            yield mutation, _verdict(*red)


def _names(finding: Finding, rule: str) -> bool:
    """Whether a finding that needs an approval, or a part of one, is of the type and names the rest."""
    kind, _, named = rule.partition(" ")
    block = re.search(r"(\w+)\.[^.]+$", re.sub(r"\[[^]]*\]", "", finding.address))
    own = finding.direction == "wider" and block is not None and block[1] == kind and named in finding.text
    return own or any(_names(part, rule) for part in finding.parts)


def _tree(name: str, source: Path, plan: str, only: tuple[str, ...]) -> Tree:
    """Return the tree whose plan is called ``plan``."""
    root = "bootstrap" if plan.startswith("bootstrap_") else "."
    variables = source / root / "env" / f"{plan.removeprefix('bootstrap_')}.tfvars"
    return Tree(name, source, variables, root, only)


def _digest(shown_by: tuple[str, tuple[str, ...]]) -> str:
    return hashlib.sha256(repr(shown_by).encode()).hexdigest()[:12]


def _in_terraform(mutation: Mutation) -> bool:
    return mutation.file.startswith("terraform/")


def _fails(answer: Mapping[str, Any]) -> bool:
    if answer["errors"] or not answer["rules"]:
        raise ScanError(f"checkov could not look: {answer['errors'] or 'the rule fits nothing there'}.")
    return bool(answer["failed"])


def _verdict(sound: bool, mutant: bool) -> str:
    """Return why a mutation is not caught, from whether its rule is red for the code as it is and for it."""
    if sound:
        return "the code as it is fails this already, so nothing is proven"
    return "" if mutant else "not caught"


def _write_runs(folder: Path, mutation: Mutation, sound: Path, mutant: Path) -> None:
    """Write a test file by the mutation's name: its rule, a run of the folder's tests, of both modules."""
    begin = f'run "{mutation.rule}" {{\n'
    for path in sorted((folder / "tests").glob("*.tftest.hcl")):
        text, *runs = re.split(r'^(?=run ")', path.read_text(), flags=re.MULTILINE)
        for run in runs:
            if run.startswith(begin):
                for name, module in ((f"sound_{mutation.name}", sound), (mutation.name, mutant)):
                    source = f'  module {{\n    source = "{os.path.relpath(module, folder)}"\n  }}\n'
                    text += f'run "{name}" {{\n{source}{run.removeprefix(begin)}'
                path.with_name(f"{mutation.name}.tftest.hcl").write_text(text)


def _terraform_test(folder: Path, names: Iterable[str], environ: Mapping[str, str]) -> dict[str, bool]:
    """Run the test files of these names in a folder; return their runs and whether they passed."""
    said = ""
    test = ["test", *(f"-filter=tests/{name}.tftest.hcl" for name in names)]
    for words in (["init", "-backend=false", "-input=false"], test):
        command = [str(terraform_program()), *words, "-no-color"]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        said = done.stdout
        if words[0] == "init" and done.returncode != 0:
            raise ScanError(f"{done.stdout}{done.stderr}\nterraform init failed.")
    runs = re.findall(r'^  run "(\w+)"\.\.\. (pass|fail|skip)$', said, re.MULTILINE)
    if not runs:
        raise ScanError(f"{said}\nterraform test ran nothing in {folder.name}.")
    return {name: outcome == "pass" for name, outcome in runs}


def main() -> int:
    """Run all mutations; see the module's docstring for the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.setdefault("GOGC", "800")  # a provider's schema fills the heap: collect it less often
    os.environ.setdefault("GOMEMLIMIT", "2GiB")  # but not so seldom that a batch fills the machine
    start = time.monotonic()
    try:
        mutations = read_mutations()
        stale = [words for mutation in mutations if (words := _stale(mutation))]
        if stale:
            print("\n".join(stale), file=sys.stderr)
            return 2
        missed = 0
        with served_provider(serverless_environ(), WORK.with_name("mutations-provider")) as environ:
            os.environ[VARIABLE] = environ[VARIABLE]
            for mutation, why in Trial(mutations).run():
                missed += bool(why)
                mark = f"MISSED ({why})" if why else "caught"
                print(
                    f"{mark}  {mutation.name}: {mutation.weakens}; by {mutation.gate}, {mutation.rule}",
                    flush=True,
                )
    except (ScanError, ToolError, OSError) as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    caught = len(mutations) - missed
    print(
        f"\n{caught} of {len(mutations)} weaknesses caught ({100 * caught // len(mutations)} %)"
        f" in {time.monotonic() - start:.0f} s"
    )
    return 1 if missed else 0


def _stale(mutation: Mutation) -> str:
    try:
        mutate(mutation, REPO)
    except ScanError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
