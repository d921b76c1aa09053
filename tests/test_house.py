"""The rules of the house that no other tool checks, read from the sources' syntax trees."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

SQL = re.compile(
    r"\s*(SELECT|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|WITH \w+ |CREATE \w+|DROP \w+)\b"
)


@cache
def sources() -> dict[str, ast.Module]:
    """The modules of the core and of the bundled plugins, by path."""
    paths = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def core() -> dict[str, ast.Module]:
    return {path: tree for path, tree in sources().items() if path.startswith("harness/")}


def module_of(path: str) -> str:
    parts = Path(path).with_suffix("").parts
    parts = parts[1:] if parts[0] == "plugins" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: str, modules: dict[str, str]) -> set[str]:
    """The files that the file at ``path`` imports anywhere, for type checks too."""
    found: set[str] = set()
    for node in ast.walk(sources()[path]):
        if isinstance(node, ast.Import):
            found |= {modules[each.name] for each in node.names if each.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            inner = [f"{node.module}.{each.name}" for each in node.names]
            found |= {modules.get(name, modules[node.module]) for name in inner}
    return found - {path}


def circles() -> list[list[str]]:
    """Strongly connected groups of files, by Tarjan's algorithm."""
    modules = {module_of(path): path for path in sources()}
    graph = {path: sorted(imports(path, modules)) for path in sources()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(path: str) -> None:
        index[path] = low[path] = len(index)
        stack.append(path)
        for other in graph[path]:
            if other not in index:
                visit(other)
                low[path] = min(low[path], low[other])
            elif other in stack:
                low[path] = min(low[path], index[other])
        if low[path] == index[path]:
            group = stack[stack.index(path) :]
            del stack[-len(group) :]
            if len(group) > 1:
                found.append(sorted(group))

    for path in graph:
        if path not in index:
            visit(path)
    return found


def test_no_two_files_import_each_other() -> None:
    """A circle cannot be read from either end, nor tested or moved apart."""
    assert circles() == []


def test_sql_is_the_stores_alone() -> None:
    """The schema changes in one room."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in core().items()
        if not path.startswith("harness/store/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    assert found == []
