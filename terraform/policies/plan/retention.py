"""How long things are kept at least, in every environment."""

from __future__ import annotations

from collections.abc import Iterator

from kit import Plan, PlanCheck, Resource

LOG_DAYS = 90
"""What an investigation needs: CloudTrail's own event history, which everybody has, reaches as far."""

KEY_WINDOW_DAYS = 7
FOR_EVER = 0
"""CloudWatch Logs' word for a log group that keeps everything."""


class LogsAreKept(PlanCheck):
    number = 14
    promise = f"Log groups and access logs are kept at least {LOG_DAYS} days"
    mend = f"Raise retention.log_days to {LOG_DAYS} or more."
    types = ("aws_cloudwatch_log_group", "aws_s3_bucket_lifecycle_configuration")

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        if resource.type == "aws_cloudwatch_log_group":
            name, periods = resource.values["name"], [resource.values.get("retention_in_days")]
        elif plan.holds_access_logs(name := resource.values["bucket"]):
            periods = [
                expiration["days"]
                for rule in resource.values["rule"]
                for expiration in rule.get("expiration") or ()
            ]
        else:
            return
        for days in periods:
            if days is None or (days != FOR_EVER and days < LOG_DAYS):
                yield f"{name} is kept {days} days"


class KeysDieSlowly(PlanCheck):
    number = 15
    promise = f"A key that is scheduled for deletion can be saved for at least {KEY_WINDOW_DAYS} days"
    mend = f"Raise retention.key_window_days to {KEY_WINDOW_DAYS} or more."
    types = ("aws_kms_key",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        days = resource.values.get("deletion_window_in_days")
        if days is None or days < KEY_WINDOW_DAYS:
            yield f"{resource.address} can be saved for {days} days only"


checks = [LogsAreKept(), KeysDieSlowly()]
