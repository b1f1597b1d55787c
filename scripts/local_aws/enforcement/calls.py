"""Has every call of moto's services but S3 decided before it is served."""

from __future__ import annotations

import json
import re
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from scripts.local_aws.enforcement import policies
from scripts.local_aws.enforcement.actions import UnknownActionError, needs
from scripts.local_aws.enforcement.authority import Authority, DeniedError
from scripts.local_aws.enforcement.current import choose
from scripts.local_aws.enforcement.keys import with_keys
from scripts.local_aws.identity import ANONYMOUS, issued
from scripts.local_aws.trail.management import asked

_CODES = {"ec2": "UnauthorizedOperation", "query": "AccessDenied", "sns": "AuthorizationError"}
"""Codes of a refusal, by service or protocol: others say ``AccessDeniedException``."""


_TOKEN = re.compile(r'"(client|request|clientRequest)Token": "[^"]*"', re.IGNORECASE)
"""What differs each time the same is asked for."""


class _RefusedError(ServiceException):
    """A refusal, as moto writes it by the protocol of the service."""


def enforce() -> Authority:
    """Have every call of this process decided from here on, those of S3 too."""
    authority = Authority()
    choose(authority)
    serve = BaseResponse.call_action

    def call_action(self: BaseResponse) -> Any:
        if self.service_name in {None, "s3"}:
            return serve(self)
        try:
            _require(authority, self)
        except DeniedError as error:
            model = get_service_model(self.boto3_service_name)
            code = _CODES.get(model.service_name) or _CODES.get(model.protocol, "AccessDeniedException")
            return self.serialized(ActionResult(_RefusedError(code, str(error))))
        return serve(self)

    BaseResponse.call_action = call_action  # type: ignore[method-assign]
    return authority


def _require(authority: Authority, response: BaseResponse) -> None:
    name = str(response._get_action() or "")
    model = get_service_model(response.boto3_service_name)
    service = str(model.signing_name)
    credentials = issued(response.get_access_key())
    principal = credentials.principal if credentials else ANONYMOUS
    parameters = asked(response, name)
    try:
        found = needs(service, name, policies.named(service, parameters))
    except UnknownActionError as error:
        authority.give_up(str(error))
        return
    call = _TOKEN.sub("", json.dumps([name, parameters], sort_keys=True, default=repr))
    for need in with_keys(found):
        authority.require(principal, need, call)
