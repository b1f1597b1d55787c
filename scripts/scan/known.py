"""Plans in which everything a policy says is known, of several trees of Terraform at once.

A key's id is random, so a plan cannot say a policy that names one. Here the key module says an ARN made of
the key's name instead, well-formed and the same every time; nothing else differs. Whatever tree or
environment it is, it is planned without server and credentials. Terraform loads the provider's schema, which
is most of what a plan costs, once for all of them: each tree is a module of one root, which has the provider
of each environment in place of the trees' own, and its plan is cut out again.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.scan.prune import drop_validations, prune
from scripts.terraform import BESIDE, LOCAL, Terraform, TerraformError
from scripts.toolchain.toolchain import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

KEY_ARN = """\
output "arn" {
  value = join(":", [
    "arn", data.aws_partition.current.partition, "kms", data.aws_region.current.name, var.account_id,
    "key/${uuidv5("dns", var.name)}",
  ])
}
"""
_MADE = 'output "made" {\n  value = aws_kms_key.this.arn\n}\n'
_PUBLIC_KEYS = {
    f'data "aws_kms_public_key" "{name}" {{\n': f"  key_id = {key}\n}}\n"
    for name, key in {
        "log": "try(module.log_key[each.key].made, each.value)",
        "signing": "module.signing_key[each.key].made",
    }.items()
}
"""Public keys are read when the keys are there: of a key that the plan thinks it knows, at once."""

_EXAMPLES = {
    "owner": "example",
    "repository": "pipeline",
    "your-account-id": "123456789012",
    "your-address": "someone@example.org",
    "your-region": "eu-central-1",
    "today": "2026-01-01",
}
_PLACEHOLDER = re.compile(r"<([^<>\n]+)>")
_ASSIGNMENT = re.compile(r"^(\w+)\s*=", re.MULTILINE)


@dataclass(frozen=True)
class Tree:
    """A root to plan.

    name: lower-case letters, digits and underscores. source: the folder of the Terraform, with ``modules`` in
    it. variables: its tfvars file. root: which folder of the source is the root. only: the addresses to plan
    there, with what they stand on; without any, all.
    """

    name: str
    source: Path
    variables: Path
    root: str = "."
    only: tuple[str, ...] = ()


def known_plans(
    trees: Sequence[Tree], work: Path, *, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Return each tree's plan, as ``terraform show -json`` of it alone would be, by the tree's name.

    ``work`` is made anew. Raises ``ToolError`` with Terraform's words if one of them cannot be planned.
    """
    shutil.rmtree(work, ignore_errors=True)
    root = work / "source" / "terraform"
    (root / "env").mkdir(parents=True)
    beside = [tree.source.parent / name for name in BESIDE for tree in trees]
    for folder in beside:
        if folder.exists() and not (root.parent / folder.name).exists():  # a tree of before may lack one
            (root.parent / folder.name).symlink_to(folder)
    providers = dict(_lay_out(tree, root) for tree in trees)
    (root / "providers.tf.json").write_text(json.dumps({"provider": {"aws": list(providers.values())}}))
    (root / "env" / f"{LOCAL}.tfvars").touch()
    targets = [f"module.{tree.name}.{address}" for tree in trees for address in tree.only]
    targets += [f"module.{tree.name}" for tree in trees if targets and not tree.only]
    try:
        plan = Terraform(LOCAL, source=root, work_dir=work, say=say).plan(targets=targets).document
    except TerraformError as error:
        said = str(error)
        raise ToolError(said[max(0, said.find("Error:")) :]) from error  # without the plan as far as it came
    return {tree.name: cut_out(plan, tree.name) for tree in trees}


