"""Files and lines of each room: of this tree, or ``python benchmarks/house.py REV``.

Statements are what a parser sees: neither blank lines, comments and docstrings nor the way in which
lines are wrapped count.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent


def sources(revision: str | None) -> dict[str, str]:
    """The Python files of the core by their paths."""
    if revision is None:
        return {str(p.relative_to(ROOT)): p.read_text() for p in (ROOT / "harness").rglob("*.py")}
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.check_output([*git, "ls-tree", "-r", "--name-only", revision, "harness"])
    names = [name for name in listed.decode().split("\n") if name.endswith(".py")]
    return {
        name: subprocess.check_output([*git, "show", f"{revision}:{name}"]).decode()
        for name in names
    }


def statements(text: str) -> int:
    """The statements of a file without its docstrings."""
    found = 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt):
            bare = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            found += not (bare and isinstance(node.value.value, str))
    return found


def main(revision: str | None = None) -> None:
    rooms: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for name, text in sources(revision).items():
        parts = name.split("/")
        room = parts[1] if len(parts) > 2 else "."
        rooms[room].append((text.count("\n"), statements(text), name))
    print(f"{'room':12}{'files':>7}{'lines':>8}{'statements':>12}  largest file")
    for room, files in sorted(rooms.items()):
        _print(room, files)
    _print("all", [each for files in rooms.values() for each in files])


def _print(room: str, files: list[tuple[int, int, str]]) -> None:
    lines, largest = sum(each[0] for each in files), max(files)
    count = sum(each[1] for each in files)
    print(f"{room:12}{len(files):7}{lines:8}{count:12}  {largest[2]} ({largest[0]})")


if __name__ == "__main__":
    main(*sys.argv[1:])
