#!/usr/bin/env python3
"""Verify the evidence in this folder, offline: ``python3 verify.py [REGISTRY]``.

It needs Python 3.9, and the package "cryptography" or the program "openssl"; no network and nothing else.
With your own copy of keys/registry.json (REGISTRY), the keys that signed must be in it.
One line a claim; exit status 0 if all hold, 1 if one does not, 3 if there is no cryptography.
Formats: DSSE, in-toto; RFC 6962, C2SP tlog-proof, -checkpoint, -policy, signed-note; AWS CloudTrail's files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding
except ImportError:
    serialization = None  # type: ignore[assignment]

# How a public key (SubjectPublicKeyInfo in DER) of each kind begins; RSA has 2048 bits.
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
ED25519 = bytes.fromhex("302a300506032b6570032100")
RSA = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f00")
ECDSA, PEM = "ecdsa-sha2-nistp256", r"-{5}BEGIN PUBLIC KEY-{5}\n([^-]+)\n-{5}END PUBLIC KEY-{5}\n?"
TYPES = ["application/vnd.in-toto+json", "https://in-toto.io/Statement/v1", "urn:custody:object-receipt:v1"]
WRITES = ("PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject")


def need(value: Any, words: str) -> Any:
    if not value:
        raise ValueError(words)
    return value


def b64(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    return need(base64.b64encode(raw).decode() == text and [raw], "no canonical base64")[0]  # type: ignore[no-any-return]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(need(text[-1] == "Z" and text[:-1], "a time not in UTC") + "+00:00")


def parse(data: bytes) -> Any:
    def once(pairs: Any) -> Any:
        return need(len(dict(pairs)) == len(pairs) and [dict(pairs)], "a name is used twice in JSON")[0]

    return json.loads(data.decode("utf-8"), object_pairs_hook=once)


def parse_registry(data: bytes) -> dict[Any, list[Any]]:
    """Keys by log (or None) and id: public key, algorithm, and times: valid from, valid until, revoked at."""
    registry, keys = parse(data), dict[Any, list[Any]]()
    log = registry.get("log", {"origin": "", "keys": []})
    for origin, entries in ((None, registry["keys"]), (log["origin"], log["keys"])):
        for entry in entries:
            need(entry["algorithm"] in (ECDSA, (origin and "ed25519") or ECDSA), "a key's algorithm")
            found = need(re.fullmatch(PEM, entry["public_key"]), "no public key")
            times = [entry.get(each) and moment(entry[each]) for each in ("valid_until", "revoked_at")]
            key = [b64(found[1].replace("\n", "")), entry["algorithm"], moment(entry["valid_from"]), *times]
            need(keys.setdefault((origin, entry["key_id"]), key) is key, "a key is there twice")
    return keys


def require_signed(kind: bytes, key: bytes, signature: bytes, message: bytes) -> None:
    """Ed25519, or ECDSA P-256 or RSA PKCS #1 v1.5, both with SHA-256."""
    need(key.startswith(kind), "the public key is of another kind")
    if serialization is not None:
        public: Any = serialization.load_der_public_key(key)
        how: Any = {P256: [ec.ECDSA(hashes.SHA256())], RSA: [padding.PKCS1v15(), hashes.SHA256()]}
        return public.verify(signature, message, *how.get(kind, []))  # type: ignore[no-any-return]
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("key", key), ("signature", signature), ("message", message)):
            Path(folder, name).write_bytes(data)
        words = "dgst -sha256 -keyform DER -verify key -signature signature message"
        if kind == ED25519:
            words = "pkeyutl -verify -rawin -in message -sigfile signature -pubin -keyform DER -inkey key"
        run = subprocess.run(["openssl", *words.split()], cwd=folder, capture_output=True, check=False)  # noqa: S607
        return need(run.returncode == 0, "the signature does not verify")


def climb(index: int, last: int, start: bytes, steps: list[bytes]) -> tuple[bytes, bytes]:
    """RFC 9162 sections 2.1.3.2 and 2.1.4.2: the root of the old tree, and of the new one."""
    old = new = start
    for step in steps:
        need(last, "the Merkle proof is too long")
        if index & 1 or index == last:
            old, new = (hashlib.sha256(b"\1" + step + root).digest() for root in (old, new))
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            new = hashlib.sha256(b"\1" + new + step).digest()
        index, last = index >> 1, last >> 1
    need(not last, "the Merkle proof is too short")
    return old, new


