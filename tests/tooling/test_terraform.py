"""The wrapper around Terraform: what it refuses, what it saves, and that it leaves nothing running."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from custody.times import parse_time
from scripts.local_aws import LocalAws
from scripts.terraform import BESIDE, Plan, Terraform, TerraformError
from scripts.toolchain.environment import without_aws
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import (
    LOCK_FILE,
    REPO,
    ToolError,
    lock_file,
    terraform_environ,
    terraform_program,
)


def change(address: str, *actions: str, before: Any = None, after: Any = None) -> dict[str, Any]:
    module = address.rpartition(".")[0].rpartition(".")[0]
    details = {"actions": list(actions), "before": before, "after": after, "after_unknown": {}}
    return {"address": address, "module_address": module, "change": details}


def test_a_summary_counts_what_is_new_and_names_what_exists() -> None:
    document = {
        "resource_changes": [
            change("module.key.aws_kms_key.this", "create", after={}),
            change("module.key.aws_kms_alias.this", "create", after={}),
            change("aws_sns_topic.this", "create", after={}),
            change(
                "module.b.aws_s3_bucket.this", "update", before={"tags": 1, "x": 1}, after={"tags": 2, "x": 1}
            ),
            change("module.b.aws_sqs_queue.this", "delete", "create", before={"name": 1}, after={"name": 2}),
            change("module.b.aws_sns_topic.this", "delete", before={"name": 1}),
            change("module.b.data.aws_region.this", "read"),
            change("module.b.aws_iam_role.this", "no-op", before={}, after={}),
        ],
        "output_changes": {"a": {"actions": ["create"]}, "b": {"actions": ["no-op"]}},
    }
    assert Plan(Path("plan"), document).summary().splitlines() == [
        "3 to add, 1 to change, 1 to replace, 1 to destroy; 1 outputs change.",
        "  +   2  module.key",
        "  +   1  the root",
        "  ~ change  module.b.aws_s3_bucket.this: tags",
        "  ± replace  module.b.aws_sqs_queue.this: name",
        "  - destroy  module.b.aws_sns_topic.this",
    ]


def test_a_plan_without_changes_says_so() -> None:
    plan = Plan(Path("plan"), {"resource_changes": [change("aws_sns_topic.this", "no-op")]})
    assert not plan.has_changes
    assert plan.summary().startswith("No change")


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_a_real_environment_with_placeholders_is_refused(env: str) -> None:
    with pytest.raises(
        ToolError, match=rf"terraform/env/{env}\.tfvars:\d+ still has <[^>]+>: fill it in first"
    ):
        Terraform(env)


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(ToolError, match="no environment 'stage'; there are dev, local, prod"):
        Terraform("stage")


def test_without_a_server_nothing_is_applied(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="Run first: make local-up"):
        Terraform("local", work_dir=tmp_path).apply()


def test_a_plan_needs_neither_server_nor_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    root = tmp_path / "root" / "terraform"
    root.mkdir(parents=True)
    (root / "left-over.tf").write_text("this is no HCL")
    (root / "left-over").mkdir()

    plan = Terraform("local", work_dir=tmp_path).plan()

    assert {change["change"]["actions"][0] for change in plan.changes} == {"create"}
    assert json.loads((tmp_path / "plan.json").read_bytes()) == plan.document
    assert "Terraform will perform the following actions" in (tmp_path / "plan.txt").read_text()
    links = {path.name for path in root.iterdir() if path.is_symlink()}
    assert {path.name for path in root.iterdir()} - links == {".terraform", "backend.tf"}
    assert "main.tf" not in links
    assert (tmp_path / "root" / "sql" / "views").is_dir()


def test_another_tree_is_planned_with_its_own_sql_and_variables(tmp_path: Path) -> None:
    source = tmp_path / "tree" / "terraform"
    (source / "env").mkdir(parents=True)
    (source / "env" / "local.tfvars").write_text('word = "its own"\n')
    (source.parent / "sql").mkdir()
    (source.parent / "sql" / "one.sql").touch()
    (source / LOCK_FILE.name).touch()  # no provider: it would take seconds to be started
    (source / "main.tf").write_text(
        'variable "word" {}\n'
        'output "word" { value = var.word }\n'
        'output "sql" { value = fileset("${path.root}/../sql", "*") }\n'
        'output "wheels" { value = fileset("${path.root}/../build/dist", "*.whl") }\n'
        'output "zips" { value = fileset("${path.root}/../build/lambda", "*.zip") }\n'
    )

    plan = Terraform("local", source=source, work_dir=tmp_path / "work").plan()

    said = {name: change["after"] for name, change in plan.document["output_changes"].items()}
    assert said.pop("wheels")
    assert said.pop("zips")
    assert said == {"word": "its own", "sql": ["one.sql"]}
    assert {path.name for path in source.iterdir()} == {LOCK_FILE.name, "env", "main.tf"}


def test_what_terraform_refuses_is_raised_with_its_words(tmp_path: Path) -> None:
    source = tmp_path / "tree" / "terraform"
    (source / "env").mkdir(parents=True)
    for name in ("env/local.tfvars", "variables.tf"):
        (source / name).symlink_to(REPO / "terraform" / name)
    for folder in BESIDE:
        (source.parent / folder).symlink_to(REPO / folder)
    (source / LOCK_FILE.name).touch()  # no provider: it would take seconds to be started
    terraform = Terraform(
        "local", source=source, work_dir=tmp_path / "work", variables={"account_id": "not an account"}
    )
    with pytest.raises(TerraformError, match=r"(?s)account_id.*terraform plan failed"):
        terraform.plan()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as server:
        yield server


def state(folder: Path, serial: int) -> Path:
    path = folder / "terraform.tfstate"
    provider = 'provider["terraform.io/builtin/terraform"]'
    resources = [
        {"mode": "managed", "type": "terraform_data", "name": "x", "provider": provider, "instances": []}
    ]
    path.write_text(
        json.dumps({"version": 4, "serial": serial, "lineage": "x", "outputs": {}, "resources": resources})
    )
    return path


def test_a_state_whose_server_is_gone_is_dropped_and_said(tmp_path: Path, aws: LocalAws, small: Path) -> None:
    path = state(tmp_path, 1)
    (tmp_path / "terraform.tfstate.instance").write_text("another instance")
    (tmp_path / "deployment.json").write_text("{}")
    said: list[str] = []
    assert (
        Terraform("local", source=small, work_dir=tmp_path, environ=aws.environ(), say=said.append)
        .show_json()
        .get("values")
        is None
    )
    assert said == ["The local state is discarded: the local AWS that it described has stopped."]
    assert not path.exists()
    assert not (tmp_path / "deployment.json").exists()


def test_a_state_of_the_server_that_runs_is_kept(tmp_path: Path, aws: LocalAws, small: Path) -> None:
    instance = aws.admin("status")["instance"]
    path = state(tmp_path, 7)
    (tmp_path / "terraform.tfstate.instance").write_text(instance)
    said: list[str] = []
    Terraform("local", source=small, work_dir=tmp_path, environ=aws.environ(), say=said.append).show_json()
    assert said == []
    assert json.loads(path.read_bytes())["serial"] == 7


def test_a_plan_of_other_code_is_not_applied(tmp_path: Path, aws: LocalAws) -> None:
    (tmp_path / "plan").touch()
    (tmp_path / "plan.inputs").write_text("another digest")
    with pytest.raises(ToolError, match="has changed since the plan"):
        Terraform("local", work_dir=tmp_path, environ=aws.environ()).apply()


def test_there_must_be_a_plan_to_apply(tmp_path: Path, aws: LocalAws) -> None:
    with pytest.raises(ToolError, match="make plan ENV=local"):
        Terraform("local", work_dir=tmp_path, environ=aws.environ()).apply()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A tree that deploys one output quickly: without a provider, whose schema takes seconds to load."""
    source = tmp_path / "tree" / "terraform"
    (source / "env").mkdir(parents=True)
    (source / "env" / "local.tfvars").touch()
    (source.parent / "sql").mkdir()
    (source / LOCK_FILE.name).touch()
    (source / "main.tf").write_text('variable "skip_account_checks" {}\noutput "word" { value = "said" }\n')
    return source