def example_variables(path: Path) -> str:
    """Return a tfvars file with its placeholders filled in by examples.

    Raises ``ToolError`` if it has a placeholder for which there is no example.
    """

    def example(found: re.Match[str]) -> str:
        name = found.group(1)
        if name.startswith("arn-of-"):
            kind = "user" if name.endswith("-user") else "role"
            return f"arn:aws:iam::{_EXAMPLES['your-account-id']}:{kind}/{name.removeprefix('arn-of-')}"
        if name not in _EXAMPLES:
            raise ToolError(
                f"{path.name} has the placeholder <{name}>: scripts/scan/known.py has no example."
            )
        return _EXAMPLES[name]

    return _PLACEHOLDER.sub(example, path.read_text())


def _lay_out(tree: Tree, root: Path) -> tuple[str, dict[str, Any]]:
    """Copy a tree below the root, with its keys known, and call it with its variables.

    Returns the alias and the settings of the provider that it takes.
    """
    copy = root / tree.name
    ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "env", "policies", "tests")
    shutil.copytree(tree.source, copy, ignore=ignored)
    (copy / "modules" / "key" / "known_override.tf").write_text(KEY_ARN)
    (copy / "modules" / "key" / "made.tf").write_text(_MADE)
    (copy / tree.root / "providers.tf").unlink()
    code = "".join(file.read_text() for file in (copy / tree.root).glob("*.tf"))
    public_keys = "".join(begin + rest for begin, rest in _PUBLIC_KEYS.items() if begin in code)
    (copy / tree.root / "known_override.tf").write_text(public_keys)
    text = example_variables(tree.variables)
    region, environment = (
        re.findall(rf'^{name}\s*=\s*"([\w-]+)"', text, re.MULTILINE)[0] for name in ("region", "environment")
    )
    alias = f"{environment}_{region}"
    names = _ASSIGNMENT.findall(text)
    arguments = {name: f"${{var.{tree.name}__{name}}}" for name in names} | {"skip_account_checks": True}
    if tree.only:
        drop_validations(copy)
        left = prune(copy / tree.root, tree.only)
        arguments = {name: value for name, value in arguments.items() if name in left}
    (root / f"{tree.name}.auto.tfvars").write_text(
        _ASSIGNMENT.sub(lambda found: f"{tree.name}__{found.group(0)}", text)
    )
    (root / f"{tree.name}.tf.json").write_text(
        json.dumps(
            {
                "variable": {f"{tree.name}__{name}": {} for name in names},
                "module": {
                    tree.name: {
                        "source": f"./{tree.name}/{tree.root}",
                        "providers": {"aws": f"aws.{alias}"},
                        **arguments,
                    }
                },
            }
        )
    )
    skipped = ("credentials_validation", "metadata_api_check", "region_validation", "requesting_account_id")
    return alias, {
        "alias": alias,
        "region": region,
        "default_tags": {"tags": {"environment": environment}},
        **{f"skip_{check}": True for check in skipped},
    }


def cut_out(plan: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the part of the plan that is the module's, as if the module were the root."""
    address = f"module.{name}"
    inside = f"{address}."

    def module_of(values: Mapping[str, Any]) -> dict[str, Any]:
        children = values.get("root_module", {}).get("child_modules", ())
        return {
            "root_module": next(
                (child for child in children if child["address"] == address), {"resources": []}
            )
        }

    part = {
        "format_version": plan["format_version"],
        "terraform_version": plan["terraform_version"],
        "planned_values": module_of(plan["planned_values"]),
        "resource_changes": [
            change for change in plan["resource_changes"] if change["address"].startswith(inside)
        ],
        "prior_state": {"values": module_of(plan.get("prior_state", {}).get("values", {}))},
        "configuration": {
            "provider_config": plan["configuration"].get("provider_config", {}),
            "root_module": plan["configuration"]["root_module"]["module_calls"][name]["module"],
        },
    }
    cut: dict[str, Any] = json.loads(json.dumps(part).replace(inside, ""))
    for change in cut["resource_changes"]:
        if change.get("module_address") == address:
            del change["module_address"]
    return cut
