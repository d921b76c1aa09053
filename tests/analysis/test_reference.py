"""Published fits and those of a file."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from boards import Shown, leaderboard

from harness.analysis.reference import Metric, from_file, references
from harness.api import FittedLine, ReferenceFit
from harness.api.frontier import Point
from harness.errors import ConfigError, PluginError
from harness.plugins import Catalog, Kind, PluginReport, Registration, installed
from harness.report.leaderboard import footnotes

PAPER: Any = references("paper", installed())

CW = {"name": "cw", "label": "cw", "norm": "l2", "budget": None, "goals": ["random", "untargeted"]}
FGSM = {"name": "fgsm", "label": "fgsm", "norm": "linf", "budget": 0.3, "goals": ["random"]}


def metric(name: str = "ifgsm", norm: str | None = "linf", **changes: Any) -> Metric:
    fields = {"title": f"{name} steps=9", "goal": "random", "attack": True, "common": False}
    return Metric(name=name, norm=norm, **{**fields, **changes})


def test_a_file_names_labels_attacks_norms_and_scores(tmp_path: Path) -> None:
    path = tmp_path / "fits.yaml"
    path.write_text(
        "linf: {a: 1e-2, b: 2}\n"
        "ifgsm: {a: 4, b: 4, low: 0.5, high: 0.6}\n"
        "ifgsm steps=50: {a: 5, b: 6}\n"
        "cw l2 random: {a: 9, b: 1}\n"
        "divergence psi: {a: 7, b: 8}\n"
    )
    found = references(str(path), installed())
    assert found is not None

    def a(asked: Metric) -> float | None:
        fit = found.find(asked)
        return fit and fit.fit.a

    assert a(metric("pgd")) == 0.01
    assert a(metric()) == 4
    assert a(metric(title="ifgsm steps=50")) == 5
    assert a(metric("cw", "l2")) == 9
    assert a(metric("cw", "l2", goal="untargeted")) is None
    psi = metric("divergence", None, title="divergence psi", attack=False)
    assert a(psi) == 7
    # A norm is an attack's: scores in it are another thing.
    assert a(metric("clever", "linf", title="clever linf.score", attack=False)) is None
    reference = found.get(metric())
    assert reference.extrapolated(Point("a", 7, 10, 1.0))
    assert not reference.extrapolated(Point("a", 55, 100, 1.0))


def test_json_is_yaml(tmp_path: Path) -> None:
    path = tmp_path / "fits.json"
    path.write_text(json.dumps({"linf": {"a": 1e-9, "b": 1, "low": 0.1}}))
    assert from_file(path).get(metric()).fit.a == 1e-9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no fits"),
        ("[1, 2]", "contains no fits"),
        ("a: b: c", "is not valid YAML"),
        ("!!python/object/apply:os.system [echo]", "is not valid YAML"),
        ("linf: 3", "linf: is not a mapping"),
        ("linf: {a: 1}", "linf.b: is missing"),
        ("linf: {a: 1, b: 2, c: 3}", "linf: unknown field 'c'; there are: a, b, low, high"),
        ("linf: {a: x, b: 2}", "linf.a: is not a finite number"),
        ("linf: {a: .nan, b: 2}", "linf.a: is not a finite number"),
        ("linf: {a: true, b: 2}", "linf.a: is not a finite number"),
        ("linf: {a: [1], b: 2}", "linf.a: is not a finite number"),
        ("linf: {a: 1, b: 2, low: 56.9}", "linf.low: must lie in [0, 1]"),
        ("linf: {a: 1, b: 2, low: 0.9, high: 0.1}", "linf.low: is above high"),
    ],
)
def test_a_wrong_file_is_one_line_with_file_and_field(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "fits.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        from_file(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bad", ["absent", "folder", "bytes"])
def test_a_file_that_cannot_be_read(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "fits.yaml"
    if bad == "folder":
        path.mkdir()
    elif bad == "bytes":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        references(str(path), installed())


@pytest.fixture
def two(bench: Any, define: Any) -> Any:
    bench.run(define("abc", [CW, FGSM]), 10)
    for model, errors, size in (("a", 4, 0.8), ("b", 3, 0.7), ("c", 2, 0.6)):
        about = {} if model == "c" else {"shape": [3, 20, 10]}
        bench.clean(model, [i >= errors for i in range(10)], **about)
        bench.attack(model, ["w"] * errors + [size] * (10 - errors), attack="cw", norm="l2")
        bench.attack(model, ["w"] * errors + [0.3] * (10 - errors), attack="fgsm", budget=0.3)
    return bench


def test_l2_is_divided_by_each_models_own_pixels(two: Any) -> None:
    board = leaderboard(two.sql, references=PAPER, replicates=50)
    found = {model: Shown(board, model) for model in "abc"}
    fitted = (2.1 + 1.1 * math.log(0.4)) * 1e-5
    assert found["a"].distance == pytest.approx(0.8 / 200 - fitted)
    assert found["a"].robustness == pytest.approx(0.8)
    assert not found["a"].extrapolated
    assert found["a"].spread is not None
    assert found["a"].spread.distance is not None
    low, high = found["a"].spread.distance
    assert low <= found["a"].distance <= high
    assert (found["c"].distance, found["c"].spread, found["c"].rank) == (None, None, None)
    text = "\n".join(footnotes(board))
    assert "published by Su et al. 2018" in text
    assert "height times the width" in text
    assert "unknown input size, so no residual: c" in text


def test_a_fixed_budget_has_no_reference(two: Any) -> None:
    with pytest.raises(ConfigError, match="--frontier paper: fgsm has a fixed budget"):
        leaderboard(two.sql, attack="fgsm", references=PAPER)


def test_a_file_needs_no_fit_of_the_boards_own(two: Any, tmp_path: Path) -> None:
    path = tmp_path / "fits.yaml"
    path.write_text("l2: {a: 1, b: 0.5}")
    board = leaderboard(two.sql, references=from_file(path))
    assert Shown(board, "a").distance == pytest.approx(0.8 - (1 + 0.5 * math.log(0.4)))
    assert f"from {path}" in "\n".join(footnotes(board))


def test_where_the_fit_is_zero_or_less_it_is_extrapolated(tmp_path: Path) -> None:
    path = tmp_path / "fits.yaml"
    path.write_text("linf: {a: 0.62, b: 0.29}")
    reference = from_file(path).get(metric())
    assert not reference.extrapolated(Point("a", 88, 100, 0.1))
    assert reference.extrapolated(Point("a", 89, 100, 0.1))


class Handbook(ReferenceFit):
    source = "published in the Acme handbook"
    fits: ClassVar[Any] = {"l2": FittedLine(1, 0.5, low=0.1, caveat="of 1990")}


class Unreadable(ReferenceFit):
    source = "x"

    @property
    def fits(self) -> Any:
        raise OSError("no\ndisk")


def fit(**changes: Any) -> type[ReferenceFit]:
    return type("Changed", (Handbook,), changes)


OFFERS: dict[str, Any] = {
    "handbook": Handbook,
    "unreadable": Unreadable,
    "bare": fit(fits={}),
    "anonymous": fit(source=3),
    "numbers": fit(fits={"l2": (1, 2)}),
    "text": fit(fits={"l2": FittedLine("x", 2)}),  # type: ignore[arg-type]
    "infinite": fit(fits={"l2": FittedLine(1, math.inf)}),
    "percent": fit(fits={"l2": FittedLine(1, 2, high=85.0)}),
    "nothing": object,
}


def offer(name: str) -> Registration:
    target = f"{__name__}:OFFERED_{name}"
    setattr(sys.modules[__name__], f"OFFERED_{name}", OFFERS[name])
    return Registration(Kind.REFERENCE_FIT, name, target, "1", "", "acme", "acme-fits")


class Acme(Catalog):
    """The installed plugins, and one with the fits of `OFFERS`."""

    def __init__(self) -> None:
        report = PluginReport("acme", "acme-fits", "1", [offer(name) for name in OFFERS])
        super().__init__([*installed().reports, report])


def test_a_third_party_brings_fits_by_name(two: Any) -> None:
    board = leaderboard(two.sql, references=references("handbook", Acme()))
    assert Shown(board, "a").distance == pytest.approx(0.8 - (1 + 0.5 * math.log(0.4)))
    text = "\n".join(footnotes(board))
    assert "published in the Acme handbook" in text
    assert "of 1990" in text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unreadable", "it raised OSError: no disk"),
        ("bare", "it has no source, or no fits"),
        ("anonymous", "it has no source, or no fits"),
        ("numbers", "l2: tuple is not a FittedLine"),
        ("text", "l2.a: is not a finite number"),
        ("infinite", "l2.b: is not a finite number"),
        ("percent", "l2.high: must lie in [0, 1]"),
        ("nothing", "it is not a ReferenceFit"),
    ],
)
def test_wrong_fits_are_the_plugins_error(name: str, reason: str) -> None:
    with pytest.raises(PluginError) as error:
        references(name, Acme())
    assert str(error.value).startswith("plugin acme (acme-fits): the reference fit")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert references("paper", Acme())


def test_a_wrong_name_suggests(harness: Any, two: Any) -> None:
    for asked, hint in (("papr", "did you mean 'paper'?"), ("zzz", "there are: fitted, paper")):
        done = harness("leaderboard", "--db", two.path, "--frontier", asked)
        assert (done.code, done.out) == (2, "")
        assert f"--frontier: unknown fit '{asked}'; {hint}" in done.err
