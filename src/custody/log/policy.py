"""Trust policies: whose signatures a checkpoint must have.

Standard: C2SP tlog-policy at commit 5ba5ee8 (https://c2sp.org/tlog-policy). A checkpoint must be signed by
one of the logs, and cosigned by the quorum of witnesses. A policy is read here as octets that are UTF-8 where
they are the name of a key; what cannot be checked here (a key of an unknown type) refuses the policy.

It needs ``cryptography``, which the Lambda functions do not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from custody.errors import EvidenceError
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.note import Algorithm, Note, NoteKey, parse_verifier_key
from custody.log.note_keys import require_readable, verify_note

NO_QUORUM = "none"
MAX_POLICY_BYTES = 64 * 1024

_CONTROL = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_BLANKS = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_COSIGNERS = frozenset({Algorithm.ED25519_COSIGNATURE, Algorithm.ML_DSA_44_COSIGNATURE})


class LacksQuorumError(EvidenceError):
    """A checkpoint of a log of the policy lacks cosignatures."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A checkpoint that satisfies a policy."""

    checkpoint: Checkpoint
    log_keys: tuple[NoteKey, ...]
    """The log's keys that have signed it."""
    seen_at: Mapping[str, int]
    """Witnesses, by their name in the policy: when each has seen it, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses, or groups of them, of which so many must have cosigned."""

    threshold: int
    members: tuple[str, ...]


@dataclass(slots=True)
class Policy:
    """Whose signatures count, and which are needed."""

    logs: list[NoteKey] = field(default_factory=list)
    witnesses: dict[str, NoteKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    """In an order in which each comes after its members."""
    quorum: str = NO_QUORUM

    def judge(self, note: Note) -> Judged:
        """Check a checkpoint. Raises ``EvidenceError`` if it is not valid by this policy.

        That is a ``LacksQuorumError`` if all that it lacks are cosignatures.
        """
        checkpoint = parse_checkpoint(note.text)
        signed = verify_note(note, [*self.logs, *self.witnesses.values()])
        logs = tuple(dict.fromkeys(one.key for one in signed if one.key in self.logs))
        if not logs:
            raise EvidenceError("No log of the policy has signed the checkpoint.")
        if {key.name for key in logs} != {checkpoint.origin}:
            raise EvidenceError(f"The checkpoint of {checkpoint.origin[:200]!r} is signed by another log.")
        times = {one.key: one.seconds for one in signed if one.seconds is not None}
        seen = {name: times[key] for name, key in self.witnesses.items() if key in times}
        self._require_quorum(seen)
        return Judged(checkpoint, logs, seen)

    def _require_quorum(self, seen: Mapping[str, int]) -> None:
        witnessed = set(seen)
        for name, group in self.groups.items():
            if len(witnessed & set(group.members)) >= group.threshold:
                witnessed.add(name)
        if self.quorum not in {NO_QUORUM, *witnessed}:
            have = ", ".join(sorted(seen)) or "none"
            raise LacksQuorumError(
                f"The checkpoint lacks the cosignatures of the quorum {self.quorum[:80]!r} (it has {have})."
            )


def format_policy(logs: Iterable[NoteKey]) -> bytes:
    """The policy that accepts these logs without witnesses."""
    lines = [*(f"log {key.to_verifier_key()}" for key in logs), f"quorum {NO_QUORUM}"]
    return "".join(f"{line}\n" for line in lines).encode()


def parse_policy(data: bytes) -> Policy:
    """Read a policy file. Raises ``EvidenceError``, which names the line."""
    if len(data) > MAX_POLICY_BYTES:
        raise EvidenceError(f"The policy is {len(data)} bytes long, over the limit of {MAX_POLICY_BYTES}.")
    if _CONTROL.search(data):
        raise EvidenceError("The policy has a control character.")
    *lines, rest = data.decode("utf-8", "surrogateescape").split("\n")
    if rest:
        raise EvidenceError("The last line of the policy does not end in a newline.")
    policy = Policy()
    has_quorum = False
    for number, line in enumerate(lines, start=1):
        words = _BLANKS.split(line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            if words[0] == "quorum":
                _add_quorum(policy, words[1:], again=has_quorum)
                has_quorum = True
            else:
                _add(policy, words)
        except EvidenceError as error:
            raise EvidenceError(f"Line {number} of the policy: {error.message}") from error
    if not has_quorum:
        raise EvidenceError("The policy has no quorum.", "Write quorum none if no witness is needed.")
    return policy


def _add(policy: Policy, words: list[str]) -> None:
    match words:
        case ["log", text] | ["log", text, _]:
            policy.logs.append(_key(text, policy.logs))
        case ["witness", name, text] | ["witness", name, text, _]:
            _require_new(policy, name)
            key = _key(text, policy.witnesses.values())
            if key.algorithm not in _COSIGNERS:
                raise EvidenceError(f"The key of {key.name[:200]!r} is not one of a witness.")
            policy.witnesses[name] = key
        case ["group", name, threshold, *members]:
            _require_new(policy, name)
            policy.groups[name] = _group(policy, threshold, members)
        case _:
            raise EvidenceError("It is none of log, witness, group and quorum with what belongs to it.")


def _add_quorum(policy: Policy, names: list[str], *, again: bool) -> None:
    if again:
        raise EvidenceError("There is more than one quorum.")
    if len(names) != 1 or names[0] not in {NO_QUORUM, *policy.witnesses, *policy.groups}:
        raise EvidenceError("The quorum is not one witness or group that is defined above it.")
    policy.quorum = names[0]


def _key(text: str, others: Iterable[NoteKey]) -> NoteKey:
    key = parse_verifier_key(text)
    require_readable(key)
    if any(key.public_key == other.public_key for other in others):
        raise EvidenceError(f"The key of {key.name[:200]!r} is there twice.")
    return key


def _require_new(policy: Policy, name: str) -> None:
    if name in {NO_QUORUM, *policy.witnesses, *policy.groups}:
        raise EvidenceError(f"The name {name[:200]!r} is taken.")


def _group(policy: Policy, threshold: str, members: list[str]) -> Group:
    taken = {member for group in policy.groups.values() for member in group.members}
    for place, member in enumerate(members):
        if member not in {*policy.witnesses, *policy.groups}:
            raise EvidenceError(f"The member {member[:200]!r} is not defined above.")
        if member in taken or member in members[:place]:
            raise EvidenceError(f"The member {member[:200]!r} is in a group already.")
    needed = {"all": len(members), "any": 1}.get(threshold)
    if needed is None:
        needed = int(threshold) if _THRESHOLD.fullmatch(threshold) else 0
    if not 1 <= needed <= len(members):
        raise EvidenceError(f"{threshold[:80]!r} of {len(members)} members is no group.")
    return Group(needed, tuple(members))
