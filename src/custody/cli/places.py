"""Which deployment a command works on: the option, the environment, the checkout, or the list.

1. ``--deployment``, else the variable ``CUSTODY_DEPLOYMENT``: ``s3://bucket/key`` is an object, a word such
   as ``dev`` a name in the list, anything else (with a slash or a dot: ``./dev``) a file.
2. ``build/$ENV/deployment.json`` below the current directory (``build/local`` without ``ENV``), if it exists.
3. The only deployment in the list, if ``ENV`` does not ask for another.

The list is a file in the user's configuration folder. It is read like any file from outside.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import typer

from custody.deployment import Deployment, parse_deployment
from custody.documents import Fields, parse_object
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.fetch import GoneError, Reader, UnreadableError, fetch_bytes
from custody.evidence.objects import ObjectVersion, parse_s3_uri

MAX_LIST_BYTES = 1024 * 1024
MAX_DEPLOYMENT_BYTES = 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_NAME_WORDS = "A name has at most 63 lower-case letters, digits and hyphens, and begins with no hyphen."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deployment's file is."""

    location: str
    """The ``s3://`` URI of an object, or the path of a file."""
    profile: str | None = None
    """The AWS profile that the list has for it."""

    @property
    def in_s3(self) -> ObjectVersion | None:
        """The object (its current version), or None for a file. Raises ``UsageError`` if it names none."""
        if not self.location.startswith("s3://"):
            return None
        found = parse_s3_uri(self.location)
        if not found.key or found.version_id is not None:
            raise UsageError(
                f"{self.location[:200]} names no deployment file.", "Write s3://bucket/deployments/name.json."
            )
        return ObjectVersion(found.bucket, found.key, "")


def choose_place(named: str | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the place of the deployment that is ``named``, or of the one to work on without a name.

    Raises ``UsageError`` if there is none, or more than one.
    """
    if named is not None:
        if not is_name(named):
            return Place(named)
        if (place := read_list().get(named)) is not None:
            return place
        raise UsageError(
            f"There is no deployment {named} in the list; {_list_words(read_list())}.",
            f"Add it with custody deployments add, or write ./{named} if it is a file.",
        )
    env = environ.get("ENV") or ""
    path = Path("build", env if is_name(env) else "local", "deployment.json")
    if path.exists():
        return Place(str(path))
    places = {} if is_name(env) else read_list()
    if len(places) == 1:
        return next(iter(places.values()))
    if places:
        raise UsageError(
            f"Several deployments could be meant; {_list_words(places)}.",
            "Name one with --deployment or CUSTODY_DEPLOYMENT.",
        )
    raise UsageError(
        f"There is no deployment file at {path}"
        + (f" (ENV is {env})." if is_name(env) else ", and no deployment in the list."),
        "Run make apply, name one with --deployment or CUSTODY_DEPLOYMENT, or add one: "
        "custody deployments add s3://….",
    )


def fetch_deployment(s3: Reader, stored: ObjectVersion) -> Deployment:
    """Read a deployment's file from Amazon S3.

    Raises ``UsageError`` if there is none, or if it is not one, and ``CannotCheckError`` if S3 does not
    return it.
    """
    uri = stored.uri.partition("?")[0]
    try:
        data = fetch_bytes(s3, stored, MAX_DEPLOYMENT_BYTES)
    except GoneError as error:
        raise UsageError(f"There is no deployment file at {uri}.", "Ask who deploys for its URI.") from error
    except UnreadableError as error:
        raise CannotCheckError(
            f"The deployment file {uri} cannot be read: {error.__cause__ or error}.",
            "Ask who deploys which role may read it, and name your profile of it with --profile.",
        ) from error
    if len(data) > MAX_DEPLOYMENT_BYTES:
        raise UsageError(f"{uri} is no deployment file: it is too long.", "Ask who deploys for its URI.")
    return parse_deployment(data, uri)


def is_name(text: str) -> bool:
    """Whether ``text`` can be the name of a deployment in the list; otherwise it is a file or an object."""
    return _NAME.fullmatch(text) is not None


def require_name(text: str) -> str:
    """Return ``text``; raises ``UsageError`` if it cannot be a name in the list."""
    if not is_name(text):
        raise UsageError(f"{text[:200]!r} cannot be a deployment's name.", _NAME_WORDS)
    return text


def list_path() -> Path:
    """The file of the list."""
    return Path(typer.get_app_dir("custody"), "deployments.json")


def read_list() -> dict[str, Place]:
    """The deployments in the list by name, in order. Raises ``UsageError`` if the file is not such a list."""
    path = list_path()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
    except FileNotFoundError:
        return {}
    try:
        return dict(sorted(parse_list(data, f"list of deployments {path}").items()))
    except EvidenceError as error:
        raise UsageError(error.message, "Correct it, or delete it.") from error


def parse_list(data: bytes, what: str) -> dict[str, Place]:
    """Read the file of the list, by name. Raises ``EvidenceError``, which calls the document ``what``."""
    places = {}
    for item in Fields(parse_object(data, what, MAX_LIST_BYTES), what).objects("deployments"):
        name, place = item.words("name"), Place(item.words("location"), item.optional_text("profile"))
        if not is_name(name) or name in places or not _is_whole(place):
            raise EvidenceError(f"The {what} has an entry {name[:80]!r} that custody does not write.")
        places[name] = place
    return places


def _is_whole(place: Place) -> bool:
    """Whether an entry says the same in every folder."""
    try:
        return place.in_s3 is not None or Path(place.location).is_absolute()
    except UsageError:
        return False


def write_list(places: Mapping[str, Place]) -> None:
    """Replace the list, whole or not at all. Raises ``OSError`` if it cannot be written."""
    path = list_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries = [{"name": name, **asdict(place)} for name, place in sorted(places.items())]
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(json.dumps({"deployments": entries}, indent=2) + "\n")
            file.close()
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _list_words(places: Mapping[str, Place]) -> str:
    return f"the list has {', '.join(places)}" if places else "the list is empty"
