"""Faulty defences are caught by name, on every board, and the network within raises nothing."""

from __future__ import annotations

import importlib
import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch

from harness.analysis.indicators import RULES
from harness.api import Classifier, ConfigError, Preprocessing
from harness.cli.main import main
from harness.plugins import installed
from harness.testing.zoo import FAULTS, defended

IMAGES = 6
ENTRY = """\
  {name}:
    loader: zoo
    architecture: digits-alexnet
    family: AlexNet
    classes: 10
    preprocessing: {{size: [32, 32], mean: [.5, .5, .5], std: [.5, .5, .5]}}
    options: {{{options}}}
"""
SUITE = f"""\
suites:
  zoo:
    dataset: digits
    models: [{", ".join(["plain", *FAULTS])}]
    images: {IMAGES}
    accuracy_images: {IMAGES}
    attacks:
      - {{attack: pgd-linf, goals: [untargeted], parameters: {{epsilon: 0.15}}, keep: true}}
    transfer: {{}}
models:
"""


def command(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The database of a run of the zoo, with the loader's plugin installed."""
    folder = tmp_path_factory.mktemp("zoo")
    info = folder / "site" / "zoo_loader-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: zoo_loader\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nzoo_loader = zoo_loader\n")
    shutil.copy(Path(__file__).parent / "zoo_loader.py", info.parent)
    entries = {"plain": "", **{name: f"fault: {name}" for name in FAULTS}}
    registry = folder / "zoo.yaml"
    registry.write_text(
        SUITE + "".join(ENTRY.format(name=name, options=text) for name, text in entries.items())
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(info.parent)
        importlib.invalidate_caches()
        installed.cache_clear()
        path = folder / "zoo.db"
        code = command(
            "run", "--registry", registry, "--suite", "zoo", "--db", path, "--executor", "inline"
        )
        assert code in (0, 1)  # images that end where the model returns NaN are errors
        yield path
    installed.cache_clear()
    sys.modules.pop("zoo_loader", None)


def board(database, capsys, *options):
    capsys.readouterr()
    command("leaderboard", "--db", database, "--format", "json", *options)
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def raised(database, capsys):
    """The names of the indicators of each model, on the attack's board."""
    return {row["model"]: set(row["indicators"]) for row in board(database, capsys)["rows"]}


def test_every_faulty_defence_is_caught_by_name(raised):
    assert raised["plain"] == set()
    assert {name for name in FAULTS if not raised[name] & set(FAULTS[name].caught)} == set()


def test_there_are_enough_of_them_and_each_says_what_it_is():
    assert len(FAULTS) >= 12
    for kind in FAULTS.values():
        assert kind.__doc__
        assert set(kind.caught) <= set(RULES)


def test_one_that_does_not_exist_or_lacks_something_is_refused():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3))
    classifier = Classifier(network, Preprocessing((4, 4), channels="bgr"), 3)
    with pytest.raises(ConfigError, match="no faulty defence 'x'"):
        defended("x", classifier)
    with pytest.raises(ConfigError, match="needs the images"):
        defended("label-leak", classifier)
    images = torch.rand(2, 3, 4, 4)
    same = defended("nan-gradients", classifier).module(images)
    assert torch.allclose(same, network(images.flip(1)))


def test_marks_stand_on_every_board_and_show_explains_them(database, capsys):
    (note,) = [note for note in board(database, capsys)["notes"] if "¶ rounded-input: zero" in note]
    assert note.endswith(
        "6 of 6 images: the first gradient of pgd-linf epsilon=0.15 is exactly zero"
    )
    attacks = board(database, capsys, "--attacks")
    assert {each["name"] for each in attacks["indicators"]} >= {"zero-gradients", "lost-gradients"}
    assert any(note.startswith("¶ pgd-linf") for note in attacks["notes"])
    command("compare", "plain", "rounded-input", "--db", database, "--format", "json")
    compared = json.loads(capsys.readouterr().out)
    assert compared["indicators"]["plain"] == []
    assert "zero-gradients" in compared["indicators"]["rounded-input"]
    key = next(
        row["cell_key"]
        for row in board(database, capsys)["rows"]
        if row["model"] == "rounded-input"
    )
    command("show", key, "--db", database, "--format", "json")
    shown = {each["name"]: each for each in json.loads(capsys.readouterr().out)["indicators"]}
    sign = shown["zero-gradients"]
    assert sign["evidence"] == {"images": 6, "attacked": 6}
    assert sign["advice"] == RULES["zero-gradients"].advice
    command("show", key, "--db", database)
    assert "indicator zero-gradients" in capsys.readouterr().out


def test_the_page_has_the_rules_and_the_zoo_as_they_are():
    folder = Path(__file__).parents[2] / "docs"
    written = runpy.run_path(str(folder / "indicators.py"))
    text = (folder / "indicators.md").read_text("utf-8")
    assert text == written["page"](text), "run docs/indicators.py"
    assert "<!-- rules -->" in text
