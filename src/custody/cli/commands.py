"""The commands: their arguments, and how answers are written. The library does the work.

Each command imports what it needs when it runs, so that ``custody --help`` does not load boto3.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from custody import __version__
from custody.cli import deployments
from custody.cli.options import (
    DeploymentOption,
    Format,
    FormatOption,
    ProfileOption,
    RegionOption,
    Run,
)
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.ledger.ledger import Layer, LedgerStatus

if TYPE_CHECKING:
    from custody.deployment import Deployment
    from custody.recorder.backfill import BackfillCounts

_Row = TypeVar("_Row")

app = typer.Typer(
    name="custody",
    epilog="Exit status: 0 all holds, 1 findings, 2 wrong use or configuration, 3 could not check.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SampleOption = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Read the bytes of only this share of the objects, such as 0.01. The default is all.",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="T", help="Only since this time: 2026-01-15, 2026-01-15T09:30:00Z, 90m, 24h, 7d."),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="Only before this time; a day counts from its start. Events that CloudTrail delivered more than "
        "7 days later are left out.",
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="Policy file (C2SP tlog-policy): whose signatures a checkpoint needs. The default is the log's "
        "own keys, as in the deployment's key registry.",
    ),
]
LimitOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Only the newest N rows.", show_default=False)
]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"custody {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Who put this object here, is it still the same, and what proves it."""


@app.command()
def ledger(
    *,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Only this object: its key, or its s3:// URI.")
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX", help="Only keys that begin so, or an s3:// URI of a bucket or prefix."
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only by this user: name, ARN or principal id.")
    ] = None,
    layer: Annotated[Layer | None, typer.Option(help="Only in this layer.")] = None,
    status: Annotated[LedgerStatus | None, typer.Option(help="Only rows with this status.")] = None,
    limit: LimitOption = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Show the chain of custody as a table.

    Each row is one write of an object version: by whom, when, from where, and whether it is proven
    (CloudTrail logged the write, and its receipt agrees). Newest first.
    """
    from custody.cli.tables import print_ledger
    from custody.ledger.ledger import ledger_rows, parse_key, parse_scope

    run = Run(deployment, output, profile, region)
    bucket, object_key, version_id = (None, None, None) if key is None else parse_key(key)
    scope = parse_scope(since, until, prefix, datetime.now(UTC))
    if bucket is not None and scope.bucket not in (None, bucket):
        raise UsageError("--key and --prefix name different buckets.", "Leave one of them out.")
    with run.progress("Querying the ledger with Athena") as tell:
        rows = ledger_rows(
            run.athena(tell),
            scope if bucket is None else replace(scope, bucket=bucket),
            key=object_key,
            version_id=version_id,
            user=user,
            layer=layer,
            status=status,
            limit=limit,
        )
        rows = _of_known(rows, bucket or scope.bucket, run.deployment)
    if output is Format.JSON:
        run.stream_json("rows", (row.to_dict() for row in rows))
    else:
        print_ledger(run, rows, limit)
    return 0


def _of_known(rows: Iterator[_Row], bucket: str | None, deployment: Deployment) -> Iterator[_Row]:
    """The rows. Raises ``UsageError`` if there are none, and the bucket is none of the deployment's.

    There may be some of another bucket: of one that was adopted once, or by somebody else's trail.
    """
    known = {*deployment.buckets.values(), *deployment.recorded_prefixes}
    first = next(rows, None)
    if first is None and bucket is not None and bucket not in known:
        raise UsageError(
            f"Nothing is known of {bucket}, which is no bucket of this deployment.",
            f"Those are {', '.join(sorted(known))}.",
        )
    return rows if first is None else chain([first], rows)


@app.command()
def reads(
    by: Annotated[
        str | None, typer.Option(metavar="PERSON", help="Only by this caller: name, ARN or principal id.")
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(metavar="S3_URI", help="Only of this: a bucket, a prefix or one object version."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = None,
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Show who read what, and who tried to.

    Each row is one read of an object that CloudTrail logged, or an attempt that was denied or failed. Newest
    first.
    """
    from custody.cli.tables import print_reads
    from custody.evidence.objects import parse_s3_uri
    from custody.ledger.ledger import parse_scope, read_rows

    run = Run(deployment, output, profile, region)
    place = None if of is None else parse_s3_uri(of)
    scope = parse_scope(since, until, None, datetime.now(UTC))
    if place is not None:
        scope = replace(scope, bucket=place.bucket, prefix=place.key)
    with run.progress("Querying the accesses with Athena") as tell:
        rows = read_rows(
            run.athena(tell),
            scope,
            version_id=None if place is None else place.version_id,
            by=by,
            limit=limit,
        )
        rows = _of_known(rows, scope.bucket, run.deployment)
    if output is Format.JSON:
        run.stream_json("rows", (row.to_dict() for row in rows))
    else:
        print_reads(run, rows, limit)
    return 0


