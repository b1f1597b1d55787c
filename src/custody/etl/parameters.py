"""The arguments of a job, as Glue passes them: ``--name value``, together with Glue's own arguments.

AWS's ``getResolvedOptions`` is not used: its licence forbids redistribution, and a missing parameter makes
it exit with a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from custody.errors import UsageError


class Parameters:
    """The arguments of a script's command line.

    Every method raises ``UsageError`` naming the parameter.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._values: dict[str, str] = {}
        name = None
        for word in arguments:
            if name is None or word.startswith("--"):
                name, _, value = word.removeprefix("--").partition("=")
                self._values[name] = value
                name = None if value else name
            else:
                self._values[name] = word
                name = None

    def text(self, name: str) -> str:
        """A required value."""
        if not (value := self._values.get(name, "")):
            raise UsageError(
                f"The job has no parameter --{name}.",
                "Set it as a default argument of the job or as an argument of the run.",
            )
        return value

    def optional(self, name: str) -> str | None:
        """A value; ``None`` if the parameter is absent."""
        value = self._values.get(name)
        if value == "":
            raise UsageError(f"--{name} has no value.", "Give it one, or leave it out.")
        return value

    def day(self, name: str) -> date | None:
        """A day such as ``2026-01-15``; ``None`` if the parameter is absent."""
        value = self.optional(name)
        try:
            return None if value is None else date.fromisoformat(value)
        except ValueError as error:
            raise UsageError(f"--{name} is {value!r}, not a day such as 2026-01-15.") from error

    def folder(self, name: str) -> str:
        """The URI of a folder in Amazon S3, without the slash at its end."""
        value = self.text(name).rstrip("/")
        if not value.startswith("s3://"):
            raise UsageError(f"--{name} is {value!r}, not the URI of a folder, s3://bucket/prefix.")
        return value

    def versions(self, name: str, tables: Sequence[str]) -> dict[str, int] | None:
        """A version of each of these tables, as ``table@1,other@2``; ``None`` where it is absent."""
        value = self._values.get(name)
        if value is None:
            return None
        found = dict(re.findall(r"([a-z0-9_]+)@([0-9]{1,18})(?:,|\Z)", value))
        if ",".join(f"{table}@{version}" for table, version in found.items()) != value or {*found} != {
            *tables
        }:
            raise UsageError(f"--{name} is {value!r}, not a version each of {', '.join(tables)}, as table@1.")
        return {table: int(version) for table, version in found.items()}

    def names(self, name: str) -> tuple[str, ...]:
        """Names separated by commas; none if the parameter is absent."""
        return tuple(filter(None, self._values.get(name, "").split(",")))

    def days(self, name: str) -> tuple[date, ...]:
        """Days such as ``2026-01-15,2026-01-16``; none if the parameter is absent."""
        value = self._values.get(name)
        if value is None:
            return ()
        try:
            return tuple(date.fromisoformat(day) for day in value.split(","))
        except ValueError as error:
            raise UsageError(f"--{name} is {value!r}, not days such as 2026-01-15,2026-01-16.") from error
