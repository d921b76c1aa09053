"""Which source a model's weights come from, and models that no registry names."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

WEIGHTS = Path(__import__("harness_digits").__file__).parent / "weights"

SIZE = "preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
OVERLAY = f"""\
models:
  both:
    family: F
    classes: 10
    {SIZE}
    sources:
      near: {{loader: digits, architecture: digits-vgg16, fidelity: nearest}}
      paper: {{loader: digits, architecture: digits-alexnet, fidelity: same_weights}}
  lost:
    family: F
    classes: 10
    {SIZE}
    sources:
      paper: {{loader: digits, weights: {{file: x.safetensors}}, fidelity: same_weights}}
      near: {{loader: digits, architecture: digits-vgg19, fidelity: nearest, licence: MIT}}
  one:
    family: F
    classes: 10
    {SIZE}
    sources:
      near: {{loader: digits, architecture: digits-mobilenet_v1_025, fidelity: nearest}}
  plain: {{loader: digits, architecture: digits-nasnet_large, family: F, classes: 10, {SIZE}}}
suites:
  sources:
    dataset: digits
    models: [both, lost, one, plain]
    images: 3
    accuracy_images: 3
    attacks:
      - {{attack: fgsm, goals: [untargeted]}}
    metrics: [accuracy]
"""
FRONTIER = """\
suites:
  search:
    dataset: digits
    models: [digits-mobilenet_v1_025, digits-vgg16, digits-alexnet, digits-inception_v3,
             digits-resnet_v2_50]
    images: 12
    attacks:
      - {attack: ifgsm, goals: [random], parameters: {epsilon: search, steps: 4, attempts: 5}}
    metrics: [accuracy, linf]
  bare:
    dataset: digits
    models: [digits-alexnet]
    images: 2
    accuracy_images: 2
    metrics: [accuracy]
"""


@pytest.fixture
def sources(harness, tmp_path):
    """The doctor's (source, fidelity, state) of each model, and the lines below its table."""
    (tmp_path / "sources.yaml").write_text(OVERLAY)

    def ask(*options: object):
        known = ("--registry", "sources.yaml", "--suite", "sources")
        done = harness("doctor", *known, *options, "--format", "json")
        if done.code == 2:
            return done
        rows = json.loads(done.out)[:-1]
        return {row["name"]: (row["source"], row["fidelity"], row["state"]) for row in rows}, done

    return ask


NEAR = ("near", "nearest", "present")
PAPER = ("paper", "same_weights", "present")
LOST = ("paper", "same_weights", "missing")
PLAIN = ("digits", None, "present")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [NEAR, LOST, NEAR, PLAIN]),
        (["--weights", "paper"], [PAPER, LOST, NEAR, PLAIN]),
        (["--weights", "near"], [NEAR, NEAR, NEAR, PLAIN]),
        # Of several the first that a model has.
        (["--weights", "paper", "--weights", "near"], [PAPER, LOST, NEAR, PLAIN]),
        (["--weights", "lost=near"], [NEAR, NEAR, NEAR, PLAIN]),
        # A model's own goes before, wherever it stands; the last of them counts.
        (["--weights", "lost=near", "--weights", "paper"], [PAPER, NEAR, NEAR, PLAIN]),
        (["--weights", "[bl]o*=paper", "--weights", "l*=near"], [PAPER, NEAR, NEAR, PLAIN]),
    ],
)
def test_sources(sources, options, expected):
    found, _ = sources(*options)
    assert list(found.values()) == expected


def test_models_without_the_wanted_source_are_named_once(sources):
    _, done = sources("--weights", "paper")
    assert "no weights from paper, the first source is taken: one, plain\n" in done.err
    _, done = sources("--weights", "paper", "--models", "both")
    assert "first source" not in done.err


def test_the_doctor_names_the_source_that_would_do(sources):
    _, done = sources()
    row = next(row for row in json.loads(done.out) if row["name"] == "lost")
    assert row["how"].endswith("; or --weights lost=near")
    assert "x.safetensors" in row["problem"]


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("papr", ["'papr'", "did you mean 'paper'?"]),
        ("both=hub", ["'hub'", "source of both"]),
        ("one=paper", ["'paper'", "source of one"]),
        ("plain=near", ["'near'", "source of plain"]),
        ("bith=paper", ["'bith'", "did you mean 'both'?"]),
        ("=paper", ["[GLOB=]SOURCE"]),
        ("both=", ["[GLOB=]SOURCE"]),
    ],
)
def test_sources_that_do_not_exist(sources, option, parts):
    done = sources("--weights", option)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "--weights" in done.err
    for part in parts:
        assert part in done.err


