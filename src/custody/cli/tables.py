"""Answers as tables for people. All text from outside goes through ``visible``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from custody.cli.options import Run
from custody.doctor.doctor import Check, State
from custody.findings import Claim, Finding, Severity
from custody.ledger.ledger import DENIED, AccessRow, LedgerRow, LedgerStatus
from custody.ledger.story import (
    Sentence,
    Stored,
    Story,
    Tone,
    tell_access,
    tell_lineage,
    tell_version,
    tell_witness,
)
from custody.lineage.document import TableVersion
from custody.lineage.graph import Kind
from custody.terminal import beginning, shorten, visible
from custody.times import format_time
from custody.verify.reconcile import ReconciledStatus

if TYPE_CHECKING:
    from custody.cli.places import Place
    from custody.gate.reprocess import Asked
    from custody.ledger.anomalies import Anomaly
    from custody.lineage.walk import Walk
    from custody.recorder.backfill import BackfillCounts
    from custody.verify.reconcile import ReconciledRow, Reconciliation
    from custody.verify.verify import VerificationReport

STYLES: dict[str, str] = {
    LedgerStatus.VERIFIED: "green",
    LedgerStatus.LATE: "yellow",
    LedgerStatus.PENDING: "cyan",
    LedgerStatus.UNTRACKED: "magenta",
    LedgerStatus.MISMATCH: "bold red",
    LedgerStatus.UNPROVENANCED: "bold red",
    LedgerStatus.UNWITNESSED: "bold red",
}

_SEVERITY_STYLES = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
}
_STATE_STYLES = {State.OK: "green", State.BROKEN: "bold red", State.UNKNOWN: "yellow"}
_TONES = {
    Tone.GOOD: ("✓", "bold green"),
    Tone.BAD: ("✗", "bold red"),
    Tone.WAIT: ("!", "yellow"),
    Tone.PLAIN: ("·", "dim"),
}
"""A mark before each sentence, so that it is understood without colour."""

_BLOCK_ROWS = 500
"""Tables are laid out in memory: a long ledger is printed in blocks of so many rows, with the same widths."""


MAX_DELETIONS_SHOWN = 20

_WIDE = 120
"""From this width, a row has room for the source IP address and the first characters of the digest."""
_VERY_WIDE = 160
"""From this width, a line of lineage has room for an object's full version id."""
_FROM_WIDTH = 15
"""Room for an IPv4 address; a longer one is shortened (``custody show`` and JSON show it in full)."""


def _ledger_widths(width: int) -> dict[str, int]:
    """The ledger's columns and their widths: who and object share the remaining width."""
    fixed = {"time": 20, "status": 13, "layer": 10}
    more = {"from": _FROM_WIDTH, "sha-256": 12} if width >= _WIDE else {}
    columns = len(fixed) + len(more) + 2
    room = max(width - sum(fixed.values()) - sum(more.values()) - 2 * columns, 24)
    who = room * 4 // 10
    return fixed | {"object": room - who, "who": who} | more


def print_ledger(run: Run, rows: Iterable[LedgerRow], limit: int | None) -> None:
    """Print the ledger as its rows arrive, then the number of rows by status."""
    counts: Counter[str] = Counter()
    widths = _ledger_widths(run.out.width)
    remaining = iter(rows)
    while block := list(islice(remaining, _BLOCK_ROWS)):
        table = _fixed_table(widths, show_header=not counts)
        for row in block:
            counts[row.status] += 1
            cells: dict[str, str | Text] = {
                "time": format_time(row.time.replace(microsecond=0)) if row.time else "unknown",
                "status": Text(visible(row.status), style=STYLES.get(row.status, "")),
                "layer": visible(row.layer),
                "object": visible(row.object_key),
                "who": shorten(visible(row.who), widths["who"]),
                "from": shorten(visible(row.source_ip or row.invoked_by or ""), _FROM_WIDTH),
                "sha-256": (row.sha256 or "none")[:12],
            }
            table.add_row(*(cells[name] for name in widths))
        run.out.print(table)
    if not counts:
        run.say("The ledger has no matching rows.")
        return
    if run.out.width < _WIDE:
        _say_left_out(run, "from, sha-256", _WIDE)
    run.say(
        f"{plural(counts.total(), 'row')}: "
        + ", ".join(f"{number:,} {status}" for status, number in counts.most_common())
        + _limit_words(counts.total(), limit)
    )