def test_a_plan_that_was_interrupted_or_destroys_is_not_applied(
    tmp_path: Path, aws: LocalAws, small: Path
) -> None:
    """Terraform saves a plan before it is checked; ``destroy`` applies its own, after asking a person."""
    terraform = Terraform("local", source=small, work_dir=tmp_path / "work", environ=aws.environ())
    terraform.plan()
    (small / "main.tf").write_text("half a")
    with pytest.raises(TerraformError):
        terraform.plan()
    terraform.plan_path.touch()  # as after the check was killed
    with pytest.raises(ToolError, match="There is no plan to apply"):
        terraform.apply()

    (small / "main.tf").write_text('variable "skip_account_checks" {}\n')
    terraform.plan(destroy=True)
    with pytest.raises(ToolError, match="There is no plan to apply"):
        terraform.apply()


@pytest.mark.parametrize("text", ["", '{"resource_changes": [', None])
def test_a_plan_that_is_not_there_whole_is_not_applied(
    tmp_path: Path, aws: LocalAws, small: Path, text: str | None
) -> None:
    """As one that was copied in part, or cut by a full disk."""
    terraform = Terraform("local", source=small, work_dir=tmp_path / "work", environ=aws.environ())
    terraform.plan()
    document = tmp_path / "work" / "plan.json"
    document.unlink() if text is None else document.write_text(text)
    with pytest.raises(ToolError, match="There is no plan to apply"):
        terraform.apply()


