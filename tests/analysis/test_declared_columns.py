"""A third party's metrics and measurement, shown on every board by their declaration alone."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness as library
from harness.plugins import installed

PLUGIN = """
from harness.api import hookimpl

HARNESS_API = 1

@hookimpl
def register_metrics(register):
    for name in ("Steady", "Fragile", "Silent", "Curious", "Wrong"):
        register("toy-" + name.lower(), "toy_boards_impl:" + name, version="1", summary="")

@hookimpl
def register_measurements(register):
    register("toy-depth", "toy_boards_impl:Depth", version="1", summary="")
    register("toy-odd", "toy_boards_impl:Odd", version="1", summary="")
"""
IMPL = """
from typing import ClassVar
from harness.api import Measurement, MeasurementResult, Metric, LeaderboardColumn, Score

class Steady(Metric):
    leaderboard_column = LeaderboardColumn(True, title="steady!", format=".5f")
    def score(self, cell):
        found = [row.norms.linf for row in cell.broken]
        return Score(sum(found) / len(found), len(found)) if found else Score(None, 0)

class Fragile(Steady):
    leaderboard_column = LeaderboardColumn(higher_is_more_robust=False)
    def score(self, cell):
        score = super().score(cell)
        return Score(None if score.value is None else -score.value, score.images)

class Silent(Steady):
    leaderboard_column = None

class Wrong(Steady):
    leaderboard_column = "leaderboard"

class Curious(Metric):
    leaderboard_column = LeaderboardColumn(title="curious", format=".0%", on=("leaderboard",))
    def score(self, cell):
        assert cell.norm == "linf" and cell.budget is None
        assert cell.parameters["steps"] == 3 and "kappa" not in cell.parameters
        assert len(cell.margins) == len(cell.attacked)
        assert all((margin > 0) == (row in cell.broken)
                   for margin, row in zip(cell.margins, cell.attacked))
        assert len(cell.numbers("forgotten")) == 0
        return Score(1.0, 1)

class Depth(Measurement):
    leaderboard_columns: ClassVar = {
        "shallow": LeaderboardColumn(higher_is_more_robust=False, title="shallow!"),
        "hidden": LeaderboardColumn(on=()),
    }
    @property
    def scores(self):
        return {"shallow": "nats", "hidden": "", "plain": ""}
    def measure(self, probe, subject):
        logits = probe.logits(subject.image[None])[0]
        top = float(logits.max())
        return MeasurementResult({"shallow": -top, "hidden": 1.0, "plain": top})

class Odd(Depth):
    leaderboard_columns: ClassVar = {"shallow": True}
"""
MODELS = ("digits-alexnet", "digits-vgg16", "digits-resnet_v2_50", "digits-mobilenet_v1_025")
SUITE = f"""
suites:
  declared:
    dataset: digits
    models: [{", ".join(MODELS)}]
    images: 24
    accuracy_images: 60
    attacks:
      - attack: ifgsm
        goals: [untargeted]
        parameters: {{epsilon: search, attempts: 3, steps: 3}}
    measurements:
      - {{measurement: toy-depth}}
      - {{measurement: toy-odd}}
    metrics: [toy-steady, toy-fragile, toy-silent, toy-curious, toy-wrong, success]
"""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run with the plugin installed, which stays so."""
    site = tmp_path_factory.mktemp("site")
    (site / "toy_boards.py").write_text(PLUGIN)
    (site / "toy_boards_impl.py").write_text(IMPL)
    info = site / "toy_boards-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: toy-boards\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\ntoy = toy_boards\n")
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    installed.cache_clear()
    overlay = site / "suite.yaml"
    overlay.write_text(SUITE)
    path = site / "harness.db"
    library.run("declared", db=path, registry=[overlay], progress="plain")
    yield path
    sys.path.remove(str(site))
    installed.cache_clear()
    for name in ("toy_boards", "toy_boards_impl"):
        sys.modules.pop(name, None)


def rows(harness: Any, *arguments: object) -> list[dict[str, Any]]:
    done = harness(*arguments, "--format", "json")
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)["rows"]
    return found


