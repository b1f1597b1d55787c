"""What the gold tables were made from: collected from the lineage documents, and laid out as a chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from custody.deployment import Deployment
from custody.lineage.document import TableVersion
from custody.lineage.graph import Graph, Kind, Link
from custody.lineage.library import Library
from custody.lineage.walk import Walk, back, newest_versions
from custody.terminal import shorten, visible

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SHOWN_OBJECTS = 5
"""Number of object versions shown for each silver table; the chart gives the number of others."""

WIDTH = 1000
_RAW, _SILVER, _GOLD = (8, 350), (448, 210), (762, 230)
"""The columns: where they begin, and how wide they are."""
_LINE = 30
_BOX = 78
_GAP = 26
_TOP = 34
_NAME_CELLS = 36
_TABLE_CELLS = 26


@dataclass(frozen=True, slots=True)
class RawObject:
    """An object version that went into a silver table."""

    key: str
    version_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SilverTable:
    """A silver table, up to the version that gold tables were made from."""

    name: str
    version: int
    documents: int
    """The number of runs up to that version."""
    objects: int
    newest: tuple[RawObject, ...]
    """Those of the newest runs; at most ``SHOWN_OBJECTS``."""


@dataclass(frozen=True, slots=True)
class GoldTable:
    """A gold table at its newest version."""

    name: str
    version: int
    rows: int | None
    """Rows written by its last run; ``None`` if its document cannot be read."""
    sources: tuple[tuple[str, int], ...]
    """Silver tables, each with the newest version that it was made from."""


@dataclass(frozen=True, slots=True)
class GoldLineage:
    """Where gold comes from."""

    gold: tuple[GoldTable, ...]
    silver: tuple[SilverTable, ...]
    missing: tuple[str, ...]


def gather_lineage(
    s3: S3Client, deployment: Deployment, *, tell: Callable[[str], None] = lambda _: None
) -> GoldLineage | None:
    """Walk back from the newest version of every gold table; ``None`` if there is none."""
    library = Library(s3, deployment, tell=tell)
    newest = newest_versions(library, library.analytics)
    if not newest:
        return None
    with Graph() as graph:
        found = Walk(graph)
        back(library, found, newest)
        sources: defaultdict[str, dict[str, int]] = defaultdict(dict)
        stands: dict[str, int] = {}
        rows: dict[TableVersion, int | None] = {}
        tables = {node["id"]: node for node in graph.nodes(Kind.SILVER, Kind.GOLD)}
        for node in tables.values():
            rows[TableVersion(node["table"], node["delta_version"])] = node.get("rows")
        for edge in graph.edges(Link.READ):
            source, made = tables[edge["from"]], tables[edge["to"]]["table"]
            known = sources[made].get(source["table"], -1)
            sources[made][source["table"]] = max(known, source["delta_version"])
            stands[source["table"]] = max(stands.get(source["table"], -1), source["delta_version"])
        return GoldLineage(
            gold=tuple(
                GoldTable(
                    made.name,
                    made.version,
                    rows.get(made),
                    tuple(
                        (TableVersion(*pair).name, pair[1]) for pair in sorted(sources[made.table].items())
                    ),
                )
                for made in newest
            ),
            silver=tuple(_silver(graph, TableVersion(*pair)) for pair in sorted(stands.items())),
            missing=(*found.missing, *library.hidden),
        )


def _silver(graph: Graph, made: TableVersion) -> SilverTable:
    count, newest = graph.objects_of(made.table, SHOWN_OBJECTS)
    return SilverTable(
        name=made.name,
        version=made.version,
        documents=sum(
            1 for node in graph.nodes(Kind.SILVER) if node["table"] == made.table and "run_id" in node
        ),
        objects=count,
        newest=tuple(RawObject(node["key"], node["version_id"], node["sha256"]) for node in newest),
    )


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text."""

    x: float
    y: float
    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Block:
    """A box; ``title`` has all its details."""

    x: float
    y: float
    width: float
    height: float
    title: str
    lines: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from one box to another: the ``d`` of a path, and its label."""

    path: str
    label: Words | None


@dataclass(frozen=True, slots=True)
class LineagePicture:
    """The chart, in units of which its width is ``WIDTH``."""

    height: float
    headings: tuple[Words, ...]
    blocks: tuple[Block, ...]
    arrows: tuple[Arrow, ...]
    description: str


def draw_lineage(lineage: GoldLineage) -> LineagePicture:
    """Lay out raw objects on the left, silver tables in the middle, gold tables on the right."""
    blocks: list[Block] = []
    arrows: list[Arrow] = []
    silver_at: dict[str, float] = {}
    y = float(_TOP)
    for table in lineage.silver:
        more = table.objects - len(table.newest)
        lines = len(table.newest) + (more > 0)
        height = max(lines * _LINE, _BOX)
        middle = y + height / 2
        silver_at[table.name] = middle
        top = middle - lines * _LINE / 2
        for index, item in enumerate(table.newest):
            blocks.append(_raw_block(item, top + index * _LINE))
            arrows.append(_arrow(_RAW, top + index * _LINE + 12, _SILVER, middle))
        if more > 0:
            blocks.append(_more_block(more, top + len(table.newest) * _LINE))
            arrows.append(_arrow(_RAW, top + len(table.newest) * _LINE + 12, _SILVER, middle))
        facts = (f"version {table.version}", _plural(table.documents, "run") + " so far")
        blocks.append(_table_block(_SILVER, middle, table.name, facts))
        y += height + _GAP
    bottom = max(y - _GAP, _TOP + len(lineage.gold) * (_BOX + _GAP) - _GAP)
    slot = (bottom - _TOP) / len(lineage.gold)
    for index, gold in enumerate(lineage.gold):
        middle = _TOP + slot * (index + 0.5)
        rows = (
            "document cannot be read" if gold.rows is None else f"{_plural(gold.rows, 'row')} by its last run"
        )
        blocks.append(_table_block(_GOLD, middle, gold.name, (f"version {gold.version}", rows)))
        for number, (name, version) in enumerate(gold.sources):
            end = middle + 24 * (number - (len(gold.sources) - 1) / 2)
            arrows.append(_arrow(_SILVER, silver_at[name], _GOLD, end, f"@{version}"))
    headings = tuple(
        Words(column[0] + column[1] / 2, 16, words, "dim")
        for column, words in ((_RAW, "raw object versions"), (_SILVER, "silver"), (_GOLD, "gold"))
    )
    return LineagePicture(bottom + 8, headings, tuple(blocks), tuple(arrows), _describe(lineage))


def _raw_block(item: RawObject, y: float) -> Block:
    x, width = _RAW
    name = Words(x + 10, y + 16, _fit(item.key, _NAME_CELLS), "tiny mono")
    digest = Words(x + width - 10, y + 16, item.sha256[:8], "tiny mono dim end")
    title = f"{item.key}, version {item.version_id}, SHA-256 {item.sha256}"
    return Block(x, y, width, 24, title, (name, digest))


def _more_block(more: int, y: float) -> Block:
    x, width = _RAW
    words = f"and {more:,} more"
    return Block(x, y, width, 24, words, (Words(x + 10, y + 16, words, "tiny dim"),))


def _table_block(column: tuple[int, int], middle: float, name: str, facts: tuple[str, ...]) -> Block:
    x, width = column
    y, center = middle - _BOX / 2, x + width / 2
    lines = [Words(center, y + 25, _fit(name, _TABLE_CELLS), "strong middle")]
    lines += [Words(center, y + 45 + 17 * index, fact, "tiny dim middle") for index, fact in enumerate(facts)]
    return Block(x, y, width, _BOX, f"{name}, {', '.join(facts)}", tuple(lines))


def _arrow(
    source: tuple[int, int], start: float, target: tuple[int, int], end: float, label: str = ""
) -> Arrow:
    left, right = source[0] + source[1], target[0] - 2
    half = (left + right) / 2
    path = f"M{left} {start:g}C{half:g} {start:g} {half:g} {end:g} {right} {end:g}"
    return Arrow(path, Words(right - 12, end - 6, label, "tiny dim end halo") if label else None)


def _describe(lineage: GoldLineage) -> str:
    gold = [
        f"{table.name}, version {table.version}, from "
        + (" and ".join(f"{name}, version {version}" for name, version in table.sources) or "nothing known")
        for table in lineage.gold
    ]
    silver = [f"{table.name} from {_plural(table.objects, 'raw object version')}" for table in lineage.silver]
    return f"Gold: {'; '.join(gold)}. Silver: {'; '.join(silver) or 'none'}."


def _fit(text: str, cells: int) -> str:
    """As much of a name as fits, counted in terminal columns: some characters take two."""
    shown, limit = visible(text), cells
    while cell_len(fitting := shorten(shown, limit)) > cells:
        limit -= 1
    return fitting


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
