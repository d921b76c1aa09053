"""Rules of observers, findings, fits, sections, commands and registries: each has its wrong one."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from wrong_watchers import GOOD, WRONG

from harness.testing.conformance import State
from harness.testing.conformance.cases import rules_for

CASES = [(kind, rule) for kind, wrong in WRONG.items() for rule in wrong]

MODEL = """\
models:
  acme-net:
    loader: {loader}
    family: acme
    classes: 10
    preprocessing: {{size: [32, 32]}}
    weights: {{file: net.onnx{sha256}}}
"""
HASH = f", sha256: {'a' * 64}"
REGISTRIES = {
    "its_file_is_there": None,
    "it_joins_the_built_in": MODEL.format(loader="onnx", sha256=HASH).replace(
        "acme-net", "digits-alexnet"
    ),
    "weight_files_have_hashes": MODEL.format(loader="onnx", sha256=""),
    "its_components_are_offered": MODEL.format(loader="acme", sha256=HASH),
}


def broken(found):
    return {name: result.why for name, result in found.items() if result.state is State.BROKEN}


@pytest.mark.parametrize("kind", WRONG)
def test_every_rule_has_its_wrong_component(results, kind):
    assert list(WRONG[kind]) == [rule.name for rule in rules_for(kind)]
    found = results(kind, GOOD[kind])
    assert {name: each.why for name, each in found.items() if each.state is not State.KEPT} == {}


@pytest.mark.parametrize(("kind", "rule"), CASES)
def test_a_wrong_component_breaks_its_rule_alone(results, kind, rule):
    found = broken(results(kind, WRONG[kind][rule]))
    assert set(found) == {rule}, found
    assert found[rule]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkup):
    """What becomes of the rules on a package's registry with this content; None: no file."""

    def found(content: str | None):
        package = tmp_path / "acme_registry_toy"
        package.mkdir()
        package.joinpath("__init__.py").touch()
        if content is not None:
            package.joinpath("nets.yaml").write_text(content)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        made = checkup("registry", None, target="acme_registry_toy:nets.yaml")
        return {rule.name: made.result(rule.name) for rule in made.rules}

    return found


@pytest.mark.parametrize("rule", REGISTRIES)
def test_a_wrong_registry_breaks_its_rule_alone(registry, rule):
    assert list(REGISTRIES) == [rule.name for rule in rules_for("registry")]
    assert set(broken(registry(REGISTRIES[rule]))) == {rule}


def test_a_good_registry_keeps_all_rules(registry):
    assert broken(registry(MODEL.format(loader="onnx", sha256=HASH))) == {}
