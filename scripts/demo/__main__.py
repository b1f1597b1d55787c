"""The whole chain of custody on one machine: ``make demo``.

    python -m scripts.demo [DATASET]...     the data sets to deploy, instead of those of local.tfvars
    python -m scripts.demo none             without one: evidence alone
    python -m scripts.demo --with warehouse,…    and what ``PARTS`` has by these names

Starts the local AWS, applies the Terraform with ``local.tfvars``, drops some objects, waits for the receipts
and shows the ledger. Delivers what the data sets' generators make (``scripts.demo.dataset``), as files and
streams, has the gate and the jobs make tables of it, shows which rows were rejected and what a table was made
from. Verifies, proves one object to somebody without the kit, then tampers in five ways and shows each
one caught. Ends with ``build/report.html`` and the time each step took. Exit status 0 only if everything held
that should hold and everything was caught that should be caught; nothing is left running, however it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from botocore.exceptions import ClientError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from custody.cli.tables import plural
from custody.evidence.objects import ObjectVersion
from custody.terminal import visible
from custody.trail.digests import parse_digest
from scripts.demo.adopted import Adopted
from scripts.demo.airflow import Daily
from scripts.demo.dataset import GENERATOR, SAMPLES, deliveries
from scripts.demo.lake import Delivery, Lake
from scripts.demo.parts import Part
from scripts.demo.pipeline import Landed, Pipeline, PipelineError, apply
from scripts.demo.sample_data import Drop
from scripts.demo.warehouse import Warehouse
from scripts.local_aws import LocalAws
from scripts.local_aws.errors import LocalAwsError
from scripts.toolchain.toolchain import BUILD, ToolError

WORK = BUILD / "demo"
REPORT = BUILD / "report.html"
ROWS, SEED = 5_000, 1
AUDITOR, AUDITOR_ROLE = "olga@example.com", "people-auditor"
"""Who asks and verifies."""
LOG_WIDTH = 140
"""Width in columns where no terminal gives one."""


class DemoError(Exception):
    """The demonstration failed; the message says at which point."""


@dataclass
class Stopwatch:
    """Announces each step on the console and keeps its duration."""

    console: Console
    laps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce ``title``; the duration is kept if the body succeeds."""
        self.console.print()
        self.console.rule(f"[bold]{len(self.laps) + 1}. {title}", align="left")
        start = time.monotonic()
        yield
        self.laps.append((title, time.monotonic() - start))

    def summary(self) -> Table:
        """Return the laps and their sum as a table."""
        table = Table("step", "seconds", title="Where the time went", title_justify="left")
        table.columns[1].justify = "right"
        for title, seconds in self.laps:
            table.add_row(title, f"{seconds:.1f}")
        table.add_section()
        table.add_row("in all", f"{sum(seconds for _, seconds in self.laps):.1f}")
        return table


