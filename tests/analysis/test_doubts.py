"""When an accuracy is doubtful, and what a trial leaves to be said."""

from __future__ import annotations

import pytest
from boards import joint, leaderboard

from harness.analysis.doubts import of_accuracy, of_trial
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
    found = of_accuracy(correct, images, classes, published)
    assert len(found) == (said is not None)
    if said:
        assert {"chance": "told from chance", "half": "below half"}[said] in found[0]


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
    found = of_trial(trial)
    assert len(found) == len(said)
    assert all(word in line for word, line in zip(said, found, strict=True))


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
    assert {entry.model: entry.doubts for entry in board.entries} == {
        "a": (),
        "b": (
            "2 of 2 images: the first gradient of ifgsm is exactly zero: gradient masking or a"
            " saturated loss",
        ),
    }
    assert "b: 2 of 2 images" in "\n".join(footnotes(board))
    assert [row.doubts for row in joint(bench.sql).entries if row.model == "b"] == [
        board.entries[-1].doubts
    ]
