"""The joint board, against plain numpy and scipy."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from boards import joint
from scipy import stats

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.reference import references
from harness.analysis.scores import rank_correlation
from harness.errors import ConfigError
from harness.plugins import installed
from harness.report.joint import footnotes, presentation
from harness.report.text import render

MODELS = "abcdefgh"
IMAGES = 30


def attack(name: str, norm: str, label: str = "", budget: float | None = None) -> dict[str, Any]:
    goals = ["random", "untargeted"]
    return {"name": name, "label": label or name, "norm": norm, "budget": budget, "goals": goals}


SUITE = [
    attack("fgsm", "linf", budget=0.1),
    attack("ifgsm", "linf"),
    attack("cw", "l2"),
    attack("cw", "l2", label="cw kappa=40"),
    attack("ead", "l1"),
]


def measure(
    bench: Any, model: str, name: str, scores: dict[str, list[float | None]], goal: str = "random"
) -> None:
    """A measurement's cell: for each score a number an image; None: the image is invalid."""
    count = len(next(iter(scores.values())))
    cell = bench.cell(
        f"{model} {name} {goal}",
        count,
        model_id=bench.component("model", model),
        attack_id=bench.component("measurement", name),
        label=name,
        goal=goal,
        seed=0,
    )
    attempt = bench.attempt(cell)
    for position in range(count):
        valid = all(values[position] is not None for values in scores.values())
        bench.sql.execute(
            "INSERT INTO measured (cell_id, image_id, attempt_id, status, forwards, backwards)"
            " VALUES (?, ?, ?, ?, 1, 1)",
            (cell, bench.image(position), attempt, "measured" if valid else "invalid"),
        )
        for score, values in scores.items():
            if valid:
                bench.sql.execute(
                    "INSERT INTO measurements VALUES (?, ?, ?, ?)",
                    (cell, bench.image(position), score, values[position]),
                )
    for score in scores:
        bench.score(cell, score, 1.0)


@pytest.fixture
def filled(bench: Any, define: Any) -> Any:
    """Eight models; ``h`` has no ead, ``g`` a CLEVER image without a number."""
    random = np.random.default_rng(0)
    bench.run(define(MODELS, SUITE), IMAGES)
    for number, model in enumerate(MODELS):
        errors = 12 - number
        bench.clean(model, [i >= errors for i in range(IMAGES)], shape=[3, 8, 8])
        for each in SUITE:
            if (model, each["name"]) == ("h", "ead"):
                continue
            sizes = (1 - 0.05 * number) * random.gamma(20, 0.05, IMAGES)
            rows: list[Any] = ["w"] * errors + sizes[errors:].tolist()
            rows[-1] = "r" if model == "b" else rows[-1]
            for goal in ("random", "untargeted"):
                bench.attack(
                    *(model, rows),
                    attack=each["name"],
                    label=each["label"],
                    norm=each["norm"],
                    budget=each["budget"],
                    goal=goal,
                )
        clever: list[float | None] = [
            0.9 - 0.05 * number + 0.01 * float(x) for x in random.random(IMAGES)
        ]
        clever[20] = None if model == "g" else clever[20]
        measure(bench, model, "clever", {"l2.score": clever})
        psi = [float(x) for x in random.gamma(900, (2 - 0.1 * number) / 900, 10)]
        measure(
            *(bench, model, "divergence"),
            {"psi": psi, "divergence": [1 / x for x in psi]},
            goal="untargeted",
        )
    bench.commit()
    return bench


def title(board: Leaderboard, name: str) -> Any:
    return next(metric for metric in board.columns if metric.title == name)


