"""What a data set brings to be shown with: a generator of files for its tables, or samples.

The generator, ``<data set>/generate.py``, has one function, ``deliveries(rows, seed, dirt=0.02)``. That
returns, by silver table, the files in the order in which they are delivered: of the largest table about so
many rows, and the same each time for one seed. ``dirt`` is the share of rows that the contracts must reject;
with ``None`` nothing is odd. Samples are files as they are, ``<data set>/samples/<table>/…``.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from custody.etl.columns import read_columns
from custody.etl.contract import Contract
from scripts.datasets import load_dataset
from scripts.toolchain.toolchain import ToolError

GENERATOR, SAMPLES = "generate.py", "samples"


@dataclass(slots=True)
class Truth:
    """What a file holds: how many rows, and how many the ETL must reject for which reason."""

    key: str
    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    """Valid rows that are another row of the same file once more."""
    size_bytes: int = 0

    def as_document(self) -> dict[str, object]:
        """The same for JSON."""
        rejected = dict(sorted(self.rejected.items()))
        return {
            "key": self.key,
            "rows": self.rows,
            "rejected": rejected,
            "repeated": self.repeated,
            "size_bytes": self.size_bytes,
        }


File = tuple[Truth, Iterator[bytes]]
"""A file: its truth, which is complete once its chunks are used up, and the chunks."""


class Generator(Protocol):
    """The module that makes a data set's files."""

    def deliveries(self, rows: int, seed: int, dirt: float | None = 0.02) -> Mapping[str, Iterator[File]]:
        """By silver table, its files."""
        ...


def load_generator(folder: Path) -> Generator | None:
    """Load the generator of a data set; ``None`` if it has none. Raises ``ToolError`` if it is not one."""
    path = folder / GENERATOR
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(f"generate_{folder.name}", path)
    if spec is None or spec.loader is None:
        raise ToolError(f"{path} cannot be loaded.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "deliveries", None)):
        raise ToolError(f"{path} has no function deliveries(rows, seed, dirt).")
    return cast("Generator", module)


def deliveries(folder: Path, rows: int, seed: int) -> Mapping[str, Iterator[File]]:
    """By silver table, the files that the generator makes; or the samples, if there is none."""
    if generator := load_generator(folder):
        return generator.deliveries(rows, seed)
    found: dict[str, Iterator[File]] = {}
    for table, contract in load_dataset(folder).silver.items():
        paths = [path for path in sorted((folder / SAMPLES / table).glob("[!.]*")) if path.is_file()]
        if paths:
            found[table] = _samples(paths, contract)
    return found


def _samples(paths: list[Path], contract: Contract) -> Iterator[File]:
    for path in paths:
        body = path.read_bytes()
        rows = sum(records.num_rows for records in read_columns(iter([body]), contract))
        yield Truth(f"{contract.raw().prefix}{path.name}", rows, size_bytes=len(body)), iter([body])
