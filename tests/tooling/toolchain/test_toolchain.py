"""Terraform and its provider: which ones are used, and which are refused."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.toolchain import toolchain
from scripts.toolchain.toolchain import (
    CHECKSUMS,
    PROVIDER,
    ToolError,
    cli_configuration,
    download_terraform,
    find_provider_mirror,
    find_terraform,
    lock_file,
    locked_provider_version,
    platform_name,
    terraform_environ,
)

VERSION = "1.11.4"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        bundle.writestr("LICENSE.txt", "-")
        bundle.writestr("terraform", "#!/bin/sh\necho released\n")
    return out.getvalue()


@pytest.fixture
def releases(tmp_path: Path, archive: bytes) -> Iterator[str]:
    folder = tmp_path / "releases" / VERSION
    folder.mkdir(parents=True)
    (folder / f"terraform_{VERSION}_{platform_name()}.zip").write_bytes(archive)
    handler = partial(Quiet, directory=str(tmp_path / "releases"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def checksums(folder: Path, digest: str) -> Path:
    path = folder / "terraform.sha256"
    path.write_text(f"{digest}  terraform_{VERSION}_{platform_name()}.zip\n")
    return path


def test_the_pinned_release_is_unpacked(tmp_path: Path, releases: str, archive: bytes) -> None:
    pinned = checksums(tmp_path, hashlib.sha256(archive).hexdigest())
    program = download_terraform(tmp_path / "tools", pinned, releases)
    assert program.read_text() == "#!/bin/sh\necho released\n"
    assert program.stat().st_mode & 0o111
    assert [path.name for path in program.parent.iterdir()] == ["terraform"]


def test_another_release_is_refused_and_not_kept(tmp_path: Path, releases: str) -> None:
    with pytest.raises(ToolError, match=r"has SHA-256 .* pins 0{64}: refused"):
        download_terraform(tmp_path / "tools", checksums(tmp_path, "0" * 64), releases)
    assert [path for path in (tmp_path / "tools").rglob("*") if path.is_file()] == []


def test_a_release_that_cannot_be_had_is_said(tmp_path: Path, releases: str) -> None:
    pinned = checksums(tmp_path, "0" * 64)
    pinned.write_text(pinned.read_text().replace(VERSION, "1.11.99"))
    with pytest.raises(ToolError, match=r"1\.11\.99.* cannot be fetched .*404"):
        download_terraform(tmp_path / "tools", pinned, releases)


def test_a_release_is_pinned_for_every_platform_we_name() -> None:
    names = sorted(line.split()[1] for line in CHECKSUMS.read_text().splitlines())
    platforms = ("darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64")
    assert names == [f"terraform_{VERSION}_{platform}.zip" for platform in platforms]


def test_no_release_for_this_machine_is_said(tmp_path: Path, releases: str) -> None:
    pinned = checksums(tmp_path, "0" * 64)
    pinned.write_text(pinned.read_text().replace(platform_name(), "plan9_mips"))
    with pytest.raises(ToolError, match=f"No Terraform release is pinned for {platform_name()}"):
        download_terraform(tmp_path / "tools", pinned, releases)


@pytest.mark.parametrize(
    ("version", "fits"), [("1.10.5", False), ("1.11.0", True), ("1.14.2-rc1", True), ("2.0.0", False)]
)
def test_terraform_on_path_is_taken_if_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    program = tmp_path / "terraform"
    program.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "TOOLS", tmp_path / "tools")
    assert find_terraform() == (program if fits else None)


def test_terraform_on_path_that_does_not_run_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "terraform"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "TOOLS", tmp_path / "tools")
    assert find_terraform() is None


def unpacked(place: Path, version: str) -> None:
    (place / PROVIDER / version / platform_name()).mkdir(parents=True)


def packed(place: Path, version: str) -> None:
    (place / PROVIDER).mkdir(parents=True)
    (place / PROVIDER / f"terraform-provider-aws_{version}_{platform_name()}.zip").touch()


@pytest.mark.parametrize("fill", [unpacked, packed])
def test_the_first_mirror_that_holds_the_locked_version_is_taken(tmp_path: Path, fill: object) -> None:
    assert callable(fill)
    places = [tmp_path / name for name in ("absent", "other-version", "right", "later")]
    fill(places[1], "5.99.0")
    fill(places[2], "5.100.0")
    fill(places[3], "5.100.0")
    assert find_provider_mirror("5.100.0", {}, places) == places[2]
    assert find_provider_mirror("6.0.0", {}, places) is None


def test_a_mirror_for_another_machine_is_none(tmp_path: Path) -> None:
    (tmp_path / PROVIDER / "5.100.0" / "plan9_mips").mkdir(parents=True)
    assert find_provider_mirror("5.100.0", {}, [tmp_path]) is None


def test_the_mirror_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    unpacked(tmp_path / "named", "5.100.0")
    unpacked(tmp_path / "found", "5.100.0")
    environ = {"TF_PLUGIN_MIRROR": str(tmp_path / "named")}
    assert find_provider_mirror("5.100.0", environ, [tmp_path / "found"]) == tmp_path / "named"
    with pytest.raises(ToolError, match=r"TF_PLUGIN_MIRROR=.* has no .* 6\.0\.0"):
        find_provider_mirror("6.0.0", environ, [tmp_path / "found"])


def test_the_configuration_names_a_mirror_or_a_cache() -> None:
    mirrored = cli_configuration(Path('/opt/a "b" ${c}'), Path("/cache"))
    assert 'path    = "/opt/a \\"b\\" $${c}"' in mirrored
    assert "/cache" not in mirrored
    assert cli_configuration(None, Path("/cache")).startswith('plugin_cache_dir = "/cache"\n')


def test_what_would_change_a_run_from_outside_is_left_out() -> None:
    meant = {"TF_VAR_name": "x", "TF_CLI_ARGS_plan": "-destroy", "TF_WORKSPACE": "y", "TF_DATA_DIR": "/z"}
    environ = terraform_environ({**meant, "HOME": "/h", "TF_LOG": "debug"})
    assert not meant.keys() & environ.keys()
    assert environ["TF_LOG"] == "debug"
    assert (
        Path(environ["TF_CLI_CONFIG_FILE"]).read_text().startswith(("provider_installation", "plugin_cache"))
    )


def test_garbage_is_collected_rarely_unless_the_caller_wants_otherwise() -> None:
    assert int(terraform_environ({})["GOGC"]) > 100
    assert terraform_environ({"GOGC": "50"})["GOGC"] == "50"


def test_the_lock_file_names_one_version_of_the_provider(tmp_path: Path) -> None:
    assert locked_provider_version() == "5.100.0"
    (tmp_path / "lock").write_text(
        'provider "registry.terraform.io/hashicorp/random" {\n  version = "3.0.0"\n}\n'
    )
    with pytest.raises(ToolError, match="does not lock"):
        locked_provider_version(tmp_path / "lock")


def test_a_working_root_takes_the_lock_that_set_up_completed_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed, home = tmp_path / ".terraform.lock.hcl", tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(toolchain, "LOCK_FILE", committed)
    monkeypatch.setattr(toolchain, "PROVIDER_HOME", home)
    committed.write_text('hashes = [\n  "zh:1",\n]\n')
    assert lock_file() == committed
    (home / ".terraform.lock.hcl").write_text('hashes = [\n  "h1:2",\n  "zh:1",\n]\n')
    assert lock_file() == home / ".terraform.lock.hcl"
    committed.write_text('hashes = [\n  "zh:3",\n]\n')
    assert lock_file() == committed
