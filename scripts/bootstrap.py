"""Creates what an environment needs before it can be deployed: ``make bootstrap``, run by an administrator.

    python -m scripts.bootstrap --env dev|prod

Plans and, once the environment's name is typed, applies ``terraform/bootstrap``. Its own state lies beside it
(``<env>.tfstate``) while there is no bucket, and moves into the bucket as soon as the kit's backend file,
``terraform/env/<env>.s3.tfbackend``, names it.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from typing import TYPE_CHECKING, Any

from python_terraform import IsFlagged

from scripts.terraform import SOURCE, Terraform, confirm, placeholder
from scripts.toolchain.toolchain import BUILD, REPO, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_KEY = re.compile(r'^key\s*=\s*"(.*/)terraform\.tfstate"', re.MULTILINE)


class Bootstrap(Terraform):
    """Terraform for the bootstrap of one environment.

    The arguments are those of ``Terraform``; ``source`` is the kit's, with ``bootstrap`` in it.
    """

    def __init__(
        self,
        env: str,
        *,
        source: Path = SOURCE,
        work_dir: Path | None = None,
        environ: Mapping[str, str] | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__(
            env,
            source=source / "bootstrap",
            work_dir=work_dir or BUILD / env / "bootstrap",
            environ=environ,
            say=say,
        )
        self.first_state = self.state_path = self.source / f"{env}.tfstate"
        self._backend = source.absolute() / "env" / f"{env}.s3.tfbackend"

    def _to_fill_in(self) -> tuple[str, ...]:
        return (f"{self.env}.tfvars",)

    def _ready(self) -> Any:
        """Recreate the working root and initialise; move the state to the bucket as soon as there is one."""
        self._link()
        beside = {"path": str(self.first_state)}
        if placeholder(self._backend):
            return self._initialised("local", beside)
        bucket = [str(self._backend), f"key={self._own_key()}"]
        if not self.first_state.is_file():
            return self._initialised("s3", bucket)
        self._initialised("local", beside)
        driver = self._initialised("s3", bucket, reconfigure=None, force_copy=IsFlagged)
        self.first_state.rename(self.first_state.with_suffix(".tfstate.moved"))
        self._say(f"The state of bootstrap has moved to the bucket, as {self._own_key()}.")
        return driver

    def _link(self) -> None:
        super()._link()
        modules = self._folder.parent / "modules"
        modules.unlink(missing_ok=True)
        modules.symlink_to(self.source.parent / "modules")

    def _own_key(self) -> str:
        found = _KEY.search(self._backend.read_text())
        if found is None:
            raise ToolError(
                f"{self._backend.name} must have a key that ends in /terraform.tfstate:"
                " bootstrap stores its own state next to it."
            )
        return f"{found.group(1)}bootstrap.tfstate"


def _run(bootstrap: Bootstrap) -> None:
    plan = bootstrap.plan()
    print(plan.summary())
    print(f"The full plan: {(bootstrap.work_dir / 'plan.txt').relative_to(REPO)}")
    if plan.has_changes:
        confirm(f"This changes who may deploy {bootstrap.env}.", bootstrap.env)
        outputs = bootstrap.apply()
    else:
        outputs = bootstrap.outputs()
    print(f"\n{what_is_next(bootstrap.env, outputs)}")


def what_is_next(env: str, outputs: Mapping[str, Any]) -> str:
    """Say where to paste each output: the kit's two files for the environment, and GitHub."""
    roles = "\n".join(f"{environment}: {role}" for environment, role in outputs["github"].items())
    return (
        f"For terraform/env/{env}.s3.tfbackend:\n\n{outputs['backend']}\n"
        f"For terraform/env/{env}.tfvars:\n\n{outputs['variables']}\n"
        f"For GitHub, its environments and the roles they assume:\n\n{roles}"
    )


def main() -> int:
    """Plan, ask and apply; 0 done, 2 not done, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bootstrap", description="Bootstrap an environment."
    )
    parser.add_argument("--env", required=True, help="dev or prod")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(Bootstrap(options.env))
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
