"""The documentation against the code."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from harness.api import Goal, Status
from harness.errors import ExitCode
from harness.verbs import VERBS

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_ci_runs_the_readmes_test_command():
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("\nmake test")


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_commands_and_links_exist(path):
    text = path.read_text()
    for verb in re.findall(r"(?:`|^)harness ([a-z]+)\b", text, re.M):
        assert verb in VERBS, f"{path.name} names `harness {verb}`"
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_verb_has_a_module_and_a_summary():
    import importlib

    for name, verb in VERBS.items():
        command = getattr(importlib.import_module(verb.module), name)
        assert isinstance(command, click.Command)
        assert command.help.partition("\n\n")[0] == verb.summary
        assert command.name == name


def test_exit_codes():
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.M)}
    assert documented == {int(code) for code in ExitCode}


def test_statuses():
    text = (ROOT / "docs" / "database.md").read_text()
    assert all(f"| `{status}` |" in text for status in Status)


def test_goals():
    goals = {goal.value for goal in Goal}
    for name in ("concepts.md", "database.md"):
        text = (ROOT / "docs" / name).read_text()
        assert [goal for goal in goals if f"`{goal}`" not in text] == []
    columns = re.findall(r"^ +goal: (.*)", (ROOT / "docs" / "datasette.yaml").read_text(), re.M)
    assert columns
    assert [text for text in columns if not all(goal in text for goal in goals)] == []


def test_the_plugin_in_the_docs_is_the_one_that_the_tests_install():
    text = (ROOT / "docs" / "plugins.md").read_text()
    source = (ROOT / "tests/thirdparty/good/src/acme_robustness/attack.py").read_text()
    assert source.strip() in text


def test_every_hook_is_in_the_plugin_guide():
    from harness import hookspecs

    text = (ROOT / "docs" / "plugins.md").read_text()
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert hooks
    assert [hook for hook in hooks if hook not in text] == []


def test_one_version_everywhere():
    import tomllib

    import yaml

    import harness

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == harness.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == harness.__version__
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert changes[0] == harness.__version__


def test_contributing_has_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = {
        path.name if path.is_file() else f"{path.name}/"
        for path in (ROOT / "harness").iterdir()
        if not path.name.startswith("__") and path.suffix != ".typed"
    }
    assert {room for room in rooms if f"`harness/{room}`" not in text} == set()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_paths_exist(path):
    folders = r"(?:harness|plugins|tests|benchmarks|docs|examples)"
    for named in re.findall(rf"`({folders}/[\w./-]+)`", path.read_text()):
        assert (ROOT / named).exists(), f"{path.name} names {named}"


def test_the_life_of_an_image_names_functions():
    import importlib

    text = (ROOT / "CONTRIBUTING.md").read_text()
    life = text[text.index("## The life of an image") :].partition("\n## ")[0]
    named = re.findall(r"`(harness[\w.]+):([\w.]+)`", life)
    assert len(named) > 5
    for module, function in named:
        found = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
        assert callable(found)