@app.command()
def show(
    uri: Annotated[str, typer.Argument(metavar="S3_URI", help="s3://bucket/key, or with ?versionId=ID.")],
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Tell one object's story in plain language.

    Who wrote each version, its receipt and signature, whether its bytes are still the same, who read it, and
    what is missing.
    """
    from custody.cli.tables import print_story
    from custody.evidence.objects import parse_s3_uri
    from custody.ledger.story import gather_story

    run = Run(deployment, output, profile, region)
    location = parse_s3_uri(uri)
    with run.progress("Reading the object") as tell:
        story = gather_story(
            run.s3,
            run.athena(tell),
            run.deployment,
            location,
            digest_keys=run.digest_keys,
            now=datetime.now(UTC),
            on_progress=tell,
        )
    if output is Format.JSON:
        run.write_json(story.to_dict())
    else:
        print_story(run, story)
    return story.exit_code


@app.command()
def lineage(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A table or a version of it: orders, orders@12. Or the s3:// URI of a raw "
            "object (optionally with ?versionId=ID), of a table's folder, or of a file in it.",
        ),
    ],
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Show what a table was made from, or what was made from an object.

    Goes from a table's version through manifests to the raw object versions, or from an object to every
    table version that its rows went into. Exit status 1 if a lineage document is missing on the way.
    """
    from custody.cli.tables import print_lineage
    from custody.lineage.graph import Graph
    from custody.lineage.library import Library
    from custody.lineage.walk import walk

    run = Run(deployment, output, profile, region)
    with Graph() as graph:
        with run.progress("Reading lineage") as tell:
            found = walk(Library(run.s3, run.deployment, tell=tell), graph, target)
        if output is Format.JSON:
            run.stream_document(
                {
                    "start": found.start,
                    "nodes": graph.nodes(),
                    "edges": graph.edges(),
                    "missing": found.missing,
                    "notes": found.notes,
                }
            )
        else:
            print_lineage(run, found)
    return found.exit_code


@app.command()
def verify(
    uri: Annotated[
        str | None,
        typer.Argument(
            metavar="[S3_URI]", help="A bucket, a prefix or one object version. The default is everything."
        ),
    ] = None,
    sample: SampleOption = 1.0,
    *,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            show_default=False,
            help="Check a bundle instead: a file of custody prove or export, or its unzipped folder.",
        ),
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="With --bundle: your own copy of the key registry, which must have the keys that signed.",
        ),
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Compare the evidence with its second copy instead.")
    ] = False,
    from_copy: Annotated[
        bool,
        typer.Option("--from-copy", help="Read the evidence from its second copy, and no objects."),
    ] = False,
    checksum_report: Annotated[
        str | None,
        typer.Option(
            metavar="S3_URI|PATH",
            show_default=False,
            help="The completion report of a job of S3 Batch Operations, Compute checksum: objects in it are "
            "judged by its SHA-256, and not read.",
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Check every claim about every object, with one line for each finding.

    Reads the objects, their receipts, the log in which these are sealed, the public keys and CloudTrail's
    files directly, and uses neither Athena nor KMS. With --sample, sealed receipts are still all compared
    with the log. After an interruption the same command goes on, for a day, and says how many results are
    not new: they are kept in a private file below XDG_STATE_HOME. Exit status 1 if there are findings.

    With --copy, every version of evidence must be in the copy of the other account, with the same bytes. With
    --from-copy the deployment's account is not asked for anything: --deployment s3://COPY/deployments/NAME.json
    is its file there. The objects are not copied, so that run ends with 3 if nothing is found.

    With --checksum-report the bytes of what is in the report are judged by the word of Amazon S3 when it was
    written, without a download; the last line says of how many. What is not in it is read.
    """
    run = Run(deployment, output, profile, region)
    if bundle is not None:
        from custody.cli.proof import run_bundle

        if uri is not None or sample != 1.0 or copy or from_copy or checksum_report is not None:
            raise UsageError(
                "A bundle is checked as a whole.",
                "Leave out the URI, --sample, --copy, --from-copy and --checksum-report.",
            )
        return run_bundle(run, bundle, registry)
    if registry is not None:
        raise UsageError("--registry belongs to --bundle.", "The deployment has its own key registry.")

    from custody.cli.verification import run_comparison, run_verify

    if checksum_report is not None and (copy or from_copy):
        raise UsageError(
            "A second copy has no objects.", "Leave out --checksum-report, or --copy and --from-copy."
        )
    if copy:
        if uri is not None or from_copy:
            raise UsageError("The copy is compared as a whole.", "Leave out the URI and --from-copy.")
        return run_comparison(run, sample)
    return run_verify(run, uri, sample, from_copy=from_copy, checksum_report=checksum_report)


@app.command()
def reconcile(
    *,
    since: SinceOption = None,
    until: Annotated[
        str | None, typer.Option(metavar="T", help="Only before this time; a day counts from its start.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(metavar="S3_URI", help="Only this bucket or prefix.")] = None,
    sample: SampleOption = 1.0,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Compare four ways: the object versions that exist, receipts, the trail, and the log.

    Counts by status, then a row for each object version with what each of the four has of it, and what
    repairs it if something does. Rests on a verification of all that the prefix has, as verify does it;
    --since and --until are about when a version was written, and objects that were recorded before --since
    are not read. Exit status 1 if a version is unprovenanced, unwitnessed, a mismatch or unlawfully deleted,
    or if trail or log do not hold.
    """
    from custody.cli.verification import run_reconcile
    from custody.ledger.ledger import parse_scope

    now = datetime.now(UTC)
    scope = parse_scope(since, until, prefix, now)
    if prefix is not None and scope.bucket is None:
        raise UsageError("--prefix of a reconciliation needs its bucket.", "Write s3://bucket/prefix.")
    return run_reconcile(Run(deployment, output, profile, region), scope, sample, now)


@app.command()
def fsck(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[FOLDER|URL|S3_URI]",
            help="A copy of the provenance bucket, or of its log/ alone. The default is the deployment's.",
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERIFIER_KEY",
            help="A key of the log, or of its predecessor: name+id+key (C2SP signed-note).",
            show_default=False,
        ),
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="A copy of keys/registry.json, for the log's keys. The default is the deployment's.",
        ),
    ] = None,
    predecessor: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|URL|S3_URI",
            show_default=False,
            help="The log/ of the log that it goes on for: compare its end with what the first entry says.",
        ),
    ] = None,
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Build the whole log again from its entries, and compare everything that is stored with it.

    Its root with the signed checkpoint, every tile, the rows of the ledger with the receipts, and what it
    says of its end. Needs no more than a copy of the log and its public key. Exit status 1 if there are
    findings.
    """
    from custody.cli.fsck import run_fsck

    return run_fsck(Run(deployment, output, profile, region), place, key or [], registry, predecessor)


@app.command()
def prove(
    uri: Annotated[str, typer.Argument(metavar="S3_URI", help="s3://bucket/key, or with ?versionId=ID.")],
    *,
    path: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The zip file to write.")],
    with_object: Annotated[bool, typer.Option("--object", help="Include the object itself.")] = False,
    policy: PolicyOption = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Prove by this checkpoint of the log instead of the newest that satisfies the policy; the "
            "proof shows that the newest of all extends it.",
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Write a proof about one object version, which needs neither this kit nor AWS to verify.

    A zip file with the receipt, its place in the log, CloudTrail's log file of the write with its digest, the
    public keys, a page that explains it, and a program that verifies it: python3 verify.py. It is written
    only if every claim in it holds. CloudTrail's digest is there up to two hours after the write.
    """
    from custody.cli.proof import run_prove

    run = Run(deployment, output, profile, region)
    return run_prove(run, uri, path, policy=policy, checkpoint=checkpoint, with_object=with_object)


