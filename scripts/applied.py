"""The state of the kit as applied to an AWS on this machine, kept by what decides it.

Policies that name keys are known only after an apply. An apply takes minutes, so its state is kept under
``build/applied``: whoever asks for the same again gets it at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.local_aws import LocalAws
from scripts.local_aws.errors import LocalAwsError
from scripts.terraform import LOCAL, SOURCE, ZIPS, Terraform
from scripts.toolchain import BUILD, LOCK_FILE, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APPLIED = BUILD / "applied"


def tree_key(source: Path = SOURCE) -> str:
    """Return the digest of what decides the state of ``local``: the Terraform in ``source``, SQL and zips."""
    digest = hashlib.sha256()
    for name, path in sorted(_deciding(source)):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:32]


def applied_state(source: Path, cache_key: str, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Return ``terraform show -json`` of the Terraform in ``source``, applied as ``local``.

    cache_key: under which name it is kept, and taken if it is there. say: where words on the progress go.
    Raises ``ToolError`` if it cannot be applied.
    """
    kept = APPLIED / f"{cache_key}.json"
    APPLIED.mkdir(parents=True, exist_ok=True)
    with (APPLIED / f"{cache_key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_file():
            say("Applying the Terraform to an AWS on this machine, once: this takes minutes.")
            partial = kept.with_suffix(".part")
            partial.write_text(json.dumps(_apply(source, APPLIED / f"{cache_key}.work", say)))
            partial.replace(kept)
    document: dict[str, Any] = json.loads(kept.read_bytes())
    return document


def _apply(source: Path, work_dir: Path, say: Callable[[str], None]) -> dict[str, Any]:
    shutil.rmtree(work_dir, ignore_errors=True)
    try:
        with LocalAws(work_dir / "aws") as aws:
            terraform = Terraform(LOCAL, work_dir=work_dir, environ=aws.environ(), say=say, source=source)
            terraform.plan()
            terraform.apply()
            return terraform.show_json()
    except LocalAwsError as error:
        raise ToolError(str(error)) from error
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)


def _deciding(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file that decides the state of ``local``, with its name in the tree."""
    for pattern in ("*.tf", f"env/{LOCAL}.tfvars", LOCK_FILE.name, "modules/*/*.tf"):
        for path in source.glob(pattern):
            yield f"terraform/{path.relative_to(source)}", path
    for path in (source.parent / "sql").rglob("*.sql"):
        yield f"sql/{path.relative_to(source.parent / 'sql')}", path
    for path in ZIPS.glob("*.zip"):
        yield f"zips/{path.name}", path
