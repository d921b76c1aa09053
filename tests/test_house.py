"""The rules of the house that no other tool checks, read from the sources' syntax trees."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from harness.api import NORMS, Status

ROOT = Path(__file__).parents[1]

LONGEST = 400
"""Lines of a file: one idea fits into fewer."""

PARAMETERS = 8
"""Of a function; more of them are an object that has no name yet."""

SQL = re.compile(
    r"\s*(SELECT|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|WITH \w+ |CREATE \w+|DROP \w+)\b"
)

RECORDS = "harness/api/records.py"
HISTORY = "harness/store/schema/"
"""What old databases were made with, word by word."""


TRIED = ("coverage",)
"""What libraries import where it is there, though nothing here installs it."""


Sources = Mapping[str, Sequence[ast.AST]]


@cache
def sources() -> Sources:
    """The nodes of each module of the core and of the bundled plugins, by path."""
    paths = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    return {
        str(path.relative_to(ROOT)): list(ast.walk(ast.parse(path.read_text("utf-8"))))
        for path in paths
    }


def core() -> Sources:
    return {path: nodes for path, nodes in sources().items() if path.startswith("harness/")}


def module_of(path: str) -> str:
    parts = Path(path).with_suffix("").parts
    parts = parts[1:] if parts[0] == "plugins" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: str, modules: dict[str, str]) -> set[str]:
    """The files that the file at ``path`` imports anywhere, for type checks too."""
    found: set[str] = set()
    for node in sources()[path]:
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


def functions(found: Sources) -> Iterator[tuple[str, ast.FunctionDef]]:
    for path, nodes in found.items():
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                yield f"{path}:{node.lineno} {node.name}", node


def strings(node: ast.AST) -> set[str] | None:
    """What a tuple, list or set holds, if it is text alone."""
    if not isinstance(node, ast.Tuple | ast.List | ast.Set) or not node.elts:
        return None
    values = [each.value if isinstance(each, ast.Constant) else None for each in node.elts]
    texts = {value for value in values if isinstance(value, str)}
    return texts if len(texts) == len(node.elts) else None


def collections(found: Sources) -> Iterator[tuple[str, set[str]]]:
    """Every tuple, list or set of texts, and every text that spells one in SQL."""
    for path, nodes in found.items():
        for node in nodes:
            if (texts := strings(node)) is not None:
                yield f"{path}:{node.lineno}", texts  # type: ignore[attr-defined]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                for inside in re.findall(r"\bIN \(([^)]*)\)", node.value, re.IGNORECASE):
                    yield f"{path}:{node.lineno}", set(re.findall(r"'(\w+)'", inside))


def test_no_two_files_import_each_other() -> None:
    """A circle cannot be read from either end, nor tested or moved apart."""
    assert circles() == []


def test_files_are_short() -> None:
    """Who looks for an idea reads a file, not a part of one."""
    long = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in sources()}
    assert {path: lines for path, lines in long.items() if lines > LONGEST} == {}


def test_functions_have_few_parameters() -> None:
    """Nine arguments in a row are passed on in nine places; click alone calls with more."""
    others = {path: nodes for path, nodes in sources().items() if "harness/cli/" not in path}
    many = []
    for where, node in functions(others):
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if len([each for each in given if each.arg not in ("self", "cls")]) > PARAMETERS:
            many.append(where)
    assert many == []


def test_no_arguments_from_a_literal_tuple() -> None:
    """``*(a, b, c)`` hides which argument is which from readers and type checkers."""
    found = [
        f"{path}:{node.lineno}"
        for path, nodes in sources().items()
        for node in nodes
        if isinstance(node, ast.Call)
        for each in node.args
        if isinstance(each, ast.Starred) and isinstance(each.value, ast.Tuple | ast.List)
    ]
    assert found == []


def test_no_module_is_an_argument() -> None:
    """A module that is passed about is an interface nobody has written down."""
    found = [
        f"{path}:{node.lineno}"
        for path, nodes in sources().items()
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute)
        and "ModuleType" in (getattr(node, "id", None), getattr(node, "attr", None))
    ]
    assert found == []


def test_sql_is_the_stores_alone() -> None:
    """The schema changes in one room."""
    found = [
        f"{path}:{node.lineno}"
        for path, nodes in core().items()
        if not path.startswith("harness/store/")
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    assert found == []


def statuses(node: ast.AST) -> set[str]:
    """The statuses that a collection or a call names; those of an if/else are a choice."""
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Status":
        return {Status[node.attr].value} & set(Status)
    if isinstance(node, ast.Constant):
        return {node.value} & set(Status)
    if isinstance(node, ast.Call):
        return set().union(*map(statuses, node.args))
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return set().union(*map(statuses, node.elts))
    return set()


def test_groups_of_statuses_have_names() -> None:
    """Which statuses are failures, and which are verdicts, is decided by `Status` alone."""
    groups = (
        {status.value for status in Status if status.failed},
        {status.value for status in Status if status.judged},
    )
    spelt = [
        *collections(core()),
        *(
            (f"{path}:{node.lineno}", statuses(node))
            for path, nodes in core().items()
            for node in nodes
            if isinstance(node, ast.Call | ast.Tuple | ast.List | ast.Set)
        ),
    ]
    found = [
        where
        for where, texts in spelt
        if texts in groups and not where.startswith((RECORDS, HISTORY))
    ]
    assert found == []


def test_the_norms_are_listed_once() -> None:
    """A fifth norm is one line."""
    found = [
        where
        for where, texts in collections(sources())
        if texts >= set(NORMS) and not where.startswith((RECORDS, HISTORY))
    ]
    assert found == []


def test_no_benchmark_has_the_name_of_a_package() -> None:
    """Their folder is on the path of those that import each other, before a library's own."""
    others = [place for place in sys.path if Path(place).resolve() != ROOT / "benchmarks"]
    names = {file.stem for file in (ROOT / "benchmarks").glob("*.py")}
    taken = {name for name in names if PathFinder.find_spec(name, others)}
    assert not taken | names & {*sys.stdlib_module_names, *TRIED}