@app.command()
def export(
    uri: Annotated[str, typer.Argument(metavar="S3_URI", help="s3://bucket or s3://bucket/prefix.")],
    *,
    path: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PATH", help="A new folder to write; a zip file if it ends in .zip."
        ),
    ],
    since: SinceOption = None,
    until: Annotated[
        str | None, typer.Option(metavar="T", help="Only before this time; a day counts from its start.")
    ] = None,
    with_objects: Annotated[bool, typer.Option("--objects", help="Include the objects themselves.")] = False,
    policy: PolicyOption = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Use this checkpoint of the log, such as one with cosignatures, instead of the newest.",
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Write the evidence about every object below a prefix, to leave the kit with or to archive.

    What prove writes about one version, for all of them and what they share once; verified in the same ways,
    by python3 verify.py or verify --bundle. --since and --until are about when versions were last modified.
    What cannot be exported (no receipt, not sealed yet, CloudTrail's files not there yet, an object that is
    gone) is a finding, named in the bundle's README.txt too, and exit status 1; the rest is written.
    """
    from custody.cli.proof import run_export
    from custody.ledger.ledger import parse_scope

    scope = parse_scope(since, until, None, datetime.now(UTC))
    run = Run(deployment, output, profile, region)
    return run_export(run, uri, scope, path, policy=policy, checkpoint=checkpoint, with_objects=with_objects)


@app.command()
def watch(
    seen: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Keeps the last checkpoint seen. Out of reach of who runs the log."
        ),
    ],
    log: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            show_default=False,
            help="The log: a folder, an http(s):// URL or an s3:// URI. The default is the deployment's.",
        ),
    ] = None,
    policy: PolicyOption = None,
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Look at the log once, and compare it with what was seen before.

    The log's checkpoint must be signed as the policy says, and extend the one seen before, which is kept in a
    file. In a bucket, it is the newest version that has the cosignatures. Run it on a schedule, outside of
    the log's account. Exit status 1 if the log was rolled back or forked, or goes on after its end: the two
    checkpoints, kept side by side, prove it.
    """
    from custody.cli.log import run_watch

    return run_watch(Run(deployment, output, profile, region), seen, log, policy)


