"""``harness plugins check``: a table, an exit code, and plugins that hang, exit and crash."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from harness.plugins import installed
from harness.testing.conformance import apart

PLUGIN = """
from harness.api import hookimpl

HARNESS_API = 0

@hookimpl
def register_attacks(register):
    for name in ("hangs", "leaves", "crashes"):
        target = f"acme_deadly_attacks:{name.title()}"
        register(f"acme-{name}", target, version="1", summary="an attack")
"""
ATTACKS = """
import ctypes, os, time
from harness.api import Access, Attack, Norm

class Good(Attack):
    norm = Norm.LINF
    access = Access.LABELS

    def perturb(self, target, batch):
        return batch.images

class Hangs(Good):
    def perturb(self, target, batch):
        if batch.targeted.any():
            time.sleep(1000)
        return batch.images

class Leaves(Good):
    def perturb(self, target, batch):
        os._exit(3)

class Crashes(Good):
    presets = {"deadly": {}}

    def __init__(self, **values):
        super().__init__(**values)

    def perturb(self, target, batch):
        if len(batch.images) == 1:
            ctypes.string_at(0)
        return batch.images
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs ``acme-deadly`` with this plugin module."""
    site = tmp_path / "site"
    info = site / "acme_deadly-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-deadly\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\ndeadly = acme_deadly\n")
    site.joinpath("acme_deadly_attacks.py").write_text(ATTACKS)
    monkeypatch.syspath_prepend(site)

    def written(source: str = PLUGIN) -> None:
        site.joinpath("acme_deadly.py").write_text(source)
        importlib.invalidate_caches()
        installed.cache_clear()

    yield written
    installed.cache_clear()
    for name in ("acme_deadly", "acme_deadly_attacks"):
        sys.modules.pop(name, None)


def test_what_hangs_or_dies_breaks_the_rule_that_was_under_way(acme, harness):
    acme()
    done = harness("plugins", "check", "acme-deadly", "--timeout", "5", "--format", "json")
    assert done.code == 1
    found = {(each["name"], each["rule"]): each for each in json.loads(done.out)}
    broken = {key: each["why"] for key, each in found.items() if each["state"] == "broken"}
    assert broken == {
        ("acme-hangs", "declared_goals_are_accepted"): "it did not end within 5 s",
        ("acme-leaves", "others_find_things_as_they_were"): "its process ended (exit code 3)",
        ("acme-crashes", "images_do_not_depend_on_each_other"): (
            "its process ended (killed by SIGSEGV)"
        ),
    }
    assert found["acme-hangs", "it_works_on_a_gpu"]["why"] == "its time was up"
    after = found["acme-leaves", "images_are_finite"]
    assert after["why"] == "others_find_things_as_they_were is broken"
    assert found["acme-crashes", "a_constant_model_is_survived"]["state"] == "kept"
    assert "attack acme-leaves: breaks others_find_things_as_they_were" in done.err


@pytest.mark.parametrize("source", ["import os; os._exit(4)", "import time; time.sleep(1000)"])
def test_a_plugin_that_ends_the_process_at_import_is_broken_too(acme, harness, source, monkeypatch):
    monkeypatch.setattr(apart, "IMPORTING", 5.0)
    acme(source)
    done = harness("plugins", "check", "acme-deadly", "--timeout", "5", "--format", "json")
    (found,) = json.loads(done.out)
    assert (done.code, found["state"]) == (1, "broken")


def test_one_component_as_a_table(acme, harness):
    acme()
    done = harness("plugins", "check", "acme-deadly", "--kind", "attack", "--name", "acme-c*")
    assert done.code == 1
    assert "expected: An image's result is the same alone" in done.out
    assert "see: docs/plugins.md" in done.out
    assert "1 broken" in done.out
    assert "acme-hangs" not in done.out


def test_whole_plugins_that_are_broken(acme, harness):
    acme("HARNESS_API = 99")
    done = harness("plugins", "check", "acme-deadly", "--format", "csv")
    assert done.code == 1
    assert "broken at API check" in done.out


def test_examples_may_come_from_a_file(acme, harness, tmp_path):
    acme()
    file = tmp_path / "test_acme.py"
    file.write_text(
        "from harness.api import AttackExample\n"
        'HARNESS_EXAMPLES = {"attack:acme-hangs": AttackExample(parameters={"no": 1})}\n'
    )
    asked = ["plugins", "check", "acme-deadly", "--name", "acme-hangs", "--examples", file]
    done = harness(*asked)
    assert (done.code, "unknown parameter" in done.out) == (1, True)
    file.write_text("1 / 0")
    done = harness(*asked)
    assert done.code == 2
    assert done.err == f"error: --examples: {file}: it raised ZeroDivisionError: division by zero\n"


def test_errors_are_one_line(harness):
    done = harness("plugins", "check", "frontier-harnes")
    assert done.code == 2
    assert "did you mean 'frontier-harness'?" in done.err
    done = harness("plugins", "check", "frontier-harness", "--kind", "attak")
    assert done.code == 2
    assert "did you mean 'attack'?" in done.err


def test_a_glob_may_say_what_is_not_wanted():
    from harness.testing.conformance.component import Wanted

    assert Wanted(name="!*:*").fits("attack", "fgsm")
    assert not Wanted(name="!*:*").fits("attack", "foolbox:LinfPGD")
    assert not Wanted(name="fg*").fits("attack", "cw")