def print_reads(run: Run, rows: Iterable[AccessRow], limit: int | None) -> None:
    """Print reads as their rows arrive, then how many were allowed and how many denied."""
    counts: Counter[str] = Counter()
    width = run.out.width
    fixed = {"time": 20, "result": 13} | ({"from": _FROM_WIDTH} if width >= _WIDE else {})
    room = max(width - sum(fixed.values()) - 2 * (len(fixed) + 2), 24)
    widths = fixed | {"who": room * 4 // 10, "object": room - room * 4 // 10}
    remaining = iter(rows)
    while block := list(islice(remaining, _BLOCK_ROWS)):
        table = _fixed_table(widths, show_header=not counts)
        for row in block:
            result = "read" if row.error_code is None else "denied" if row.error_code == DENIED else "failed"
            counts[result] += 1
            cells: dict[str, str | Text] = {
                "time": format_time(row.event_time.replace(microsecond=0)) if row.event_time else "unknown",
                "result": Text(
                    result if result != "failed" else shorten(visible(row.error_code or ""), fixed["result"]),
                    style={"denied": "bold red", "failed": "yellow"}.get(result, ""),
                ),
                "from": shorten(visible(row.source_ip or row.invoked_by or ""), _FROM_WIDTH),
                "who": shorten(visible(row.who), widths["who"]),
                "object": visible(f"{row.bucket_name or ''}/{row.object_key or ''}"),
            }
            table.add_row(*(cells[name] for name in widths))
        run.out.print(table)
    if not counts:
        run.say("CloudTrail has no matching reads (yet).")
        return
    if width < _WIDE:
        _say_left_out(run, "from", _WIDE)
    run.say(
        f"{plural(counts.total(), 'row')}: "
        + ", ".join(f"{number:,} {result}" for result, number in counts.most_common())
        + _limit_words(counts.total(), limit)
    )


def _fixed_table(widths: Mapping[str, int], *, show_header: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=show_header, header_style="bold")
    for name, width in widths.items():
        table.add_column(name, width=width, overflow="fold")
    return table


def _say_left_out(run: Run, columns: str, width: int) -> None:
    run.say(
        f"Left out, the terminal being {run.out.width} columns wide: {columns}. They are shown from {width} "
        "columns, and by --format json."
    )


def _limit_words(rows: int, limit: int | None) -> str:
    return f" (the newest; there may be more than --limit {limit})" if rows == limit else ""


_LINEAGE_WORDS = {
    Kind.GOLD: "gold version",
    Kind.SILVER: "silver version",
    Kind.REJECTED: "quarantine version",
    Kind.MANIFEST: "manifest",
    Kind.OBJECT: "object version",
}


def _lineage_widths(width: int) -> dict[str, int]:
    """The columns of lineage and their widths; a wide table has room for an object's full version id."""
    fixed = {"layer": 8, "version": 36 if width >= _VERY_WIDE else 14, "sha-256": 12}
    more = {"rows": 11, "run": 14, "committed": 20} if width >= _WIDE else {}
    columns = len(fixed) + len(more) + 1
    what = max(width - sum(fixed.values()) - sum(more.values()) - 2 * columns, 20)
    return {"layer": fixed.pop("layer"), "what": what} | fixed | more


def print_lineage(run: Run, found: Walk) -> None:
    """Print one line per node, from gold to raw; then the number of each kind, and remarks."""
    run.out.print(Text(visible(found.start), style="bold"), soft_wrap=True)
    widths = _lineage_widths(run.out.width)
    nodes = found.graph.nodes()
    is_first = True
    while block := list(islice(nodes, _BLOCK_ROWS)):
        table = _fixed_table(widths, show_header=is_first)
        for node in block:
            cells = _lineage_cells(node)
            table.add_row(
                *(
                    cells[name] if name == "what" else shorten(cells[name], width)
                    for name, width in widths.items()
                )
            )
        run.out.print(table)
        is_first = False
    if run.out.width < _WIDE:
        _say_left_out(run, "rows, run, committed", _WIDE)
    counts = {words: found.graph.count(kind) for kind, words in _LINEAGE_WORDS.items()}
    run.say(", ".join(plural(count, words) for words, count in counts.items() if count) or "No table.")
    for words in found.missing:
        run.say(words, style="bold red")
    for words in found.notes:
        run.say(words, style="yellow")


def _lineage_cells(node: dict[str, Any]) -> dict[str, str]:
    """A node of lineage as cells, each safe to print."""
    kind = Kind(node["kind"])
    what, version, sha256 = node.get("uri", ""), "", node.get("sha256", "")
    if kind is Kind.OBJECT:
        what, version = node["key"], node["version_id"]
    elif kind is Kind.MANIFEST:
        what = "/".join(what.split("/")[3:]) or what
    else:
        what, version = TableVersion(node["table"], 0).name, str(node["delta_version"])
        sha256 = node.get("document_sha256", "")
    return {
        "layer": "raw" if kind is Kind.OBJECT else kind.value,
        "what": visible(what),
        "version": visible(version),
        "rows": f"{node['rows']:,}" if "rows" in node else "",
        "sha-256": sha256[:12],
        "run": visible(node.get("run_id", "")),
        "committed": f"{visible(node.get('committed_at', ''))[:19]}Z" if "committed_at" in node else "",
    }


def print_verification(run: Run, verification: VerificationReport) -> None:
    """Print one line per claim, then one line per finding."""
    table = _table("claim", "checked", "held", "failed", "pending")
    for column in table.columns[1:]:
        column.justify = "right"
    for claim, count in verification.claims.items():
        failed = Text(f"{count.failed:,}", style="bold red" if count.failed else "")
        table.add_row(claim.value, f"{count.checked:,}", f"{count.passed:,}", failed, f"{count.pending:,}")
        if claim is Claim.OBJECT_HASH and (reported := verification.reported) is not None:
            table.add_row("  by S3 Batch Operations", f"{reported.objects:,}", "", "", "")
    run.out.print(table)
    for finding in verification.findings:
        print_finding(run, finding)
    for deletion in verification.deletions[:MAX_DELETIONS_SHOWN]:
        run.answer(f"{deletion.state}  {deletion.subject}\n  {deletion.detail}")
    if deleted := sum(verification.deletion_counts.values()):
        counts = ", ".join(f"{number:,} {state}" for state, number in verification.deletion_counts.items())
        shown = min(deleted, MAX_DELETIONS_SHOWN)
        rest = f"; {shown} are shown, --format json names more" if deleted > shown else ""
        run.say(f"Deleted lawfully, and no findings: {counts}{rest}.")
    for words in verification.notes:
        run.say(words)
    _say_reused(run, verification)
    _print_unchecked(run, verification)
    if verification.other_records:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(verification.other_records.items()))
        run.say(f"Trail records that do not describe a single write, by category: {kinds}.")
    words = (
        f"{plural(len(verification.findings), 'finding')}."
        if verification.findings
        else "Not everything could be checked."
        if verification.unchecked
        else "Every claim checked holds."
    )
    reported = verification.reported
    if verification.sample < 1:
        judged = verification.receipts_read + (0 if reported is None else reported.objects)
        words += (
            f" The bytes of {judged:,} of {plural(verification.receipts, 'object')} were "
            f"looked at: a sample of {verification.sample:.4g}, drawn with the seed {verification.seed}."
        )
    if reported is not None:
        words += (
            f" The bytes of {plural(reported.objects, 'object')} were judged by the word of S3 Batch "
            f"Operations (job {reported.job}, report of {format_time(reported.created_at)}), not read by us."
        )
    run.say(
        words,
        style="bold red" if verification.findings else "yellow" if verification.unchecked else "bold green",
    )


