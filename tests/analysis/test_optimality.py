"""The comparison of attacks, on rows made by hand."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import subprocess
import sys
from typing import Any

import pytest
from boards import results
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis import optimality
from harness.analysis.optimality import Contest, Quality, relative_gap
from harness.errors import ConfigError
from harness.report.attacks import footnotes, presentation


def attack(label: str, norm: str = "linf", budget: float | None = None, **more: Any) -> Any:
    return {
        "name": label,
        "label": label,
        "norm": norm,
        "budget": budget,
        "goals": ["random"],
    } | more


def contest(sql: Any, suite: str | None = None, goal: str | None = None) -> Contest:
    return optimality.contest(results(sql, suite), goal)


def row_of(found: Contest, label: str, goal: str = "random") -> Quality:
    (row,) = [
        row for row in found.rows if (row.trial.attack.label, row.trial.goal) == (label, goal)
    ]
    return row


def notes(found: Contest) -> str:
    return "\n".join(footnotes(found))


def set_target(bench: Any, cell: int, target: int) -> None:
    bench.sql.execute("UPDATE outcomes SET target = ? WHERE cell_id = ?", (target, cell))
    bench.commit()


def leaderboard(bench: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "leaderboard", "--attacks", *arguments,
         "--db", str(bench.path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def two(bench: Any, define: Any) -> Any:
    """Two attacks on two models, with each kind of outcome."""
    bench.run(define("ab", [attack("near"), attack("far")]), 4)
    #                         best: .1   .2   none  .4
    bench.attack("a", [0.1, 0.4, "r", "w"], attack="near")
    bench.attack("a", ["r", 0.2, "r", 0.4], attack="far")
    bench.attack("b", [0.5, 0.5, 0.5, 0.5], attack="near")
    bench.attack("b", [0.5, 1.0, "r", 0.25], attack="far")
    return bench


def test_by_hand(two: Any) -> None:
    found = contest(two.sql)
    near, far = row_of(found, "near"), row_of(found, "far")
    # Gaps of near: a: 0, 1/2, left out, not attacked; b: 0, 0, 0, 1/2. Of far: a: 1, 0, left out,
    # 0; b: 0, 1/2, 1, 0.
    assert near.optimality == pytest.approx(1 - (0.5 + 0.5) / 6)
    assert far.optimality == pytest.approx(1 - (1 + 0.5 + 1) / 7)
    assert (
        near.outcomes.images,
        near.outcomes.attacked,
        near.outcomes.broken,
        near.compared,
        near.unsolved,
    ) == (
        8,
        7,
        6,
        6,
        1,
    )
    assert (
        far.outcomes.images,
        far.outcomes.attacked,
        far.outcomes.broken,
        far.compared,
        far.unsolved,
    ) == (8, 8, 5, 7, 1)
    # The tie at 0.5 counts for both.
    assert (near.best, far.best) == (4, 4)
    assert near.best_share == 4 / 6
    assert (near.outcomes.success, far.outcomes.success) == (6 / 7, 5 / 8)
    assert (near.outcomes.median_all, far.outcomes.median_all) == (0.5, 0.75)
    assert (near.outcomes.forwards, near.outcomes.backwards) == (10, 9)
    # far alone tried a's image 3.
    assert (near.rivals, near.alone, far.rivals, far.alone) == (1, 0, 1, 1)
    assert near.complete
    assert [row.trial.attack.label for row in found.rows] == ["near", "far"]
    text = notes(found)
    assert "linf, goal random: near: compared with 1 other attack on 6 images; 1 that" in text
    assert "1 that no other tried, where its successes are trivially optimal" in text


def test_an_attack_alone_is_optimal_where_it_succeeds(bench: Any, define: Any) -> None:
    bench.run(define("a", [attack("only"), attack("other", "l2")]), 3)
    bench.attack("a", [0.1, 0.7, "r"], attack="only")
    bench.attack("a", [0.1, 0.7, 0.2], attack="other", norm="l2")
    found = contest(bench.sql)
    only = row_of(found, "only")
    assert (only.optimality, only.best, only.compared, only.unsolved) == (1, 2, 2, 1)
    assert (only.rivals, only.alone) == (0, 2)
    assert "only: compared with 0 other attacks on 2 images; 1 that none broke" in notes(found)


def test_the_best_of_every_suite_run_and_seed_counts(bench: Any, define: Any) -> None:
    bench.run(define("a", [attack("elsewhere")]), 2, name="other")
    bench.attack("a", [0.1, "r"], attack="elsewhere")
    bench.run(define("a", [attack("mine")]), 2)
    bench.attack("a", ["r", 0.2], seed=7, attack="mine")
    bench.run(define("a", [attack("mine")]), 2)
    bench.attack("a", [0.2, 0.4], attack="mine")
    found = contest(bench.sql)
    (row,) = found.rows
    assert row.optimality == pytest.approx(0.5)
    # Another seed is no rival.
    assert (row.rivals, row.alone, row.trial.seed) == (1, 0, 0)
    assert "1 more seed, version, numerics or dataset" in notes(found)
    # It failed where ``mine`` succeeded.
    assert contest(bench.sql, suite="other").rows[0].optimality == 0.5


@pytest.mark.parametrize(
    "different",
    [{"norm": "l2"}, {"goal": "least-likely"}, {"weights": "new"}],
    ids=["norm", "goal", "weights"],
)
def test_only_the_same_problem_compares(bench: Any, define: Any, different: Any) -> None:
    bench.run(define("a", [attack("rival")]), 1, name="other")
    bench.attack("a", [0.001], attack="rival", **different)
    bench.run(define("a", [attack("mine")]), 1)
    bench.attack("a", [0.2], attack="mine")
    (row,) = contest(bench.sql).rows
    assert (row.optimality, row.rivals) == (1, 0)


def test_another_target_class_is_another_problem(bench: Any, define: Any) -> None:
    bench.run(define("a", [attack("rival"), attack("mine")]), 1)
    rival = bench.attack("a", [0.1], attack="rival", seed=1)
    mine = bench.attack("a", [0.2], attack="mine")
    set_target(bench, rival, 3)
    set_target(bench, mine, 4)
    assert row_of(contest(bench.sql), "mine").optimality == 1
    set_target(bench, rival, 4)
    assert row_of(contest(bench.sql), "mine").optimality == 0.5


def test_a_distance_of_zero_divides_nothing(bench: Any, define: Any) -> None:
    bench.run(define("a", [attack("zero"), attack("more")]), 1)
    bench.attack("a", [0.0], attack="zero")
    bench.attack("a", [0.2], attack="more")
    found = contest(bench.sql)
    assert (row_of(found, "zero").optimality, row_of(found, "more").optimality) == (1, 0)


@pytest.mark.parametrize("row", ["i", "e", None])
def test_images_without_a_verdict_count_for_nobody(bench: Any, define: Any, row: Any) -> None:
    bench.run(define("ab", [attack("full"), attack("half")]), 2)
    bench.attack("a", [0.1, 0.1], attack="full")
    bench.attack("b", [0.1, 0.1], attack="full")
    bench.attack("a", [0.2, row], attack="half")
    found = contest(bench.sql)
    half, full = row_of(found, "half"), row_of(found, "full")
    assert (half.outcomes.images, half.outcomes.attacked, half.outcomes.without, half.not_run) == (
        2,
        1,
        1,
        ["b"],
    )
    assert half.optimality == 0.5
    assert half.outcomes.success_bounds == (0.5, 1)
    assert (half.complete, full.complete, full.alone) == (False, True, 3)
    assert (
        "‡ half, random: not run on 1 of the suite's models, 1 of 2 images without a verdict,"
        " success rate between 50.0% and 100.0%" in notes(found)
    )


def test_an_attack_that_never_ran_has_an_empty_row(bench: Any, define: Any) -> None:
    bench.run(define("a", [attack("ran"), attack("planned", "l2", 0.5)]), 1)
    bench.attack("a", ["r"], attack="ran")
    found = contest(bench.sql)
    planned, ran = row_of(found, "planned"), row_of(found, "ran")
    assert (planned.outcomes.images, planned.outcomes.success) == (0, None)
    assert (planned.optimality, planned.best_share) == (None, None)
    assert (ran.outcomes.success, ran.outcomes.median_all, ran.optimality) == (0, math.inf, None)
    json.dumps(presentation(found).records, allow_nan=False)
    assert "§ fixed budget" in notes(found)


def test_goals_are_rows_of_their_own(bench: Any, define: Any) -> None:
    both = attack("both", goals=["random", "least-likely"])
    bench.run(define("a", [both, attack("one")]), 1)
    bench.attack("a", [0.1], attack="both")
    bench.attack("a", [0.2], attack="both", goal="least-likely")
    bench.attack("a", [0.2], attack="one")
    found = contest(bench.sql)
    assert [(row.trial.attack.label, row.trial.goal) for row in found.rows] == [
        ("both", "random"), ("one", "random"), ("both", "least-likely"),
    ]  # fmt: skip
    found = contest(bench.sql, goal="least-likely")
    assert [(row.trial.attack.label, row.optimality) for row in found.rows] == [("both", 1)]


def test_wrong_names_are_refused(two: Any, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        contest(two.sql, goal="randm")
    with pytest.raises(ConfigError, match="no run of suite 'no'"):
        contest(two.sql, suite="no")


@given(st.floats(1e-9, 1e9), st.floats(0, 1))
def test_the_gap(distortion: float, share: float) -> None:
    gap = relative_gap(distortion, share * distortion)
    assert gap == pytest.approx(1 - share, abs=1e-12)
    assert relative_gap(distortion, distortion) == 0
    assert relative_gap(None, distortion) == relative_gap(None, 0.0) == 1


def test_against_a_plain_computation(bench: Any, define: Any) -> None:
    """Random outcomes of five attacks on three models, image by image from the view `samples`."""
    draw = random.Random(0)
    labels = [f"attack{number}" for number in range(5)]
    bench.run(define("abc", [attack(label) for label in labels]), 20)
    for model in "abc":
        for label in labels:
            kinds = [draw.choice([0.1, 0.2, 0.3, "r", "r", "w", "i", "e", None]) for _ in range(20)]
            bench.attack(model, [k * draw.random() if isinstance(k, float) else k for k in kinds],
                         attack=label)  # fmt: skip
    found = contest(bench.sql)
    query = (
        "SELECT model, image_id, attack_label, linf, status FROM samples"
        " WHERE status IN ('broken', 'robust')"
    )
    rows = bench.sql.execute(query).fetchall()
    for label in labels:
        gaps, best, unsolved = [], 0, 0
        for model, image, _, size, status in [row for row in rows if row[2] == label]:
            sizes = [
                other[3] for other in rows if other[:2] == (model, image) and other[4] == "broken"
            ]
            if not sizes:
                unsolved += 1
            elif status == "robust":
                gaps.append(1.0)
            else:
                gaps.append(1 - min(sizes) / size)
                best += size == min(sizes)
        row = row_of(found, label)
        assert row.optimality == pytest.approx(1 - sum(gaps) / len(gaps))
        assert (row.best, row.unsolved, row.compared) == (best, unsolved, len(gaps))


def test_every_format_of_the_command(two: Any) -> None:
    done = leaderboard(two, "--format", "json")
    assert (done.returncode, "optimality: 1 - the mean" in done.stderr) == (0, True)
    rows = json.loads(done.stdout)["rows"]
    assert rows == json.loads(json.dumps(presentation(contest(two.sql)).records))
    table = list(csv.DictReader(io.StringIO(leaderboard(two, "--format", "csv").stdout)))
    assert [float(row["optimality"]) for row in table] == [row["optimality"] for row in rows]
    assert list(table[0]) == list(rows[0])
    for format in ("table", "md"):
        done = leaderboard(two, "--format", format, "--suite", "toy", "--goal", "random")
        assert (done.returncode, done.stderr) == (0, "")
        for text in (
            "near",
            "far",
            "7/8",
            "85.7%",
            "83.3%",
            "0.500",
            "10.0",
            "d* is the smallest",
        ):
            assert text in done.stdout


@pytest.mark.parametrize("option", [("--attack", "near"), ("--sort", "accuracy"),
                                    ("--accuracy", "published")])  # fmt: skip
def test_options_about_models_are_refused(two: Any, option: tuple[str, str]) -> None:
    done = leaderboard(two, *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {option[0]}: --attacks compares all attacks of the suite, not its models; leave"
        " out one of the two\n"
    )


def test_heavy_packages_stay_unloaded(two: Any) -> None:
    program = (
        "import sys\n"
        "from harness.cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'torch', 'onnxruntime', 'timm', 'scipy', 'sklearn'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, "leaderboard", "--attacks", "--db", str(two.path)],
        capture_output=True,
        check=True,
    )


def test_distortions_that_float32_rounds_apart_tie(bench: Any, define: Any) -> None:
    bench.run(define("a", [attack("one"), attack("other")]), 2)
    bench.clean("a", [True, True])
    bench.attack("a", [0.1, 0.1], attack="one")
    bench.attack("a", [0.10000002, 0.1001], attack="other")
    found = contest(bench.sql)
    assert (row_of(found, "one").best, row_of(found, "other").best) == (2, 1)
