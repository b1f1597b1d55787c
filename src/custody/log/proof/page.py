"""The page in a proof: for a person who knows neither this kit nor its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import dedent

from custody.evidence.receipt import Receipt
from custody.log.checkpoint import Checkpoint
from custody.log.succession import LogEnd
from custody.terminal import visible
from custody.times import format_time


@dataclass(frozen=True, slots=True)
class Written:
    """The event of the trail that wrote the object."""

    event_id: str
    time: str
    who: str
    source_ip: str


def format_page(
    receipt: Receipt,
    written: Written,
    index: int,
    checkpoint: Checkpoint,
    region: str,
    *,
    end: LogEnd | None,
    has_object: bool,
) -> bytes:
    """The page, as plain text. Everything that is not ours is escaped."""
    words = {
        "uri": f"s3://{receipt.version.bucket}/{receipt.version.key}",
        "version": receipt.version.version_id,
        "sha256": receipt.sha256,
        "size": f"{receipt.size_bytes:,}",
        "recorded": format_time(receipt.recorded_at),
        "recorder": receipt.recorder.function,
        "written": written.time,
        "who": written.who,
        "source_ip": written.source_ip,
        "event": written.event_id,
        "origin": checkpoint.origin,
        "index": f"{index:,}",
        "log_size": f"{checkpoint.size:,}",
        "end": _describe_end(end),
        "region": region,
        "object": "object               the object itself"
        if has_object
        else "(the object itself is not included)",
    }
    return _PAGE.format_map({name: visible(value) for name, value in words.items()}).encode()


def format_export_page(
    place: str,
    period: tuple[datetime | None, datetime | None],
    receipts: int,
    checkpoint: Checkpoint,
    *,
    region: str,
    end: LogEnd | None,
    missing: Sequence[str],
) -> bytes:
    """The page of an export. ``missing`` has a line for each thing that could not be exported."""
    bounds = zip(("since", "before"), period, strict=True)
    limits = " ".join(f"{name} {format_time(moment)}" for name, moment in bounds if moment is not None)
    words = {
        "place": place,
        "period": limits or "at any time",
        "receipts": f"{receipts:,}",
        "origin": checkpoint.origin,
        "log_size": f"{checkpoint.size:,}",
        "end": _describe_end(end),
        "region": region,
    }
    page = _EXPORT_PAGE.format_map({name: visible(value) for name, value in words.items()})
    listed = [visible(line) for line in missing] or ["Nothing."]
    return (page + "".join(f"  {line}\n" for line in listed)).encode()


def _describe_end(end: LogEnd | None) -> str:
    """What follows the number of entries, for a log that has ended."""
    if end is None:
        return ""
    goes_on = "no other log goes on" if end.successor is None else f"{end.successor} goes on"
    return f"; it has ended with {end.size:,} entries, and {goes_on}"


_EXPORT_PAGE = dedent(
    """\
    EVIDENCE ABOUT MANY OBJECTS

      Objects      {place}
      Modified     {period}
      Receipts     {receipts}
      Log          {origin}
                   {log_size} entries{end}

    This page only describes the evidence. What verify.py says of the other files counts.


    HOW TO VERIFY IT

      python3 verify.py

    It needs no network and no account: only Python 3.9 or later, and the Python package cryptography
    or the program openssl, with which it takes far longer. It prints one line for each claim, which is about
    all objects: "FAILED" means that some evidence was changed, or was never right.


    WHAT TO COMPARE WITH WHAT YOU HAVE FROM ELSEWHERE

      - The key registry. Keep a copy (keys/registry.json) from the day you began to audit, and run
          python3 verify.py YOUR-COPY.json
      - A checkpoint of the log that you or a witness kept: a log of the same number of entries has the same
        root.
      - CloudTrail's public keys. Their fingerprints are the files' names in trail/keys, and AWS lists them:
          aws cloudtrail list-public-keys --region {region} --start-time DAY --end-time NEXT-DAY


    FILES

      receipts/            the signed receipts (DSSE, in-toto), named by their index in the log
      log/checkpoint       the log's signed checkpoint (C2SP tlog-checkpoint)
      log/hashes           what leads from the receipts to the checkpoint's root
      extension.txt        if there: how the newest checkpoint extends that one
      policy.txt           whose signatures a checkpoint needs (C2SP tlog-policy)
      registry/            every version of the registry of public keys
      trail/               AWS CloudTrail's log files, their digests, and the digests' public keys
      objects/             if there: the objects themselves, named by the index of their receipts
      SHA256SUMS           a hash of each file: sha256sum -c SHA256SUMS


    WHAT COULD NOT BE EXPORTED

    """
)


_PAGE = dedent(
    """\
    EVIDENCE ABOUT ONE OBJECT

      Object       {uri}
      Version      {version}
      SHA-256      {sha256}
      Size         {size} bytes
      Written      {written}, by {who}
                   from {source_ip} (CloudTrail's event {event})
      Recorded     {recorded}, by {recorder}
      Log          {origin}
                   entry {index} of {log_size}, counted from 0{end}

    This page only describes the evidence. What verify.py says of the other files counts.


    HOW TO VERIFY IT

      python3 verify.py

    It needs no network and no account: only Python 3.9 or later, and the Python package cryptography
    or the program openssl. It prints one line for each claim. "FAILED" in any line means that the evidence
    was changed, or was never right. You need not trust verify.py: it is short, to be read.


    WHAT IT SHOWS

      receipt.signature   A recorder, which alone can use a key in AWS KMS, has hashed this version of the
                          object and has signed what it saw.
      log.inclusion       That receipt is an entry of a log to which entries are only added. Its signed
      log.checkpoint      checkpoint covers all entries before it: none can be removed or replaced
      log.consistency     without being noticed by whoever has kept any checkpoint.
      trail.event         AWS CloudTrail has logged the call that wrote this version: who, when, from where.
      trail.digest        That log file is the one that CloudTrail delivered, by a digest that AWS has signed.
      object.hash         The object in this folder, if it is there, is the one that was recorded.


    WHAT TO COMPARE WITH WHAT YOU HAVE FROM ELSEWHERE

    Anybody can make keys. That the keys here are the right ones, you see from what reached you another way:

      - The key registry. Keep a copy (keys/registry.json) from the day you began to audit, and run
          python3 verify.py YOUR-COPY.json
        Then the keys that signed the receipt and the log must be in it.
      - A checkpoint of the log that you or a witness kept: a log of the same number of entries has the same
        root.
      - CloudTrail's public key. Its fingerprint is the name of the file in trail/keys, and AWS lists it:
          aws cloudtrail list-public-keys --region {region} --start-time DAY --end-time NEXT-DAY


    WHAT IT DOES NOT SHOW

      - That the content is true: only that it is the same since it was recorded.
      - Who a person is: CloudTrail names an identity in AWS.
      - That a receipt was not made later with a key that was stolen and then revoked: that needs the time at
        which Amazon S3 stored the receipt, which "custody verify" reads from the account.


    FILES

      verify.py            verifies the other files
      receipt.json         the signed receipt (DSSE, in-toto), as it is in the log
      receipt.tlog-proof   where it is in the log, and the log's checkpoint (C2SP tlog-proof)
      extension.txt        if there: how the newest checkpoint extends that one
      policy.txt           whose signatures a checkpoint needs (C2SP tlog-policy)
      registry/            every version of the registry of public keys
      trail/               AWS CloudTrail's log file, its digest, and the public key of the digest
      {object}
      SHA256SUMS           a hash of each file: sha256sum -c SHA256SUMS
    """
)