def root_of(low: int, high: int, leaves: list[tuple[int, bytes]], others: list[bytes]) -> bytes:
    """RFC 6962 section 2.1: of entries with these leaves; of a range without any, the last of ``others``."""
    if not leaves or high - low == 1:
        return leaves[0][1] if leaves else others.pop()
    middle = low + (1 << (high - low - 1).bit_length() - 1)
    left = root_of(low, middle, [leaf for leaf in leaves if leaf[0] < middle], others)
    right = root_of(middle, high, [leaf for leaf in leaves if leaf[0] >= middle], others)
    return hashlib.sha256(b"\1" + left + right).digest()


def parse_key(line: str) -> tuple[str, bytes, int, bytes]:
    """A verifier key of a signed note: its name, id, type and SubjectPublicKeyInfo."""
    found = need(re.fullmatch(r"([^ +\s]+)\+([0-9a-f]{8})\+(.+)", line), "no verifier key")
    name, ident, raw = found[1], bytes.fromhex(found[2]), b64(found[3])
    named = raw[1:] if raw[0] == 2 else f"{name}\n".encode() + raw
    need(raw[0] in (1, 2, 4) and hashlib.sha256(named).digest()[:4] == ident, "a wrong verifier key")
    return name, ident, raw[0], raw[1:] if raw[0] == 2 else ED25519 + raw[1:]