def test_sources_are_networks_of_their_own(harness, sources):
    known = ("--registry", "sources.yaml", "--suite", "sources", "--models", "both")
    plan = harness("plan", *known, "--weights", "paper", "--format", "json")
    assert [row["pending"] for row in json.loads(plan.out)["attacks"]] == [3, 3]
    for name in ("near", "paper"):
        assert "6 images computed" in harness("run", *known, "--weights", f"both={name}").err
        assert "nothing to do" in harness("run", *known, "--weights", name).err
    with sqlite3.connect("harness.db") as db:
        rows = db.execute("SELECT about FROM components WHERE kind = 'model' ORDER BY id")
        about = [json.loads(text) for (text,) in rows]
    assert [(row["source"], row["fidelity"]) for row in about] == [
        ("near", "nearest"),
        ("paper", "same_weights"),
    ]


def test_the_lists_show_the_sources(harness, sources):
    listed = harness("models", "list", "--registry", "sources.yaml", "--format", "json")
    rows = {row["name"]: row for row in json.loads(listed.out)}
    assert rows["both"]["sources"] == ["near (nearest)", "paper (same_weights)"]
    assert rows["plain"]["sources"] == []
    shown = harness("models", "show", "lost", "--registry", "sources.yaml")
    assert shown.code == 0
    assert "MIT" in shown.out


def placement(said: str) -> str:
    """The one line about the frontier."""
    (line,) = [line for line in said.splitlines() if "frontier residual" in line]
    return line


def test_any_model_of_a_loader_is_boarded_with_its_distance(harness, cloud, tmp_path):
    (tmp_path / "search.yaml").write_text(FRONTIER)
    cloud.offer("digits-inception_v4")
    run = ("run", "--registry", "search.yaml", "--suite", "search")
    asked = (*run, "--models", "cloud:digits-inception_v4")
    alone = harness(*asked)
    assert alone.code == 0, alone.err
    said = placement(alone.err)
    assert said.startswith("cloud:digits-inception_v4: no frontier residual under ifgsm")
    assert "a fit needs 3" in said
    assert harness(*run).code == 0
    again = harness(*asked)
    assert "nothing to do" in again.err
    board = json.loads(harness("leaderboard", "--suite", "search", "--format", "json").out)["rows"]
    row = next(row for row in board if row["model"] == "cloud:digits-inception_v4")
    assert (row["family"], row["parameters"], row["complete"]) == ("Cloud", 7, True)
    said = placement(again.err)
    assert f": frontier residual {row['frontier_distance']:+.4g} (" in said
    assert ("extrapolated" in said) == row["extrapolated"]
    assert f"against {row['frontier_fitted']:.4g}" in said
    assert len(board) == 6


def test_ad_hoc_models_stand_beside_the_registrys(harness, cloud, tmp_path):
    (tmp_path / "search.yaml").write_text(FRONTIER)
    both = "digits-alexnet,cloud:digits-vgg19"
    done = harness("doctor", "--registry", "search.yaml", "--suite", "bare", "--models", both,
                   "--format", "json")  # fmt: skip
    assert done.code == 0
    rows = {row["name"]: (row["source"], row["state"]) for row in json.loads(done.out)}
    assert rows == {
        "digits-alexnet": ("digits", "present"),
        "cloud:digits-vgg19": ("ad hoc", "downloadable"),
        "digits": ("digits", "present"),
    }
    cloud.offer("digits-vgg19")
    done = harness("run", "--registry", "search.yaml", "--suite", "bare", "--models", both)
    assert done.code == 0, done.err
    assert "cloud:digits-vgg19: assumed\n" in done.err
    assert "cloud:digits-vgg19: no frontier residual" in done.err


def test_a_file_gives_its_model_the_name(harness, cloud, tmp_path):
    (tmp_path / "search.yaml").write_text(FRONTIER)
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "digits-vgg19.safetensors"
    file.write_bytes((WEIGHTS / file.name).read_bytes())
    done = harness("run", "--registry", "search.yaml", "--suite", "bare", "--models",
                   f"cloud:mine/{file.name}")  # fmt: skip
    assert done.code == 0, done.err
    assert cloud.asked == []
    with sqlite3.connect("harness.db") as db:
        models = db.execute("SELECT name FROM components WHERE kind = 'model'").fetchall()
    assert models == [("cloud:digits-vgg19.safetensors",)]


@pytest.mark.parametrize(
    ("models", "code", "parts"),
    [
        ("cluod:x", 2, ["unknown model loader 'cluod'", "did you mean 'cloud'?"]),
        ("cloud:", 2, ["no model is named", "cloud:MODEL"]),
        ("cloud:resnet", 2, ["knows no 'resnet'"]),
        ("digits:resnet", 2, ["cannot describe 'resnet'", "registry entry"]),
        ("mute:x", 4, ["'mute'", "RuntimeError: no words"]),
        ("cloud:digits-vgg16,cloud:digits-vgg16", 2, ["two models are called"]),
    ],
)
def test_ad_hoc_models_that_cannot_be(harness, cloud, models, code, parts):
    done = harness("run", "--suite", "digits18", "--models", models)
    assert done.code == code, done.err
    assert done.err.count("\n") == 1
    for part in parts:
        assert part in done.err
    assert not Path("harness.db").exists()
