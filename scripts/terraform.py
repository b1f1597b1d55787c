"""Drive Terraform for one environment: ``make plan``, ``make apply``, ``make destroy``.

    python -m scripts.terraform plan|apply|outputs|destroy --env local|dev|prod

``outputs`` writes ``deployment.json`` from the state, if the apply was done elsewhere.

``terraform/`` is never run in place. Each environment has a working root of symbolic links,
``build/<env>/root``, recreated for every run, to which only the backend configuration is added. ``local``
uses only the local AWS, whatever credentials the caller has; ``dev`` and ``prod`` use the caller's
credentials.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import python_terraform
from botocore.config import Config
from python_terraform import IsFlagged

from custody.terminal import visible
from scripts.datasets import check_datasets
from scripts.local_aws.launch import operator_environment
from scripts.state.adoptions import later_adoptions
from scripts.state.contracts import contract_losses
from scripts.state.ends import ends
from scripts.state.half_made import half_made, would_make_again
from scripts.state.network_first import NETWORK, is_network_first
from scripts.state.trails import existing_trail, unlogged_by
from scripts.toolchain.environment import instance_of, local_environ, without_aws
from scripts.toolchain.toolchain import (
    BUILD,
    LOCK_FILE,
    REPO,
    ToolError,
    lock_file,
    terraform_environ,
    terraform_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SOURCE = REPO / "terraform"
BUILT = ("dist", "lambda", "mwaa")
"""The folders of ``build/`` with the wheel and the functions' zips, which it uploads."""
BESIDE = ("dags", "examples", "glue", "sql")
"""The folders beside ``terraform/`` whose files it reads."""
LOCAL = "local"
LOCAL_PARALLELISM = 30
"""More than Terraform's ten: against the local AWS most of the time goes into the provider's waiters."""
LOCAL_GRACE_SECONDS = 15.0

_PLACEHOLDER = re.compile(r"<[^<>\n]+>")
_EXISTS = re.compile(r"already\s?exists|AlreadyOwnedByYou|ResourceConflictException", re.IGNORECASE)
_UNFINISHED = "unfinished_apply"
_START_AGAIN = "Start again: make local-down local-up apply"
_IMPORT = (
    "Import it (https://developer.hashicorp.com/terraform/language/import), or delete it if it is "
    "empty; then plan again."
)
_NO_SERVER = "http://127.0.0.1:9"
"""The discard port (RFC 863), where nothing listens: calls that must not reach AWS fail at once."""


def placeholder(path: Path) -> tuple[int, str] | None:
    """Return the line and text of the first placeholder, such as ``<your-region>``, that a file holds."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := _PLACEHOLDER.search(line.partition("#")[0]):
            return number, found.group()
    return None


def working_root(work_dir: Path) -> Path:
    """Return the folder in which Terraform runs."""
    return work_dir.absolute() / "root" / "terraform"


def serverless_environ() -> dict[str, str]:
    """The environment of a Terraform that plans ``local`` without a server."""
    offline = operator_environment(_NO_SERVER) | {"AWS_MAX_ATTEMPTS": "1"}
    return terraform_environ(without_aws(os.environ)) | offline


class TerraformError(ToolError):
    """Terraform refused or failed; the message ends with what it said."""


@dataclass(frozen=True)
class Plan:
    """A saved plan: its file, and its ``terraform show -json`` document."""

    path: Path
    document: dict[str, Any]
    is_first_step: bool = False
    """Whether another plan must follow, once this one is applied."""

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The entries of ``resource_changes`` that create, update, replace or delete something."""
        return [
            change
            for change in self.document.get("resource_changes", ())
            if change["change"]["actions"] not in (["no-op"], ["read"])
        ]

    @property
    def output_changes(self) -> list[str]:
        """The names of the outputs that change."""
        entries = self.document.get("output_changes", {})
        return sorted(name for name, change in entries.items() if change["actions"] != ["no-op"])

    @property
    def has_changes(self) -> bool:
        """Whether applying this plan would do anything."""
        return bool(self.changes or self.output_changes)

    @property
    def datasets(self) -> list[str]:
        """The data sets that it deploys, as the variables name them; none for another root."""
        found: list[str] = self.document.get("variables", {}).get("datasets", {}).get("value", [])
        return found

    def summary(self) -> str:
        """Say in a few lines what applying it would do.

        Additions are counted by module; what touches something that exists is named, with what changes in it.
        """
        if not self.has_changes:
            return "No changes: the deployment matches the code."
        kinds = Counter(_kind(change) for change in self.changes)
        lines = [_NETWORK_FIRST] if self.is_first_step else []
        counts = ", ".join(f"{kinds[kind]} to {kind}" for kind in ("add", "change", "replace", "destroy"))
        lines.append(f"{counts}; {len(self.output_changes)} outputs change.")
        added = Counter(_top_module(change) for change in self.changes if _kind(change) == "add")
        lines += [f"  + {count:>3}  {module}" for module, count in sorted(added.items())]
        for change in self.changes:
            kind = _kind(change)
            if kind != "add":
                lines.append(f"  {_SIGNS[kind]} {kind}  {change['address']}{_what_changes(change)}")
        return "\n".join(lines)


