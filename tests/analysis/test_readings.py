"""Scores beside the distortions that attacks found."""

from __future__ import annotations

import json

import pytest

from harness.analysis.scores import bound

OVERLAY = """\
suites:
  bounded:
    dataset: digits
    models: [digits-mobilenet_v1_025]
    images: 8
    accuracy_images: 8
    attacks:
      - {attack: cw, goals: [random], parameters: {iterations: 40, search_steps: 3}}
      - {attack: ifgsm, goals: [random], parameters: {steps: 4, attempts: 6}}
    measurements:
      - measurement: clever
        goals: [random, untargeted]
        parameters: {norms: [l2, linf], batches: 6, samples: 8, radius_l2: 9.0, radius_linf: 0.5}
      - {measurement: divergence, images: 4, parameters: {steps: 2}}
    metrics: [success]
"""


def test_scores_are_compared_on_the_images_that_have_both():
    found = bound({1: 0.5, 2: 0.7, 3: 9.0}, {1: 0.6, 2: 0.6, 4: 0.1})
    assert (found.images, found.exceeding) == (2, 1)
    assert found.score == pytest.approx(0.6)
    assert found.smallest == pytest.approx(0.6)
    nothing = bound({1: 0.5}, {})
    assert (nothing.images, nothing.score, nothing.smallest, nothing.exceeding) == (
        0,
        None,
        None,
        0,
    )


def test_a_board_shows_scores_in_its_norm_beside_the_smallest_distortions(harness, tmp_path):
    import sqlite3

    (tmp_path / "bounded.yaml").write_text(OVERLAY)
    done = harness("run", "--registry", "bounded.yaml", "--suite", "bounded")
    assert done.code == 0, done.err
    (row,) = json.loads(harness("leaderboard", "--attack", "cw*", "--format", "json").out)["rows"]
    assert set(row["measurements"]) == {
        "clever l2.score", "divergence log10_psi", "divergence divergence"
    }  # fmt: skip
    score = row["measurements"]["clever l2.score"]
    with sqlite3.connect("harness.db") as connection:
        scores = dict(
            connection.execute(
                "SELECT image_id, value FROM readings WHERE goal = 'random' AND name = 'l2.score'"
                " AND status = 'measured'"
            )
        )
        smallest = dict(
            connection.execute(
                "SELECT image_id, min(l2) FROM samples WHERE status = 'broken' GROUP BY 1"
            )
        )
    assert scores
    expected = bound(scores, smallest)
    assert score["images"] == len(scores)
    assert score["mean"] == pytest.approx(sum(scores.values()) / len(scores))
    assert (score["compared"], score["exceeding"]) == (expected.images, expected.exceeding)
    assert score["smallest_known_distortion"] == pytest.approx(expected.smallest)
    text = harness("leaderboard", "--attack", "cw*").out
    assert f"/ {expected.exceeding} of {expected.images}" in text
    (linf,) = json.loads(harness("leaderboard", "--attack", "ifgsm*", "--format", "json").out)[
        "rows"
    ]
    assert "clever linf.score" in linf["measurements"]
    assert "clever" not in harness("leaderboard", "--format", "csv").out.splitlines()[1]
    (common,) = json.loads(
        harness("leaderboard", "--attack", "cw*", "--images", "common", "--format", "json").out
    )["rows"]
    assert common["measurements"] == {}  # they are those of all images
