"""Event source mappings are listed by the function's name, ARN or partial ARN, however they were created.

moto compares the text with that of the creation, and so finds none by another form.
https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html
"""

from __future__ import annotations

from collections.abc import Iterable

from moto.awslambda.models import EventSourceMapping, LambdaBackend


def apply() -> None:
    """Compare names."""
    LambdaBackend.list_event_source_mappings = _list  # type: ignore[method-assign]


def _list(self: LambdaBackend, event_source_arn: str, function_name: str) -> Iterable[EventSourceMapping]:
    return [
        mapping
        for mapping in list(self._event_source_mappings.values())
        if event_source_arn in {None, "", mapping.event_source_arn}
        and (not function_name or _name(function_name) == _name(mapping.function_arn))
    ]


def _name(function: str) -> str:
    """``name[:qualifier]``, ``account:function:name[:qualifier]`` or an ARN."""
    return function.rpartition(":function:")[2].partition(":")[0]
