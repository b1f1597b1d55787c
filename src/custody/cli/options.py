"""Options of every command: ``--format``, ``--deployment``, ``--profile`` and ``--region``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer

from custody import __version__
from custody.deployment import Deployment, load_deployment
from custody.errors import UsageError
from custody.ledger.athena import Athena
from custody.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from boto3.session import Session
    from mypy_boto3_s3 import S3Client
    from rich.console import Console

    from custody.cli.places import Place
    from custody.trail.public_keys import DigestKeys
    from custody.verify.verify import Processes


class Format(StrEnum):
    """How an answer is written to standard output."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="table for people, json for one JSON document on stdout.")
]


def _deployment_names() -> list[str]:
    """What a shell completes ``--deployment`` with."""
    from custody.cli.places import read_list

    try:
        return list(read_list())
    except UsageError:
        return []


DeploymentOption = Annotated[
    str | None,
    typer.Option(
        "--deployment",
        metavar="NAME|FILE|S3_URI",
        envvar="CUSTODY_DEPLOYMENT",
        autocompletion=_deployment_names,
        show_default=False,
        help="A deployment in the list (custody deployments list), or its file. The default is "
        "build/$ENV/deployment.json, if it exists, else the only deployment in the list.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        show_default=False,
        help="AWS profile. The default is the list's for that deployment, else AWS's own (AWS_PROFILE).",
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="REGION",
        show_default=False,
        help="AWS Region of the requests. The default is the deployment's.",
    ),
]


@dataclass(frozen=True)
class Run:
    """One run of a command: its deployment, its clients and its output streams."""

    named: str | None
    """The deployment's name, file or S3 URI."""
    format: Format
    profile: str | None = None
    region: str | None = None

    @cached_property
    def out(self) -> Console:
        """Console for the answer: stdout."""
        return _console(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """Console for messages: stderr."""
        return _console(sys.stderr)

    @cached_property
    def deployment(self) -> Deployment:
        """The deployment; raises ``UsageError`` or ``CannotCheckError`` if its file cannot be read."""
        from custody.cli.places import fetch_deployment

        stored = self._place.in_s3
        if stored is None:
            return load_deployment(Path(self._place.location))
        return fetch_deployment(_client(_session(self.region, self._profile), "s3"), stored)

    @cached_property
    def _place(self) -> Place:
        from custody.cli.places import choose_place

        return choose_place(self.named)

    @property
    def _profile(self) -> str | None:
        return self.profile or self._place.profile

    @property
    def _own_region(self) -> str:
        return self.region or self.deployment.region

    @cached_property
    def session(self) -> Session:
        """Credentials and region; the region is the deployment's, whatever the environment says."""
        return _session(self._own_region, self._profile)

    def client(self, service: str) -> Any:
        """Return a client with short connection timeouts and many retries for throttling.

        Raises ``UsageError`` if the environment's or the profile's configuration of AWS cannot be used.
        """
        return _client(self.session, service)

    @property
    def digest_keys(self) -> DigestKeys:
        """The public keys of CloudTrail's digest files."""
        from custody.trail.public_keys import ListedKeys

        return ListedKeys(lambda region: _client(self.session, "cloudtrail", region))

    @property
    def processes(self) -> Processes | None:
        """Processes to verify with, one for each processor, all with the credentials of the same profile.

        None if the profile requires an MFA code, which the user should type in only once.
        """
        return self._processes(self._own_region)

    def _processes(self, region: str, places: Mapping[str, str] | None = None) -> Processes | None:
        profiles = self.session._session.full_config.get("profiles", {}).values()
        if any("mfa_serial" in profile for profile in profiles):
            return None
        return verify_processes(region, self._profile, places)

    def from_copy(self) -> tuple[S3Client, Processes | None]:
        """A client and processes that read the second copy wherever a bucket of evidence is asked for.

        Raises ``UsageError`` if there is no copy, or if the deployment's file is in another bucket of S3:
        whoever writes there would say where the copy is.
        """
        from custody.evidence.copy import copy_of, places_in_copy, read_elsewhere

        places, copy = places_in_copy(self.deployment), copy_of(self.deployment)
        if (stored := self._place.in_s3) is not None and stored.bucket != copy.bucket:
            raise UsageError(
                f"{self._place.location} is not in the copy that it names, {copy.bucket}.",
                "Name the one in the copy, --deployment s3://COPY/deployments/NAME.json, or your own.",
            )
        client = cast("S3Client", _client(self.session, "s3", copy.region))
        return read_elsewhere(client, places), self._processes(copy.region, places)

    @cached_property
    def s3(self) -> S3Client:
        """The client for Amazon S3."""
        return cast("S3Client", self.client("s3"))

    @cached_property
    def any_s3(self) -> S3Client:
        """The client for a bucket that was named, with or without a deployment to work on."""
        try:
            _ = self._place
        except UsageError:
            if self.named is not None:
                raise
            return cast("S3Client", _client(_session(self.region, self.profile), "s3"))
        return self.s3

    @cached_property
    def copy_s3(self) -> S3Client:
        """A client of the Region of the second copy. Raises ``UsageError`` if there is no copy."""
        from custody.evidence.copy import copy_of

        return cast("S3Client", _client(self.session, "s3", copy_of(self.deployment).region))

    def athena(self, on_progress: Callable[[str], None]) -> Athena:
        """Return the client for the deployment's workgroup and database."""
        return Athena(
            self.client("athena"),
            workgroup=self.deployment.workgroup,
            database=self.deployment.database,
            on_progress=on_progress,
        )

    @contextmanager
    def progress(self, words: str) -> Iterator[Callable[[str], None]]:
        """Show progress on stderr with the latest message; on a terminal only."""
        if not self.err.is_terminal:
            yield lambda words: None
            return
        with self.err.status(visible(words)) as status:
            yield lambda words: status.update(visible(words))

    def answer(self, words: str) -> None:
        """Print a line of the answer for people on stdout."""
        for line in words.splitlines():
            self.out.print(visible(line), soft_wrap=True)

    def say(self, words: str, style: str = "") -> None:
        """Print a message for people on stderr."""
        self.err.print(visible(words), style=style, soft_wrap=True)

    def write_json(self, document: Any) -> None:
        """Write the one JSON document of this run to stdout."""
        sys.stdout.write(json.dumps(document, indent=2) + "\n")

    def stream_json(self, name: str, items: Iterable[Mapping[str, Any]]) -> int:
        """Write ``{name: [items…], "count": n}``, one item per line, none kept in memory; return how many.

        If the items end with an error the document stays incomplete, so that it cannot be taken for complete.
        """
        sys.stdout.write(f'{{"{name}": [')
        count = 0
        for item in items:
            sys.stdout.write((",\n" if count else "\n") + json.dumps(item))
            count += 1
        sys.stdout.write(f'\n], "count": {count}}}\n')
        return count

    def stream_document(self, parts: Mapping[str, str | Mapping[str, Any] | Iterable[Any]]) -> None:
        """Write one document of texts, objects and lists, one list item per line, none kept in memory.

        If the items end with an error the document stays incomplete, as in ``stream_json``.
        """
        for number, (name, part) in enumerate(parts.items()):
            sys.stdout.write((",\n" if number else "{") + json.dumps(name) + ": ")
            if isinstance(part, str | Mapping):
                sys.stdout.write(json.dumps(part))
                continue
            sys.stdout.write("[")
            for index, item in enumerate(part):
                sys.stdout.write((",\n" if index else "\n") + json.dumps(item))
            sys.stdout.write("\n]")
        sys.stdout.write("}\n")


ANY_REGION = "us-east-1"
"""Where Amazon S3 is asked for a deployment's file if nothing names a Region: it tells the bucket's."""
VERIFY_WORKERS = 16
"""Concurrent requests of a verification, and so the size of the connection pool."""
VERIFY_PROCESSES = 8
"""More processes would exceed the request rate of Amazon S3 for one prefix: 5,500 GETs a second (User Guide,
"Best practices design patterns")."""


def _session(region: str | None, profile: str | None) -> Session:
    """Return a session; without a region, in the profile's or the environment's.

    Raises ``UsageError`` if there is no such profile.
    """
    import boto3
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    from custody.listing import read_times_fast

    core = botocore.session.Session(profile=profile)
    read_times_fast(core)
    try:
        core.get_scoped_config()
    except ProfileNotFound as error:
        raise UsageError(f"{error}.", "See aws configure list-profiles.") from error
    own = core.get_config_variable("region") if region is None else region
    return boto3.session.Session(botocore_session=core, region_name=own or ANY_REGION)


def _client(session: Session, service: str, region: str | None = None) -> Any:
    import botocore
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        max_pool_connections=VERIFY_WORKERS,
        retries={"mode": "standard", "total_max_attempts": 5},
        response_checksum_validation="when_required",  # verification hashes every byte itself
        # botocore builds its own for each request, a tenth of the cost of a small one
        user_agent=f"custody/{__version__} Botocore/{botocore.__version__}",
    )
    try:
        return session.client(service, region, config=config)  # type: ignore[call-overload]
    except ValueError as error:  # an invalid endpoint URL or number
        raise UsageError(
            f"The AWS configuration is not valid: {error}.",
            "Check AWS_ENDPOINT_URL and the other AWS_… variables, and the profile.",
        ) from error


