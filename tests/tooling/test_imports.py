"""What a program can import is found in its text: all of it, and nothing that never runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.imports import imported

FILES = {
    "run/handler.py": b"",
    "a/__init__.py": b"",
    "a/b/__init__.py": b"",
    "a/b/c.py": b"",
    "a/b/d.py": b"",
    "e.py": b"",
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import e", "e.py"),
        ("import e as f, json", "e.py"),
        ("from e import anything", "e.py"),
        ("import a.b.c", "a/__init__.py a/b/__init__.py a/b/c.py"),
        ("from a.b import c", "a/__init__.py a/b/__init__.py a/b/c.py"),
        ("from a.b.c import name", "a/__init__.py a/b/__init__.py a/b/c.py"),
        ("from a import *", "a/__init__.py"),
        ("def handler():\n    try:\n        import e\n    except ImportError:\n        pass", "e.py"),
        ("class A:\n    async def f(self):\n        from a import b", "a/__init__.py a/b/__init__.py"),
        ("if TYPE_CHECKING:\n    import e", ""),
        ("import typing\nif typing.TYPE_CHECKING:\n    import e\nelse:\n    import a", "a/__init__.py"),
        ("if TYPE_CHECKING:\n    import e\nelif x:\n    import a", "a/__init__.py"),
        ("text = 'import e'  # import a", ""),
        ("import b", ""),
    ],
)
def test_every_import_that_can_run_is_followed(text: str, wanted: str) -> None:
    files = FILES | {"run/handler.py": text.encode()}
    assert imported(files, ["run/handler.py"]) == {"run/handler.py", *wanted.split()}


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a/b/c.py", "from . import d", "a/b/d.py"),
        ("a/b/c.py", "from .d import name", "a/b/d.py"),
        ("a/b/c.py", "from .. import b", ""),
        ("a/b/c.py", "from ..b.d import name", "a/b/d.py"),
        ("a/b/__init__.py", "from . import d", "a/b/c.py a/b/d.py"),
        ("a/b/__init__.py", "from .c import name", "a/b/c.py"),
        ("a/__init__.py", "from .b import d", "a/b/d.py"),
    ],
)
def test_a_relative_import_begins_at_its_package(name: str, text: str, wanted: str) -> None:
    files = FILES | {"run/handler.py": b"import a.b.c", name: text.encode()}
    always = {"run/handler.py", "a/__init__.py", "a/b/__init__.py", "a/b/c.py"}
    assert imported(files, ["run/handler.py"]) == {*always, *wanted.split()}


def test_modules_may_import_each_other() -> None:
    files = {"a.py": b"import b", "b.py": b"import a", "c.py": b""}
    assert imported(files, ["a.py"]) == {"a.py", "b.py"}


def test_as_much_is_found_as_python_imports(tmp_path: Path) -> None:
    files = FILES | {
        "run/handler.py": b"import a.b.c\nfrom a import b",
        "a/b/c.py": b"from . import d\nfrom .d import e",
        "a/b/d.py": b"import e",
        "e.py": b"from a.b import d",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import run.handler\n"
        f"print(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    loaded = {
        Path(line).relative_to(tmp_path).as_posix()
        for line in done.stdout.splitlines()
        if str(tmp_path) in line
    }
    assert imported(files, ["run/handler.py"]) == loaded
