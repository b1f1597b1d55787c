"""The examples of the checks, planned in one go by the real Terraform, without server and credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.scan.engine import Engine, engine
from scripts.scan.known import cut_out
from scripts.terraform import BESIDE, Terraform

FIXTURES = Path(__file__).with_name("fixtures")
EXAMPLES = sorted(path.parent.relative_to(FIXTURES).as_posix() for path in FIXTURES.glob("*/*/main.tf"))
PROVIDER = """
provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true

  default_tags {
    tags = { environment = "example" }
  }
}
"""


def module(example: str) -> str:
    return f"example_{example.replace('/', '_')}"


@pytest.fixture(scope="session")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The plan of every example, by its name, as a file."""
    work = tmp_path_factory.mktemp("examples")
    source = work / "tree" / "terraform"
    (source / "env").mkdir(parents=True)
    (source / "env" / "local.tfvars").touch()
    for folder in BESIDE:
        (source.parent / folder).mkdir()
    (source / "provider.tf").write_text(PROVIDER)
    calls = {module(example): {"source": f"./fixtures/{example}"} for example in EXAMPLES}
    (source / "fixtures").symlink_to(FIXTURES)
    (source / "main.tf.json").write_text(json.dumps({"module": calls}))
    terraform = Terraform("local", source=source, work_dir=work, say=lambda _: None)
    document = terraform.plan().document
    for example in EXAMPLES:
        part: dict[str, Any] = cut_out(document, module(example))
        (work / f"{module(example)}.json").write_text(json.dumps(part))
    return {example: work / f"{module(example)}.json" for example in EXAMPLES}


@pytest.fixture(scope="session")
def checkov(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine("plan", tmp_path_factory.mktemp("checkov")) as running:
        yield running