def _say_reused(run: Run, verification: VerificationReport) -> None:
    if verification.reused:
        whose = "an earlier run of this command, which was interrupted"
        run.say(f"Of {plural(verification.reused, 'receipt')} the results are those of {whose}.")


def _print_unchecked(run: Run, verification: VerificationReport) -> None:
    for words in verification.unchecked:
        run.say(f"Could not be checked: {words}", style="yellow")
    if (more := verification.unchecked_count - len(verification.unchecked)) > 0:
        run.say(f"Could not be checked: {more:,} more.", style="yellow")


_RECONCILED_STYLES = STYLES | {
    ReconciledStatus.SUPERSEDED: "green",
    ReconciledStatus.DELETED: "magenta",
}


def print_reconciliation(run: Run, found: Reconciliation) -> None:
    """Print the counts, then a row for each version, with what is wrong below each block of rows."""
    for status in ReconciledStatus:
        style = _RECONCILED_STYLES[status] if found.counts[status] else "dim"
        run.out.print(Text.assemble(f"{found.counts[status]:>12,}  ", (status.value, style)))
    fixed = {"time": 20, "status": 13, "exists": 7, "receipt": 12, "event": 12, "leaf": 10}
    widths = fixed | {"object": max(run.out.width - sum(fixed.values()) - 2 * len(fixed) - 2, 20)}
    rows, is_first = found.rows(), True
    while block := list(islice(rows, _BLOCK_ROWS)):
        run.out.print()
        table = _fixed_table(widths, show_header=is_first)
        for row in block:
            table.add_row(
                format_time(row.time.replace(microsecond=0)) if row.time else "unknown",
                Text(row.status.value, style=_RECONCILED_STYLES[row.status]),
                row.exists.value if row.exists else "?",
                (row.sha256 or "not read")[:12] if row.receipt_key else "none",
                beginning(visible(row.event_id), 12) if row.event_id else "none",
                "none" if row.leaf_index is None else str(row.leaf_index),
                visible(row.uri),
            )
        run.out.print(table)
        for row in block:
            _print_reconciled(run, row)
        is_first = False
    for finding in found.general:
        print_finding(run, finding)
    for words in found.report.notes:
        run.say(words)
    _say_reused(run, found.report)
    _print_unchecked(run, found.report)
    _say_reconciled(run, found)


