"""A job can be changed.

moto has no UpdateJob, so that a deployment with a job cannot be applied again with a new script.
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html#aws-glue-api-jobs-job-UpdateJob
"""

from __future__ import annotations

import inspect
import json

from moto.glue.models import GlueBackend
from moto.glue.responses import GlueResponse

_SETTINGS = inspect.signature(GlueBackend.create_job).parameters.keys() - {"self", "name", "tags"}


def apply() -> None:
    """Add the operation."""
    GlueResponse.update_job = _update_job  # type: ignore[attr-defined]


def _update_job(self: GlueResponse) -> str:
    """Put the new definition in the place of the old one: what it does not say is unset."""
    name, update = self._get_param("JobName"), self._get_param("JobUpdate")
    created_on = self.glue_backend.get_job(name).created_on
    given = {setting: update.get(setting.title().replace("_", "")) for setting in _SETTINGS}
    self.glue_backend.create_job(name=name, tags={}, **given)
    self.glue_backend.get_job(name).created_on = created_on
    return json.dumps({"JobName": name})
