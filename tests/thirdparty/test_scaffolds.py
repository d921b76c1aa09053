"""A package of each kind that `harness plugins new` writes: built, installed, tested; offline."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from harness.scaffold.package import KINDS, Package

RULES = 60
"""So many rules and tests at least are checked on them, all together."""
NAMES = {kind: f"acme-{kind}" for kind in KINDS}


@pytest.fixture(scope="module")
def environment(new_environment):
    environment = new_environment("scaffolds")
    for kind, name in NAMES.items():
        folder = environment.folder / name
        Package(name=name, kind=kind).write(folder)
        environment.install(folder)
    return environment


def test_the_harness_finds_them(environment):
    listed = json.loads(environment.harness("plugins", "list", "--format", "json").stdout)
    found = {row["distribution"]: row["status"] for row in listed}
    assert {name: found.get(name) for name in NAMES.values()} == dict.fromkeys(NAMES.values(), "ok")


def test_their_own_tests_pass(environment):
    folders = [environment.folder / name / "tests" for name in NAMES.values()]
    done = subprocess.run(
        [environment.python, "-m", "pytest", "-q", "-rs", "--import-mode=importlib", *folders],
        cwd=environment.folder,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= RULES, done.stdout