_NETWORK_FIRST = (
    "This plan makes the network alone. The functions that exist join it by the next: apply this one, then "
    "plan and apply again."
)
_SIGNS = {"change": "~", "replace": "±", "destroy": "-"}


def _kind(change: dict[str, Any]) -> str:
    actions = change["change"]["actions"]
    if len(actions) > 1:
        return "replace"
    return {"create": "add", "update": "change", "delete": "destroy"}.get(actions[0], str(actions[0]))


def _top_module(change: dict[str, Any]) -> str:
    address = str(change.get("module_address", ""))
    return ".".join(address.split(".")[:2]) or "the root"


def _what_changes(change: dict[str, Any]) -> str:
    before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
    unknown = change["change"].get("after_unknown") or {}
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} | {
        name for name, value in unknown.items() if value is True
    }
    if not after or not names:
        return ""
    return ": " + ", ".join(sorted(names))


class _Driver(python_terraform.Terraform):  # type: ignore[misc] # the library has no types
    """python-terraform, with the running of a command replaced.

    The library composes the command lines. Its own runner gives the child no environment of its own, shows no
    progress, and leaves the child behind on an interrupt.
    """

    def __init__(self, program: Path, folder: Path, environ: Mapping[str, str], grace: float | None) -> None:
        self._environ = dict(environ)
        self._grace = grace
        super().__init__(working_dir=str(folder), terraform_bin_path=str(program))

    def cmd(
        self, cmd: str, *args: str, on_line: Callable[[str], None] | None = None, **options: Any
    ) -> tuple[int, str, str]:
        """Run one command to its end; return its exit status, its output and its error output.

        ``on_line`` is given each line of the output as it comes. On an interrupt Terraform is asked to stop,
        given its grace (None: as long as it takes to save the state) and then ended, with its providers.
        """
        words = self.generate_cmd_string(cmd, *args, **options)
        lines: list[str] = []
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                words,
                cwd=self.working_dir,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    lines.append(line)
                    if on_line is not None:
                        on_line(line)
                process.wait()
            except BaseException:
                self._stop(process)
                raise
            errors.seek(0)
            return process.returncode, "".join(lines), errors.read()

    def _stop(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=self._grace)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


