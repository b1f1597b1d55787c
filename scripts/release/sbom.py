"""List what the published wheel and zips are made of, as CycloneDX JSON.

    python -m scripts.release.sbom FILE

The locked dependencies of the functions and of Amazon MWAA (``LOCKS``), with the project as what they are
part of. The tool is installed from its own lock into ``build/sbom``. Exit status 0 done, 1 failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from scripts.toolchain.setup import REQUIREMENTS, make, virtual_environment
from scripts.toolchain.toolchain import BUILD, REPO, ToolError

HOME = BUILD / "sbom"
LOCKS = REQUIREMENTS / "lambda.txt", REQUIREMENTS / "mwaa.txt"


def write_sbom(file: Path) -> None:
    """Write the list. Raises ``ToolError``."""
    build, lock = REQUIREMENTS / "build.txt", REQUIREMENTS / "release.txt"
    make(HOME, "build/sbom, CycloneDX", (build, lock), virtual_environment(build, lock, project=False))
    done = subprocess.run(
        [
            *(HOME / "bin" / "cyclonedx-py", "requirements", "--output-reproducible"),
            *("--pyproject", REPO / "pyproject.toml", "--output-file", file, "-"),
        ],
        input="".join(path.read_text() for path in LOCKS),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"{done.stderr}\ncyclonedx-py could not list the components.")


def main() -> int:
    """Write the list: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.release.sbom", description="List components.")
    parser.add_argument("file", type=Path, help="the CycloneDX JSON to write")
    try:
        write_sbom(parser.parse_args().file)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