def _print_reconciled(run: Run, row: ReconciledRow) -> None:
    if not row.details and row.repair is None:
        return
    run.out.print()
    run.out.print(Text(f"{row.status.value}  {visible(row.uri)}", style="bold"), soft_wrap=True)
    for detail in row.details:
        run.out.print(f"  {visible(detail)}", soft_wrap=True)
    if row.repair is not None:
        run.out.print(f"  → {visible(row.repair)}", soft_wrap=True)
    elif row.is_finding:
        run.out.print("  Nothing repairs this; docs/runbook_failures.md says what to do.", soft_wrap=True)


def _say_reconciled(run: Run, found: Reconciliation) -> None:
    total = found.counts.total()
    if not total:
        run.say("No object version was written in that period and place.", style="yellow")
        return
    ways = "four ways" if found.has_log else "three ways: there is no log"
    pending = found.counts[ReconciledStatus.PENDING]
    words, style = {
        0: ("Everything but what is pending agrees." if pending else "Everything agrees.", "bold green"),
        1: ("Not everything agrees.", "bold red"),
        3: ("Everything is pending." if pending == total else "Not everything could be checked.", "yellow"),
    }[found.exit_code]
    run.say(f"{plural(total, 'object version')} compared {ways}. {words}", style=style)


def print_finding(run: Run, finding: Finding) -> None:
    """Print a finding in two lines, after an empty one."""
    run.out.print()
    run.out.print(
        Text.assemble(
            (f" {finding.severity.value} ", _SEVERITY_STYLES[finding.severity]),
            (f" {finding.claim.value} {finding.status.value}  {visible(finding.subject)}", "bold"),
        ),
        soft_wrap=True,
    )
    run.out.print(f"  {visible(finding.detail)}", soft_wrap=True)


def print_checks(run: Run, checks: Sequence[Check]) -> None:
    """Print one line per stage, with the remedy under each that is not healthy."""
    width = max(len(check.stage) for check in checks)
    for check in checks:
        run.out.print(
            Text.assemble(
                (f"{check.state.value:<8}", _STATE_STYLES[check.state]),
                f"{check.stage:<{width}}  {visible(check.detail)}",
            ),
            soft_wrap=True,
        )
        if check.remedy:
            run.out.print(f"{'':<{8 + width}}  → {visible(check.remedy)}", soft_wrap=True)
    broken = [check.stage for check in checks if check.state is State.BROKEN]
    unknown = [check.stage for check in checks if check.state is State.UNKNOWN]
    if broken:
        run.say(f"Broken: {', '.join(broken)}.", style="bold red")
    elif unknown:
        run.say(f"Could not be checked: {', '.join(unknown)}.", style="yellow")
    else:
        run.say("Every stage is healthy.", style="bold green")


def print_anomaly(run: Run, anomaly: Anomaly) -> None:
    """Print what a rule found: when, by whom and from where, and the first call as the trail has it."""
    who = anomaly.principal or "nobody named"
    where = f" from {anomaly.source_ip}" if anomaly.source_ip else ""
    times = f", {plural(anomaly.occurrences, 'time')}" if anomaly.occurrences > 1 else ""
    run.out.print(
        Text.assemble(
            (f"{anomaly.rule.severity.value:<8}", _SEVERITY_STYLES[anomaly.rule.severity]),
            f" {anomaly.rule.name}  {visible(anomaly.subject)}",
        ),
        soft_wrap=True,
    )
    for line in (f"  {format_time(anomaly.first)}{times} by {who}{where}", f"  {anomaly.detail}"):
        run.out.print(visible(line), soft_wrap=True)