class Terraform:
    """Terraform for one environment.

    env: the name of ``<source>/env/<env>.tfvars``. source: the folder of the Terraform, the repository's by
    default; what it reads is taken from beside it, what is built is always this repository's, and so is the
    lock file unless it has its own.
    work_dir: where its working root, state (of ``local``), plan and ``deployment.json`` lie; ``build/<env>``
    by default.
    environ: the variables of the local AWS (``LocalAws.environ()``); by default those of the server that
    ``make local-up`` started, if it runs.
    state_url: where a server that ends with its caller keeps the state (``LocalAws.state_url``). To a file
    Terraform writes the whole state several times for each resource, to a URL every 20 seconds.
    variables: values that go before the environment's tfvars, in the plans from then on.
    say: where words for a person go, line by line.

    Every method raises ``ToolError`` with one message for a person if it cannot do its work.
    """

    def __init__(
        self,
        env: str,
        *,
        source: Path = SOURCE,
        work_dir: Path | None = None,
        environ: Mapping[str, str] | None = None,
        state_url: str = "",
        variables: Mapping[str, object] | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.env = env
        self.is_local = env == LOCAL
        self.source = source.absolute()
        self.work_dir = (work_dir or BUILD / env).absolute()
        self.state_path = self.work_dir / "terraform.tfstate"
        self.plan_path = self.work_dir / "plan"
        self.deployment_path = self.work_dir / "deployment.json"
        self.variables = dict(variables or {})
        self._state_url = state_url
        self._say = say
        self._folder = working_root(self.work_dir)
        if not (self.source / "env" / f"{env}.tfvars").is_file():
            known = ", ".join(sorted(path.stem for path in (self.source / "env").glob("*.tfvars")))
            raise ToolError(f"There is no environment {env!r}; there are {known}.")
        if not self.is_local:
            self._refuse_placeholders()
            if environ is not None or any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ):
                raise ToolError(
                    f"AWS_ENDPOINT_URL is set, but ENV={env} is real. Unset it and run this again."
                )
            self._aws: dict[str, str] | None = None
            self._environ = terraform_environ()
        else:
            self._aws = dict(environ) if environ is not None else local_environ(self.work_dir / "aws")
            self._environ = serverless_environ() | (self._aws or {})

    def plan(self, *, destroy: bool = False, targets: Sequence[str] = ()) -> Plan:
        """Plan, save the plan in ``plan`` and its document in ``plan.json``, its text in ``plan.txt``.

        With ``targets``, addresses, only these and what they stand on.
        """
        for path in (self.plan_path, self._plan_inputs):
            path.unlink(missing_ok=True)
        driver = self._ready()
        status, text, errors = driver.plan(
            out=str(self.plan_path),
            var_file=self._variable_files(),
            var=None,
            parallelism=LOCAL_PARALLELISM if self.is_local else None,
            destroy=IsFlagged if destroy else None,
            target=list(targets) or None,
        )
        if status not in (0, 2):
            raise TerraformError(f"{text}\n{errors}\nterraform plan failed.".strip())
        (self.work_dir / "plan.txt").write_text(text)
        plan = Plan(self.plan_path, self._show(driver, str(self.plan_path)))
        if not destroy and not targets and is_network_first(plan.document):
            return replace(self.plan(targets=[NETWORK]), is_first_step=True)
        if not destroy and would_make_again(plan.document):
            if not self._keep_half_made(driver):
                raise ToolError(
                    "An apply broke off, and the plan would replace what it left half made. Who may write "
                    f"the state can have it completed instead: with the apply role, make plan ENV={self.env}"
                )
            return self.plan(targets=targets)
        try:
            check_datasets(plan.datasets)
            refuse_losses(plan.document)
            if not destroy:
                refuse_ends(plan.document)
                refuse_later_adoptions(plan.document)
        except ToolError:
            self.plan_path.unlink()
            raise
        (self.work_dir / "plan.json").write_text(json.dumps(plan.document))
        if not destroy:
            self._plan_inputs.write_text(_built_digest())
        return plan

    def apply(self) -> dict[str, Any]:
        """Apply the saved plan, whole and once; write ``deployment.json`` from the outputs and return it.

        Until it has succeeded ``deployment.json`` says in ``unfinished_apply`` when it began.
        """
        self.require_server()
        no_plan = ToolError(f"There is no plan to apply. Create and review one: make plan ENV={self.env}")
        if not (self.plan_path.is_file() and self._plan_inputs.is_file()):
            raise no_plan
        if self._plan_inputs.read_text() != _built_digest():
            raise ToolError(
                f"The build has changed since the plan. Create a new plan: make plan ENV={self.env}"
            )
        if (document := _read_json(self.work_dir / "plan.json")) is None:
            raise no_plan
        if not self._is_laid_out():
            self._ready()  # the plan was made on another machine, or the folder was copied since
        self._change("apply", Plan(self.plan_path, document))
        return self._deployment()

    def outputs(self) -> dict[str, Any]:
        """Write ``deployment.json`` from the state and return it. Changes nothing else.

        That the last apply from here has not succeeded it still says afterwards.
        """
        self.require_server()
        self._ready()
        mark = {name: value for name, value in self._deployed().items() if name == _UNFINISHED}
        return self._deployment(mark)

    def destroy(self) -> None:
        """Destroy everything in the state. The caller has asked the person; this does not."""
        if self.is_local and self._aws is None:
            self._forget("the local AWS is not running")
            self._say("There is nothing to destroy.")
            return
        plan = self.plan(destroy=True)
        if plan.changes:
            self._change("destroy", plan)
        else:
            self.plan_path.unlink()
            self._say("There is nothing to destroy.")
        self.deployment_path.unlink(missing_ok=True)

    def unlogged(self, plan: Plan) -> list[str]:
        """Ask AWS what a trail that was there before does not log of what it must; a sentence for each.

        Nothing is said of one of the kit's own, which the plan itself sets.
        """
        if not (arn := existing_trail(plan.document)):
            return []
        cloudtrail = boto3.client(
            "cloudtrail",
            region_name=arn.split(":")[3],
            endpoint_url=self._environ.get("AWS_ENDPOINT_URL"),
            aws_access_key_id=self._environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self._environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=self._environ.get("AWS_SESSION_TOKEN"),
            config=Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=20),
        )
        return list(unlogged_by(cloudtrail, plan.document))

    def show_json(self) -> dict[str, Any]:
        """Return the state as ``terraform show -json`` gives it (after an apply: with every value known)."""
        return self._show(self._ready())

    def require_server(self) -> None:
        """Raise ``ToolError`` if this is ``local`` and no server runs."""
        if self.is_local and self._aws is None:
            raise ToolError("The local AWS is not running. Run first: make local-up")

    @property
    def _is_in_a_file(self) -> bool:
        return self.is_local and not self._state_url

    @property
    def _written_state(self) -> Path:
        """Where an apply to ``local`` writes the state meanwhile."""
        return self.state_path.with_name(f"{self.state_path.name}.written")

    @property
    def _errored(self) -> Path:
        """Where Terraform leaves a state that it could not save."""
        return self._folder / "errored.tfstate"

    @property
    def _plan_inputs(self) -> Path:
        """What is there once a plan may be applied: what it would upload, which it does not hold."""
        return self.work_dir / "plan.inputs"

    def _refuse_placeholders(self) -> None:
        for name in self._to_fill_in():
            path = self.source / "env" / name
            shown = path.relative_to(REPO) if path.is_relative_to(REPO) else path
            if not path.is_file():
                raise ToolError(f"{shown} is missing.")
            if found := placeholder(path):
                raise ToolError(f"{shown}:{found[0]} still has {found[1]}: fill it in first.")

    def _to_fill_in(self) -> tuple[str, ...]:
        return f"{self.env}.tfvars", f"{self.env}.s3.tfbackend"

    def _ready(self) -> _Driver:
        """Make the working root anew, see that the state belongs to what runs, and initialise."""
        if {path.suffix for path in built_files()} != {".txt", ".whl", ".zip"}:
            raise ToolError("Wheel and functions are not built. Run: make build")
        self.work_dir.mkdir(parents=True, exist_ok=True)
        if self._is_in_a_file:
            self._tie_state()
        if self._errored.exists():
            raise ToolError(
                f"Terraform could not save the state of the last apply, and wrote it to {self._errored}. "
                "Push it, then remove the file: .venv/bin/python -m scripts.toolchain.toolchain "
                f"-chdir={shlex.quote(str(self._folder))} state push {self._errored.name}"
            )
        self._link()
        if self._is_in_a_file:
            return self._initialised("local", {"path": str(self.state_path)})
        if self.is_local:
            return self._initialised("http", {"address": self._state_url})
        return self._initialised("s3", f"env/{self.env}.s3.tfbackend")

    def _initialised(self, kind: str, where: dict[str, str] | list[str] | str, **options: Any) -> _Driver:
        """Run ``init`` for a backend of this kind, ``where`` being its configuration."""
        (self._folder / "backend.tf").write_text(f'terraform {{\n  backend "{kind}" {{}}\n}}\n')
        driver = self._driver()
        status, text, errors = driver.init(backend_config=where, lockfile="readonly", var=None, **options)
        if status != 0:
            raise TerraformError(f"{text}\n{errors}\nterraform init failed.".strip())
        return driver

    def _link(self) -> None:
        """Lay out ``root``: ``terraform/`` file by file, what it reads beside it, what is built: links."""
        root = self._folder.parent
        self._folder.mkdir(parents=True, exist_ok=True)
        # Where a module lies is kept there as a whole path: that of the original, in a copy of this folder.
        shutil.rmtree(self._folder / ".terraform" / "modules", ignore_errors=True)
        for entry in self._folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                if entry.name != ".terraform":
                    shutil.rmtree(entry)
            else:
                entry.unlink()
        for entry in self.source.iterdir():
            if entry.name not in {".terraform", LOCK_FILE.name} and ".tfstate" not in entry.name:
                (self._folder / entry.name).symlink_to(entry)
        own = self.source / LOCK_FILE.name
        locked = own if own.is_file() and own != LOCK_FILE else lock_file()
        (self._folder / LOCK_FILE.name).symlink_to(locked)
        (root / "build").mkdir(exist_ok=True)
        beside = [(name, self.source.parent / name) for name in BESIDE]
        for name, target in [*beside, *((f"build/{name}", BUILD / name) for name in BUILT)]:
            link = root / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def _is_laid_out(self) -> bool:
        """Whether the working root is initialised, and of this folder."""
        link = self._folder.parent / BESIDE[0]
        ours = str(self.source.parent / BESIDE[0])
        return (self._folder / ".terraform").is_dir() and link.is_symlink() and str(link.readlink()) == ours

    def _tie_state(self) -> None:
        """Forget a state whose server is gone: the local AWS keeps all it has in memory.

        Raises ``ToolError`` if the state of one that runs is lost.
        """
        tie = self.work_dir / "terraform.tfstate.instance"
        instance = instance_of(self._aws["AWS_ENDPOINT_URL"]) if self._aws else ""
        if not instance or not tie.is_file() or tie.read_text() != instance:
            self._forget("the local AWS that it described has stopped")
        tie.write_text(instance)
        if not self._take_state():
            raise ToolError(
                f"The state of {self.env} is lost: the apply that wrote it was killed, and its resources "
                f"still exist. {_START_AGAIN}"
            )

    def _forget(self, reason: str) -> None:
        stale = [path for path in self.work_dir.glob("terraform.tfstate*") if path.is_file()]
        if any(_resources_of(path) for path in stale if path in (self.state_path, self._written_state)):
            self._say(f"The local state is discarded: {reason}.")
        for path in [*stale, self.deployment_path, self._errored]:
            path.unlink(missing_ok=True)

    def _take_state(self) -> bool:
        """Make what an apply has written the state; return whether the state is whole.

        Terraform writes its state in place, over and over. That file becomes the state once Terraform has
        ended, so that the state is whole even if Terraform, or this process, was killed meanwhile.
        """
        if self._written_state.exists():
            if _resources_of(self._written_state) is None:
                return False
            self._written_state.replace(self.state_path)
        if not self.state_path.exists() or self.state_path.stat().st_size == 0:
            return True  # a plan that is killed leaves an empty one
        return _resources_of(self.state_path) is not None

    def _variable_files(self) -> list[str]:
        files = [f"env/{self.env}.tfvars"]
        variables = self.variables
        if self._aws is not None:
            # A server is here to be asked whose account it is: the provider then makes whole ARNs, as on AWS.
            variables = {"skip_account_checks": False, **variables}
        if variables:
            path = self.work_dir / "variables.tfvars.json"
            path.write_text(json.dumps(variables))
            files.append(str(path))
        return files

    def _driver(self) -> _Driver:
        return _Driver(
            terraform_program(), self._folder, self._environ, LOCAL_GRACE_SECONDS if self.is_local else None
        )

    def _show(self, driver: _Driver, *what: str) -> dict[str, Any]:
        status, text, errors = driver.cmd("show", *what, json=IsFlagged)
        if status != 0:
            raise TerraformError(f"{errors}\nterraform show failed.")
        document: dict[str, Any] = json.loads(text)
        return document

    def _outputs(self) -> dict[str, Any]:
        status, text, errors = self._driver().cmd("output", json=IsFlagged)
        if status != 0:
            raise TerraformError(f"{errors}\nterraform output failed.")
        return {name: output["value"] for name, output in json.loads(text).items()}

    def _deployed(self) -> dict[str, Any]:
        """Return what ``deployment.json`` holds; nothing if there is none."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return dict(json.loads(self.deployment_path.read_bytes()))
        return {}

    def _deployment(self, mark: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Write ``deployment.json`` from the outputs; raises ``ToolError`` if nothing is deployed."""
        outputs = self._outputs()
        if not outputs:
            raise ToolError(f"Nothing is deployed in {self.env}. Run first: make plan apply ENV={self.env}")
        self._write_deployment({**outputs, **(mark or {})})
        return outputs

    def _write_deployment(self, document: dict[str, Any]) -> None:
        """Write ``deployment.json``, whole or not at all."""
        partial = self.deployment_path.with_suffix(".part")
        partial.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
        partial.replace(self.deployment_path)

    def _change(self, what: str, plan: Plan) -> None:
        """Apply a saved plan with progress; the plan is used up, whether that succeeds or not."""
        if deployed := self._deployed():
            self._write_deployment({_UNFINISHED: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **deployed})
        progress = _Progress(sum(len(change["change"]["actions"]) for change in plan.changes), self._say)
        driver = self._driver()
        try:
            status, _, errors = driver.cmd(
                "apply",
                str(plan.path),
                input=False,
                json=IsFlagged,
                parallelism=LOCAL_PARALLELISM if self.is_local else None,
                state_out=str(self._written_state) if self._is_in_a_file else None,
                on_line=progress.line,
            )
        finally:
            plan.path.unlink(missing_ok=True)
            self._take_state()  # if it is lost, the next run says so
        if status != 0:
            said = "\n".join([*progress.errors, errors]).strip()
            if what == "apply" and status > 0:
                self._keep_half_made(driver)
            raise TerraformError(f"{said}\nterraform {what} {self._how_it_failed(status, said)}")
        self._say(f"terraform {what}: {progress.done} changes in {progress.seconds:.0f} s.")

    def _keep_half_made(self, driver: _Driver) -> bool:
        """Have the next apply complete what one that broke off left half made; return whether it will."""
        status, text, _ = driver.cmd("state", "pull")
        addresses = half_made(json.loads(text)) if status == 0 and text else []
        for address in addresses:
            if driver.cmd("untaint", address)[0] != 0:
                return False
            self._say(f"{address} is half made: the next apply completes it.")
        return bool(addresses)

    def _how_it_failed(self, status: int, said: str) -> str:
        if status < 0:
            words = "was killed; its last changes may not be in the state."
        elif self._errored.exists():
            words = f"failed; the state could not be saved, and was written to {self._errored}."
        else:
            words = "failed; the changes made so far are in the state."
        if _EXISTS.search(said):
            way_out = _START_AGAIN if self.is_local else _IMPORT
            words += f" Resources that are not in the state come from an apply that was killed. {way_out}"
        return words