@app.command()
def witness(
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="The witness's name: a URL without its scheme.")],
    key: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Its private key: openssl genpkey -algorithm ed25519 -out FILE; chmod 600 FILE.",
        ),
    ],
    logs: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Policy file (C2SP tlog-policy) whose logs it cosigns."),
    ],
    state: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Keeps the last checkpoint that it cosigned of each log.")
    ],
    listen: Annotated[str, typer.Option(metavar="ADDRESS", help="Address and port.")] = "127.0.0.1:8780",
    output: FormatOption = Format.TABLE,
) -> int:
    """Run a witness: cosign a log's checkpoints, if they extend what was cosigned before.

    Speaks C2SP tlog-witness over HTTP (POST /add-checkpoint), until it is interrupted. Prints its public key.
    It must run outside of the log's account.
    """
    from custody.cli.log import run_witness

    return run_witness(Run(None, output), name=name, key=key, logs=logs, state=state, listen=listen)


@app.command()
def upload(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, or folders of files.")],
    *,
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The table to upload to: its prefix is the destination."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="S3_URI",
            help="Destination: s3://bucket/prefix/, or s3://bucket/key for one file. The default is the "
            "recorded prefix of the raw-data bucket.",
        ),
    ] = None,
    no_table: Annotated[
        bool, typer.Option("--no-table", help="Upload files that no table reads, without a question.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also upload hidden files and leftovers: .DS_Store, Thumbs.db, ~$data.xlsx."
        ),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for each file's receipt, and compare it with the file.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for a receipt.")
    ] = 120,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Upload a new version if an object exists; the old one is kept."),
    ] = False,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Upload files to a recorded prefix, and show the SHA-256 of each.

    A file keeps its name; files in a folder keep their names relative to it. Amazon S3 checks the SHA-256 of
    what it receives. An existing object is not replaced: the same content is not sent again where S3 may be
    asked first, other content is refused (status 1). After an interruption, the same command resumes the
    upload. With --wait, the recorder's receipt must have the file's SHA-256, which proves that the stored
    object is the file on the disk (custody verify checks the receipt's signature).
    """
    from custody.cli.upload import run_upload

    return run_upload(
        Run(deployment, output, profile, region),
        paths,
        table=table,
        to=to,
        no_table=no_table,
        everything=everything,
        replace=replace,
        receipt_timeout_seconds=timeout if wait else None,
    )


@app.command()
def record(
    uri: Annotated[str, typer.Argument(metavar="S3_URI", help="s3://bucket/key, or with ?versionId=ID.")],
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the receipt.")
    ] = 120,
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Have one object version recorded, and wait for its receipt.

    Sends a request to the recorder's queue; only the recorder signs. Does nothing if there is a receipt. One
    made now proves the bytes from now on, not that they are those that were written.
    """
    from custody.evidence.objects import parse_s3_uri
    from custody.recorder.backfill import (
        ReceiptState,
        await_receipt,
        find_version,
        receipt_states,
        request_receipts,
    )

    run = Run(deployment, output, profile, region)
    location = parse_s3_uri(uri)
    started = time.monotonic()
    with run.progress("Reading the object") as tell:
        version = find_version(run.s3, run.deployment, location)
        state = receipt_states(run.s3, run.deployment, [version])[version]
        if state is ReceiptState.HIDDEN:
            raise EvidenceError(
                f"The receipt of {version.uri} is hidden by a delete marker: a new one would cover that up.",
                "Run custody verify, and find out who deleted it.",
            )
        if state is ReceiptState.MISSING:
            tell("Waiting for the receipt")
            sqs = run.client("sqs")
            if request_receipts(sqs, run.deployment, [version], requested_at=datetime.now(UTC)):
                raise CannotCheckError("Amazon SQS did not accept the request.", "Run custody doctor.")
            await_receipt(run.s3, run.deployment, version, timeout_seconds=timeout)
    seconds = time.monotonic() - started
    receipt = f"s3://{run.deployment.buckets['provenance']}/{version.receipt_key}"
    already = state is ReceiptState.PRESENT
    if output is Format.JSON:
        run.write_json({"object": version.uri, "receipt": receipt, "already_recorded": already})
    else:
        run.answer(
            f"{version.uri}\n"
            + ("already had its receipt" if already else f"was recorded in {seconds:.1f} seconds")
            + f": {receipt}"
        )
    return 0


@app.command()
def backfill(
    uri: Annotated[str, typer.Argument(metavar="S3_URI", help="A bucket or a prefix: s3://bucket/prefix.")],
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Have every object version without a receipt recorded.

    Sends requests to the recorder's queue and does not wait for the receipts. It can be stopped and run
    again: versions that have a receipt by then are skipped. A receipt made now proves the bytes from now on,
    not that they are those that were written: the ledger shows it as late, and without an event of the
    trail as unwitnessed. Nothing else is repaired by it: reconcile names what is missing, and what repairs
    it.
    """
    from custody.cli.tables import plural, print_backfill
    from custody.evidence.objects import parse_s3_uri
    from custody.recorder.backfill import backfill as backfill_objects

    run = Run(deployment, output, profile, region)
    scope = parse_s3_uri(uri)
    with run.progress("Listing") as tell:

        def on_progress(counts: BackfillCounts) -> None:
            tell(f"{plural(counts.listed, 'version')} listed, {counts.sent:,} sent to the recorder")

        counts = backfill_objects(
            run.s3,
            run.client("sqs"),
            run.deployment,
            scope,
            requested_at=datetime.now(UTC),
            on_progress=on_progress,
        )
    if output is Format.JSON:
        run.write_json(counts.to_dict())
    else:
        print_backfill(run, counts)
    return counts.exit_code


@app.command()
def erase(
    uris: Annotated[
        list[str], typer.Argument(metavar="S3_URI...", help="Object versions: s3://bucket/key?versionId=ID.")
    ],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is evidence from then on.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for a confirmation.")] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the decision's receipt.")
    ] = 120,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Delete object versions for ever, after recording the decision and its reason.

    For those who operate the data. verify and show then say that the versions were erased, by whom and why,
    and report no findings. Receipts stay, with key and SHA-256; so do rows that tables made from them. A
    version that is gone already can be named too: the decision's date then shows that it came afterwards.
    """
    from custody.cli.erase import run_erase

    return run_erase(
        Run(deployment, output, profile, region), uris, reason, confirmed=yes, timeout_seconds=timeout
    )


@app.command()
def report(
    path: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="File to write the page to.")
    ] = Path("report.html"),
    since: SinceOption = None,
    until: UntilOption = None,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="S3_URI", help="Only this bucket or prefix, also in the verification."),
    ] = None,
    sample: SampleOption = 1.0,
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Write a report page with the ledger, a verification and its findings.

    One HTML file without scripts or external resources, to keep, send or print. --since and --until limit the
    writes and accesses that it shows, not what is verified. Exit status 1 if there are findings.
    """
    from custody.cli.report import run_report
    from custody.ledger.ledger import parse_scope

    scope = parse_scope(since, until, prefix, datetime.now(UTC))
    if prefix is not None and scope.bucket is None:
        raise UsageError("--prefix of a report needs its bucket.", "Write s3://bucket/prefix.")
    return run_report(Run(deployment, output, profile, region), path, sample, scope)


@app.command()
def doctor(
    *,
    note: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also start a note about the failure in this folder, to be completed.",
            show_default=False,
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Show which stage is broken, and what to do about it.

    Exit status 1 if a stage is broken, 3 if one could not be checked.
    """
    from custody.cli.doctor import examine_stages, start_note
    from custody.cli.tables import print_checks
    from custody.doctor.doctor import exit_code

    run = Run(deployment, output, profile, region)
    with run.progress("Examining") as tell:
        checks = examine_stages(run, tell)
    if output is Format.JSON:
        run.write_json({"checks": [check.to_dict() for check in checks]})
    else:
        print_checks(run, checks)
    if note is not None:
        start_note(run, note, checks)
    return exit_code(checks)


