"""The charts: names that do not overlap, axes, colours, and how lines are told apart."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from report_toy import ATTACKS, MODELS, Toy

from harness.analysis.columns import Choice
from harness.analysis.leaderboard import leaderboard
from harness.analysis.results import Results
from harness.library.results import results
from harness.report.html import charts, export
from harness.report.html.charts import needs
from harness.report.html.content import content
from harness.report.html.figures import axes, frontier_chart, labels
from harness.report.html.page import VEGA_LITE
from harness.report.html.shown import Labels, Names
from harness.report.html.theme import DASHES, themes
from harness.store.database import snapshot
from harness_metrics.surface_section import boundary

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Text:
    """A text of an SVG with its box."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def covers(self, other: Text) -> bool:
        return (
            self.left < other.right and other.left < self.right
            and self.top < other.bottom and other.top < self.bottom
        )  # fmt: skip


def svg_of(variant) -> str:
    options = {"vl_version": VEGA_LITE, "config": themes()["light"], "allowed_base_urls": []}
    spec = export.standalone(variant, Labels({}))
    return needs("vl_convert").vegalite_to_svg(spec, **options)


def texts_of(svg: str) -> list[Text]:
    """The level texts of an SVG; of the width that `labels` counts with."""
    found = []

    def walk(node, x, y):
        move = re.search(r"translate\(([-\d.]+),([-\d.]+)\)", node.get("transform", ""))
        if move:
            x, y = x + float(move[1]), y + float(move[2])
        if node.tag == f"{SVG}text" and "rotate" not in node.get("transform", ""):
            size = float(node.get("font-size", "11px").removesuffix("px"))
            width = labels.text_width(node.text or "") * size / labels.LABEL_SIZE
            share = {"middle": 0.5, "end": 1.0}.get(node.get("text-anchor", "start"), 0.0)
            left = x - share * width
            found.append(Text(node.text or "", left, y - 0.78 * size, left + width, y + 0.2 * size))
        for child in node:
            walk(child, x, y)

    walk(ElementTree.fromstring(svg), 0.0, 0.0)
    return list(dict.fromkeys(found))  # a name is drawn twice, with and without its ground


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """The figures of 18 models between 97% and 99.7% whose robustness is nearly the same."""
    models = [
        replace(model, accuracy=0.97 + 0.027 * place / 17, hard=0.7 + 0.02 * (place * 7 % 18))
        for place, model in enumerate(MODELS)
    ]
    attacks = [ATTACKS[9], replace(ATTACKS[10], keep=False), replace(ATTACKS[-1], keep=False)]
    file = tmp_path_factory.mktemp("crowded") / "harness.db"
    toy = Toy(file, models=models, attacks=attacks, images=30, clean_images=890)
    toy.fill(measure=False, transfer=False, pictures=False)
    toy.close()
    with snapshot(file) as db:
        return content(db, results(file), suite=None, images=0, reader=None).figures


@pytest.fixture(scope="module")
def figures(whole):
    with snapshot(whole) as db:
        return content(db, results(whole), suite=None, images=0, reader=None).figures


@pytest.mark.parametrize("axis", [axes.ACCURACY, axes.LN_ERROR])
@pytest.mark.parametrize("which", ["figures", "crowded"])
def test_all_18_models_are_named_and_no_text_overlaps(which, axis, request):
    figure = request.getfixturevalue(which)["frontier"]
    drawn = [variant for variant in figure.variants if variant.choice[2] == axis]
    assert len(drawn) >= 3
    for variant in drawn[:4]:
        names = {row["model"] for row in variant.data["models"]}
        texts = texts_of(svg_of(variant))
        assert len(names) == 18
        assert names <= {each.text for each in texts}, variant.choice
        assert [
            (one.text, other.text)
            for one, other in itertools.combinations(texts, 2)
            if one.covers(other)
        ] == []