class _Progress:
    """Reads Terraform's machine-readable output ("Machine-Readable UI") and says how far it is."""

    EVERY_SECONDS = 5.0

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self.done = 0
        self.errors: list[str] = []
        self._total = total
        self._say = say
        self._start = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def line(self, text: str) -> None:
        """Take one line of the output."""
        event = json.loads(text)
        if event["type"] == "apply_complete" and event["hook"]["action"] != "read":
            self.done += 1
            if time.monotonic() - self._last >= self.EVERY_SECONDS:
                self._last = time.monotonic()
                self._say(
                    f"  {self.done}/{self._total} after {self.seconds:.0f} s:"
                    f" {event['hook']['resource']['addr']}"
                )
        elif event["type"] == "diagnostic" and event["diagnostic"]["severity"] == "error":
            diagnostic = event["diagnostic"]
            where = f" ({diagnostic['address']})" if diagnostic.get("address") else ""
            self.errors.append(
                f"Error{where}: {diagnostic['summary']}\n{diagnostic.get('detail', '')}".rstrip()
            )


def _resources_of(state: Path) -> list[Any] | None:
    """Return the resources of a state as Terraform writes it; None if it is not there or not whole."""
    resources = (_read_json(state) or {}).get("resources")
    return resources if isinstance(resources, list) else None