@app.command()
def anomalies(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this rule; may be given several times.", show_default=False),
    ] = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Look for what should not have happened, by the rules in sql/anomalies.

    Of the last 24 hours, unless --since says otherwise. Each finding names its rule, which is also its
    section in docs/runbook_failures.md. A rule that cannot be asked does not keep the others from being
    asked; then the exit status is 3, unless there are findings.
    """
    from custody.cli.anomalies import run_anomalies

    return run_anomalies(Run(deployment, output, profile, region), since, until, rule or ())


table = typer.Typer(help="What concerns one table.", rich_markup_mode=None)
app.add_typer(table, name="table")


@table.command("reprocess")
def reprocess_table(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A table that is made of raw objects.")],
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Have what was withheld or rejected judged again, after the table's contract changed.

    Names the object versions that another contract withheld, or of which it rejected rows, in a decision,
    which only data engineers may write. The gate hands them out again when it runs next: rows that are valid
    now get into the table and leave the quarantine. Rows in the table stay as they are. To ask twice is to
    ask once. Exit status 1 if a lineage document cannot be read.
    """
    from custody.cli.tables import print_asked
    from custody.gate.reprocess import deployed_contract, reprocess

    run = Run(deployment, output, profile, region)
    contract_sha256 = deployed_contract(run.client("glue"), run.deployment, name)
    with run.progress("Reading lineage") as tell:
        asked = reprocess(run.s3, run.deployment, name, contract_sha256, tell)
    if output is Format.JSON:
        run.write_json(asked.to_dict())
    else:
        print_asked(run, asked)
    return asked.exit_code


