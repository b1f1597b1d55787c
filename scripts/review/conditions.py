"""Whether one condition of a policy implies another.

After "IAM JSON policy elements: Condition operators" and "… with multiple context keys or values" (IAM User
Guide). A statement's conditions all have to hold; the values of one are alternatives, of a negated operator
all are refused. What is not sure to be implied is not: the answer errs towards a difference.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from scripts.review.patterns import covers, covers_arn

_OPERATOR = re.compile(r"(?:(ForAnyValue|ForAllValues):)?(\w+?)(IfExists)?", re.IGNORECASE)
_SAME_TEST = {"arnequals": "arnlike"}
_NOT = re.compile(r"^(string|arn|numeric|date)not|^not(?=ipaddress)")


@dataclass(frozen=True, order=True)
class Clause:
    """One operator on one condition key. ``values`` are sorted; ``written`` is the operator as it stands."""

    key: str
    test: str
    negated: bool
    quantifier: str
    if_exists: bool
    values: tuple[str, ...]
    written: str

    def __str__(self) -> str:
        return f"{self.key} {self.written} {' or '.join(self.values)}"


def clauses(condition: dict[str, Any] | None) -> tuple[Clause, ...]:
    """Return the clauses of a statement's ``Condition``, in a fixed order."""
    found = []
    for operator, keys in (condition or {}).items():
        match = _OPERATOR.fullmatch(operator)
        quantifier, name, if_exists = match.groups() if match else (None, operator, None)
        test = _NOT.sub(lambda hit: hit[1] or "", name.lower())
        for key, values in keys.items():
            texts = {_text(value) for value in (values if isinstance(values, list) else [values])}
            found.append(
                Clause(
                    key=key,
                    test=_SAME_TEST.get(test, test),
                    negated=test != name.lower(),
                    quantifier=(quantifier or "").lower(),
                    if_exists=if_exists is not None,
                    values=tuple(sorted(texts)),
                    written=operator,
                )
            )
    return tuple(sorted(found))


def all_imply(given: Iterable[Clause], wanted: Iterable[Clause]) -> bool:
    """Whether every request that meets all of ``given`` meets all of ``wanted``."""
    given = tuple(given)
    return all(any(implies(clause, other) for clause in given) for other in wanted)


def implies(given: Clause, wanted: Clause) -> bool:
    """Whether every request that meets ``given`` meets ``wanted``."""
    if given.key.lower() != wanted.key.lower():
        return False
    if _meaning(given) == _meaning(wanted):
        return True
    if wanted.test == "null":
        return wanted.values == ("false",) and _needs_the_key(given)
    return (
        (given.quantifier, given.negated) == (wanted.quantifier, wanted.negated)
        and _missing_key_is_no_new_case(given, wanted)
        and _values_imply(given, wanted)
    )


def _meaning(clause: Clause) -> tuple[object, ...]:
    return (clause.test, clause.negated, clause.quantifier, clause.if_exists, clause.values)


def _values_imply(given: Clause, wanted: Clause) -> bool:
    if given.test in _BOUNDS and given.test == wanted.test:
        return _bound_implies(given, wanted)
    if given.negated:
        return all(
            any(_stands_for(given.test, value, wanted.test, refused) for value in given.values)
            for refused in wanted.values
        )
    return all(
        any(_stands_for(wanted.test, value, given.test, allowed) for value in wanted.values)
        for allowed in given.values
    )


def _needs_the_key(clause: Clause) -> bool:
    return clause.test != "null" and not (
        clause.negated or clause.if_exists or clause.quantifier == "forallvalues"
    )


def _missing_key_is_no_new_case(given: Clause, wanted: Clause) -> bool:
    """Whether ``wanted`` holds without the key if ``given`` does: a negated operator and IfExists both do."""
    if given.quantifier == "forallvalues" or (given.negated and given.quantifier == ""):
        return True
    return wanted.if_exists or not given.if_exists


def _stands_for(wide_test: str, wide: str, narrow_test: str, narrow: str) -> bool:
    """Whether the value ``wide`` is met by everything that meets ``narrow``, each read by its test."""
    if wide_test != narrow_test:
        if (wide_test, narrow_test) == ("stringlike", "stringequals"):
            return covers(wide, narrow)
        if (wide_test, narrow_test) == ("stringequalsignorecase", "stringequals"):
            return wide.lower() == narrow.lower()
        return False
    reading = _READINGS.get(wide_test)
    return wide == narrow if reading is None else reading(wide, narrow)


def _network_covers(wide: str, narrow: str) -> bool:
    try:
        outer = ipaddress.ip_network(wide, strict=False)
        inner = ipaddress.ip_network(narrow, strict=False)
    except ValueError:
        return wide == narrow
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


_READINGS: dict[str, Callable[[str, str], bool]] = {
    "arnlike": covers_arn,
    "bool": lambda wide, narrow: wide.lower() == narrow.lower(),
    "ipaddress": _network_covers,
    "stringequalsignorecase": lambda wide, narrow: wide.lower() == narrow.lower(),
    "stringlike": covers,
}
_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    "numericlessthan": float.__le__,
    "numericlessthanequals": float.__le__,
    "numericgreaterthan": float.__ge__,
    "numericgreaterthanequals": float.__ge__,
}


def _bound_implies(given: Clause, wanted: Clause) -> bool:
    """Compare bounds: of several values the loosest counts, for they are alternatives."""
    try:
        ours, theirs = ([float(value) for value in clause.values] for clause in (given, wanted))
    except ValueError:
        return False
    loosest = max if given.test.startswith("numericless") else min
    return _BOUNDS[given.test](loosest(ours), loosest(theirs))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
