"""The harness's own wheel: what `pip install .` brings, away from the checkout."""

from __future__ import annotations

import json
import subprocess
import tomllib
import zipfile
from collections import Counter
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
    assert {"harness/registry.yaml", "harness_su2018/registry.yaml"} <= set(names)
    weights = Counter(str(Path(name).parent) for name in names if name.endswith(".safetensors"))
    seeds = [path.name for path in (ROOT / "plugins" / "harness_digits" / "weights").glob("s*/")]
    folder = "harness_digits/weights"
    digits = dict.fromkeys([folder, *(f"{folder}/{seed}" for seed in seeds)], 18)
    assert weights == {**digits, "harness_truth/networks": 9}
    top = {name.split("/")[0] for name in names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {name for name in top if not name.endswith(".dist-info")} == {
        Path(package).name for package in packages
    }
    sources = {path.parent.name for path in ROOT.glob("plugins/*/__init__.py")}
    assert sources == {Path(package).name for package in packages} - {"harness"}


def test_it_runs_by_itself(environment):
    where = subprocess.run(
        [environment.python, "-c", "import harness, harness_digits; print(harness.__file__)"],
        capture_output=True, text=True, cwd=environment.folder,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(environment.site), where.stderr
    suites = json.loads(environment.harness("suites", "list", "--format", "json").stdout)
    assert {"digits18", "imagenet18"} <= {suite["name"] for suite in suites}
    done = environment.harness(
        "run", "--suite", "digits18", "--models", "digits-mobilenet_v1_025", "--limit", 2
    )
    assert done.returncode == 0, done.stderr
    board = environment.harness("leaderboard", "--format", "json")
    assert board.returncode == 0, board.stderr
    assert len(json.loads(board.stdout)["rows"]) == 18
