"""Rules of a plugin as a whole, on modules that are written here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.plugins import Kind, PluginReport, Registration
from harness.testing.conformance import State
from harness.testing.conformance.cases import Checkup
from harness.testing.conformance.plugin import WholePlugin, rules

GOOD = "from harness.api import hookimpl\nHARNESS_API = 0\n"
OFFER = Registration(Kind.METRIC, "toy", "toy:Toy", "1", "a toy", "toy", "toy")

WRONG = {
    "it_loads": {"report": {"stage": "import", "cause": "ImportError: no libacme"}},
    "its_module_is_cheap": {"source": GOOD + "import torch\n"},
    "each_component_says_what_it_is": {
        "offer": Registration(Kind.METRIC, "toy", "toy:Toy", "1", "a\ntoy", "toy", "toy")
    },
    "it_imports_the_api_alone": {"source": GOOD + "from harness.errors import ConfigError\n"},
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def found(source=GOOD, offer=OFFER, report=None):
        tmp_path.joinpath("acme_toy.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        whole = PluginReport("toy", "toy", "1", [offer], **(report or {}))
        checkup = Checkup(WholePlugin(whole, "acme_toy"))
        results = [checkup.result(rule.name) for rule in checkup.rules]
        sys.modules.pop("acme_toy", None)
        return [each.rule for each in results if each.state is State.BROKEN]

    return found


def test_every_rule_has_its_wrong_plugin(broken):
    assert list(WRONG) == [rule.name for rule in rules]
    assert broken() == []


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_plugin_breaks_its_rule_alone(broken, rule):
    assert broken(**WRONG[rule]) == [rule]
