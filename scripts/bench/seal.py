"""Benchmark of sealing: leaves per processor second, against the bare tree.

    python -m scripts.bench.seal LEAVES

The kit appends receipts of usual size in batches, as the sealer does: bundles, tiles and root of each. The
reference hashes the same leaves and all nodes above them once, with ``hashlib`` alone. Prints a JSON document
with ``kit`` and ``bare``, in processor seconds, the best of alternating rounds.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time

from custody.log.batch import MAX_BATCH_ENTRIES
from custody.log.edge import Edge
from scripts.toolchain.toolchain import ToolError

ENTRY_BYTES = 1500
ROUNDS = 3


def kit(entries: list[bytes]) -> bytes:
    """Append everything in full batches; the root."""
    edge = Edge()
    root = edge.root
    for at in range(0, len(entries), MAX_BATCH_ENTRIES):
        edge.append(entries[at : at + MAX_BATCH_ENTRIES])
        root = edge.root
    return root


def bare(entries: list[bytes]) -> bytes:
    """The root by hashing alone (RFC 6962 section 2.1)."""
    sha256 = hashlib.sha256
    level = [sha256(b"\x00" + entry).digest() for entry in entries]
    while len(level) > 1:
        above = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = [*above, level[-1]] if len(level) % 2 else above
    return level[0]


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1])
    entries = [os.urandom(ENTRY_BYTES) for _ in range(count)]
    seconds: dict[str, list[float]] = {"kit": [], "bare": []}
    roots = set()
    for _ in range(ROUNDS):
        for name, build in (("kit", kit), ("bare", bare)):
            start = time.process_time()
            roots.add(build(entries))
            seconds[name].append(time.process_time() - start)
    if len(roots) != 1:
        raise ToolError("The two trees have different roots.")
    print(json.dumps({name: min(found) for name, found in seconds.items()}))


if __name__ == "__main__":
    main()
