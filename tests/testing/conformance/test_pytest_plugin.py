"""The three lines of a third party, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TEST = """\
import pytest

@pytest.mark.conformance("frontier-harness", kind="attack", name="fgsm")
def test_conformance(case):
    case.check()
"""
BROKEN = """
from harness.api import AttackExample

HARNESS_EXAMPLES = {"attack:fgsm": AttackExample(parameters={"epsilon": "nonsense"})}
"""


def pytest_run(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    folder.joinpath("test_acme.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *options]
    return subprocess.run(
        [*command, "test_acme.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"},
    )


def test_there_is_a_test_for_each_rule_and_example(tmp_path):
    done = pytest_run(tmp_path, TEST)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "test_conformance[attack:fgsm (1)-the_budget_is_kept] PASSED",
        "test_conformance[attack:fgsm (2)-the_budget_is_kept] SKIPPED (it declares no budget: it",
        "test_conformance[attack:fgsm (2)-a_linear_optimum_is_found] PASSED",
    ):
        assert line in done.stdout


def test_a_broken_rule_fails_in_words_and_examples_may_stand_in_the_test(tmp_path):
    done = pytest_run(tmp_path, TEST + BROKEN)
    assert done.returncode == 1
    assert "attack fgsm breaks the rule it_can_be_made" in done.stdout
    assert "expected: Its defaults, or its example's parameters, make an attack" in done.stdout
    assert "happened: conformance: epsilon: Input should be" in done.stdout
    assert "see: docs/plugins.md: Writing a plugin" in done.stdout
    assert "Traceback" not in done.stdout
    assert "1 failed" in done.stdout


def test_an_unknown_distribution_is_one_line(tmp_path):
    done = pytest_run(tmp_path, TEST.replace("frontier-harness", "frontier-harnes"))
    assert "unknown distribution with plugins 'frontier-harnes'" in done.stdout
    assert "did you mean 'frontier-harness'?" in done.stdout


def test_the_pytest_plugin_costs_other_tests_nothing(tmp_path):
    source = "import sys\ndef test_it(): assert not {'torch', 'pydantic'} & set(sys.modules)\n"
    assert pytest_run(tmp_path, source).returncode == 0
