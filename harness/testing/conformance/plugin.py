"""Rules of a plugin as a whole."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from harness.plugins import PluginReport
from harness.testing.conformance.component import PLUGIN, entry_module
from harness.testing.conformance.rule import Broken, NotChecked, Rules

HEAVY = ("torch", "torchvision", "onnxruntime", "timm", "scipy", "sklearn", "tensorflow", "jax")
LOADS = "it loads "
SECONDS = 60

rules: Rules[WholePlugin] = Rules(PLUGIN, see="docs/plugins.md: Writing a plugin")


class WholePlugin:
    """One entry point, as the harness found it."""

    kind = PLUGIN

    def __init__(self, report: PluginReport, module: str | None = None) -> None:
        self.report, self.name, self._module = report, report.name, module

    @cached_property
    def module(self) -> str:
        return self._module or entry_module(self.report.distribution, self.name)

    def sources(self) -> Iterator[Path]:
        """The Python files of the top-level package that the module is in, or the module itself."""
        top = self.module.partition(".")[0]
        spec = importlib.util.find_spec(top)
        if spec is None or (spec.origin is None and not spec.submodule_search_locations):
            raise NotChecked(f"the sources of {top} are not found")
        for folder in spec.submodule_search_locations or ():
            yield from sorted(Path(folder).rglob("*.py"))
        if not spec.submodule_search_locations and spec.origin is not None:
            yield Path(spec.origin)


def subject(plugin: WholePlugin) -> WholePlugin:
    return plugin


@rules.rule()
def it_loads(plugin: WholePlugin) -> None:
    """The harness can import it, its API version fits, and its hooks register."""
    if not plugin.report.ok:
        raise Broken(plugin.report.status)


@rules.rule(it_loads)
def its_module_is_cheap(plugin: WholePlugin) -> None:
    """Importing its module loads no torch, and nothing else that takes as long."""
    loaded = f"' '.join(sorted({set(HEAVY)!r} & set(sys.modules)))"
    program = (
        f"import sys, {plugin.module}; found = {loaded}; sys.exit(found and {LOADS!r} + found or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    if last.startswith(LOADS):
        raise Broken(f"{last}; import it where it is used")
    if done.returncode != 0:
        raise Broken(f"in a fresh process it cannot be imported: {last}")


@rules.rule(it_loads)
def each_component_says_what_it_is(plugin: WholePlugin) -> None:
    """Every component has a version, and a summary of one line."""
    for each in plugin.report.registered:
        name = f"{each.kind.replace('_', ' ')} {each.name}"
        if not each.version.strip():
            raise Broken(f"{name} has no version")
        if not each.summary.strip() or "\n" in each.summary:
            raise Broken(f"the summary of {name} is {each.summary!r}")


@rules.rule(it_loads)
def it_imports_the_api_alone(plugin: WholePlugin) -> None:
    """It imports `harness.api` and, for its tests, `harness.testing`: the rest may change."""
    for path in plugin.sources():
        for line, name in _imports(path):
            if name.partition(".")[0] == "harness" and not name.startswith(
                ("harness.api", "harness.testing")
            ):
                raise Broken(f"{path.name}:{line} imports {name}")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of whatever a file imports."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)
