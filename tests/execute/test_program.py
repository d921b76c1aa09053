"""What travels to workers, and what is compared before anything of it is unpacked."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.api import ConfigError, MissingError, PluginError
from harness.execute.worker.passport import Passport
from harness.execute.worker.program import Program
from harness.planning import NumericPolicy
from harness.plugins import PluginReport, installed

THERE = Passport(
    "there",
    {"Python": "3.11", "harness": "0.2.0", "torch": "2.11.0", "numpy": "2.0"},
    {"acme:one": "1.0", "acme:two": "1.0"},
)


def test_every_difference_is_named_in_one_line():
    here = Passport(
        "here",
        {"Python": "3.11", "harness": "0.2.0", "torch": "2.15.0"},
        {"acme:two": "broken at import: ImportError: no"},
    )
    with pytest.raises(ConfigError) as raised:
        THERE.check(here)
    (line,) = str(raised.value).splitlines()
    assert line == (
        "worker on here: torch 2.11.0 on there, 2.15.0 here; numpy 2.0 on there, not installed"
        " here; plugin acme:one 1.0 on there, not installed here; plugin acme:two 1.0 on there,"
        " broken at import: ImportError: no here; install the same versions on all hosts"
    )


def test_what_a_host_has_beyond_that_is_its_own_affair():
    more = replace(
        THERE,
        host="here",
        versions={**THERE.versions, "timm": "1.0"},
        plugins={**THERE.plugins, "acme:three": "3.0"},
    )
    THERE.check(more)


def test_a_passport_of_this_process(monkeypatch):
    reports = [
        PluginReport("one", "acme", "1.0"),
        PluginReport("two", "acme", "1.0", stage="import", cause="no"),
        PluginReport("unused", "acme", "1.0"),
    ]
    facts = {
        "python": "3.11.9",
        "harness": "0.2.0",
        "packages": {"torch": "2.11.0+cu128", "onnxruntime-gpu": "1.21"},
    }
    monkeypatch.setattr("harness.execute.worker.passport.environment", lambda catalog: facts)
    found = Passport.of(SimpleNamespace(reports=reports), {"acme:one", "acme:two"})
    assert found.versions == {
        "Python": "3.11", "harness": "0.2.0", "torch": "2.11.0", "onnxruntime": "1.21",
    }  # fmt: skip
    assert found.plugins == {"acme:one": "1.0", "acme:two": "broken at import: no"}


def travelled(packed: bytes, passport: Passport) -> Program:
    """A program as it arrives."""
    program = Program.__new__(Program)
    program.__setstate__((packed, passport, False))
    return program


def test_versions_are_compared_before_anything_is_unpacked():
    with pytest.raises(ConfigError, match=r"acme:one .* not installed here"):
        travelled(b"no pickle", THERE).open("cpu", None)


def test_what_cannot_be_unpacked_is_one_line():
    ours = Passport.of(installed())
    missing = b"cacme_absent.module\nThing\n."
    with pytest.raises(MissingError, match="module acme_absent is missing here"):
        travelled(missing, ours).open("cpu", None)
    with pytest.raises(PluginError, match="cannot be unpacked here"):
        travelled(b"no pickle", ours).open("cpu", None)


def test_what_mkl_asks_for_once_is_in_the_environment():
    def program(rows):
        return Program(SimpleNamespace(policy=NumericPolicy(rows=rows)), THERE)

    exact = program(32)
    assert exact.environment["MKL_CBWR"] == "AUTO"
    assert pickle.loads(pickle.dumps(exact)).environment == exact.environment
    assert "MKL_CBWR" not in program(None).environment


def test_a_device_that_is_not_there_is_one_line():
    ours = Passport.of(installed())
    settings = SimpleNamespace(policy=NumericPolicy())
    with pytest.raises(ConfigError, match="cuda:63"):
        travelled(pickle.dumps(settings), ours).open("cuda:63", None)


def test_a_worker_starts_without_torch_or_plugins():
    """Torch reads its environment when it is imported; a plugin may be missing."""
    code = (
        "import sys, harness.execute.worker.program, harness.execute.executors.member\n"
        "print([name for name in sys.modules if name.partition('.')[0] in"
        " ('torch', 'onnxruntime', 'sqlite3', 'harness_attacks', 'harness_digits')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