def test_the_leaderboard_has_a_column_for_each(db: Path, harness: Any) -> None:
    done = harness("leaderboard", "--db", db, "--format", "md")
    assert done.code == 0, done.err
    heads = [cell.strip() for cell in next(
        line for line in done.out.splitlines() if line.startswith("| rank") or "model" in line
    ).strip("|").split("|")]  # fmt: skip
    assert {"steady!", "toy-fragile", "curious", "shallow!", "toy-depth plain"} <= set(heads)
    assert not {"toy-silent", "toy-depth hidden"} & set(heads)
    board = rows(harness, "leaderboard", "--db", db)
    values = {row["model"]: row["metrics"] for row in board}
    steady = values["digits-vgg16"]["toy-steady"]
    line = next(line for line in done.out.splitlines() if "digits-vgg16" in line)
    assert f"{steady:.5f}" in line
    assert "100%" in line
    assert all(each["toy-silent"] == each["toy-steady"] for each in values.values())
    assert {each["toy-curious"] for each in values.values()} == {1.0}


def test_the_joint_board_ranks_by_the_direction(db: Path, harness: Any) -> None:
    board = rows(harness, "leaderboard", "--joint", "--db", db)
    metrics = {row["model"]: row["metrics"] for row in board}
    titles = set(metrics["digits-vgg16"])
    label = next(title for title in titles if title.startswith("ifgsm"))
    assert titles == {
        label,
        f"toy-steady: {label}",
        f"toy-fragile: {label}",
        "toy-depth shallow",
    }
    for mine in metrics.values():
        distortion, steady, fragile = (
            mine[title] for title in (label, f"toy-steady: {label}", f"toy-fragile: {label}")
        )
        assert fragile["robustness"] == -steady["robustness"]
        for other in (steady, fragile):
            assert other["frontier_distance"] == pytest.approx(distortion["frontier_distance"])
            assert other["rank"] == distortion["rank"]
            assert other["on_frontier"] == distortion["on_frontier"]
            assert other["extrapolated"] == distortion["extrapolated"]
    shallow = {model: mine["toy-depth shallow"] for model, mine in metrics.items()}
    best = min(shallow, key=lambda model: shallow[model]["robustness"])
    assert shallow[best]["on_frontier"]
    said = harness("leaderboard", "--joint", "--db", db)
    assert "lower is more robust" in said.out
    assert "shallow!" in said.out


def test_intervals_leave_out_what_has_no_number_per_image(db: Path) -> None:
    board = library.results(db).suite().joint(intervals=True)
    assert len(board) == len(MODELS)


def test_what_is_declared_wrongly_is_named(db: Path, harness: Any) -> None:
    with pytest.warns(UserWarning, match="columns of measurement 'toy-odd' of plugin toy"):
        library.results(db).suite().joint()
    done = harness("leaderboard", "--db", db, "--format", "json")
    notes = " ".join(json.loads(done.out)["notes"])
    assert "metric toy-wrong is not computed" in notes
    assert "its leaderboard_column is str, not LeaderboardColumn" in notes


def test_the_page_has_them(db: Path, harness: Any, tmp_path: Path) -> None:
    for module in ("altair", "vl_convert", "jinja2"):
        pytest.importorskip(module, reason="the extra `report` is not installed")
    done = harness("report", "--db", db, "--output", tmp_path / "page")
    assert done.code == 0, done.err
    page = (tmp_path / "page" / "index.html").read_text()
    assert all(text in page for text in ("steady!", "toy-fragile", "curious", "shallow!"))


def test_without_the_plugin_the_boards_stand(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_PLUGINS", "")
    installed.cache_clear()
    try:
        suite = library.results(db).suite()
        assert [row["model"] for row in suite.leaderboard()]
        titles = set(suite.joint().presentation.document[0]["metrics"])
        assert len(titles) == 1
    finally:
        monkeypatch.delenv("HARNESS_PLUGINS")
        installed.cache_clear()


def test_a_format_that_no_float_has_is_refused() -> None:
    from harness.api import LeaderboardColumn

    with pytest.raises(ValueError, match="format"):
        LeaderboardColumn(format="d")
