"""A function keeps its dead-letter queue and logging, and every setting that an update changes.

moto drops the first two, and of an update whatever it has no branch for, so Terraform's plan never settles.
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
"""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import LambdaFunction

_UPDATED = {
    "KMSKeyArn": "kms_key_arn",
    "TracingConfig": "tracing_config",
    "DeadLetterConfig": "dead_letter_config",
    "LoggingConfig": "logging_config",
}


def apply() -> None:
    """Keep them and tell them."""
    initialise = LambdaFunction.__init__
    describe = LambdaFunction.get_configuration
    update = LambdaFunction.update_configuration

    def initialised(
        self: LambdaFunction, account_id: str, spec: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        initialise(self, account_id, spec, *args, **kwargs)
        self.dead_letter_config = spec.get("DeadLetterConfig")  # type: ignore[attr-defined]
        self.logging_config = spec.get("LoggingConfig")  # type: ignore[attr-defined]

    def described(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
        configuration = describe(self, on_create)
        own: Any = self
        if (own.dead_letter_config or {}).get("TargetArn"):
            configuration["DeadLetterConfig"] = own.dead_letter_config
        default = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}"}
        configuration["LoggingConfig"] = default | (own.logging_config or {})
        return configuration

    def updated(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        for name, attribute in _UPDATED.items():
            if name in config_updates:
                setattr(self, attribute, config_updates[name])
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        return update(self, config_updates)

    LambdaFunction.__init__ = initialised  # type: ignore[method-assign]
    LambdaFunction.get_configuration = described  # type: ignore[method-assign]
    LambdaFunction.update_configuration = updated  # type: ignore[method-assign]