def s3_client(region: str, profile: str | None = None, places: Mapping[str, str] | None = None) -> S3Client:
    """Return a client for Amazon S3 like ``Run.s3``, in any process; ``places`` as for ``read_elsewhere``."""
    from custody.evidence.copy import read_elsewhere

    return read_elsewhere(cast("S3Client", _client(_session(region, profile), "s3")), places or {})


def verify_processes(
    region: str, profile: str | None = None, places: Mapping[str, str] | None = None
) -> Processes:
    """Return a process for each processor, at most ``VERIFY_PROCESSES``; ``places`` as for ``s3_client``."""
    from custody.verify.verify import Processes

    return Processes(partial(s3_client, region, profile, places), min(os.cpu_count() or 1, VERIFY_PROCESSES))


def _console(stream: IO[str]) -> Console:
    from custody.cli.console import text_console

    return text_console(stream)


def describe_progress(stage: str, done: int, total: int | None) -> str:
    """Describe the progress of a verification's stage in a few words."""
    return f"{stage}: {done:,}" + ("" if total is None else f" of {total:,}")


def state_folder(name: str) -> Path:
    """A folder of saved states: XDG Base Directory Specification 0.8, by which relative paths are ignored.

    Raises ``UsageError`` if the user has no home.
    """
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not home.is_absolute():
        try:
            home = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise UsageError(
                "There is no home folder for what is saved of a command that is interrupted.",
                "Set XDG_STATE_HOME to a folder in which you may write.",
            ) from error
    return home / "custody" / name


def read_small(path: Path, limit: int) -> bytes:
    """The bytes of a file; one more than the limit if it is longer, which its parser refuses.

    Raises ``UsageError`` if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