def print_asked(run: Run, asked: Asked) -> None:
    """Print what was asked to be judged again."""
    for problem in asked.problems:
        run.say(problem, style="yellow")
    if asked.waiting:
        run.answer(f"{plural(asked.waiting, 'object version')} asked for before, not judged yet.")
    if not asked.decisions:
        run.answer(
            f"Nothing {'else ' if asked.waiting else ''}to do: its contract of today has judged everything "
            f"that {asked.table} withholds or rejected."
        )
        return
    run.answer(
        f"To be judged again: {plural(asked.withheld, 'withheld object version')}, and "
        f"{plural(asked.rejected, 'object version')} with rejected rows, by {asked.decisions[0]}"
        + (f" and {len(asked.decisions) - 1} more" if len(asked.decisions) > 1 else "")
    )
    run.answer("The gate hands them out when it runs next, once the recorder has signed that.")


def print_deployments(run: Run, places: Mapping[str, Place]) -> None:
    """Print the list of deployments."""
    if not places:
        run.say("The list is empty. Add a deployment: custody deployments add s3://….")
        return
    table = _table("name", "profile", "location")
    for column in table.columns:
        column.overflow = "fold"
    for name, place in places.items():
        table.add_row(name, visible(place.profile or ""), visible(place.location))
    run.out.print(table)


def print_backfill(run: Run, counts: BackfillCounts) -> None:
    """Print the counts of a backfill."""
    lines = {
        "listed": "versions listed",
        "recorded": "already had their receipt",
        "sent": "sent to the recorder",
        "failed": "not accepted by the queue: run it again",
        "hidden": "have a receipt hidden by a delete marker: run custody verify",
        "outside": "are outside the recorded prefixes",
        "unversioned": "were written before versioning was enabled: write them again",
    }
    for name, count in counts.to_dict().items():
        if count or name in ("listed", "sent"):
            run.out.print(f"{count:>12,}  {lines[name]}")
    if counts.sent:
        run.say(
            "A receipt made now proves the bytes from now on, not that they are those that were written: for "
            "who wrote them, and when, there is only CloudTrail's event. The ledger shows it as late, or "
            "without such an event as unwitnessed."
        )
    run.say(
        "A receipt does not repair versions that are gone, writes that CloudTrail did not log, or receipts "
        "that were changed or deleted: custody reconcile names them."
    )


def print_story(run: Run, story: Story) -> None:
    """Print an object's story: one paragraph per version, then who accessed it."""
    run.out.print(Text(visible(story.key), style="bold"), soft_wrap=True)
    run.out.print(f"in {visible(story.bucket)}", soft_wrap=True)
    for version in story.versions:
        run.out.print()
        stored = {
            Stored.CURRENT: "current version",
            Stored.EARLIER: "earlier version",
            Stored.DELETE_MARKER: "delete marker",
            Stored.GONE: "deleted version",
        }[version.stored]
        run.out.print(Text(f"{stored} {visible(version.version.version_id)}", style="bold"), soft_wrap=True)
        for sentence in tell_version(version, is_recorded=story.is_recorded):
            _print_sentence(run, sentence)
    if story.unassigned:
        run.out.print()
        run.out.print(Text("writes with unknown version", style="bold"))
        for row in story.unassigned:
            _print_sentence(run, tell_witness(row))
    if (way := tell_lineage(story, run.deployment)) is not None:
        run.out.print()
        _print_sentence(run, way)
    run.out.print()
    run.out.print(Text("accesses", style="bold"))
    if not story.accesses:
        run.out.print("  CloudTrail has none (yet).")
    for access in story.accesses:
        _print_sentence(run, tell_access(access))


def _print_sentence(run: Run, sentence: Sentence) -> None:
    mark, style = _TONES[sentence.tone]
    run.out.print(
        Text.assemble(
            (f"  {mark} ", style), (f"{visible(sentence.about):<18}", "dim"), visible(sentence.words)
        ),
        soft_wrap=True,
    )


def _table(*names: str) -> Table:
    return Table(*names, box=None, padding=(0, 2, 0, 0), header_style="bold")


def plural(number: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