def _read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if it is not there or not whole."""
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def built_files() -> list[Path]:
    """Return the wheel and the functions' zips, as far as they are built."""
    return sorted(path for name in BUILT for path in (BUILD / name).glob("*.*") if path.suffix != ".part")


def _built_digest() -> str:
    """Return one digest over what was built: Terraform uploads it, its plan does not hold it."""
    digest = hashlib.sha256()
    for path in built_files():
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def refuse_losses(plan: dict[str, Any]) -> None:
    """Raise ``ToolError`` if tables would lose data, with a sentence for each thing that would be lost."""
    if found := contract_losses(plan.get("prior_state", {}), plan):
        raise ToolError(
            "\n".join(f"The contract of {table} changes. {sentence}" for table, sentence in found)
            + "\nNothing is planned. If it is meant, give the table another name: the old one stays as it is."
        )


def refuse_ends(plan: dict[str, Any]) -> None:
    """Raise ``ToolError`` if a bucket, key or trail of data or evidence would be destroyed or stopped."""
    if found := ends(plan):
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ToolError(
            f"{found[0]}{others} would be destroyed, replaced or stopped, and with it evidence, or what it "
            "is read and verified with. Names come from name, environment and region, and keys from the "
            "labels of signing_keys: these never change.\n"
            "Nothing is planned. To deploy elsewhere, add an environment; "
            "to give this one up: docs/leaving.md."
        )


