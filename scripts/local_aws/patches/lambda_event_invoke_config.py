"""How a function is invoked asynchronously can be changed.

moto keeps every configuration it was ever given and tells the first, so Terraform's plan never settles.
https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
"""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import LambdaBackend


def apply() -> None:
    """Let a new configuration take the place of the old one; an update, that of what it names."""
    put = LambdaBackend.put_function_event_invoke_config

    def put_alone(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        answer = put(self, function_name, config)
        function = self.get_function(function_name)
        function.event_invoke_config = function.event_invoke_config[-1:]
        return answer

    def update(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        there = self.get_function(function_name).event_invoke_config
        return put_alone(self, function_name, {**(there[0].config if there else {}), **config})

    LambdaBackend.put_function_event_invoke_config = put_alone  # type: ignore[method-assign]
    LambdaBackend.update_function_event_invoke_config = update  # type: ignore[method-assign]
