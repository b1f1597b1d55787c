"""Which files of a folder of Python a program can import, found without running anything.

Every import statement counts, wherever it stands, except those below ``if TYPE_CHECKING``, which never run.
What is imported by a computed name is not found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath


def imported(files: Mapping[str, bytes], roots: Iterable[str]) -> set[str]:
    """Return ``roots``, names of modules' files, and all other modules' files that these import."""
    modules = {_module(name): name for name in files if name.endswith(".py")}
    waiting, found = [*roots], set[str]()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        package = PurePosixPath(name).parent.parts
        for module in _names(ast.parse(files[name], name), package):
            parts = module.split(".")
            whole = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            waiting.extend(modules[part] for part in whole if part in modules)
    return found


def _module(name: str) -> str:
    return ".".join(PurePosixPath(name.removesuffix("/__init__.py")).with_suffix("").parts)


def _names(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the names that a module of this package imports; some are no modules."""
    for node in _run(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            begin = ".".join((*base, *filter(None, [node.module])))
            yield from (f"{begin}.{alias.name}" for alias in node.names)


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below this one that can run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            yield from (found for branch in child.orelse for found in (branch, *_run(branch)))
        else:
            yield child
            yield from _run(child)
