"""Who may do more or less: compares every policy of one side with those of the other.

A role's own policies are compared together, whatever their names; a trust policy, a resource's policy and a
permissions boundary are compared separately. Access gets wider if a deny is removed or covers less.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from scripts.review import words
from scripts.review.exchanges import Exchange, Place, exchanges, place
from scripts.review.findings import About, Direction, Finding, digest
from scripts.review.grants import ANYONE, Grant, Region, Stated, grant_covers, lost, parts_cover, stated
from scripts.review.sides import Side
from scripts.review.words import code, codes
from scripts.state.policies import Policy

_KINDS = {
    "identity": "identity policy",
    "boundary": "boundary",
    "trust": "trust policy",
    "resource": "policy",
}
_CONFINING = re.compile(
    r"aws:(source(account|arn|owner|orgid|orgpaths|vpc|vpce|ip)|principal(account|arn|orgid|orgpaths)|userid)"
    r"|kms:calleraccount"
)
"""Condition keys that confine "anyone" ("The meaning of 'public'", Amazon S3 User Guide)."""


def compare_access(before: Side, after: Side) -> list[Finding]:
    """Return every difference in what the policies of two sides allow and deny."""
    accounts = before.accounts | after.accounts
    return [
        *_roles_come_and_gone(before, after),
        *_undecided(before, after),
        *(
            finding
            for old, new in _scopes(before, after)
            for finding in compare_statements(old, new, accounts)
        ),
        *_boundaries_exchanged(before, after),
        *_versions_changed(before, after),
    ]


def compare_statements(
    before: list[Stated], after: list[Stated], accounts: Iterable[str] = ()
) -> list[Finding]:
    """Compare all that applies together on two sides. ``accounts``: those that are no others."""
    own = frozenset(accounts)
    told = exchanges(before, after)
    findings: list[Finding] = []
    of_lists: dict[Place, list[Finding]] = defaultdict(list)
    differences: tuple[tuple[Direction, str, list[Stated], list[Stated]], ...] = (
        ("wider", "Allow", after, before),
        ("wider", "Deny", before, after),
        ("narrower", "Allow", before, after),
        ("narrower", "Deny", after, before),
    )
    for direction, effect, having, others in differences:
        by_place: dict[Place | None, list[Stated]] = defaultdict(list)
        for entry in lost(_effect(effect, having), others):
            by_place[place(entry) if place(entry) in told else None].append(entry)
        for where, entries in by_place.items():
            found = _found(direction, entries, others, own)
            if where is None:
                findings += found
            else:
                of_lists[where] += found
    for where, parts in of_lists.items():
        both = {part.direction for part in parts} == {"wider", "narrower"}
        findings += [_exchanged(told[where], parts)] if both else parts
    return findings


def _exchanged(exchange: Exchange, parts: list[Finding]) -> Finding:
    """Tell of one list of names what is in it and was not, in place of all that this makes of grants."""
    wider = [part for part in parts if part.direction == "wider"]
    policy, added, removed = exchange.policy, exchange.added, exchange.removed
    verb = "refuses" if exchange.effect == "Deny" else "allows"
    subject = _place(policy)
    text = f"{subject}, statement {code(exchange.sid)} that {verb} {codes(exchange.actions)}: "
    text += f"{code(exchange.names)} {'excepts ' if exchange.excepts else ''}"
    text += f"{codes(added)} instead of {codes(removed)}"
    only = wider[0] if len(wider) == 1 else Finding("wider", "access", "", "")
    return replace(
        only,
        about="exposure" if any(part.about == "exposure" for part in wider) else "access",
        subject=subject,
        text=text,
        effect=exchange.effect,
        policy=policy.name,
        statement=exchange.sid,
        address=policy.address,
        change=digest(sorted(part.id for part in parts)),
    )


def _scopes(before: Side, after: Side) -> Iterator[tuple[list[Stated], list[Stated]]]:
    """Yield what is compared together. What is new has no denials to report; what is gone has nothing."""
    undecided = {policy.address for policy in after.policies if _unknown_yet(policy)}
    olds, news = (_by_scope(side, undecided) for side in (before, after))
    for kind, owner in sorted(olds.keys() | news.keys()):
        old, new = olds.get((kind, owner), []), news.get((kind, owner), [])
        if kind == "boundary":
            if old and new:
                yield old, new
        elif owner in after.owners:
            yield old, new if owner in before.owners else _effect("Allow", new)


def _by_scope(side: Side, undecided: set[str]) -> dict[tuple[str, str], list[Stated]]:
    found: dict[tuple[str, str], list[Stated]] = defaultdict(list)
    once = {
        (
            policy.kind,
            policy.name if policy.kind == "boundary" else policy.owner,
            policy.address,
            policy.name,
        ): policy
        for policy in side.policies
        if policy.document is not None and policy.address not in undecided
    }
    for (kind, owner, _, _), policy in once.items():
        found[kind, owner] += stated(policy)
    return found


def _effect(effect: str, entries: Iterable[Stated]) -> list[Stated]:
    return [entry for entry in entries if entry.grant.effect == effect]


def _found(
    direction: Direction, entries: Iterable[Stated], others: list[Stated], accounts: frozenset[str]
) -> Iterator[Finding]:
    """Put the single grants of a statement together again, by principal, resources and comparison."""
    together: dict[tuple[object, ...], dict[str, list[Stated]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        grant, compared = entry.grant, _compared(direction, entry, others)
        key = (entry.policy.address, entry.sid, grant.effect, grant.principal, grant.conditions, compared)
        together[key][entry.action].append(entry)
    for group, by_action in together.items():
        alike: dict[tuple[Region, ...], list[Stated]] = defaultdict(list)
        for found in by_action.values():
            alike[tuple(sorted({entry.grant.resource for entry in found}))] += found
        for found in alike.values():
            yield _finding(direction, found, str(group[-1]), accounts)


_VERBS = {
    ("wider", "Allow"): "may now",
    ("narrower", "Allow"): "may no longer",
    ("wider", "Deny"): "is no longer denied",
    ("narrower", "Deny"): "is now denied",
}


def _finding(direction: Direction, found: list[Stated], compared: str, accounts: frozenset[str]) -> Finding:
    policy, grant, sid = found[0].policy, found[0].grant, found[0].sid
    principal, who = words.principal(found[0], accounts)
    actions = tuple(sorted({entry.action for entry in found}))
    resources = tuple(sorted({words.resource(entry) for entry in found}))
    about: About = "access"
    if direction == "wider" and grant.effect == "Allow" and policy.kind in {"trust", "resource"}:
        about = _exposure(grant, accounts) or about
    return Finding(
        direction=direction,
        about=about,
        subject=who,
        text=f"{who} {_VERBS[direction, grant.effect]} {codes(actions)} on {codes(resources)}"
        f"{words.conditions(grant.conditions)}: {_place(policy)}"
        f"{f', statement {code(sid)}' if sid else ''}{compared}",
        principal=principal,
        actions=actions,
        resources=resources,
        effect=grant.effect,
        policy=policy.name,
        statement=sid,
        address=policy.address,
        change=digest(sorted(repr(entry.grant) for entry in found)),
    )


def _place(policy: Policy) -> str:
    if policy.kind in {"resource", "trust"}:
        return f"{_KINDS[policy.kind]} of {words.owner(policy)}"
    return f"{_KINDS[policy.kind]} {code(policy.name)}"


def _exposure(grant: Grant, accounts: frozenset[str]) -> About | None:
    """Whether a grant lets in the public, or another account."""
    confined = any(
        _CONFINING.fullmatch(clause.key.lower()) and not clause.negated and not clause.if_exists
        for clause in grant.conditions
    )
    if grant.principal.negated or grant.principal.patterns == (ANYONE,):
        return None if confined else "exposure"
    match = re.match(r"arn:[^:]+:(?:iam|sts)::([^:]*):", grant.principal.patterns[0])
    return "exposure" if match and match[1] not in accounts else None


def _compared(direction: Direction, entry: Stated, others: list[Stated]) -> str:
    """Say what the other side has instead: other conditions, a part of it, or nothing of it."""
    grant = entry.grant
    other_is_before = (direction == "wider") == (grant.effect == "Allow")
    alike = [other for other in others if other.grant.effect == grant.effect]
    # Two denials that overlap say nothing of each other, unless one is what the other was.
    wider = [
        other
        for other in alike
        if parts_cover(other.grant, grant) and (grant.effect == "Allow" or other.sid == entry.sid)
    ]
    if wider:
        nearest = min(wider, key=lambda other: (other.sid != entry.sid, len(words.unmet(grant, other.grant))))
        said = words.restrictions(grant, nearest.grant, other_is_before=other_is_before)
        return f"; {'before' if other_is_before else 'now'} {said}"
    within = [other for other in alike if grant_covers(grant, other.grant)]
    if within:
        when = "before" if other_is_before else "now"
        resources = codes(words.resource(other) for other in within)
        return f"; {when} only {codes(other.action for other in within)} on {resources}"
    if other_is_before:
        return "; not allowed before" if grant.effect == "Allow" else "; not denied before"
    return ""


def _roles_come_and_gone(before: Side, after: Side) -> Iterator[Finding]:
    for name in sorted(before.roles.keys() - after.roles.keys()):
        who, address = f"role {code(name)}", before.roles[name].trust.address
        text = f"{who} is gone, with all its permissions"
        yield Finding("narrower", "access", who, text, principal=name, address=address)
    for name in sorted(after.roles.keys() - before.roles.keys()):
        who, address = f"role {code(name)}", after.roles[name].trust.address
        yield Finding("wider", "access", who, f"{who} is new", principal=name, address=address)
        if not any((policy.kind, policy.owner) == ("boundary", name) for policy in after.policies):
            text = f"{who} has no permissions boundary"
            yield Finding("wider", "access", who, text, address=address)


def _unknown_yet(policy: Policy) -> bool:
    return policy.document is None and not policy.name.startswith("arn:")


def _undecided(before: Side, after: Side) -> Iterator[Finding]:
    """Yield the policies that were not compared: unknown until apply, or made elsewhere and attached."""
    for policy in after.policies:
        if _unknown_yet(policy):
            who = words.owner(policy)
            text = f"{_place(policy)} is not known until apply: {code(policy.address)}"
            yield Finding("wider", "unknown", who, text, policy=policy.name, address=policy.address)
    old, new = _made_elsewhere(before), _made_elsewhere(after)
    for owner, name in sorted(new.keys() - old.keys()):
        policy, who = new[owner, name], words.owner(new[owner, name])
        text = f"{who} now has {code(name)}, which is managed elsewhere: not compared"
        yield Finding("wider", "unknown", who, text, policy=name, address=policy.address)
    for owner, name in sorted(old.keys() - new.keys()):
        policy, who = old[owner, name], words.owner(old[owner, name])
        if owner in after.owners:
            text = f"{who} no longer has {code(name)}"
            yield Finding("narrower", "access", who, text, policy=name, address=policy.address)


def _versions_changed(before: Side, after: Side) -> Iterator[Finding]:
    """Yield the policies that are read by other rules now ("IAM JSON policy elements: Version").

    Before 2012-10-17, ``${…}`` was no variable but a text.
    """
    olds, news = (
        {(policy.kind, policy.owner, policy.name): policy for policy in side.policies if policy.document}
        for side in (before, after)
    )
    for key in sorted(olds.keys() & news.keys()):
        was, now = ((side[key].document or {}).get("Version", "2008-10-17") for side in (olds, news))
        if was != now:
            policy = news[key]
            text = f"{_place(policy)} is of version {code(now)}, before {code(was)}: "
            text += "`${…}` in it now has another meaning"
            yield Finding(
                "wider", "access", words.owner(policy), text, policy=policy.name, address=policy.address
            )


def _made_elsewhere(side: Side) -> dict[tuple[str, str], Policy]:
    return {
        (policy.owner, policy.name): policy
        for policy in side.policies
        if policy.document is None and policy.kind == "identity" and not _unknown_yet(policy)
    }


def _boundaries_exchanged(before: Side, after: Side) -> Iterator[Finding]:
    """Yield the roles whose boundary went, came, or is another policy now."""
    unknown = {
        policy.owner for policy in after.policies if policy.kind == "boundary" and _unknown_yet(policy)
    }
    for name in sorted((before.roles.keys() & after.roles.keys()) - unknown):
        old, new = before.roles[name], after.roles[name]
        if old.boundary_arn == new.boundary_arn:
            continue
        who, direction = f"role {code(name)}", _boundary_direction(before, after, name)
        had, has = (code(arn) if arn else "none" for arn in (old.boundary_arn, new.boundary_arn))
        text = f"{who} has the permissions boundary {has}, before {had}"
        if direction == "wider" and old.boundary_arn and new.boundary_arn:
            text += ": it allows more, or is managed elsewhere and was not compared"
        address = new.trust.address
        yield Finding(direction, "access", who, text, policy="permissions boundary", address=address)


def _boundary_direction(before: Side, after: Side, role: str) -> Direction:
    old, new = before.roles[role], after.roles[role]
    if old.boundary_arn is None:
        return "narrower"
    if old.boundary is None or new.boundary is None:
        return "wider"
    changes = compare_statements(stated(old.boundary), stated(new.boundary))
    return "wider" if any(change.direction == "wider" for change in changes) else "narrower"
