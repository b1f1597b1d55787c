"""Decisions of people: to release or dismiss withheld object versions, or to have versions judged again.

A decision is an object ``decisions/<table>/<any name>.json`` in the processed bucket. Only data engineers may
create one, and nobody may replace one; the recorder signs it, and its receipt names the writer. Its content:

    {"type": "urn:custody:decision:v1", "table": …, "action": "release", "dismiss" or "reprocess",
     "reason": …, "versions": [{"bucket", "key", "version_id"}, …]}

A released version is handed out once more, in a manifest that names the decision; thresholds do not withhold
it then. A dismissed version is no longer withheld: something else replaced it, or it is not needed. One to
reprocess, because its contract changed (``custody.gate.reprocess``), is handed out once more too. With
``"withheld": true`` the thresholds apply to it again, and it stays withheld until it meets them; otherwise it
was published before, and is not withheld any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.objects import ObjectVersion
from custody.gate.writers import NotRecordedError, Writers, is_gone, is_session_of

DECISION_TYPE = "urn:custody:decision:v1"
MAX_DECISION_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Again:
    """That a version is to be handed out once more."""

    decision: str
    """The decision's URI."""
    is_withheld: bool
    """Whether the thresholds apply to it."""


@dataclass
class Decisions:
    """The decisions about one table."""

    again: dict[ObjectVersion, list[Again]] = field(default_factory=dict)
    """For which decisions a version is handed out once more each, in their order."""
    released: set[ObjectVersion] = field(default_factory=set)
    dismissed: set[ObjectVersion] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    """A sentence for each decision that is refused."""


def read_decisions(
    writers: Writers,
    bucket: str,
    names: Collection[str],
    table: str,
    may_decide: Callable[[str | None], bool],
) -> Decisions:
    """Read the decisions with these names, in their order; one without a receipt yet is left for later."""
    found = Decisions()
    for name in sorted(names):
        key = f"decisions/{table}/{name}"
        try:
            document = writers.read(bucket, key, may_decide, MAX_DECISION_BYTES)
            action, versions = parse_decision(document.body, table, f"decision {document.version.uri}")
        except NotRecordedError:
            continue
        except EvidenceError as error:
            found.refused.append(error.message)
            continue
        except ClientError as error:
            if not is_gone(error):
                raise
            continue
        if action == "dismiss":
            found.dismissed.update(versions)
            continue
        for version, is_withheld in versions.items():
            found.again.setdefault(version, []).append(Again(document.version.uri, is_withheld))
        if action == "release":
            found.released.update(versions)
    for version in found.dismissed & found.again.keys():
        found.again[version] = [again for again in found.again[version] if not again.is_withheld]
    return found


def may_decide(principal: str | None, deciders: Collection[str], others: Collection[str]) -> bool:
    """Whether a principal may decide: a session of the deciders' roles.

    If their ids are not known (AWS IAM Identity Center creates those roles), any session except those of the
    kit's ``others``: then the bucket policy controls who creates decisions.
    """
    if deciders:
        return is_session_of(principal, deciders)
    named = (principal or "").startswith("AWS:AROA") and ":" in (principal or "")[len("AWS:") :]
    return named and not is_session_of(principal, others)


def parse_decision(body: bytes, table: str, what: str) -> tuple[str, dict[ObjectVersion, bool]]:
    """A decision's action, and its versions: whether each is to be judged by the thresholds again.

    Raises ``EvidenceError`` naming the first error.
    """
    fields = Fields(parse_object(body, what, MAX_DECISION_BYTES), what)
    if (kind := fields.text("type")) != DECISION_TYPE:
        raise EvidenceError(f"The {what}'s type is {kind[:80]!r}, not {DECISION_TYPE}.")
    if (said := fields.text("table")) != table:
        raise EvidenceError(f"The {what} is about the table {said[:80]!r}.")
    if (action := fields.text("action")) not in {"release", "dismiss", "reprocess"}:
        raise EvidenceError(
            f"The {what}'s action is {action[:80]!r}, none of release, dismiss and reprocess."
        )
    fields.words("reason")
    versions = {
        ObjectVersion(item.words("bucket"), item.words("key"), item.words("version_id")): (
            action == "reprocess" and item.flag("withheld")
        )
        for item in fields.objects("versions")
    }
    return action, versions
