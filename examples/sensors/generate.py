"""Make a list of sites, a compressed one of devices, and what these measured, to show the data set with."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from scripts.demo.dataset import File, Truth

SITES = ("Boiler house", "Cold store", "Roof")
BEGIN = datetime(2026, 1, 15, tzinfo=UTC)


def deliveries(rows: int, seed: int, dirt: float | None = 0.02) -> dict[str, Iterator[File]]:
    """Make three sites, a device for each fifty readings, and so many readings of two days."""
    devices = max(1, rows // 50)
    return {
        "sites": iter([_sites()]),
        "devices": iter([_devices(devices, seed)]),
        "readings": (_readings(part, rows, devices, seed, dirt or 0.0) for part in range(4)),
    }


def _sites() -> File:
    lines = [f"s{number:02d},{name},{20 + 10 * number}.0\n" for number, name in enumerate(SITES)]
    return _file("incoming/sites/2026-01-15.csv", ["site_id,site_name,warns_from\n", *lines], len(lines))


def _devices(count: int, seed: int) -> File:
    rng = random.Random(f"devices {seed}")  # noqa: S311 - data, not a secret
    lines = [
        f"d{number:05d};s{number % len(SITES):02d};Owner {number % 7};2025-{rng.randrange(1, 13):02d}-01\n"
        for number in range(count)
    ]
    return _file(
        "incoming/devices/2026-01-15.csv.gz", ["device_id;site_id;owner;installed_on\n", *lines], count
    )


def _readings(part: int, rows: int, devices: int, seed: int, dirt: float) -> File:
    """Twelve hours of readings; the device's number and the time are the key, so each is there once."""
    rng = random.Random(f"readings {seed} {part}")  # noqa: S311 - data, not a secret
    begin = BEGIN + timedelta(hours=12 * part)
    count = rows // 4 + (part < rows % 4)
    truth, lines = Truth(f"incoming/stream/readings/{begin:%Y/%m/%d/%H}/readings-{part}.jsonl"), []
    for number in range(count):
        at = begin + timedelta(seconds=43_200 * number // count, microseconds=number)
        reading: dict[str, object] = {
            "device_id": f"d{rng.randrange(devices):05d}",
            "measured_at": at.isoformat().replace("+00:00", "Z"),
            "celsius": round(rng.uniform(-10, 45), 2),
            "battery_percent": rng.randrange(101),
        }
        if rng.random() < dirt:
            reading["celsius"] = 999
            truth.rejected["celsius:too_high"] += 1
        lines.append(json.dumps(reading, separators=(",", ":")) + "\n")
    return _file(truth.key, lines, count, truth)


def _file(key: str, lines: list[str], rows: int, truth: Truth | None = None) -> File:
    truth, body = truth or Truth(key), "".join(lines).encode()
    if key.endswith(".gz"):
        body = gzip.compress(body, mtime=0)
    truth.rows, truth.size_bytes = rows, len(body)
    return truth, iter([body])
