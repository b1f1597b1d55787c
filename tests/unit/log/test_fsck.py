"""A whole log, built again: what is not what the checkpoint names is found, with its place."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from custody.cli import main
from custody.cli.fsck import _folder
from custody.errors import CannotCheckError
from custody.findings import Claim, Status
from custody.log.checkpoint import Checkpoint
from custody.log.fsck import FsckReport, Place, fsck
from custody.log.merkle import leaf_hash, root_of
from custody.log.note import Note, NoteSignature
from custody.log.sources import open_log
from custody.log.tiles import pack_entries, unpack_entries
from custody.log.tree import AbsentError
from tests.support.log import ENVELOPES, LOG_SIGNER, ORIGIN, LocalNoteSigner, sealer, store_receipts
from tests.support.memory_s3 import MemoryS3

INCLUSION, ROW, CHECKPOINT = Claim.LOG_INCLUSION, Claim.LEDGER_ROW, Claim.LOG_CHECKPOINT
FULL, LAST = "log/tile/entries/000", "log/tile/entries/001.p/54"


@cache
def world() -> MemoryS3:
    """310 entries in four batches: a full bundle, a partial one, and partials that were published."""
    s3, at = MemoryS3(), 0
    for count in (7, 200, 60, 43):
        sealer(s3).seal(store_receipts(s3, range(at, at + count)))
        at += count
    return s3


def place(s3: MemoryS3, *, lists: bool = True) -> Place:
    def fetch(path: str) -> bytes:
        if path not in s3.objects:
            raise AbsentError(path)
        return s3.data(path)

    return Place(
        "m/", fetch, (lambda prefix: [key for key in s3.objects if key.startswith(prefix)]) if lists else None
    )


def check(where: Place, keys: tuple[LocalNoteSigner, ...] = (LOG_SIGNER,)) -> FsckReport:
    return fsck(where, [signer.key for signer in keys], lambda stage, done, total: None)


def found(report: FsckReport) -> list[tuple[Claim, Status, str, str]]:
    return [
        (each.claim, each.status, each.subject.removeprefix("m/"), each.detail) for each in report.findings
    ]


@pytest.mark.parametrize("lists", [True, False])
def test_a_log_that_is_right(lists: bool) -> None:
    report = check(place(world(), lists=lists))
    assert (report.findings, report.unchecked, report.exit_code) == ([], [], 0)
    assert (report.origin, report.size, report.bundles, report.batches, report.rows) == (
        ORIGIN,
        310,
        2,
        4,
        310,
    )


def test_a_log_without_entries() -> None:
    s3 = MemoryS3()
    sealer(s3).refresh()
    report = check(place(s3))
    assert (report.size, report.findings, report.unchecked) == (0, [], [])


def test_a_copy_in_a_folder_and_on_a_web_server(tmp_path: Path) -> None:
    write(world(), tmp_path)
    folder = check(Place("f/", open_log(str(tmp_path), dict), _folder(tmp_path)))
    log_alone = check(Place("f/", open_log(str(tmp_path / "log"), dict), _folder(tmp_path / "log")))
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        web = check(Place("w/", open_log(f"http://127.0.0.1:{server.server_port}", dict), None))
        server.shutdown()
    for report, rows in ((folder, 310), (web, 310), (log_alone, 0)):
        assert (report.findings, report.unchecked, report.size, report.rows) == ([], [], 310, rows)


def write(s3: MemoryS3, root: Path) -> None:
    for key in s3.objects:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.data(key))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def test_where_there_is_no_log() -> None:
    with pytest.raises(CannotCheckError, match="There is no log at m/"):
        check(place(MemoryS3()))


# Tampering


def flip(key: str, byte: int) -> Callable[[MemoryS3], None]:
    def tamper(s3: MemoryS3) -> None:
        data = bytearray(s3.data(key))
        data[byte] ^= 1
        s3.objects[key][-1].data = bytes(data)

    return tamper


def delete(key: str) -> Callable[[MemoryS3], None]:
    return lambda s3: s3.objects.pop(key) and None


def entries(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[MemoryS3], None]:
    """Change the entries of the first bundle, and nothing that follows from them."""

    def tamper(s3: MemoryS3) -> None:
        s3.objects[FULL][-1].data = pack_entries(change(unpack_entries(s3.data(FULL), 256)))

    return tamper


def swap(kept: list[bytes]) -> list[bytes]:
    return [*kept[:3], kept[4], kept[3], *kept[5:]]


def rows(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[MemoryS3], None]:
    def tamper(s3: MemoryS3) -> None:
        key = first_segment(s3)
        lines = gzip.decompress(s3.data(key)).splitlines()
        s3.objects[key][-1].data = gzip.compress(b"\n".join(change(lines)) + b"\n")

    return tamper


def first_segment(s3: MemoryS3) -> str:
    return min(
        (key for key in s3.objects if key.startswith("segments/")), key=lambda key: key.rpartition("/")[2]
    )


def signed_by(signer: LocalNoteSigner, size: int, of: int) -> Callable[[MemoryS3], None]:
    """A checkpoint with the right root of the first entries, for another size or by another key."""

    def tamper(s3: MemoryS3) -> None:
        hashes = [leaf_hash(data) for _, data in ENVELOPES[:of]]
        text = Checkpoint(ORIGIN, size, root_of(hashes)).to_text()
        line = NoteSignature(signer.key.name, signer.key.key_id, signer.sign(text.encode()))
        s3.objects["log/checkpoint"][-1].data = Note(text, (line,)).to_bytes()

    return tamper


START = sum(2 + len(data) for _, data in ENVELOPES[:9])
TAMPERING: dict[str, tuple[Callable[[MemoryS3], None], Claim, str, str]] = {
    "entry": (flip(FULL, START + 40), INCLUSION, FULL, f"Leaf 9 (byte {START})"),
    "entry of the last bundle": (flip(LAST, 40), INCLUSION, LAST, "Leaf 256 (byte 0)"),
    "length of an entry": (flip(FULL, START), INCLUSION, FULL, "does not have exactly 256 entries"),
    "tile": (flip("log/tile/0/000", 32 * 9), INCLUSION, "log/tile/0/000", "Leaf 9 (byte 288): the hash"),
    "last tile": (flip("log/tile/0/001.p/54", 33), INCLUSION, "log/tile/0/001.p/54", "Leaf 257 (byte 32)"),
    "upper tile": (flip("log/tile/1/000.p/1", 3), INCLUSION, "log/tile/1/000.p/1", "leaves 0 to 255"),
    "published tile": (flip("log/tile/0/000.p/7", 70), INCLUSION, "log/tile/0/000.p/7", "From its entry 2"),
    "published bundle": (
        flip("log/tile/entries/000.p/207", 90),
        INCLUSION,
        "log/tile/entries/000.p/207",
        "From its entry 0",
    ),
    "published tile gone": (delete("log/tile/0/001.p/11"), INCLUSION, "log/tile/0/001.p/11", "it is gone"),
    "checkpoint": (flip("log/checkpoint", 70), CHECKPOINT, "log/checkpoint", ""),
    "reordered": (entries(swap), INCLUSION, FULL, "Leaf 3 (byte"),
    "duplicated": (entries(lambda kept: [*kept[:9], kept[8], *kept[10:]]), INCLUSION, FULL, "Leaf 9 (byte"),
    "truncated bundle": (entries(lambda kept: kept[:-1]), INCLUSION, FULL, "does not have exactly 256"),
    "bundle gone": (delete(FULL), INCLUSION, FULL, "It is gone"),
    "tile gone": (delete("log/tile/0/000"), INCLUSION, "log/tile/0/000", "It is gone"),
    "row changed": (rows(lambda kept: [kept[0], kept[1].replace(b"raw", b"row")]), ROW, "segments", "Row 2"),
    "row gone": (rows(lambda kept: kept[1:]), ROW, "segments", "is missing"),
    "row twice": (rows(lambda kept: [kept[0], *kept]), ROW, "segments", "Row 2"),
    "row of another batch": (
        rows(lambda kept: [*kept, kept[0].replace(b'"leaf_index":0', b'"leaf_index":9')]),
        ROW,
        "segments",
        "leaf 9, which is not in this batch",
    ),
    "signed with another key": (
        signed_by(LocalNoteSigner(), 310, 310),
        CHECKPOINT,
        "log/checkpoint",
        "signed by no known key",
    ),
    "another root": (signed_by(LOG_SIGNER, 310, 309), INCLUSION, "log/checkpoint", "do not have the root"),
    "too large": (signed_by(LOG_SIGNER, 312, 310), INCLUSION, "log/tile/entries/001.p/56", "It is gone"),
    "batch": (
        lambda s3: setattr(s3.objects["log/batch/" + "0" * 20][-1], "data", b"x"),
        INCLUSION,
        "log/batch/" + "0" * 20,
        "is not one whole gzip",
    ),
}


@pytest.mark.parametrize(("tamper", "claim", "path", "words"), TAMPERING.values(), ids=TAMPERING)
def test_tampering_is_found_and_located(
    tamper: Callable[[MemoryS3], None], claim: Claim, path: str, words: str
) -> None:
    s3 = deepcopy(world())
    tamper(s3)
    report = check(place(s3))
    assert report.exit_code == 1
    assert any(
        one is claim and subject.startswith(path) and words in detail
        for one, _, subject, detail in found(report)
    ), report.findings


def test_all_made_anew_with_another_key() -> None:
    """Whoever has written everything himself is told from the log by its key alone."""
    s3, forger = MemoryS3(), LocalNoteSigner()
    sealer(s3, (forger,)).seal(store_receipts(s3, range(20)))
    assert check(place(s3), (forger,)).findings == []
    assert [(claim, path) for claim, _, path, _ in found(check(place(s3)))] == [
        (CHECKPOINT, "log/checkpoint")
    ]


def test_a_batch_that_is_gone_is_said() -> None:
    s3 = deepcopy(world())
    del s3.objects["log/batch/" + f"{7:020d}"]
    for lists in (True, False):
        report = check(place(s3, lists=lists))
        assert (report.findings, report.exit_code) == ([], 3)
        assert "begins with leaf 7 could not be read" in report.unchecked[-1]


def test_any_bit_of_what_the_log_is_made_of() -> None:
    chance = random.Random("fsck")
    parts = [key for key in world().objects if key.startswith("log/tile/") or key == "log/checkpoint"]
    for _ in range(120):
        key = chance.choice(parts)
        s3 = deepcopy(world())
        flip(key, chance.randrange(len(s3.data(key))))(s3)
        assert check(place(s3)).findings, key


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    s3 = deepcopy(world())
    key = LOG_SIGNER.key.to_verifier_key()
    write(s3, tmp_path)
    assert main(["fsck", str(tmp_path), "--key", key]) == 0
    out, err = capsys.readouterr()
    assert f"{ORIGIN}: 310 entries, root " in out
    assert err == "The log is what its checkpoint names.\n"
    flip(FULL, START + 40)(s3)
    write(s3, tmp_path)
    assert main(["fsck", str(tmp_path), "--key", key, "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["subject"] == f"{tmp_path}/{FULL}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "not known which keys"),
        (["--key", "x"], "is not a verifier key"),
        (["--registry", "/no/such/file"], "cannot be read"),
    ],
)
def test_wrong_use(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fsck", str(tmp_path), *arguments]) == 2
    assert words in capsys.readouterr().err
