"""The frontier goes through no model that guesses or is hardly measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from board_toy import Bench, definition
from boards import Shown, leaderboard

from harness.analysis.bootstrap import intervals
from harness.analysis.membership import FEW, SHARE, excluded
from harness.analysis.place import Accuracy
from harness.api.frontier import frontier
from harness.api.paired import Sample
from harness.api.statistics import wilson
from harness.report.leaderboard import presentation

IMAGES = 24
SOUND = {"a": (14, 0.5), "b": (17, 0.3), "c": (20, 0.25), "d": (23, 0.1)}
"""The models of a sound leaderboard: how many images each gets right, and its distortion."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "harness.db")


def fill(bench: Bench, models: dict[str, tuple[int, float]], attacked: int = IMAGES) -> None:
    """A board of ten classes; each model's right images are its first ones."""
    bench.run(definition(list(models)), IMAGES)
    for model, (right, size) in models.items():
        bench.clean(model, [i < right for i in range(IMAGES)])
        rows = [size if i < right else "w" for i in range(attacked)]
        bench.attack(model, rows)
    bench.sql.execute("UPDATE components SET identity = '{\"classes\": 10}' WHERE kind = 'model'")
    bench.commit()


def fit_of(board: Any) -> tuple[float, float]:
    fit = board.column.frontier.fit
    return fit.a, fit.b


def test_a_guessing_network_moves_nobody(bench: Bench, tmp_path: Path) -> None:
    """10% of ten classes, 4 of 24 images attacked, with a huge mean distortion."""
    fill(bench, SOUND)
    alone = leaderboard(bench.sql)
    other = Bench(tmp_path / "other.db")
    fill(other, {**SOUND, "guess": (4, 9.0)})
    board = leaderboard(other.sql)
    assert fit_of(board) == fit_of(alone)
    for model in SOUND:
        assert Shown(board, model).distance == Shown(alone, model).distance
    place = Shown(board, "guess")
    assert not place.on_frontier
    assert place.excluded == "top-1 16.7% of 24 images cannot be told from chance (10.0%)"
    assert place.distance == pytest.approx(9.0 - board.column.frontier.fit.at(20 / 24))


def test_it_is_said_on_the_board_and_in_json(bench: Bench) -> None:
    fill(bench, {**SOUND, "guess": (4, 9.0)})
    shown = presentation(leaderboard(bench.sql))
    reason = "top-1 16.7% of 24 images cannot be told from chance (10.0%)"
    assert f"§ guess is no member of the frontier: {reason}" in shown.notes
    row = next(row for row in shown.records if row["model"] == "guess")
    assert row["frontier_excluded"] == reason
    assert all(r["frontier_excluded"] is None for r in shown.records if r["model"] in SOUND)
    assert shown.table is not None
    (fit,) = shown.envelope(shown.table)["fits"]
    assert fit["excluded"] == [{"model": "guess", "reason": reason}]
    assert "guess" not in fit["members"]
    place = [column.key for column in shown.columns].index("frontier_distance")
    models = [record["model"] for record in shown.records]
    assert str(shown.rows[models.index("guess")][place].text).endswith("§")


def test_a_model_with_few_images_beside_others_with_many(bench: Bench) -> None:
    """Accurate, but attacked on 4 of 24 images."""
    fill(bench, SOUND)
    bench.run(definition([*SOUND, "new"]), IMAGES)
    bench.clean("new", [i < 22 for i in range(IMAGES)])
    bench.attack("new", [5.0] * 4, images=4)
    board = leaderboard(bench.sql)
    assert Shown(board, "new").excluded == "its mean is over 4 images, and another model's over 23"
    assert {point.name for point in board.column.frontier.members} <= set(SOUND)


def test_a_small_run_keeps_its_frontier(bench: Bench) -> None:
    fill(bench, SOUND, attacked=3)
    board = leaderboard(bench.sql)
    assert all(Shown(board, model).excluded is None for model in SOUND)
    assert board.column.frontier.fit is not None


def test_the_bootstrap_leaves_it_out_of_every_replicate() -> None:
    sound = {
        name: Sample(
            {i: (i * 7 + len(name)) % 24 < right for i in range(IMAGES)},
            {i: size * (1 + i / 99) for i in range(right)},
        )
        for name, (right, size) in SOUND.items()
    }
    guess = Sample({i: i < 4 for i in range(IMAGES)}, dict.fromkeys(range(4), 9.0))
    alone = intervals(sound, replicates=60)
    both = intervals({**sound, "guess": guess}, replicates=60, outside={"guess"})
    assert both.spreads["guess"].on_frontier == 0
    assert both.a == pytest.approx(alone.a)
    assert both.b == pytest.approx(alone.b)
    for name, spread in alone.spreads.items():
        assert both.spreads[name].on_frontier == spread.on_frontier
        assert both.spreads[name].distance == pytest.approx(spread.distance)
    moved = intervals({**sound, "guess": guess}, replicates=60)
    assert moved.a != alone.a
    assert moved.spreads["guess"].on_frontier > 0.5


@pytest.mark.parametrize("images", [3, 10, 100, 1000])
def test_chance_is_wilsons_interval(images: int) -> None:
    for correct in range(images + 1):
        accuracy = Accuracy(correct, images, 0, None)
        interval = wilson(correct, images)
        assert interval is not None
        found = excluded(accuracy, 10, images, images)
        assert (found is not None) == (interval[0] <= 0.1)
        assert excluded(accuracy, None, images, images) is None  # classes are not known


def test_a_published_accuracy_has_no_interval() -> None:
    at: Callable[[float], str | None] = lambda share: excluded(  # noqa: E731
        Accuracy(0, 5, 0, share, shown="published"), 1000, 30, 30
    )
    assert at(0.001) == "top-1 0.1% cannot be told from chance (0.1%)"
    assert at(0.0011) is None


def test_few_is_little_in_itself_and_beside_the_others() -> None:
    good = Accuracy(90, 100, 0, None)
    for most in (8, 24, 100, 400):
        for images in range(1, 40):
            reason = excluded(good, 10, images, most)
            assert (reason is not None) == (images < FEW and images < SHARE * most)


def test_points_of_plugins_can_be_left_out_too() -> None:
    from harness.api.frontier import Point

    points = [Point(name, right, 24, size) for name, (right, size) in SOUND.items()]
    odd = Point("odd", 24, 24, 99.0, excluded="it is no classifier")
    assert frontier([*points, odd]) == frontier(points)
