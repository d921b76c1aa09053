"""Failure indicators: rules on stored rows, and where boards show them."""

from __future__ import annotations

import pytest
from boards import joint, leaderboard, results

from harness.analysis.indicated import of_attack
from harness.analysis.indicators import of_accuracy, of_late_gains, of_margins, of_trial
from harness.api.trial import ModelTrial
from harness.report.leaderboard import footnotes


@pytest.mark.parametrize(
    ("correct", "images", "classes", "published", "said"),
    [
        (48, 480, 10, None, "chance"),
        (52, 500, 10, None, "chance"),  # 10.4 %
        (52, 500, 10, 0.95, "chance"),
        (65, 500, 10, None, None),
        (0, 20, 1000, 0.76, "chance"),
        (1, 1000, 1000, 0.76, "chance"),
        (300, 1000, 1000, 0.76, "half"),
        (380, 1000, 1000, 0.76, None),
        (760, 1000, 1000, 0.76, None),
        (25, 50, 2, None, "chance"),
        (40, 50, 2, 0.9, None),
        (0, 19, 10, 0.9, None),  # too few to say
        (0, 0, 10, None, None),
        (500, 500, 10, None, None),
    ],
)
def test_accuracies(correct, images, classes, published, said):
    found = of_accuracy("m", correct, images, classes, published)
    assert len(found) == (said is not None)
    if said:
        assert {"chance": "told from chance", "half": "below half"}[said] in found[0].says


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (ModelTrial(4, 0.0, "logits"), []),
        (ModelTrial(4, 1e-6, "logits"), []),
        (ModelTrial(4, 0.05, "logits"), ["non-deterministic"]),
        (ModelTrial(4, 0.0, "probabilities"), ["probabilities"]),
        (ModelTrial(4, 0.0, "log-probabilities"), ["log-probabilities"]),
        (ModelTrial(4, 1.0, "probabilities"), ["non-deterministic", "probabilities"]),
    ],
)
def test_trials(trial, said):
    found = of_trial("m", trial)
    assert len(found) == len(said)
    assert [each.name for each in found] == said


def test_gradients_that_were_zero_are_said_on_the_board_of_their_attack(bench, define):
    bench.run(define("ab"), 3)
    for model in "ab":
        bench.clean(model, [True, True, False])
        cell = bench.attack(model, ["r", 0.1, "w"])
    for position in range(3):
        bench.sql.execute(
            "INSERT INTO measurements VALUES (?, ?, 'zero_gradient', 1)",
            (cell, bench.image(position)),
        )
    bench.commit()
    board = leaderboard(bench.sql)
    (sign,) = board.entries[-1].indicators
    assert {entry.model: entry.indicators for entry in board.entries} == {"a": (), "b": (sign,)}
    assert (sign.name, sign.attack) == ("zero-gradients", "ifgsm")
    assert sign.evidence == {"images": 2, "attacked": 2}
    assert f"¶ b: zero-gradients: {sign.says}" in footnotes(board)
    assert [row.indicators for row in joint(bench.sql).entries if row.model == "b"] == [(sign,)]


WHITE, BLACK = "ifgsm", "square"


def suite(*labels, budgets):
    """A definition with these attacks, of the budgets by label."""
    return [
        {
            "name": label.split()[0],
            "label": label,
            "norm": "linf",
            "budget": budgets.get(label),
            "goals": ["untargeted"],
            "parameters": {},
        }
        for label in labels
    ]


@pytest.fixture
def signs(bench, define):
    """The indicators that are raised of attacks on one model.

    Rows by label, with the budgets of those that have one; those named ``square`` make no backward
    pass.
    """

    def raised(rows, **budgets):
        by_label = {label: budgets.get(label.split()[0]) for label in rows}
        by_label |= {
            label: float(word.partition("=")[2])
            for label in rows
            for word in label.split()
            if word.startswith("epsilon=")
        }
        number = max(map(len, rows.values()))
        bench.run(define("a", suite(*rows, budgets=by_label)), number)
        bench.clean("a", [True] * number)
        for label, outcomes in rows.items():
            cell = bench.attack(
                "a",
                outcomes,
                attack=label.split()[0],
                label=label,
                goal="untargeted",
                budget=by_label[label],
            )
            steps = [int(word[6:]) for word in label.split() if word.startswith("steps=")]
            bench.sql.execute(
                "UPDATE outcomes SET backwards = ?, forwards = ? WHERE cell_id = ?",
                (0 if label.startswith(BLACK) else steps[0] if steps else 9, 10, cell),
            )
            bench.sql.execute(
                "UPDATE components SET about = json_set(about, '$.parameters.steps', ?)"
                " WHERE digest = ?",
                (steps[0] if steps else 0, label.split()[0] + label),
            )
        bench.commit()
        found = results(bench.sql)
        return {
            (sign.name, sign.attack, *sign.evidence.values())
            for trial in found.every_trial
            for sign in of_attack(trial, "a")
        }

    return raised


@pytest.mark.parametrize(
    ("white", "black", "lost"),
    [
        ([0.1] * 20, [0.1] * 20, None),
        (["r"] * 2 + [0.1] * 18, [0.1] * 20, 2),
        (["r"] + [0.1] * 19, [0.1] * 20, None),  # one image is chance
        (["r"] * 2 + [0.1] * 98, [0.1] * 100, None),  # 2%
        ([0.1] * 20, ["r"] * 20, None),
    ],
)
def test_a_black_box_beats_an_attack_with_gradients_within_its_budget(signs, white, black, lost):
    found = signs({"ifgsm epsilon=0.1": white, "square epsilon=0.1": black})
    wanted = {("beaten-by-black-box", "ifgsm epsilon=0.1", lost, len(white))}
    assert found == (wanted if lost else set())


