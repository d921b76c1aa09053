"""The price of cells: sums by hand, and what is unknown stays out of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.api import Classifier, Goal, ModelLoader, Norm, Passes
from harness.estimate.cost import CLEAN, Cost, cell_cost, total
from harness.estimate.passes import PassCostCache, PassCosts, cache_folder, pass_cost_key
from harness.planning import Cell, Component, NumericPolicy, PlannedAttack, PlannedImage
from harness.report.quantities import flop, si, size, span

MODEL = Component("m", {}, {"shape": [3, 10, 20]})
ATTACK = PlannedAttack(
    Component("a", {}, {}), "a", Norm.L2, None, (Goal.RANDOM,), None, keep=True, eight_bit=False
)
FIGURES = PassCosts(10.0, 30.0, 0.5, 2.0)


def cell(attack: PlannedAttack | None = None) -> Cell:
    images = tuple(PlannedImage(str(index), 0) for index in range(7))
    goal = None if attack is None else Goal.RANDOM
    return Cell("k", MODEL, Component("d", {}, {}), NumericPolicy(), images, attack, goal, 0)


def test_clean_images_take_a_forward_each():
    cost = cell_cost(cell(), 5, CLEAN, FIGURES)
    assert cost == Cost(images=5, forwards=5, flops=50.0, seconds=2.5)


def test_an_attack_takes_its_passes_and_a_verdict():
    cost = cell_cost(cell(ATTACK), 5, Passes(9, 7), FIGURES)
    assert (cost.images, cost.forwards, cost.backwards) == (5, 45, 35)
    # 2 forwards alone and the verdict's, 7 with their backwards.
    assert cost.flops == 5 * (3 * 10 + 7 * 30)
    assert cost.seconds == 5 * (3 * 0.5 + 7 * 2.0)
    assert cost.kept_bytes == 7 * 3 * 10 * 20 * 4, "of all images, also those that are stored"
    rounded = cell_cost(cell(replace(ATTACK, eight_bit=True)), 5, Passes(9, 7), FIGURES)
    assert rounded.flops - cost.flops == 5 * 10


def test_what_is_stored_costs_nothing():
    cost = cell_cost(cell(ATTACK), 0, None, PassCosts())
    assert cost == Cost(kept_bytes=7 * 2400)


def test_unknown_prices_are_named_and_left_out():
    some = cell_cost(cell(ATTACK), 5, Passes(9, 7), FIGURES)
    none = cell_cost(cell(ATTACK), 5, Passes(9, 7), PassCosts())
    assert (none.flops, none.seconds) == (0, 0)
    assert none.without_flops == none.without_seconds == {"m"}
    half = cell_cost(cell(ATTACK), 5, Passes(9, 7), replace(FIGURES, gradient_seconds=None))
    assert (half.without_flops, half.without_seconds) == (frozenset(), {"m"})
    silent = cell_cost(cell(ATTACK), 5, None, FIGURES)
    assert (silent.forwards, silent.without_passes) == (0, {"a"})
    whole = total([some, none, silent])
    assert (whole.images, whole.forwards, whole.flops) == (15, 90, some.flops)
    assert whole.without_flops == {"m"}
    scores = cell_cost(cell(ATTACK), 5, Passes(9, 0), PassCosts(10.0, None, 0.5, None))
    assert scores.flops == 5 * 10 * 10, "an attack without gradients needs no price of them"


class Builder(ModelLoader):
    def untrained(self, spec, device) -> Classifier:
        raise NotImplementedError

    def load(self, spec, device) -> Classifier:
        raise NotImplementedError


class Reader(ModelLoader):
    def load(self, spec, device) -> Classifier:
        raise NotImplementedError


def model(weights: str, height: int = 8) -> Component:
    identity = {
        "loader": {"name": "l", "version": "1"},
        "architecture": "net",
        "weights": weights,
        "preprocessing": {"size": [height, 8]},
        "classes": 3,
        "options": {},
    }
    return Component("m", identity, {})


def test_figures_belong_to_an_architecture_at_a_size():
    key = pass_cost_key(model("one"), Builder())
    assert key == pass_cost_key(model("two"), Builder())
    assert key != pass_cost_key(model("one", 9), Builder())
    assert key != pass_cost_key(model("one"), Builder(), "bf16")
    assert pass_cost_key(model("one"), Reader()) != pass_cost_key(model("two"), Reader())


def test_a_book_keeps_flops_for_all_places_and_seconds_for_its_own(tmp_path):
    path = tmp_path / "sub" / "figures.json"
    here, there = (PassCostCache(path, {"device": name}) for name in ("here", "there"))
    assert (here.find("k"), here.device) == (None, None)
    here.keep("k", FIGURES, "cpu")
    assert PassCostCache(path, {"device": "here"}).find("k") == FIGURES
    there.keep("other", FIGURES, "cuda:0")
    again = PassCostCache(path, {"device": "there"})
    assert again.find("k") == PassCosts(10.0, 30.0)
    assert (again.complete("k"), again.complete("other")) == (False, True)
    assert again.device == "cuda:0"
    assert PassCostCache(path, {"device": "here"}).complete("k"), "another process kept it"
    assert [file.name for file in path.parent.iterdir()] == ["figures.json"]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"version": 0}', '{"version": 1, "flops": [], "places": {}}',
        '{"version": 1, "flops": {"k": ["x", 1]}, "places": {}}',
        '{"version": 1, "flops": {}, "places": {"a": 3}}',
    ],
)  # fmt: skip
def test_a_damaged_book_is_begun_anew(tmp_path, text):
    path = tmp_path / "figures.json"
    path.write_text(text)
    book = PassCostCache(path, {})
    assert book.find("k") is None
    book.keep("k", FIGURES, "cpu")
    assert json.loads(path.read_text())["flops"] == {"k": [10.0, 30.0]}


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "frontier-harness"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "frontier-harness"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (999.4, "999"), (999.6, "1k"), (1234, "1.23k"), (1.5e6, "1.5M"),
     (2e19, "20E"), (2e21, "2000E")],
)  # fmt: skip
def test_numbers_for_people(value, text):
    assert si(value) == text


def test_units_for_people():
    assert (flop(1.234e10), size(11_000_000_000), size(0)) == ("12.3 GFLOP", "11 GB", "0 B")
    assert [span(s) for s in (0.5, 59, 90, 3600, 360_000)] == [
        "0.5 s", "59 s", "1.5 min", "1 h", "100 h",
    ]  # fmt: skip