@dataclass(frozen=True)
class Demo:
    """The steps with the deployed pipeline, shown on the console."""

    pipeline: Pipeline
    console: Console

    def custody(self, *arguments: str, expect: int) -> None:
        """Run the command line visibly; ``DemoError`` if it ends with another status."""
        self.console.print(f"[dim]$ custody {escape(shlex.join(arguments))}[/dim]", soft_wrap=True)
        done = self.pipeline.custody(
            *arguments, capture=False, width=self.console.width, role=AUDITOR_ROLE, session=AUDITOR
        )
        if done.returncode != expect:
            raise DemoError(
                f"`custody {' '.join(arguments)}` ended with {done.returncode} instead of {expect}."
            )

    def drop(self) -> list[Landed]:
        """Drop the data set."""

        def tell(drop: Drop) -> None:
            self.console.print(f"{drop.who:>18}  {len(drop.body):>10,} B  {escape(drop.key)}")

        return self.pipeline.drop_sample(tell)

    def await_receipts(self, versions: list[ObjectVersion]) -> None:
        """Wait until every version has its receipt."""
        columns = (TextColumn("receipts"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task("receipts", total=len(versions))
            self.pipeline.await_receipts(
                versions, on_count=lambda count: progress.update(task, completed=count)
            )

    def deliver(self, lake: Lake) -> bool:
        """Upload files and send records through streams, of all tables; whether there are any."""
        delivered = False
        for folder in self.pipeline.datasets:
            found = deliveries(folder, ROWS, SEED)
            if not found:
                words = (
                    f"{folder} has neither {GENERATOR} nor {SAMPLES}/: nothing is delivered to its tables."
                )
                self.console.print(escape(words))
            for table, files in found.items():
                with self.console.status(f"{table} …"):
                    delivery = lake.deliver(table, files, WORK / "files" / table)
                self._tell_delivery(table, delivery)
                delivered = True
        return delivered

    def make_tables(self, lake: Lake) -> None:
        """Let the gate hand out verified versions, and the jobs make silver and gold from them."""
        lake.process(on_state=lambda words: self.console.print(escape(words)))
        counts = Table("table", "rows", title="What is there now", title_justify="left")
        counts.columns[1].justify = "right"
        for table in (*lake.silver, *lake.gold):
            (row,) = lake.query(f"SELECT count(*) AS n FROM {table}")  # noqa: S608 - a name of ours
            counts.add_row(table, f"{row['n']:,}")
        self.console.print(counts)
        for table in lake.silver:
            self._show_rejected(lake, table)

    def _show_rejected(self, lake: Lake, table: str) -> None:
        """Show the reasons why rows were rejected, each with an example row."""
        shown = Table("reason", "rows", "such as row", "of", title=f"{table}: rejected", title_justify="left")
        shown.columns[1].justify = shown.columns[2].justify = "right"
        rows = lake.query(
            "SELECT reason, count(*) AS n, min_by(source_row, source_key) AS source_row, "  # noqa: S608
            f"min(source_key) AS source_key FROM {table}_rejected GROUP BY reason ORDER BY n DESC, reason"
        )
        for row in rows:
            cells = (visible(str(row[name])) for name in ("reason", "n", "source_row", "source_key"))
            shown.add_row(*map(escape, cells))
        self.console.print(shown if rows else f"{table}: no row was rejected")

    def _tell_delivery(self, how: str, delivery: Delivery) -> None:
        self.console.print(
            f"{how}: {delivery.rows:,} rows in {plural(len(delivery.versions), 'object version')}, "
            f"{delivery.rejected.total()} of them invalid on purpose"
        )

    def prove(self, version: ObjectVersion) -> None:
        """Write a proof, and verify it where there is nothing but Python's own library and openssl."""
        archive, folder = WORK / "proof.zip", WORK / "proof"
        self.custody("prove", version.uri, "-o", str(archive), "--object", expect=0)
        with zipfile.ZipFile(archive) as proof:
            proof.extractall(folder)
        self.console.print(
            "[dim]$ python3 -I -S verify.py    # in the unpacked folder: no package, no AWS[/dim]"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "verify.py"],
            cwd=folder,
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.console.print(escape(done.stdout))
        if done.returncode != 0:
            raise DemoError(f"The proof does not verify: verify.py ended with {done.returncode}.")

    def tamper(self, landed: list[Landed]) -> None:
        """Change storage behind the API, as an insider could; each change must be detected."""
        by_key = {entry.drop.key: entry.version for entry in landed}
        changed = by_key["incoming/letters/2026-01-15.csv"]
        forged = by_key["incoming/notes/2026-01-15.jsonl"]
        bereft = by_key["incoming/names/with space.csv"]
        removed = by_key["incoming/empty.csv"]

        self._require_lock(bereft)
        self._tamper("flip_byte", changed, offset=99)
        self._require_caught("one byte of an object changed in storage", "object.hash", changed.uri)
        self._tamper("flip_byte", self._receipt_of(forged), offset=120)
        self._require_caught("one byte of a receipt changed in storage", "receipt.signature", forged.uri)
        self._tamper("delete", self._receipt_of(bereft))
        self._require_caught("a receipt deleted from storage", "log.complete", bereft.uri)
        self._tamper("delete", self._receipt_of(removed))
        self._tamper("delete", removed)
        what = "an object deleted from storage together with its receipt"
        self._require_caught(what, "log.complete", removed.uri)
        log_file = self._digested_log_file()
        self._tamper("delete", log_file)
        subject = f"s3://{log_file.bucket}/{log_file.key}"
        what = "a log file of CloudTrail deleted from storage"
        self._require_caught(what, "trail.digest", subject, found_by=landed[-1].version)

    def _digested_log_file(self) -> ObjectVersion:
        """A log file that a digest names already; one delivered since then would be pending."""
        s3, deployment = self.pipeline.client("s3"), self.pipeline.deployment
        bucket = deployment.buckets["cloudtrail-log"]
        digests = s3.list_objects_v2(Bucket=bucket, Prefix=f"{deployment.trail_folder}CloudTrail-Digest/")
        found = (s3.get_object(Bucket=bucket, Key=digest["Key"]) for digest in digests["Contents"])
        named = (parse_digest(digest["Body"].read(), digest["Metadata"]).files for digest in found)
        file = next(file for files in named for file in files)
        head = s3.head_object(Bucket=bucket, Key=file.key)
        return ObjectVersion(bucket, file.key, head["VersionId"])

    def _receipt_of(self, version: ObjectVersion) -> ObjectVersion:
        bucket = self.pipeline.deployment.buckets["provenance"]
        return ObjectVersion(bucket, version.receipt_key, self.pipeline.receipt_version(version))

    def _tamper(self, action: str, target: ObjectVersion, **how: int) -> None:
        self.pipeline.aws.admin(
            "tamper",
            action=action,
            bucket=target.bucket,
            key=target.key,
            version_id=target.version_id,
            **how,
        )

    def _require_lock(self, version: ObjectVersion) -> None:
        receipt = self._receipt_of(version)
        try:
            self.pipeline.client("s3").delete_object(
                Bucket=receipt.bucket, Key=receipt.key, VersionId=receipt.version_id
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "AccessDenied":
                raise
        else:
            raise DemoError("A receipt could be deleted through the API: Object Lock is not in force.")
        self.console.print(
            "[bold green]refused[/] to delete a receipt through the API: Object Lock protects it.\n"
        )

    def _require_caught(
        self, what: str, claim: str, subject: str, found_by: ObjectVersion | None = None
    ) -> None:
        """Verify the subject, or the object version by which it is found."""
        scope = subject if found_by is None else found_by.uri
        done = self.pipeline.custody("verify", scope, "--format", "json", role=AUDITOR_ROLE, session=AUDITOR)
        findings = json.loads(done.stdout)["findings"] if done.returncode == 1 else []
        if not any(found["claim"] == claim and found["subject"] == subject for found in findings):
            raise DemoError(f"{what} was not caught as {claim}: {done.stdout}{done.stderr}")
        self.console.print(f"[bold green]caught[/] {what}:", soft_wrap=True)
        self.custody("verify", scope, expect=1)
        self.console.print()


PARTS: dict[str, Part] = {"adopted": Adopted(), "airflow": Daily(), "warehouse": Warehouse()}
"""What ``--with`` adds, by name."""


def show(parts: Sequence[Part], watch: Stopwatch, lake: Lake) -> None:
    """Run the parts, each as a step."""
    for part in parts:
        with watch.step(part.title):
            part.run(lake, WORK, watch.console)


def run(
    console: Console,
    datasets: Sequence[str] | None,
    parts: Sequence[Part] = (),
    local_aws: Callable[[Path], LocalAws] = LocalAws,
) -> None:
    """Run every step, with these data sets or those of local.tfvars; raises at the first failure.

    parts: run at the end, or before evidence is tampered with. local_aws: makes the AWS that it runs on, from
    the folder for its files.
    """
    variables: dict[str, object] = {} if datasets is None else {"datasets": [*datasets]}
    for part in parts:
        part.set_up()
    watch = Stopwatch(console)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)

    def say(line: str) -> None:
        console.print(escape(line))

    with ExitStack() as running:
        with watch.step("Start AWS on this machine"):
            aws = running.enter_context(local_aws(WORK / "aws"))
            for part in parts:
                variables |= part.prepare(aws)
        with watch.step("terraform apply"):
            pipeline = apply(aws, WORK, say, variables)
        demo = Demo(pipeline, console)
        with watch.step("Drop some objects"):
            landed = demo.drop()
        with watch.step("Hashed, signed, recorded, sealed"):
            demo.await_receipts([entry.version for entry in landed])
            pipeline.deliver_trail()
        with watch.step("The ledger: who, what, when, from where, and whether it is proven"):
            demo.custody("ledger", expect=0)
            demo.custody("show", landed[0].version.uri, expect=0)
        lake = Lake(pipeline)
        if pipeline.datasets:
            with watch.step("The data sets' files and records arrive"):
                delivered = demo.deliver(lake)
            if delivered:
                with watch.step("The gate lets through what is proven; the jobs make tables of it"):
                    demo.make_tables(lake)
                with watch.step("Where a table came from"):
                    most = max(lake.gold, key=lambda table: len(lake.gold[table]), default=lake.silver[0])
                    demo.custody("lineage", most, expect=0)
            pipeline.deliver_trail()
        with watch.step("Verify: every object against its receipt, its signature, the trail and its inputs"):
            demo.custody("verify", expect=0)
            demo.custody("doctor", expect=0)
        show([part for part in parts if part.before_tampering], watch, lake)
        with watch.step("Prove one object to somebody who has neither this kit nor AWS"):
            demo.prove(landed[0].version)
        with watch.step("Tamper, and detect it"):
            demo.tamper(landed)
        with watch.step("The report"):
            pipeline.deliver_trail()
            demo.custody("report", "-o", str(REPORT), expect=1)
        show([part for part in parts if not part.before_tampering], watch, lake)
    console.print(watch.summary())
    where = REPORT.relative_to(Path.cwd()) if REPORT.is_relative_to(Path.cwd()) else REPORT
    console.print(
        f"\n[bold green]All claims held, all tampering was detected.[/] The report: [bold]{where}[/]"
    )


def stop(*_: object) -> NoReturn:
    """Handle a signal as a Ctrl-C."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the demonstration: 0 succeeded, 1 failed, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description="Show all of it, here.")
    parser.add_argument(
        "datasets", nargs="*", help="folders to deploy instead of those of local.tfvars; none: evidence alone"
    )
    parser.add_argument(
        "--with", dest="parts", metavar="PART,…", default="", help=f"also: {', '.join(PARTS)}"
    )
    options = parser.parse_args()
    parts = [name for name in options.parts.split(",") if name]
    if unknown := sorted({*parts} - {*PARTS}):
        parser.error(f"there is no part {unknown[0]!r}: there are {', '.join(PARTS)}")
    names = options.datasets
    datasets = [] if names == ["none"] else [str(Path(name).absolute()) for name in names] or None
    signal.signal(signal.SIGTERM, stop)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    try:
        run(console, datasets, [PARTS[name] for name in parts])
    except KeyboardInterrupt:
        console.print("\nInterrupted; nothing is left running.")
        return 130
    except (DemoError, LocalAwsError, PipelineError, ToolError) as error:
        console.print(f"\n[bold red]The demonstration failed.[/] {escape(str(error))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
