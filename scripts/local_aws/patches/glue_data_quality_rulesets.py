"""A ruleset of Glue Data Quality is kept: its rules are text, which nothing here evaluates.

moto has none of the operations on one.
https://docs.aws.amazon.com/glue/latest/webapi/API_DataQualityRulesetListDetails.html
"""

from __future__ import annotations

import time
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.glue.exceptions import AlreadyExistsException, EntityNotFoundException
from moto.glue.responses import GlueResponse


def apply() -> None:
    """Add the operations."""
    GlueResponse.create_data_quality_ruleset = _create  # type: ignore[attr-defined]
    GlueResponse.delete_data_quality_ruleset = _delete  # type: ignore[attr-defined]
    GlueResponse.get_data_quality_ruleset = _get  # type: ignore[attr-defined]
    GlueResponse.update_data_quality_ruleset = _update  # type: ignore[attr-defined]


def _rulesets(response: GlueResponse) -> dict[str, dict[str, Any]]:
    rulesets: dict[str, dict[str, Any]] = response.glue_backend.__dict__.setdefault("rulesets", {})
    return rulesets


def _existing(response: GlueResponse) -> dict[str, Any]:
    name = response._get_param("Name")
    if name not in _rulesets(response):
        raise EntityNotFoundException(f"Cannot find Data Quality Ruleset in account {name}")
    return _rulesets(response)[name]


def _said(response: GlueResponse, *names: str) -> dict[str, Any]:
    return {name: response.parameters[name] for name in names if name in response.parameters}


def _arn(response: GlueResponse) -> str:
    name = response._get_param("Name")
    return f"arn:aws:glue:{response.region}:{response.current_account}:dataQualityRuleset/{name}"


def _create(self: GlueResponse) -> ActionResult:
    name = self._get_param("Name")
    if name in _rulesets(self):
        raise AlreadyExistsException(f"Data Quality Ruleset {name}")
    now = time.time()
    _rulesets(self)[name] = {
        **_said(self, "Name", "Description", "Ruleset", "TargetTable"),
        "CreatedOn": now,
        "LastModifiedOn": now,
    }
    self.glue_backend.tag_resource(_arn(self), self._get_param("Tags"))
    return ActionResult({"Name": name})


def _get(self: GlueResponse) -> ActionResult:
    return ActionResult(_existing(self))


def _update(self: GlueResponse) -> ActionResult:
    ruleset = _existing(self)
    ruleset |= {**_said(self, "Description", "Ruleset"), "LastModifiedOn": time.time()}
    return ActionResult(_said(self, "Name", "Description", "Ruleset"))


def _delete(self: GlueResponse) -> EmptyResult:
    del _rulesets(self)[_existing(self)["Name"]]
    self.glue_backend.untag_resource(_arn(self), list(self.glue_backend.get_tags(_arn(self))))
    return EmptyResult()
