"""Registries that plugins ship: real packages with YAML files in them, healthy and wrong."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.plugins import installed
from harness.registry import builtin, load
from harness.registry.plugged import origin_of

PLUGIN = """\
from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_registries(register):
    for name, target in {offers!r}.items():
        register(name, target, version="1", summary="of Acme")
"""
GOOD = """\
models:
  acme-net:
    loader: digits
    architecture: digits-alexnet
    family: Acme
    classes: 10
    preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
    weights: {file: weights/net.safetensors}
suites:
  acme:
    dataset: digits
    models: [acme-net, digits-mobilenet_v1_025]
    images: 2
    accuracy_images: 2
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.1}}
    metrics: [success]
"""
SMALL = (
    "models: {{{name}: {{loader: digits, family: F, classes: 10,"
    " preprocessing: {{size: [8, 8]}}}}}}"
)
WEIGHTS = (
    Path(__import__("harness_digits").__file__).parent / "weights" / "digits-alexnet.safetensors"
)

WRONG = {
    "no-file": ("", "package 'acme_wrong' has no file 'no-file.yaml'"),
    "no-yaml": ("a: b: c", ": not valid YAML"),
    "no-mapping": ("[1]", "no-mapping.yaml"),
    "no-field": ("models: {x: {loader: digits}}", "models.x.classes"),
    "no-model": (
        "suites: {x: {dataset: digits, models: [absent], images: 2, accuracy_images: 2,"
        " attacks: [{attack: fgsm, goals: [untargeted]}], metrics: [accuracy]}}",
        "unknown model 'absent'",
    ),
    "taken": (SMALL.format(name="digits-vgg16"), " (built in) too; rename one"),
    "taken-too": (SMALL.format(name="acme-net"), " (plugin acme_good (acme_good)) too; rename one"),
}

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution of one package with files; ``offers`` are targets by name."""
    site = tmp_path / "site"
    packages = []

    def install(package: str, offers: dict[str, str], files: dict[str, str]) -> Path:
        packages.append(package)
        folder = site / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(PLUGIN.format(offers=offers))
        for name, text in files.items():
            (folder / name).write_text(text)
        info = site / f"{package}-1.0.dist-info"
        info.mkdir()
        about = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n"
        info.joinpath("METADATA").write_text(about)
        info.joinpath("entry_points.txt").write_text(f"[harness]\n{package} = {package}\n")
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        installed.cache_clear()
        return folder

    yield install
    installed.cache_clear()
    for package in packages:
        sys.modules.pop(package, None)


def good(install: Install) -> Path:
    folder = install("acme_good", {"acme": "acme_good:acme.yaml"}, {"acme.yaml": GOOD})
    (folder / "weights").mkdir()
    shutil.copy(WEIGHTS, folder / "weights" / "net.safetensors")
    return folder


def test_a_suite_of_a_package_runs_with_its_own_weights(harness: Any, install: Install) -> None:
    folder = good(install)
    listed = json.loads(harness("suites", "list", "--format", "json").out)
    assert [suite["name"] for suite in listed][-1] == "acme"
    origins = {suite["name"]: suite["origin"] for suite in listed}
    assert origins["acme"] == "plugin acme_good (acme_good)"
    assert origins["digits18"] == "built in"
    done = harness("run", "--suite", "acme")
    assert done.code == 0, done.err
    board = json.loads(harness("leaderboard", "--format", "json").out)["rows"]
    assert {row["model"] for row in board} == {"acme-net", "digits-mobilenet_v1_025"}
    assert load().models["acme-net"].weights_path == folder / "weights" / "net.safetensors"


def test_an_overlay_replaces_an_entry_of_a_package(install: Install, tmp_path: Path) -> None:
    good(install)
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(SMALL.format(name="acme-net"))
    registry = load([overlay])
    assert registry.models["acme-net"].file == overlay
    assert registry.suites["acme"].file != overlay
    assert origin_of(overlay, builtin()) == str(overlay)


def test_a_wrong_registry_costs_itself_alone(harness: Any, install: Install) -> None:
    good(install)
    offers = {name: f"acme_wrong:{name}.yaml" for name in WRONG}
    offers |= {"no-package": "acme_nowhere:x.yaml", "module": "harness.errors:x.yaml"}
    files = {f"{name}.yaml": text for name, (text, _) in WRONG.items() if text}
    files["late.yaml"] = SMALL.format(name="late")
    install("acme_wrong", {**offers, "late": "acme_wrong:late.yaml"}, files)
    done = harness("models", "list", "--format", "json")
    assert done.code == 0
    names = [model["name"] for model in json.loads(done.out)]
    assert names[-2:] == ["acme-net", "late"]
    assert not {"x", "absent"} & set(names)
    reasons = {name: reason for name, (_, reason) in WRONG.items()}
    reasons |= {"no-package": "there is no package 'acme_nowhere'"}
    reasons |= {"module": "there is no package 'harness.errors'"}
    lines = done.err.splitlines()
    assert len(lines) == len(reasons)
    for name, reason in reasons.items():
        start = f"warning: the registry {name!r} of plugin acme_wrong (acme_wrong) is left out: "
        (line,) = [line for line in lines if line.startswith(start)]
        assert reason in line


def test_the_first_of_two_packages_has_the_name(install: Install) -> None:
    good(install)
    install("acme_later", {"later": "acme_later:acme.yaml"}, {"acme.yaml": GOOD})
    with pytest.warns(UserWarning, match="model 'acme-net' is in .*acme_good"):
        registry = load()
    assert "acme_good" in registry.suites["acme"].source


def test_plugins_do_not_change_the_order_of_the_harnesss_own() -> None:
    names = list(load().models)
    own = [name for name, model in load().models.items() if model.file == builtin()]
    assert names[: len(own)] == own
