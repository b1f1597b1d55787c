"""The state of the kit as applied to a local AWS, cached by the digest of its inputs.

Policies that name keys are known only after an apply. An apply takes minutes, so its state is cached under
``build/applied``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.local_aws import LocalAws
from scripts.local_aws.errors import LocalAwsError
from scripts.terraform import (
    BESIDE,
    LOCAL,
    SOURCE,
    Terraform,
    built_files,
    serverless_environ,
    working_root,
)
from scripts.toolchain.provider import served_provider
from scripts.toolchain.toolchain import BUILD, LOCK_FILE, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

APPLIED = BUILD / "applied"
_LOCAL_URL = re.compile(r"http://127\.0\.0\.1:[0-9]+")


def tree_key(source: Path = SOURCE) -> str:
    """Return the digest of what decides the state of ``local``: the Terraform and what it reads."""
    return digest_of(_deciding(source))


def digest_of(files: Iterable[tuple[str, Path]]) -> str:
    """Return one digest of files and their names."""
    digest = hashlib.sha256()
    for name, path in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:32]


def applied_state(source: Path, cache_key: str, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Return ``terraform show -json`` of the Terraform in ``source``, applied as ``local``.

    cache_key: under which name it is kept, and taken if it is there. say: where words on the progress go.
    Raises ``ToolError`` if it cannot be applied.
    """

    def apply(work_dir: Path) -> dict[str, Any]:
        say("Applying the Terraform to a local AWS, once: this takes minutes.")
        return _apply(source, work_dir, say)

    return kept(cache_key, apply)


def kept(cache_key: str, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Return the document that is kept under a key, made once if there is none; whoever else asks waits.

    make: makes it, in a folder of its own that is removed afterwards. Ports of local servers are left out:
    they are other ones each time.
    """
    path = APPLIED / f"{cache_key}.json"
    APPLIED.mkdir(parents=True, exist_ok=True)
    with (APPLIED / f"{cache_key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            work_dir = APPLIED / f"{cache_key}.work"
            shutil.rmtree(work_dir, ignore_errors=True)
            work_dir.mkdir()
            try:
                partial = path.with_suffix(".part")
                partial.write_text(json.dumps(make(work_dir)))
                partial.replace(path)
            finally:
                shutil.rmtree(work_dir, ignore_errors=True)
    document: dict[str, Any] = json.loads(_LOCAL_URL.sub("http://127.0.0.1", path.read_text()))
    return document


def _apply(source: Path, work_dir: Path, say: Callable[[str], None]) -> dict[str, Any]:
    try:
        with (
            LocalAws(work_dir / "aws") as aws,
            served_provider(serverless_environ() | aws.environ(), working_root(work_dir)) as environ,
        ):
            terraform = Terraform(
                LOCAL, source=source, work_dir=work_dir, environ=environ, state_url=aws.state_url, say=say
            )
            terraform.plan()
            terraform.apply()
            return terraform.show_json()
    except LocalAwsError as error:
        raise ToolError(str(error)) from error


def _deciding(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file that decides the state of ``local``, with its name in the tree."""
    for pattern in ("*.tf", f"env/{LOCAL}.tfvars", LOCK_FILE.name, "modules/*/*.tf"):
        for path in source.glob(pattern):
            yield f"terraform/{path.relative_to(source)}", path
    for folder in BESIDE:
        for path in (source.parent / folder).rglob("*.*"):
            if path.suffix != ".pyc":
                yield str(path.relative_to(source.parent)), path
    for path in built_files():
        yield f"built/{path.name}", path
