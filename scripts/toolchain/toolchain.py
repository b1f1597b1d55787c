"""Which Terraform runs here and where it finds its provider. Standard library only: set-up runs it.

    python -m scripts.toolchain.toolchain fmt -recursive terraform    # terraform, as set up here

A fitting ``terraform`` on ``PATH`` is used as it is; otherwise the pinned release is downloaded and checked
against ``requirements/terraform.sha256``. The provider comes from a filesystem mirror where one holds the
locked version, from the registry otherwise; Terraform's lock file (``terraform/.terraform.lock.hcl``) checks
its bytes either way. Whatever configuration of Terraform the user has is left alone: ours is
``build/terraformrc``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / "build"
TOOLS = BUILD / "tools"
CHECKSUMS = REPO / "requirements" / "terraform.sha256"
LOCK_FILE = REPO / "terraform" / ".terraform.lock.hcl"
PROVIDER_HOME = TOOLS / "provider"

OLDEST = (1, 11)
"""The first version whose S3 backend locks natively (``use_lockfile``), no longer as an experiment."""
BELOW = (2,)
PROVIDER = "registry.terraform.io/hashicorp/aws"
RELEASES = "https://releases.hashicorp.com/terraform"

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "arm64": "arm64", "aarch64": "arm64"}
_OURS_ALONE = re.compile(r"TF_(CLI_.*|VAR_.*|DATA_DIR|WORKSPACE|PLUGIN_CACHE_DIR)")


class ToolError(Exception):
    """A tool cannot be had, or refused its work; the message is one for a person."""


def platform_name() -> str:
    """Return this machine as Terraform names it, such as ``linux_amd64``."""
    system, machine = platform.system().lower(), platform.machine().lower()
    return f"{system}_{_ARCHITECTURES.get(machine, machine)}"


def _version(program: Path) -> tuple[int, ...] | None:
    """Return the version a ``terraform`` program says it has; None if it does not run or says none."""
    try:
        done = subprocess.run(
            [str(program), "version", "-json"],
            env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            timeout=60,
            check=True,
        )
        text = str(json.loads(done.stdout)["terraform_version"])
        return tuple(int(part) for part in text.partition("-")[0].split("."))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def _pinned(checksums: Path) -> tuple[str, str, str]:
    """Return version, archive name and SHA-256 of the pinned release for this machine."""
    wanted = platform_name()
    for line in checksums.read_text().splitlines():
        digest, archive = line.split()
        version, here = archive.removeprefix("terraform_").removesuffix(".zip").split("_", 1)
        if here == wanted:
            return version, archive, digest
    raise ToolError(
        f"No Terraform release is pinned for {wanted}. Put terraform >= 1.11, < 2 on PATH and run this again."
    )


def find_terraform() -> Path | None:
    """Return the ``terraform`` to run: a fitting one from ``PATH``, or the one set-up downloaded."""
    on_path = shutil.which("terraform")
    if on_path is not None:
        version = _version(Path(on_path))
        if version is not None and OLDEST <= version < BELOW:
            return Path(on_path)
    version_text, _, _ = _pinned(CHECKSUMS)
    downloaded = TOOLS / f"terraform-{version_text}" / "terraform"
    return downloaded if downloaded.exists() else None


def download_terraform(tools: Path = TOOLS, checksums: Path = CHECKSUMS, releases: str = RELEASES) -> Path:
    """Fetch the pinned release for this machine into ``tools``; return the program.

    Raises ``ToolError`` if it cannot be fetched, or if its SHA-256 is not the pinned one: then nothing is
    kept.
    """
    version, archive, wanted = _pinned(checksums)
    url = f"{releases}/{version}/{archive}"
    folder = tools / f"terraform-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{archive}.part"
    try:
        with urllib.request.urlopen(url, timeout=60) as response, partial.open("wb") as out:  # noqa: S310 - our URL
            shutil.copyfileobj(response, out, 1 << 20)
        with partial.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != wanted:
            raise ToolError(f"{url} has SHA-256 {found}, but {checksums.name} pins {wanted}: refused.")
        with zipfile.ZipFile(partial) as bundle:
            bundle.extract("terraform", folder / "unpacked")
    except OSError as error:
        raise ToolError(
            f"{url} cannot be fetched ({error}). Put terraform >= 1.11, < 2 on PATH, or fix the network."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    program = folder / "terraform"
    unpacked = folder / "unpacked" / "terraform"
    unpacked.chmod(0o755)
    unpacked.replace(program)
    unpacked.parent.rmdir()
    return program


def terraform_program() -> Path:
    """Return the ``terraform`` to run; raises ``ToolError`` if set-up has not been run."""
    program = find_terraform()
    if program is None:
        raise ToolError("There is no terraform >= 1.11, < 2. Run: make setup")
    return program


def locked_provider_version(lock_file: Path = LOCK_FILE) -> str:
    """Return the version of the AWS provider that Terraform's lock file names."""
    block = re.search(
        rf'provider "{re.escape(PROVIDER)}" {{\s*version\s*=\s*"([^"]+)"', lock_file.read_text()
    )
    if block is None:
        raise ToolError(f"{lock_file} does not lock {PROVIDER}.")
    return block.group(1)