def test_a_plan_made_on_another_machine_is_applied(tmp_path: Path, aws: LocalAws, small: Path) -> None:
    terraform = Terraform("local", source=small, work_dir=tmp_path / "work", environ=aws.environ())
    terraform.plan()
    shutil.rmtree(tmp_path / "work" / "root")
    assert terraform.apply() == {"word": "said"}
    assert json.loads(terraform.deployment_path.read_bytes()) == {"word": "said"}


def test_the_outputs_of_what_is_deployed_can_be_had_anywhere(
    tmp_path: Path, aws: LocalAws, small: Path
) -> None:
    terraform = Terraform("local", source=small, work_dir=tmp_path / "work", environ=aws.environ())
    with pytest.raises(ToolError, match=r"Nothing is deployed in local\. Run first: make plan apply"):
        terraform.outputs()
    terraform.plan()
    terraform.apply()
    terraform.deployment_path.unlink()
    assert terraform.outputs() == {"word": "said"}
    assert json.loads(terraform.deployment_path.read_bytes()) == {"word": "said"}


@dataclass
class Steps:
    """A tree of two resources, one after the other; the second does as a script says."""

    source: Path
    terraform: Terraform
    said: list[str]

    def second(self, script: str) -> None:
        """Plan; the second resource must be replaced, by a shell script."""
        (self.source / "script.sh").write_text(script)
        (self.source / "main.tf").write_text(STEPS % hashlib.sha256(script.encode()).hexdigest())
        self.terraform.plan()

    def killed(self) -> TerraformError:
        """Apply, and kill Terraform while it makes the second."""
        pid = self.source / "pid"
        self.second(f"echo $PPID > '{pid}.part'; mv '{pid}.part' '{pid}'; sleep 600")

        def kill() -> None:
            while not pid.exists():
                time.sleep(0.05)
            os.killpg(os.getpgid(int(pid.read_text())), signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        with pytest.raises(TerraformError) as raised:
            self.terraform.apply()
        killer.join()
        pid.unlink()
        return raised.value

    def addresses(self) -> list[str]:
        values = self.terraform.show_json().get("values", {}).get("root_module", {})
        return [resource["address"] for resource in values.get("resources", ())]


STEPS = """
variable "skip_account_checks" {}
resource "terraform_data" "first" {}
resource "terraform_data" "second" {
  depends_on       = [terraform_data.first]
  triggers_replace = ["%s"]
  provisioner "local-exec" {
    command = "sh '${abspath(path.root)}/script.sh'"
  }
}
output "word" {
  value = "said"
}
"""


@pytest.fixture
def steps(tmp_path: Path, aws: LocalAws, small: Path) -> Steps:
    said: list[str] = []
    work = tmp_path / "work"
    return Steps(
        small, Terraform("local", source=small, work_dir=work, environ=aws.environ(), say=said.append), said
    )


def test_what_a_killed_apply_had_done_is_in_the_state(steps: Steps) -> None:
    assert "was killed" in str(steps.killed())
    assert steps.addresses() == ["terraform_data.first"]
    steps.second("true")
    steps.terraform.apply()
    assert steps.addresses() == ["terraform_data.first", "terraform_data.second"]


def test_a_state_that_was_never_written_whole_is_lost_in_one_sentence(tmp_path: Path, steps: Steps) -> None:
    """As left by an apply that was killed before any change, or while writing."""
    steps.second("true")
    steps.terraform.apply()
    before = steps.terraform.state_path.read_bytes()
    for written in ("", '{"version": 4, "resources": [{"mode": "mana', "", "null"):
        (tmp_path / "work" / "terraform.tfstate.written").write_text(written)
        with pytest.raises(ToolError) as raised:
            steps.terraform.plan()
        assert str(raised.value) == (
            "The state of local is lost: the apply that wrote it was killed, and its resources still "
            "exist. Start again: make local-down local-up apply"
        )
    assert steps.terraform.state_path.read_bytes() == before
    (tmp_path / "work" / "terraform.tfstate.instance").write_text("another instance")
    assert steps.terraform.plan().has_changes
    assert steps.said[-1] == ("The local state is discarded: the local AWS that it described has stopped.")


def test_a_torn_state_is_no_traceback(tmp_path: Path, aws: LocalAws, small: Path) -> None:
    terraform = Terraform("local", source=small, work_dir=tmp_path, environ=aws.environ())
    instance = tmp_path / "terraform.tfstate.instance"
    instance.write_text(aws.admin("status")["instance"])
    for torn in ("{", "[]", "{}", "null", "\0" * 100):
        terraform.state_path.write_text(torn)
        with pytest.raises(ToolError, match="make local-down local-up apply"):
            terraform.plan()
    instance.write_text("another instance")
    assert terraform.plan().has_changes


def test_an_empty_state_is_none(tmp_path: Path, aws: LocalAws, small: Path) -> None:
    """As left by a plan that was killed."""
    terraform = Terraform("local", source=small, work_dir=tmp_path, environ=aws.environ())
    terraform.state_path.touch()
    (tmp_path / "terraform.tfstate.instance").write_text(aws.admin("status")["instance"])
    assert terraform.plan().has_changes


def test_what_could_not_be_saved_is_not_thrown_away(tmp_path: Path, aws: LocalAws, small: Path) -> None:
    terraform = Terraform("local", source=small, work_dir=tmp_path, environ=aws.environ())
    terraform.plan()
    errored = tmp_path / "root" / "terraform" / "errored.tfstate"
    errored.write_text("{}")
    with pytest.raises(ToolError, match=r"could not save the state.*state push errored\.tfstate"):
        terraform.plan()
    assert errored.read_text() == "{}"


def test_the_deployment_says_that_the_last_apply_did_not_succeed(steps: Steps) -> None:
    path = steps.terraform.deployment_path
    steps.second("true")
    steps.terraform.apply()
    steps.second("exit 1")
    with pytest.raises(TerraformError, match="the changes made so far are in the state"):
        steps.terraform.apply()
    steps.terraform.outputs()
    document = json.loads(path.read_bytes())
    assert parse_time(document.pop("unfinished_apply"))
    assert document == {"word": "said"}
    steps.second(f"grep -q unfinished_apply '{path}'")  # while it runs, too
    steps.terraform.apply()
    assert json.loads(path.read_bytes()) == {"word": "said"}


def test_what_exists_already_is_told_with_the_way_out(steps: Steps) -> None:
    steps.second("echo EntityAlreadyExists: Role with name x already exists. >&2; exit 1")
    with pytest.raises(TerraformError, match=r"Start again: make local-down local-up apply$"):
        steps.terraform.apply()


HALF_MADE = """
variable "skip_account_checks" {}
provider "aws" { region = "us-east-1" }
module "keys" {
  source   = "./key"
  for_each = toset(["a b"])
}
output "key" { value = module.keys["a b"].arn }
"""
KEY = """
resource "aws_kms_key" "this" {
  enable_key_rotation = true
  provisioner "local-exec" { command = "exit 1" }
}
output "arn" { value = aws_kms_key.this.arn }
"""


def test_a_key_of_an_apply_that_broke_off_is_kept_and_completed(
    tmp_path: Path, aws: LocalAws, small: Path
) -> None:
    """A failed step of its creation taints it: Terraform would replace it, which who deploys may not."""
    shutil.copy(lock_file(), small / LOCK_FILE.name)
    (small / "main.tf").write_text(HALF_MADE)
    (small / "key").mkdir()
    (small / "key" / "main.tf").write_text(KEY)
    said: list[str] = []
    with served_provider(
        terraform_environ(without_aws(os.environ)) | aws.environ(), tmp_path / "p"
    ) as environ:
        terraform = Terraform(
            "local", source=small, work_dir=tmp_path / "work", environ=environ, say=said.append
        )
        terraform.plan()
        with pytest.raises(TerraformError, match="local-exec provisioner error"):
            terraform.apply()
        assert said[-1] == 'module.keys["a b"].aws_kms_key.this is half made: the next apply completes it.'
        terraform.plan()
        arn = terraform.apply()["key"]
        taint = ["taint", "-no-color", 'module.keys["a b"].aws_kms_key.this']
        folder = tmp_path / "work" / "root" / "terraform"
        subprocess.run([terraform_program(), *taint], cwd=folder, env=environ, check=True)
        plan = terraform.plan()
        assert not plan.has_changes, plan.summary()
        assert terraform.show_json()["values"]["outputs"]["key"]["value"] == arn


def test_a_copied_folder_has_modules_of_its_own(tmp_path: Path, aws: LocalAws, small: Path) -> None:
    module = small / "modules" / "word"
    module.mkdir(parents=True)
    (module / "main.tf").write_text('output "word" { value = "of the original" }\n')
    (small / "main.tf").write_text(
        'variable "skip_account_checks" {}\nmodule "word" { source = "./modules/word" }\n'
        'output "word" { value = module.word.word }\n'
    )
    Terraform("local", source=small, work_dir=small.parent / "build" / "local", environ=aws.environ()).plan()
    copy = tmp_path / "copy"
    shutil.copytree(small.parent, copy, symlinks=True)
    (copy / "terraform" / "modules" / "word" / "main.tf").write_text(
        'output "word" { value = "of the copy" }\n'
    )
    terraform = Terraform(
        "local", source=copy / "terraform", work_dir=copy / "build" / "local", environ=aws.environ()
    )
    terraform.plan()
    assert terraform.apply() == {"word": "of the copy"}


@pytest.mark.parametrize(("words", "status"), [((), 0), (("--detailed-exitcode",), 1)])
def test_that_a_plan_has_changes_is_a_failure_if_asked_for(
    tmp_path: Path, small: Path, words: tuple[str, ...], status: int
) -> None:
    program = (
        "import sys, pathlib; from functools import partial; from scripts import terraform;"
        "source, work = map(pathlib.Path, sys.argv[1:3]); del sys.argv[1:3];"
        "terraform.REPO = work;"
        "terraform.Terraform = partial(terraform.Terraform, source=source, work_dir=work, environ={});"
        "sys.exit(terraform.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, small, tmp_path / "work", "plan", *words],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "0 to add, 0 to change" in done.stdout


def test_an_interrupt_leaves_no_terraform_behind(tmp_path: Path) -> None:
    """A slow Terraform: it is interrupted once, like Ctrl-C, and waited for."""
    program = tmp_path / "terraform"
    program.write_text(
        "#!/bin/sh\n"
        f"echo $$ > {tmp_path}/pid\n"
        f"trap 'echo asked >> {tmp_path}/asked; sleep 0.5; exit 1' INT\n"
        "echo begun\n"
        "for _ in $(seq 6000); do sleep 0.1; done\n"
    )
    program.chmod(0o755)
    driver = (
        "from pathlib import Path; import os; from scripts.terraform import _Driver;"
        f"_Driver(Path({str(program)!r}), Path({str(tmp_path)!r}), os.environ, 300.0)"
        ".cmd('apply', on_line=lambda line: print(line, flush=True))"
    )
    words = [sys.executable, "-c", driver]
    with subprocess.Popen(
        words, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(300) != 0
        finally:
            process.kill()
    assert (tmp_path / "asked").read_text() == "asked\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