@pytest.mark.parametrize("name", ["security", "success", "transfer", "surface"])
def test_no_text_of_the_other_charts_overlaps(figures, name):
    variant = figures[name].variants[0]
    texts = texts_of(svg_of(variant))
    assert len(texts) > 10
    assert [
        (one.text, other.text)
        for one, other in itertools.combinations(texts, 2)
        if one.covers(other)
    ] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_readme_shows_a_frontier_of_all_digits_models(theme):
    file = ROOT / "docs" / "images" / f"frontier-{theme}.svg"
    svg = file.read_text("utf-8")
    assert file.stat().st_size < 150_000
    assert f"docs/images/{file.name}" in (ROOT / "README.md").read_text("utf-8")
    assert not re.search(r"(href|src)=|url\((?!#)|<script|<image", svg)
    texts = texts_of(svg)
    assert {"vgg16", "vgg19", "alexnet", "inception_v4", "nasnet_large"} <= {t.text for t in texts}
    assert any(each.text.startswith("y = ") for each in texts)
    assert not any(one.covers(other) for one, other in itertools.combinations(texts, 2))


@pytest.mark.parametrize("spread", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("count", [18, 40])
def test_names_lie_over_no_point_and_no_other_name(count, spread):
    random = np.random.default_rng(count)
    places = np.clip(0.5 + spread * random.standard_normal((count, 2)), 0.02, 0.98)
    size = (frontier_chart.WIDTH, frontier_chart.HEIGHT)
    spots = [labels.Spot(f"model_v{i}", *(place * size)) for i, place in enumerate(places)]
    placed = labels.place(spots, size)
    shown = [(spot, label) for spot, label in zip(spots, placed, strict=True) if label]
    assert count == 40 or len(shown) == count
    boxes = []
    for spot, label in shown:
        width = labels.text_width(spot.name)
        left = label.x - {"left": 0, "center": 0.5, "right": 1}[label.align] * width
        boxes.append(Text(spot.name, left, label.y - 6, left + width, label.y + 6))
        near = math.hypot(label.x - spot.x, label.y - spot.y)
        assert label.leader or near < 20
    assert not any(one.covers(other) for one, other in itertools.combinations(boxes, 2))
    assert all(box.left >= 0 and box.right <= size[0] for box in boxes)
    for box in boxes:
        for spot in spots:
            assert not box.covers(Text("", spot.x - 3, spot.y - 3, spot.x + 3, spot.y + 3))


def test_a_lone_name_is_to_the_right_unless_there_is_an_edge():
    size = (400.0, 300.0)
    assert labels.place([labels.Spot("abc", 200, 150)], size)[0].align == "left"
    assert labels.place([labels.Spot("abc", 398, 150)], size)[0].align == "right"
    assert labels.place([], size) == []


def test_the_better_axis_comes_first(figures, crowded):
    assert figures["frontier"].variants[0].choice[2] == axes.ACCURACY
    assert crowded["frontier"].variants[0].choice[2] == axes.LN_ERROR


def test_a_fixed_budget_has_a_chart_of_robust_accuracy_and_no_law(figures, whole):
    label = "fgsm epsilon=0.1"
    (variant,) = (v for v in figures["frontier"].variants if v.choice[:2] == (label, "random"))
    assert variant.choice[2] == axes.ACCURACY
    with snapshot(whole) as db:
        board = leaderboard(Results(db.conn).suite(), Choice(attack=label, goal="random"))
    heights = {entry.model: place.attack.robust_accuracy for entry, place in board.rows}
    names = Names.of(list(heights))
    assert {row["model"]: row["y"] for row in variant.data["models"]} == {
        names.short(model): pytest.approx(share, rel=1e-3) for model, share in heights.items()
    }
    assert {row["kind"] for row in variant.data["lines"]} == {frontier_chart.STAIRCASE}
    ringed = {row["model"] for row in variant.data["models"] if row["member"]}
    assert ringed == {names.short(point.name) for point in board.column.frontier.members}
    for row in variant.data["models"]:
        assert row["y1"] <= row["y"] <= row["y2"]
    assert "robust accuracy" in variant.table.headings


def test_the_law_is_a_straight_line_over_ln_error_and_both_axes_show_the_same(figures):
    def law(axis):
        (variant, *_) = (v for v in figures["frontier"].variants if v.choice[2] == axis)
        return [row for row in variant.data["lines"] if row["part"] == "inside"]

    straight = [(math.log(row["x"]), row["y"]) for row in law(axes.LN_ERROR)]
    slopes = [(d - b) / (c - a) for (a, b), (c, d) in itertools.pairwise(straight[::10])]
    assert slopes == pytest.approx([slopes[0]] * len(slopes), rel=0.02)
    curved = [(math.log(1 - row["x"]), row["y"]) for row in law(axes.ACCURACY)]
    assert curved[0] == pytest.approx(straight[0], rel=1e-3)
    assert curved[-1] == pytest.approx(straight[-1], rel=1e-3)


@pytest.mark.parametrize(("left", "right"), [(0.3, 0.001), (0.03, 0.002), (0.3, 0.2), (1.0, 0.4)])
@pytest.mark.parametrize("name", [axes.ACCURACY, axes.LN_ERROR])
def test_axes_run_from_left_to_right_with_rising_accuracy(name, left, right):
    axis = axes.Axis(name, left, right)
    assert (axis.share(left), axis.share(right)) == (0, 1)
    for error in np.linspace(right, left, 7):
        assert axis.error(axis.share(error)) == pytest.approx(error)
    assert axis.domain[0] < axis.domain[1]
    ticks = axis.ticks()
    if ticks is not None:
        assert 3 <= len(ticks) <= 12
        assert all(right <= tick <= left for tick in ticks)


def test_models_without_an_error_have_a_place_on_both_axes():
    for axis in axes.axes([0.5 / 900, 0.01, 0.02], [1e-6, 0.03]):
        shares = [axis.share(error) for error in (0.02, 0.01, 0.5 / 900)]
        assert 0 < shares[0] < shares[1] < shares[2] < 1


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip


def linear(colour: str):
    value = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                      [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
    axis = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                     [1.9779984951, -2.4285922050, 0.4505937099],
                     [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    return axis @ np.cbrt(cones @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_families_are_told_apart_with_any_colour_blindness(theme):
    colours = [linear(colour) for colour in themes()[theme]["range"]["category"][:7]]
    for sight, seen in SIGHT.items():
        for one, other in itertools.combinations(colours, 2):
            assert np.linalg.norm(oklab(seen @ one) - oklab(seen @ other)) > 0.08, sight
    ground = linear("#ffffff" if theme == "light" else export.GROUNDS["dark"])
    for colour in colours:
        lights = sorted(float(c @ [0.2126, 0.7152, 0.0722]) for c in (colour, ground))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 2.99


def test_both_themes_have_the_same_parts():
    def shape(value):
        return {key: shape(part) for key, part in value.items()} if isinstance(value, dict) else 0

    light, dark = themes()["light"], themes()["dark"]
    assert shape(light) == shape(dark)
    assert light != dark


def test_lines_of_a_family_differ_in_their_dashes():
    models = [(f"m{i}", "VGG" if i % 2 else None) for i in range(2 * len(DASHES))]
    rows = charts.key_rows(models, str)
    looks = {(row["family"], row["dash"]) for row in rows}
    assert len(looks) == len(models)
    heights = [row["at"] for row in rows]
    assert heights == sorted(heights, reverse=True)
    assert charts.key_rows([(str(i), None) for i in range(charts.KEY_ROOM + 1)], str) == []


def test_the_decision_boundary_of_a_disc_is_a_circle():
    axis = np.linspace(-1, 1, 41, dtype=np.float32)
    margin = 0.5 - np.hypot(axis[:, None], axis[None, :])
    edges = list(boundary(axis, axis, margin))
    assert sum(math.hypot(e["a"] - e["a2"], e["b"] - e["b2"]) for e in edges) == pytest.approx(
        2 * math.pi * 0.5, rel=0.01
    )
    for edge in edges:
        assert math.hypot(edge["a"], edge["b"]) == pytest.approx(0.5, abs=0.005)
