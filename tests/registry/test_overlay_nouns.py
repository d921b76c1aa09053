"""What ``show`` knows of overlays, and what it says where one is not named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

OVERLAY = """\
models:
  mine: {loader: digits, architecture: digits-vgg16, family: Mine, classes: 10,
         preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
datasets:
  mine-data: {reader: digits, version: "1", classes: 10}
suites:
  mine-suite:
    extends: digits18
    goals: [second-likely]
    attacks: [{attack: cw, preset: paper, parameters: {kappa: [0, 20]}}]
"""
NAMES = {"models": "mine", "datasets": "mine-data", "suites": "mine-suite"}


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(OVERLAY)
    return path


@pytest.mark.parametrize("noun", NAMES)
@pytest.mark.parametrize("by", ["option", "environment"])
def test_entries_of_an_overlay(
    harness: Any, overlay: Path, monkeypatch: Any, noun: str, by: str
) -> None:
    name, registry = NAMES[noun], ["--registry", overlay]
    if by == "environment":
        monkeypatch.setenv("HARNESS_REGISTRY", str(overlay))
        registry = []
    done = harness(noun, "show", name, *registry, "--format", "json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["name"] == name
    assert facts["source"].startswith(f"{overlay}:")
    assert name in harness(noun, "list", *registry).out


@pytest.mark.parametrize("noun", NAMES)
def test_without_the_overlay_the_error_says_how(harness: Any, overlay: Path, noun: str) -> None:
    done = harness(noun, "show", NAMES[noun])
    assert done.code == 2
    assert "(--registry FILE knows those of an overlay)" in done.err
    wrong = harness(noun, "show", NAMES[noun][:-1], "--registry", overlay)
    assert f"did you mean {NAMES[noun]!r}?" in wrong.err
    assert "overlay" not in wrong.err.replace(str(overlay), "")


def test_a_suite_that_extends_is_shown_whole(harness: Any, overlay: Path) -> None:
    done = harness("suites", "show", "mine-suite", "--registry", overlay, "--format", "json")
    suite = json.loads(done.out)
    assert suite["extends"] == "digits18"
    assert suite["metrics"] == ["accuracy", "success", "linf", "l2", "l1"]
    assert len(suite["matching_models"]) == 18
    first, last = suite["attacks"][0], suite["attacks"][-1]
    assert first["goals"] == ["untargeted", "random", "second-likely"]
    assert (last["goals"], last["preset"]) == (["default"], "paper")


def test_attacks_show_their_presets_and_the_suites_that_use_them(
    harness: Any, overlay: Path
) -> None:
    done = harness("attacks", "show", "cw", "--registry", overlay, "--format", "json")
    facts = json.loads(done.out)
    assert facts["presets"]["fast"]["iterations"] == 50
    assert facts["default_goals"] == ["untargeted", "random"]
    mine = [each for each in facts["in_suites"] if each["suite"] == "mine-suite"]
    assert [each["preset"] for each in mine] == ["fast", "paper"]  # the inherited one too
    assert mine[1]["parameters"] == {"kappa": [0, 20]}
    assert not [
        each
        for each in json.loads(harness("attacks", "show", "cw", "--format", "json").out)[
            "in_suites"
        ]
        if each["suite"] == "mine-suite"
    ]
    text = harness("attacks", "show", "cw").out
    assert "presets:" in text
    assert "paper         the defaults" in text
    assert "iterations=50" in text