warehouse = typer.Typer(help="Gold tables in Snowflake.", rich_markup_mode=None)
app.add_typer(warehouse, name="warehouse")


@warehouse.command("setup")
def setup_warehouse(
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Print the SQL that an administrator of Snowflake runs before the first load.

    Roles, a warehouse with a limit on its credits, the stage on gold tables, the load history, and each gold
    table with its personal data masked, and the queries of sql/warehouse as views. Nothing that exists is
    replaced, but those views: run it again after a contract changed.
    """
    from custody.cli.warehouse import run_setup

    return run_setup(Run(deployment, output, profile, region))


@warehouse.command("load")
def load_warehouse(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A gold table.")],
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Load the newest version of a gold table into Snowflake.

    Afterwards the table there has exactly the rows of that version, each with the object version that it came
    from. Only files with a valid, sealed receipt and the bytes of that receipt are loaded. A load that was
    killed is run again: it has done nothing, or all. Exit status 1 if evidence or rows do not hold.
    """
    from custody.cli.warehouse import run_load

    return run_load(Run(deployment, output, profile, region), table)


@warehouse.command("trace")
def trace_warehouse(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A gold table.")],
    key: Annotated[
        list[str], typer.Argument(metavar="COLUMN=VALUE...", help="The row's key, each column once.")
    ],
    *,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Trace a row in Snowflake back to raw objects and their receipts.

    From the row to the data file it was loaded from, with its receipt and leaf in the log; from there by
    lineage to the raw object versions that the table's version was made from, with their receipts. Exit
    status 1 if something on the way is missing or does not hold.
    """
    from custody.cli.warehouse import run_trace

    return run_trace(Run(deployment, output, profile, region), table, key)


@warehouse.command("anomalies")
def warehouse_anomalies(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Look for what Snowflake's own history says against loads, by the queries in sql/warehouse.

    Of the last 24 hours, unless --since says otherwise: who else changed a table, what failed, took long or
    cost much. That history is up to three hours late, and a day's cost is told of when it is over. A query
    that cannot be asked does not keep the others from being asked; then the exit status is 3, unless there
    are findings.
    """
    from custody.cli.warehouse import run_anomalies

    return run_anomalies(Run(deployment, output, profile, region), since, until)


@warehouse.command("tell")
def tell_of_warehouse(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    output: FormatOption = Format.TABLE,
    deployment: DeploymentOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Tell the alerts topic what Snowflake's own history says against loads.

    A message for each finding of custody warehouse anomalies, of the 24 hours that ended three hours ago
    unless --since and --until say otherwise. Told again, a finding has the same notice. Exit status 0 if all
    was asked and told, 3 if a query could not be asked; what the others found is told then.
    """
    from custody.cli.warehouse import run_tell

    return run_tell(Run(deployment, output, profile, region), since, until)


app.add_typer(deployments.app, name="deployments", help="Keep a list of deployments to work with.")
