"""Whether a dashboard shows what there is: CloudWatch draws an empty graph for whatever it does not know.

"Dashboard Body Structure and Syntax", "CloudWatch statistics definitions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from cloudwatch import ALARMS, faults
from kit import Plan, PlanCheck, Resource

STATISTICS = re.compile(r"Average|Maximum|Minimum|SampleCount|Sum|p\d{1,2}(\.\d+)?")
MAX_ALARMS = 100
"""Of one widget."""
COLUMNS = 24


class DashboardsShowWhatThereIs(PlanCheck):
    number = 21
    promise = "Every dashboard shows all alarms, and no metric or alarm that there is not"
    mend = "Name metrics and dimensions as the service does, and every alarm of the plan."
    types = ("aws_cloudwatch_dashboard",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        if not (body := resource.values.get("dashboard_body")):
            yield "the plan does not know what it shows"
            return
        shown: set[str] = set()
        for widget in json.loads(body)["widgets"]:
            properties = widget["properties"]
            title = properties.get("title", "a widget without title")
            if widget["x"] + widget["width"] > COLUMNS:
                yield f"{title} ends beyond column {COLUMNS}"
            if widget["type"] == "alarm":
                names = [arn.partition(":alarm:")[2] for arn in properties["alarms"]]
                shown.update(names)
                if len(names) > MAX_ALARMS:
                    yield f"{title} has {len(names)} alarms, of {MAX_ALARMS} at most"
            elif widget["type"] == "metric":
                yield from (f"{title}: {words}" for words in _of_graph(properties, plan))
            else:
                yield f"{title} is a widget that this check cannot read"
        there = {str(each.values["alarm_name"]) for each in plan.of(*ALARMS)}
        yield from (f"it shows no alarm {name}" for name in sorted(there - shown))
        yield from (f"there is no alarm {name}" for name in sorted(shown - there))


def _of_graph(properties: dict[str, Any], plan: Plan) -> Iterator[str]:
    if not properties.get("region"):
        yield "it is of no Region"
    if not properties.get("metrics"):
        yield "it shows nothing"
    for metric in properties.get("metrics", ()):
        parts = [part for part in metric if isinstance(part, str)]
        options = next((part for part in metric if isinstance(part, dict)), {})
        namespace, name, *pairs = parts
        dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
        statistic = options.get("stat") or properties.get("stat", "Average")
        if not STATISTICS.fullmatch(statistic):
            yield f"{statistic} is no statistic"
        if namespace.startswith("AWS/"):
            yield from faults(namespace, name, dimensions, plan)
        elif not _is_own(namespace, dimensions, plan):
            yield f"no function has metrics in {namespace} by {dimensions or 'nothing'}"


def _is_own(namespace: str, dimensions: dict[str, str], plan: Plan) -> bool:
    """Whether a function of the plan measures it, by the names of namespace and function."""
    name = f"{namespace.removeprefix('Custody/')}-{dimensions.get('service')}"
    functions = {each.values["function_name"] for each in plan.of("aws_lambda_function")}
    return namespace.startswith("Custody/") and dimensions.keys() == {"service"} and name in functions


checks = [DashboardsShowWhatThereIs()]
