"""No property fails because the machine was busy."""

from __future__ import annotations

import ast

from hypothesis import HealthCheck, settings

from scripts.toolchain.toolchain import REPO


def test_no_property_looks_at_a_clock() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    for path in (REPO / "tests").rglob("test_*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "settings"):
                continue
            said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert said.get("deadline", "None") == "None", path
            # What a test says of health checks goes before what the profile says.
            assert "too_slow" in said.get("suppress_health_check", "too_slow"), path
