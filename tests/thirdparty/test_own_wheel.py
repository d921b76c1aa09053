"""The harness's own wheel: what `pip install .` brings, away from the checkout."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def environment(new_environment):
    environment = new_environment("own")
    environment.install(ROOT)
    return environment


def test_the_wheel_holds_registry_weights_and_plugins(environment):
    (wheel,) = (environment.folder / "wheels").rglob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "harness/registry.yaml" in names
    weights = [name for name in names if name.endswith(".safetensors")]
    assert len(weights) == 18
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "harness", "harness_attacks", "harness_datasets", "harness_digits", "harness_metrics",
        "harness_models", "harness_ray",
    }  # fmt: skip


def test_it_runs_by_itself(environment):
    where = subprocess.run(
        [environment.python, "-c", "import harness, harness_digits; print(harness.__file__)"],
        capture_output=True, text=True, cwd=environment.folder,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(environment.site), where.stderr
    suites = json.loads(environment.harness("suites", "list", "--format", "json").stdout)
    assert "digits18" in {suite["name"] for suite in suites}
    done = environment.harness(
        "run", "--suite", "digits18", "--models", "digits-mobilenet_v1_025", "--limit", 2
    )
    assert done.returncode == 0, done.stderr
    board = environment.harness("leaderboard", "--format", "json")
    assert board.returncode == 0, board.stderr
    assert len(json.loads(board.stdout)) == 18