def check(folder: Path, trusted: Path | None = None) -> dict[str, tuple[bool, str]]:
    """Every claim: whether it holds, and words."""
    results, sums, shown, used = dict[str, Any](), {"SHA256SUMS": ""}, dict[int, Any](), set[bytes]()

    @contextmanager
    def claim(name: str, *basis: str) -> Any:
        try:
            yield lambda words: results.update({name: (True, words)})
        except Exception as error:  # noqa: BLE001 - what cannot be read does not hold
            results[name] = (False, f"{type(error).__name__} {error}")
        if not all(results[each][0] for each in basis):
            results[name] = (False, "it rests on a claim that does not hold")

    def read(name: str) -> bytes:
        need(name in sums and (folder / name).is_file(), f"there is no {name}")
        return (folder / name).read_bytes()

    def listed(start: str, rest: str) -> Any:
        return need(sorted(n for n in sums if re.fullmatch(start + rest, n)), f"there is no {start}*")

    def judge(note: bytes, logs: list[Any], others: list[Any]) -> tuple[tuple[str, int, bytes], list[Any]]:
        """The checkpoint in a signed note, and who has signed it: its log, with a key that is registered."""
        text, _, below = note.decode("utf-8").rpartition("\n\n")
        head = need(re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)", text), "no checkpoint")
        signed = []
        for line in need(below.endswith("\n") and below[:-1], "no signatures").split("\n"):
            found = need(re.fullmatch("\u2014 ([^ +\\s]+) (.+)", line), "a line that is no signature")
            raw = b64(found[2])
            for key in [key for key in [*logs, *others] if key[:2] == (found[1], raw[:4])]:
                signature, message = raw[4:], f"{text}\n".encode()
                if key[2] == 4:
                    message = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big") + message
                    signature = signature[8:]
                require_signed(P256 if key[2] == 2 else ED25519, key[3], signature, message)
                signed.append(key)
        valid = {key[0] for ident, key in keys.items() if ident[0] == head[1] and key[4] is None}
        ours = {key[3] for key in signed if key in logs and key[0] == head[1]}
        used.update(need(ours & valid, "the log has not signed the checkpoint with a registered key"))
        return (head[1], int(head[2]), b64(head[3])), signed

    with claim("bundle.files") as holds:
        *lines, rest = read("SHA256SUMS").decode("ascii").split("\n")
        form = re.compile(r"[0-9a-f]{64}  [\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
        sums = {line[66:]: line[:64] for line in lines if form.fullmatch(line)}
        need(sums and not rest and len(sums) == len(lines), "SHA256SUMS is malformed")
        for name, expected in sums.items():
            digest = hashlib.sha256()
            with need((folder / name).is_file() and folder / name, f"there is no {name}").open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
            need(digest.hexdigest() == expected, f"{name} was changed")
        holds(f"{len(lines)} files are as they were put in")
    is_export = "log/checkpoint" in sums
    with claim("registry.history") as holds:
        keys: dict[Any, list[Any]] = {}
        for name in listed("registry/", r"[0-9]{4}-[0-9]{8}T[0-9]{6}Z\.json"):
            stored, current = datetime.strptime(name[14:30], "%Y%m%dT%H%M%S%z"), parse_registry(read(name))
            for ident, was in keys.items():
                key, fixed = need(current.get(ident), "a key was removed"), 3 if was[2] <= stored else 2
                same = was[:fixed] == key[:fixed] and was[3] in (None, key[3]) and was[4] in (None, key[4])
                need(same, f"the key {ident[1]} was changed")
            keys = current
        holds("no version of the key registry takes a key back")
    with claim("receipt.signature", "registry.history") as holds:
        for file_name in listed("receipt", r"s/(0|[1-9][0-9]{0,17})\.json" if is_export else r"\.json"):
            leaf = read(file_name)
            kind, payload, signed = (parse(leaf)[each] for each in ("payloadType", "payload", "signatures"))
            message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(b64(payload)), b64(payload))
            statement = parse(b64(payload))
            (subject,), receipt = statement["subject"], statement["predicate"]
            need([kind, statement["_type"], statement["predicateType"]] == TYPES, "it is not a receipt")
            version = [receipt[each] for each in ("bucket", "key", "version_id")]
            need(subject["name"] == "s3://{}/{}".format(*version), "its subject is another object")
            need(signed and len({one["keyid"] for one in signed}) == len(signed), "its signatures")
            made = moment(receipt["recorded_at"])
            for one in signed:
                public, _, start, *ends = need(keys.get((None, one["keyid"])), "its key is not registered")
                require_signed(P256, public, b64(one["sig"]), message)
                need(start <= made and all(made < end for end in ends if end), "it is not of its key's time")
                used.add(public)
            found = (subject["digest"]["sha256"], receipt["size_bytes"])
            shown[int(file_name[9:-5] or 0)] = version, found, hashlib.sha256(b"\0" + leaf).digest()
        holds(f"{len(shown)} receipt(s); {subject['name']}?versionId={version[2]} has SHA-256 {found[0]}")
    with claim("log.checkpoint", "registry.history") as holds:
        note = read("log/checkpoint" if is_export else "receipt.tlog-proof")
        if not is_export:
            above, _, note = note.partition(b"\n\n")
            form = re.compile(r"c2sp\.org/tlog-proof@v1\nindex (0|[1-9][0-9]*)((?:\n.+)*)")
            proof = need(form.fullmatch(above.decode("ascii")), "no proof file")
            place, path = int(proof[1]), [b64(line) for line in proof[2].split()]
        logs, witnesses, groups, quorum = dict[str, Any](), dict[str, Any](), {}, []
        for line in read("policy.txt").decode("utf-8", "surrogateescape").split("\n"):
            word, *words = re.split(r"[ \t]+", line.strip(" \t"))
            if word in ("log", "witness"):
                (logs if word == "log" else witnesses)[words[0]] = parse_key(words[word == "witness"])
            elif word == "group":
                count = {"all": len(words) - 2, "any": 1}.get(words[1]) or int(words[1])
                groups[words[0]] = (need(0 < count <= len(words) - 2 and count, "a group"), {*words[2:]})
            elif word[:1] not in ("", "#"):
                quorum += need(word == "quorum" and words, "a wrong line in the policy")
        (origin, size, root), signed = judge(note, [*logs.values()], [*witnesses.values()])
        seen = {name for name, key in witnesses.items() if key in signed}
        cosigned = ", ".join(sorted(seen)) or "no witness"
        for name, (count, members) in groups.items():
            seen |= {name} if len(seen & members) >= count else set()
        need(len(quorum) == 1 and quorum[0] in {"none", *seen}, "it lacks the cosignatures of the quorum")
        holds(f"{origin} has {size} entries, root {root.hex()}, cosigned by {cosigned}")
    with claim("log.inclusion", "receipt.signature", "log.checkpoint") as holds:
        if is_export:
            raw, leaves = read("log/hashes"), sorted((at, each[2]) for at, each in shown.items())
            path, place = [raw[at : at + 32] for at in range(0, len(raw), 32)][::-1], max(shown)
            reached = root_of(0, size, leaves, path) + b"".join(path)
        else:
            reached = climb(place, size - 1, shown[0][2], path)[1]
        need(place < size and reached == root, "it is not in the log")
        holds(f"{len(shown)} receipt(s) of {size} entries; the last is the entry {place}")
    if "extension.txt" in sums:
        with claim("log.consistency", "log.checkpoint") as holds:
            above, _, note = read("extension.txt").partition(b"\n\n")
            first, *lines = above.decode("ascii").split("\n")
            steps = [b64(line) for line in lines]
            (name, new, new_root), _ = judge(note, [*logs.values()], [])
            need((first, name) == (f"old {size}", origin) and 0 < size < new, "it extends another checkpoint")
            low = (size & -size).bit_length() - 1  # height of the last complete subtree of the old tree
            begin = root if size == 1 << low else need(steps, "the Merkle proof is too short").pop(0)
            need(climb(size - 1 >> low, new - 1 >> low, begin, steps) == (root, new_root), "it was forked")
            holds(f"the newest checkpoint, of {new} entries, begins with the same entries")
    with claim("trail.digest") as holds:
        named = set()
        for name in listed("trail/digests/", r"[^/]+\.json"):
            said = parse(data := read(name))
            public = read(f"trail/keys/{said['digestPublicKeyFingerprint']}.der")
            parts = [said["digestEndTime"], f"{said['digestS3Bucket']}/{said['digestS3Object']}"]
            parts += [hashlib.sha256(data).hexdigest(), said["previousDigestSignature"] or "null"]
            require_signed(RSA, public, read(name[:-4] + "sig"), "\n".join(parts).encode())
            named |= {(each["s3Object"].rpartition("/")[2], each["hashValue"]) for each in said["logFiles"]}
        for name in (trail := listed("trail/logs/", r"[^/]+\.json")):
            need((f"{name[11:]}.gz", hashlib.sha256(read(name)).hexdigest()) in named, "no digest names it")
        holds(f"CloudTrail has signed for {len(trail)} log file(s)")
    with claim("trail.event", "receipt.signature", "trail.digest") as holds:
        missing = {("s3.amazonaws.com", None, *each[0]) for each in shown.values()}
        for record in (record for name in trail for record in parse(read(name))["Records"]):
            about = [record.get("eventSource"), record.get("errorCode")]
            about += [(record.get("requestParameters") or {}).get(each) for each in ("bucketName", "key")]
            about += [(record.get("responseElements") or {}).get("x-amz-version-id")]
            if record.get("eventName") in WRITES and tuple(about) in missing:
                missing.remove(tuple(about))
                who = record["userIdentity"].get("arn") or record["userIdentity"].get("principalId")
                last = f"written at {record['eventTime']} by {who} from {record.get('sourceIPAddress')}"
        need(not missing, f"{len(missing)} write(s) are not in the trail")
        holds(f"{len(shown)} write(s); {last}")
    if files := [one for one in sums if re.fullmatch("objects/[0-9]{1,18}" if is_export else "object", one)]:
        with claim("object.hash", "bundle.files", "receipt.signature") as holds:
            for name in files:
                found = (sums[name], (folder / name).stat().st_size)
                need(found == shown[int(name[8:] or 0)][1], f"{name} is another object")
            holds(f"{len(files)} object(s) here are as they were recorded")
    if trusted is not None:
        with claim("registry.trusted", "receipt.signature", "log.checkpoint") as holds:
            need(used <= {key[0] for key in parse_registry(trusted.read_bytes()).values()}, "it lacks a key")
            holds("the keys that signed are in your registry")
    return results


if __name__ == "__main__":
    if serialization is None and shutil.which("openssl") is None:
        print("Install the Python package cryptography, or the program openssl.", file=sys.stderr)
        sys.exit(3)
    claims = check(Path(__file__).resolve().parent, Path(sys.argv[1]) if sys.argv[1:] else None)
    for name, (is_shown, words) in claims.items():
        print("holds " if is_shown else "FAILED", f"{name:17}", ascii(words)[1:-1])
    sys.exit(0 if all(is_shown for is_shown, _ in claims.values()) else 1)