def pareto_fit(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(a, b) through the points that no other beats, and who they are."""
    on = [
        not any(
            x[j] >= x[i] and y[j] >= y[i] and (x[j] > x[i] or y[j] > y[i]) for j in range(len(x))
        )
        for i in range(len(x))
    ]
    b, a = np.polyfit(np.log(1 - x[on]), y[on], 1)
    return np.array([a, b]), np.array(on)


def test_metrics_are_each_attack_once_distances_and_psi(filled: Any) -> None:
    board = joint(filled.sql)
    assert [metric.title for metric in board.columns] == [
        *("ifgsm", "cw", "ead"),
        *("clever l2.score", "divergence psi"),
    ]
    assert [metric.metric.norm for metric in board.columns] == ["linf", "l2", "l1", "l2", None]
    assert "of each attack the first configuration is shown, not cw kappa=40" in board.notes


def test_every_metric_has_the_frontier_of_its_own_numbers(filled: Any) -> None:
    board = joint(filled.sql)
    sql = filled.sql
    for name, norm in (("ifgsm", "linf"), ("cw", "l2"), ("ead", "l1")):
        rows = sql.execute(
            f"SELECT model, avg({norm}) FROM samples WHERE attack_label = ? AND goal = 'random'"
            " AND status = 'broken' GROUP BY 1 ORDER BY 1", (name,)
        ).fetchall()  # fmt: skip
        check_metric(sql, board, name, dict(rows))
    for name, score, goal in (
        ("clever l2.score", "l2.score", "random"),
        ("divergence psi", "psi", "untargeted"),
    ):
        rows = sql.execute(
            "SELECT model, avg(value) FROM readings WHERE name = ? AND goal = ?"
            " AND status = 'measured' GROUP BY 1 ORDER BY 1", (score, goal)
        ).fetchall()  # fmt: skip
        check_metric(sql, board, name, dict(rows))


def check_metric(sql: Any, board: Leaderboard, name: str, means: dict[str, float]) -> None:
    metric = title(board, name)
    accuracy = dict(
        sql.execute("SELECT model, avg(correct) FROM clean_predictions GROUP BY 1").fetchall()
    )
    models = list(means)
    x, y = (np.array([values[model] for model in models]) for values in (accuracy, means))
    (a, b), on = pareto_fit(x, y)
    assert (metric.frontier.fit.a, metric.frontier.fit.b) == pytest.approx((a, b))
    distances = y - a - b * np.log(1 - x)
    ranks = stats.rankdata(-distances, method="min")
    for index, model in enumerate(models):
        place = metric.places[model]
        assert place.robustness == pytest.approx(y[index])
        assert place.placing.distance == pytest.approx(distances[index])
        assert (place.placing.on_frontier, place.rank) == (on[index], ranks[index])


def test_the_joint_rank_is_that_of_the_mean_rank_over_the_metrics_there_are(filled: Any) -> None:
    board = joint(filled.sql)
    means = {}
    for row in board.entries:
        own = [metric.places[row.model].rank for metric in board.columns]
        known = [rank for rank in own if rank is not None]
        assert (row.ranked, row.mean_rank) == (len(known), pytest.approx(np.mean(known)))
        means[row.model] = row.mean_rank
    assert {row.model: row.ranked for row in board.entries} == {**dict.fromkeys(MODELS, 5), "h": 4}
    wanted = stats.rankdata([means[row.model] for row in board.entries], method="min")
    assert [row.rank for row in board.entries] == wanted.tolist()
    assert [row.rank for row in board.entries] == sorted(row.rank for row in board.entries)


def test_what_is_incomplete_is_marked_and_said(filled: Any) -> None:
    board = joint(filled.sql)
    assert {row.model for row in board.entries if not row.complete} == {"g", "h"}
    text = "\n".join(footnotes(board))
    assert "‡ h: ead l1 not run" in text
    assert "‡ g: clever l2.score: 1 of 30 images without a result" in text


def test_scores_stand_beside_the_attacks_and_correlate_with_them(filled: Any) -> None:
    board = joint(filled.sql)
    clever = title(board, "clever l2.score")
    headings = [column.heading for column in presentation(board).columns]
    assert headings[-2] == "clever l2.score: attack distortion / violations"
    assert len(set(headings)) == len(headings)
    # The smallest known l2 of an image is that of any attack, whatever it minimises.
    above = filled.sql.execute(
        "SELECT count(*) FROM readings JOIN (SELECT model, image_id, min(l2) AS l2 FROM samples"
        " WHERE status = 'broken' AND goal = 'random' GROUP BY 1, 2) USING (model, image_id)"
        " WHERE name = 'l2.score' AND value > l2"
    ).fetchone()[0]
    assert sum(place.bound.exceeding for place in clever.places.values()) == above > 0
    assert f"clever l2.score: above the smallest known distortion on {above} of" in "\n".join(
        footnotes(board)
    )
    assert len(board.correlations) == 2 * 3
    for each in board.correlations:
        first, second = (title(board, name).places for name in (each.score, each.attack))
        models = [m for m in MODELS if second[m].robustness is not None]
        oracle = stats.spearmanr(
            [first[m].robustness for m in models], [second[m].robustness for m in models]
        )
        assert (each.models, each.value) == (len(models), pytest.approx(oracle.statistic))


def test_ties_share_their_mean_rank_and_few_or_constant_values_have_no_correlation() -> None:
    x, y = [1.0, 2.0, 2.0, 5.0, 4.0], [3.0, 3.0, 1.0, 9.0, 2.0]
    first, second = (dict(zip("abcde", values, strict=True)) for values in (x, y))
    found = rank_correlation("s", "t", first, second)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert rank_correlation("s", "t", {"a": 1, "b": 2}, second).value is None
    assert rank_correlation("s", "t", dict.fromkeys("abc", 1.0), second).value is None


def test_intervals_come_with_every_metric(filled: Any) -> None:
    board = joint(filled.sql, replicates=100)
    for metric in board.columns:
        assert metric.intervals is not None
        assert metric.intervals.replicates == 100
        for place in metric.places.values():
            if place.placing.distance is not None:
                assert place.spread is not None
                assert 0 <= place.spread.on_frontier <= 1
    assert "100 bootstrap replicates" in "\n".join(footnotes(board))
    assert all(metric.intervals is None for metric in joint(filled.sql).columns)


def test_references_leave_out_what_they_lack(filled: Any) -> None:
    board = joint(filled.sql, references=references("paper", installed()))
    assert [metric.title for metric in board.columns] == ["ifgsm", "cw", "clever l2.score"]
    assert "left out, because --frontier paper has no fit: ead" in board.notes
    place = title(board, "clever l2.score").places["a"]
    fitted = (12.5 + 4.6 * np.log(12 / 30)) * 1e-6
    assert place.placing.distance == pytest.approx(place.robustness / 64 - fitted)
    with pytest.raises(ConfigError, match="no fit for 'ifgsm linf untargeted, cw l2 untargeted"):
        joint(filled.sql, goal="untargeted", references=references("paper", installed()))


def test_common_images_leave_the_scores_out(filled: Any) -> None:
    board = joint(filled.sql, images="common")
    assert [metric.title for metric in board.columns] == ["ifgsm", "cw", "ead"]
    assert board.common is not None
    assert len(board.common.images) == IMAGES - 12
    assert any("left out" in note for note in board.notes)


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"goal": "randm"}, "did you mean 'random'"), ({"suite": "x"}, "no run of suite 'x'")],
)
def test_wrong_names(filled: Any, asked: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        joint(filled.sql, **asked)


def test_a_suite_without_any_metric_of_the_goal(bench: Any, define: Any) -> None:
    bench.run(define("a", [SUITE[0]]), 2)
    bench.clean("a", [True, False])
    with pytest.raises(ConfigError, match="no metric of robustness for goal random"):
        joint(bench.sql)
    bench.run(define("a", []), 2, name="bare")
    with pytest.raises(ConfigError, match="'bare' has no attacks"):
        joint(bench.sql, suite="bare")


def test_fixed_budgets_alone_are_ranked_by_robust_accuracy(bench: Any, define: Any) -> None:
    budgets = [attack("fgsm", "linf", "fgsm epsilon=0.1", 0.1), attack("cw", "l2", "", 0.5)]
    bench.run(define("ab", budgets), 4)
    for model, fgsm, cw in (("a", ["r", 0.1, 0.1, "w"], ["r", "r", "r", "w"]),
                            ("b", ["r", "r", "r", 0.1], ["r", "r", 0.5, "r"])):  # fmt: skip
        bench.clean(model, [row != "w" for row in fgsm])
        bench.attack(model, fgsm, attack="fgsm", label="fgsm epsilon=0.1", budget=0.1)
        bench.attack(model, cw, attack="cw", norm="l2", budget=0.5)
    board = joint(bench.sql)
    assert [metric.title for metric in board.columns] == ["fgsm epsilon=0.1", "cw"]
    assert [(each.model, each.mean_rank) for each in board.entries] == [("b", 1), ("a", 1.5)]
    found = presentation(board)
    headings = [column.heading for column in found.columns]
    assert headings[-2:] == ["robust accuracy, fgsm epsilon=0.1", "robust accuracy, cw"]
    assert found.records[1]["robust_accuracy fgsm epsilon=0.1"] == 1 / 4
    assert found.records[1]["robust_accuracy cw"] == 3 / 4


def test_json_holds_fits_correlations_and_every_place(filled: Any) -> None:
    board = joint(filled.sql, replicates=50)
    whole = json.loads(render(presentation(board), "json"))
    assert [metric["title"] for metric in whole["metrics"]] == [m.title for m in board.columns]
    assert {"a", "b", "r2", "members", "a_interval"} <= set(whole["metrics"][0])
    assert len(whole["rank_correlations"]) == 6
    row = whole["rows"][0]
    place = title(board, "cw").places[row["model"]]
    assert row["metrics"]["cw"]["frontier_distance"] == pytest.approx(place.placing.distance)
    assert row["metrics"]["clever l2.score"]["exceeding"] >= 0


class TestCommand:
    @staticmethod
    def leaderboard(bench: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", "leaderboard", "--db", str(bench.path), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    @pytest.mark.parametrize("format", ["table", "md"])
    def test_people_see_all_columns_and_fits(self, filled: Any, format: str) -> None:
        done = self.leaderboard(filled, "--joint", "--intervals", "--format", format)
        assert (done.returncode, done.stderr) == (0, "")
        for text in ("ifgsm linf", "cw l2", "ead l1", "clever l2.score", "divergence psi",
                     "mean rank", "rank correlation (Spearman) of divergence psi",
                     "ead: y = a + b ln(1 - top-1)", "95% intervals", " to +", "‡"):  # fmt: skip
            assert text in done.stdout

    def test_csv_is_flat_and_json_an_object(self, filled: Any) -> None:
        done = self.leaderboard(filled, "--joint", "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        whole = json.loads(self.leaderboard(filled, "--joint", "--format", "json").stdout)
        assert [row["model"] for row in rows] == [row["model"] for row in whole["rows"]]
        wanted = whole["rows"][0]["metrics"]["cw"]["frontier_distance"]
        assert float(rows[0]["cw: frontier_distance"]) == wanted
        assert "ifgsm: y = a + b" in done.stderr

    def test_single_boards_say_intervals_and_correlations_too(self, filled: Any) -> None:
        done = self.leaderboard(filled, "--attack", "cw", "--intervals", "--replicates", "60")
        for text in ("frontier residual (95% CI)", "on frontier", "60 bootstrap replicates",
                     "rank correlation (Spearman) of clever l2.score with the mean distortion of cw"
                     " over 8 models", "divergence psi"):  # fmt: skip
            assert text in done.stdout
        row = json.loads(
            self.leaderboard(filled, "--attack", "cw", "--intervals", "--format", "json").stdout
        )["rows"][0]
        assert row["frontier_distance_low"] <= row["frontier_distance_high"]
        assert 0 <= row["on_frontier_share"] <= 1
        assert set(row["rank_correlations"]) >= {"clever l2.score", "divergence psi"}

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (("--joint", "--attack", "cw"), "error: --attack: --joint ranks the models under all"),
            (("--joint", "--sort", "accuracy"), "error: --sort: --joint ranks"),
            (("--attacks", "--joint"), "error: --joint: --attacks compares"),
            (("--attacks", "--intervals"), "error: --intervals: --attacks compares"),
            (("--attack", "ead", "--frontier", "paper"), "error: --frontier paper: no fit for"),
            (("--frontier", "nowhere.yaml"), "error: --frontier nowhere.yaml: cannot be read"),
            (("--intervals", "--replicates", "3"), "error: Invalid value for '--replicates'"),
        ],
    )
    def test_wrong_use_is_one_line_and_exit_code_2(
        self, filled: Any, arguments: tuple[str, ...], line: str
    ) -> None:
        done = self.leaderboard(filled, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(line)
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("arguments", [("--intervals",), ("--joint",)])
    def test_heavy_packages_stay_unloaded(self, filled: Any, arguments: tuple[str, ...]) -> None:
        program = (
            "import sys\nfrom harness.cli.main import cli\n"
            "cli.main(sys.argv[1:], standalone_mode=False)\n"
            "heavy = {'torch', 'scipy', 'pandas', 'timm', 'onnxruntime'} & set(sys.modules)\n"
            "print(sorted(heavy), file=sys.stderr)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, "leaderboard", "--db", filled.path, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "[]\n"