def lock_file() -> Path:
    """Return the lock file for a working root: the committed one, and what set-up added for this machine.

    The committed one knows every platform's archive, but the contents (``h1:``) of some only. Terraform adds
    this machine's once it has checked the archive, and needs it from then on.
    """
    prepared = PROVIDER_HOME / LOCK_FILE.name
    committed = set(LOCK_FILE.read_text().split())
    return prepared if prepared.exists() and committed <= set(prepared.read_text().split()) else LOCK_FILE


def mirror_places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders where a filesystem mirror usually lies, the likeliest first.

    Those Terraform itself would look into ("Implied Local Mirror Directories" of its CLI configuration), the
    system's shared data, and what stands one level below ``/opt``.
    """
    home = Path(environ.get("HOME", "/nonexistent"))
    yield REPO / "terraform" / "terraform.d" / "plugins"
    yield home / ".terraform.d" / "plugins"
    if platform.system() == "Darwin":
        yield home / "Library" / "Application Support" / "io.terraform" / "plugins"
        yield Path("/Library/Application Support/io.terraform/plugins")
    yield Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "terraform" / "plugins"
    for base in (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
        yield Path(base) / "terraform" / "plugins"
    for base in ("/usr/local/share", "/usr/share"):
        yield Path(base)
        yield Path(base) / "terraform"
    opt = Path("/opt")
    if opt.is_dir():
        yield from sorted(opt.iterdir())


def _holds_provider(place: Path, version: str) -> bool:
    """Whether a folder is a mirror, packed or unpacked, of the provider in this version for this machine."""
    provider, here = place / PROVIDER, platform_name()
    unpacked = provider / version / here
    packed = provider / f"terraform-provider-aws_{version}_{here}.zip"
    try:
        return unpacked.is_dir() or packed.is_file()
    except PermissionError:
        return False


def find_provider_mirror(
    version: str, environ: Mapping[str, str] = os.environ, places: Iterable[Path] | None = None
) -> Path | None:
    """Return the filesystem mirror that holds the provider in this version, or None: use the registry.

    ``TF_PLUGIN_MIRROR`` names one and is then the only place looked at; raises ``ToolError`` if it holds
    no such provider.
    """
    named = environ.get("TF_PLUGIN_MIRROR")
    if named:
        place = Path(named).expanduser().absolute()
        if not _holds_provider(place, version):
            raise ToolError(f"TF_PLUGIN_MIRROR={named} has no {PROVIDER} {version} for {platform_name()}.")
        return place
    candidates = mirror_places(environ) if places is None else places
    return next((place for place in candidates if _holds_provider(place, version)), None)


def cli_configuration(mirror: Path | None, cache: Path) -> str:
    """Return Terraform's CLI configuration: the provider from ``mirror``, else the registry by ``cache``."""
    if mirror is None:
        return f"plugin_cache_dir = {_quote(cache)}\n\nprovider_installation {{\n  direct {{}}\n}}\n"
    return (
        "provider_installation {\n"
        f'  filesystem_mirror {{\n    path    = {_quote(mirror)}\n    include = ["{PROVIDER}"]\n  }}\n'
        f'  direct {{\n    exclude = ["{PROVIDER}"]\n  }}\n'
        "}\n"
    )


def _quote(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def terraform_environ(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for Terraform: ``environ``, with our CLI configuration (written if need be).

    What would change the meaning of a run from outside (``TF_VAR_*``, ``TF_CLI_ARGS*``, ``TF_WORKSPACE``, …)
    is left out: what is planned is what stands in the repository. Terraform and its provider live for seconds
    and would spend a quarter of that collecting garbage: ``GOGC`` makes it rarer, unless the caller sets it.
    """
    cache = TOOLS / "providers"
    cache.mkdir(parents=True, exist_ok=True)
    text = cli_configuration(find_provider_mirror(locked_provider_version(), environ), cache)
    config = BUILD / "terraformrc"
    if not config.exists() or config.read_text() != text:
        partial = config.with_suffix(f".{os.getpid()}")
        partial.write_text(text)
        partial.replace(config)
    kept = {name: value for name, value in environ.items() if not _OURS_ALONE.fullmatch(name)}
    ours = {"TF_CLI_CONFIG_FILE": str(config), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    return {"GOGC": "300", **kept, **ours}


def main() -> NoReturn:
    """Become ``terraform`` with the arguments given; 2 if it cannot be had."""
    try:
        program, environ = terraform_program(), terraform_environ()
    except ToolError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    os.execve(program, [str(program), *sys.argv[1:]], environ)  # noqa: S606 - the caller's own arguments


if __name__ == "__main__":
    main()