@pytest.mark.parametrize(("nearer", "raised"), [(0.095, False), (0.08, True)])
def test_without_a_budget_distances_compare(signs, nearer, raised):
    found = signs({"cw": [0.1] * 10, "square": [nearer] * 10})
    assert found == ({("beaten-by-black-box", "cw", 10, 10)} if raised else set())


def test_a_larger_budget_that_breaks_less_is_said_of_the_larger_one(signs):
    rows = {"ifgsm epsilon=0.1": [0.1] * 20, "ifgsm epsilon=0.2": ["r"] * 8 + [0.2] * 12}
    assert signs(rows) == {("success-falls", "ifgsm epsilon=0.2", 12, 20, 20)}


@pytest.mark.parametrize("failed", [0, 5])
def test_a_larger_budget_that_breaks_as_much_or_so_says_nothing(signs, failed):
    """Five of twenty may be chance: p = .06."""
    rows = {
        "ifgsm epsilon=0.1": [0.1] * 20,
        "ifgsm epsilon=0.2": ["r"] * failed + [0.2] * (20 - failed),
    }
    assert signs(rows) == set()


def test_more_steps_that_break_more_are_said_of_the_shorter_attack(signs):
    rows = {"pgd steps=9": ["r"] * 8 + [0.1] * 12, "pgd steps=90": [0.1] * 20}
    assert signs(rows, pgd=0.1) == {("unconverged", "pgd steps=9", 12, 20, 20)}


@pytest.mark.parametrize(("ratio", "raised"), [(0.95, False), (0.8, True), (1.2, False)])
def test_a_distance_that_shrinks_with_more_steps_is_said_of_the_shorter_attack(
    signs, ratio, raised
):
    found = signs({"cw steps=9": [0.1] * 10, "cw steps=90": [0.1 * ratio] * 10})
    assert {sign[:2] for sign in found} == ({("unconverged", "cw steps=9")} if raised else set())


def test_an_unbounded_attack_that_fails_is_said_and_one_gradient_is_not_judged(signs):
    rows = {"cw": ["r"] * 2 + [0.1] * 18, "fgsm steps=1": ["r"] * 20}
    assert signs(rows) == {("unbounded-failure", "cw", 2, 20)}


@pytest.mark.parametrize(
    ("gains", "raised"),
    [
        ([0.01] * 20, False),
        ([0.5] * 2 + [0.01] * 18, False),  # a tenth
        ([0.5] * 3 + [0.01] * 17, True),
        ([0.5], False),
    ],
)
def test_losses_that_still_rise(gains, raised):
    assert [each.name for each in of_late_gains("m", "pgd", gains)] == ["still-rising"] * raised


@pytest.mark.parametrize(("margins", "raised"), [([24.0] * 9, False), ([5.0, 300, 400], True)])
def test_huge_logits(margins, raised):
    assert [each.name for each in of_margins("m", margins)] == ["huge-logits"] * raised


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ({"nearby": 0.01, "gradient_error": 0.3, "dynamic": False}, []),
        ({"nearby": 0.2}, ["unstable"]),
        ({"gradient_error": 0.6}, ["wrong-gradients"]),
        ({"dynamic": True}, ["dynamic"]),
        ({"difference": 0.1, "nearby": 0.2, "gradient_error": 9.0}, ["non-deterministic"]),
    ],
)
def test_what_a_trial_measures(measured, said):
    trial = ModelTrial(**{"images": 4, "difference": 0.0, "outputs": "logits", **measured})
    assert [each.name for each in of_trial("m", trial)] == said


def test_transfers_within_the_budget_beat_an_attack_that_fails(bench, define):
    """Those at smaller distances that the model gets wrong, of other weights, same pixels."""
    attacks = suite("pgd", budgets={"pgd": 0.1})
    bench.run(define("ab", attacks), 10)
    clean = {model: bench.clean(model, [True] * 10) for model in "ab"}
    own = bench.attack("a", ["r"] * 10, attack="pgd", goal="untargeted", budget=0.1)
    other = bench.attack("b", [0.1] * 10, attack="pgd", goal="untargeted", budget=0.1)
    bench.sql.execute("INSERT INTO adaptations VALUES (1, 8, 8, 'null', 'none')")
    bench.sql.execute("INSERT INTO pairs VALUES (1, ?, ?, 1)", (other, clean["a"]))
    for position in range(10):
        rank = 1 if position < 3 else 0
        row = (1, bench.image(position), rank, rank)
        bench.sql.execute("INSERT INTO transfers VALUES (?, ?, ?, ?)", row)
    bench.commit()
    trial = results(bench.sql).trial("pgd", "untargeted")
    (sign,) = of_attack(trial, "a")
    assert (sign.name, sign.evidence) == ("beaten-by-transfer", {"images": 3, "compared": 10})
    assert of_attack(trial, "b") == []
    bench.sql.execute("UPDATE outcomes SET linf = 0.2 WHERE cell_id = ?", (other,))
    assert of_attack(results(bench.sql).trial("pgd", "untargeted"), "a") == []
    assert own != other
