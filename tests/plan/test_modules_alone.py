"""Each module's example plans in a stranger's root, which has nothing but what the example names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.terraform import SOURCE, serverless_environ
from scripts.toolchain.provider import VARIABLE
from scripts.toolchain.toolchain import BUILD, LOCK_FILE, REPO, lock_file, terraform_program

pytestmark = pytest.mark.xdist_group("plan")

MODULES = sorted(path.name for path in (SOURCE / "modules").iterdir())
ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
THEIRS = {
    "arn": {
        "_key": KEY,
        "boundary": f"arn:aws:iam::{ACCOUNT}:policy/theirs",
        "lake": "arn:aws:s3:::theirs",
        "": f"arn:aws:iam::{ACCOUNT}:role/",
    },
    "database": {"": "theirs"},
    "key_arn": {"": KEY},
    "name": {"": "theirs"},
    "ready_arn": {"": f"arn:aws:iam::{ACCOUNT}:role/"},
    "topic_arn": {"": f"arn:aws:sns:us-east-1:{ACCOUNT}:theirs"},
}
"""What of a stranger's own is a sibling's output, by output and a part of the module's name.

A role has the name of the module."""
ROOT = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
data "aws_iam_policy_document" "theirs" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::theirs/*"]
  }
}
"""


def example(module: str) -> str:
    """The example, each module in it named after its folder too, so that all fit one root."""
    readme = (SOURCE / "modules" / module / "README.md").read_text()
    blocks = re.findall(r'^```hcl\n(module "\w+" \{\n.*?)^```', readme, re.MULTILINE | re.DOTALL)
    assert blocks, f"{module} has no example"
    text = "\n".join(blocks).replace('module "', f'module "{module}_')
    text = re.sub(r"data\.aws_iam_policy_document\.\w+", "data.aws_iam_policy_document.theirs", text)
    text = re.sub(r'"\$\{module\.(\w+)(?:\["(\w+)"\])?\.(\w+)\}([^"]*)"', theirs, text)
    return re.sub(r'module\.(\w+)(?:\["(\w+)"\])?\.(\w+)()', theirs, text)


def theirs(reference: re.Match[str]) -> str:
    module, name, output, rest = reference.groups()
    value = next(value for part, value in THEIRS[output].items() if part in module)
    return json.dumps(f"{value}{name or module}{rest}" if value.endswith("/") else f"{value}{rest}")


def planned(folder: Path, text: str) -> dict[str, Any]:
    """Plan a root of this text beside the modules, and what the kit builds."""
    root = folder / "root"
    root.mkdir()
    shutil.copy(lock_file(), root / LOCK_FILE.name)
    (root / "modules").symlink_to(SOURCE / "modules")
    for name in ("glue", "sql"):
        (folder / name).symlink_to(REPO / name)
    (folder / "build").symlink_to(BUILD)
    (root / "devices.yaml").write_text("name: devices\n")
    (root / "main.tf").write_text(ROOT + text)
    environ = serverless_environ() | {VARIABLE: os.environ[VARIABLE]}
    for words in (
        ("init", "-backend=false"),
        ("plan", "-refresh=false", "-out=plan"),
        ("show", "-json", "plan"),
    ):
        done = subprocess.run(
            [terraform_program(), *words, *(() if words[0] == "show" else ("-input=false", "-no-color"))],
            cwd=root,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_examples_of_the_modules_plan_in_a_strangers_root(tmp_path: Path) -> None:
    document = planned(tmp_path, "\n".join(example(module) for module in MODULES))
    calls = document["configuration"]["root_module"]["module_calls"].values()
    assert sorted({call["source"].rpartition("/")[2] for call in calls}) == MODULES
    made = {change["address"].split(".")[1] for change in document["resource_changes"]}
    assert {module for module in MODULES if not any(name.startswith(module) for name in made)} == set()
