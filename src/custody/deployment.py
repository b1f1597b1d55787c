"""What a deployment consists of: the outputs of Terraform, as ``make apply`` leaves them in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody.errors import UsageError


@dataclass(frozen=True, slots=True)
class Deployment:
    """The names of one deployment's resources. Maps are by short name, as Terraform's outputs are."""

    buckets: dict[str, str]
    keys: dict[str, str]
    functions: dict[str, str]
    queues: dict[str, str]
    jobs: dict[str, str]
    streams: dict[str, str]
    workgroup: str
    database: str
    trail_arn: str
    topic_arn: str
    account_id: str
    region: str
    watermark_minutes: int
    recorded_prefixes: dict[str, list[str]]
    """Bucket name → key prefixes whose objects are recorded (``""``: the whole bucket)."""
    management_trail_arn: str = ""
    """The trail that logs the account's management writes; empty in a file of before it was an output."""

    def is_recorded(self, bucket: str, key: str) -> bool:
        """Whether an object at this place must have a receipt."""
        return any(key.startswith(prefix) for prefix in self.recorded_prefixes.get(bucket, ()))


def load_deployment(path: Path) -> Deployment:
    """Read the outputs file.

    Raises ``UsageError`` if the file is absent, is not JSON or lacks an output this version needs.
    """
    try:
        document: Any = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no deployment file at {path}.", "Run make apply, or name one with --deployment."
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The deployment file {path} cannot be read: {error}.", "Run make apply again."
        ) from error
    if not isinstance(document, dict):
        raise UsageError(f"The deployment file {path} holds no JSON object.", "Run make apply again.")
    names = Deployment.__dataclass_fields__
    document = {"management_trail_arn": ""} | document
    missing = sorted(names.keys() - document.keys())
    if missing:
        raise UsageError(f"The deployment file {path} lacks {', '.join(missing)}.", "Run make apply again.")
    return Deployment(**{name: document[name] for name in names})