def refuse_later_adoptions(plan: dict[str, Any]) -> None:
    """Raise ``ToolError`` if writes to an adopted bucket would no longer need an event of the trail."""
    if found := later_adoptions(plan):
        raise ToolError("\n".join(found) + "\nNothing is planned. Leave since as it is: docs/adopting.md.")


def confirm(what: str, env: str) -> None:
    """Have the person type the environment's name; raises ``ToolError`` if it is not typed."""
    try:
        typed = input(f"{what} Type {env} to continue: ")
    except EOFError:
        typed = ""
    if typed.strip() != env:
        raise ToolError("Not confirmed; nothing was done.")


def _run(command: str, terraform: Terraform) -> bool:
    """Run one command; return whether something is left to apply."""
    if command == "destroy":
        if not terraform.is_local:
            confirm(f"This destroys everything in {terraform.env}.", terraform.env)
        terraform.destroy()
        return False
    if command == "outputs":
        terraform.outputs()
        print(f"{terraform.deployment_path.relative_to(REPO)} has the outputs.")
        return False
    if command == "apply":
        terraform.require_server()
    if command == "plan" or terraform.is_local:
        plan = terraform.plan()
        print(plan.summary())
        for sentence in terraform.unlogged(plan):
            print(f"existing_trail: {visible(sentence)}")
        print(f"The full plan: {(terraform.work_dir / 'plan.txt').relative_to(REPO)}")
        if command == "plan":
            return plan.has_changes
        if plan.is_first_step:
            terraform.apply()
            return _run(command, terraform)
    outputs = terraform.apply()
    print(f"Deployed: {terraform.deployment_path.relative_to(REPO)} has the outputs.")
    print(f"Its users read them from {outputs['deployment_uri']}")
    return False


def main() -> int:
    """Run one command; 0 done, 2 not done, 130 interrupted, and if asked for 1: a plan has changes."""
    parser = argparse.ArgumentParser(prog="python -m scripts.terraform", description="Drive Terraform.")
    parser.add_argument("command", choices=("plan", "apply", "outputs", "destroy"))
    parser.add_argument("--env", default=LOCAL, help="local (default), dev or prod")
    parser.add_argument("--detailed-exitcode", action="store_true", help="1 if the plan has changes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        left = _run(options.command, Terraform(options.env))
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 1 if options.detailed_exitcode and left else 0


if __name__ == "__main__":
    sys.exit(main())
