"""What users see of bounds that are proved: the bracket of each image."""

from __future__ import annotations

import json
import sqlite3

SUITE = """
suites:
  bracketed:
    dataset: digits
    models: [digits-mobilenet_v1_025]
    images: 1
    accuracy_images: 4
    goals: [untargeted]
    attacks: [{attack: fmn-linf, parameters: {steps: 20}}]
    measurements:
      - {measurement: certified, parameters: {norms: [linf], halvings: 30}}
"""


def test_an_image_lies_between_its_bound_and_the_best_attack(harness, tmp_path):
    overlay = tmp_path / "bracketed.yaml"
    overlay.write_text(SUITE)
    db = ("--db", tmp_path / "harness.db")
    assert harness("run", "--registry", overlay, "--suite", "bracketed", *db).code == 0
    board = harness("leaderboard", *db)
    assert "certified linf.score: a proved lower bound" in " ".join(board.out.split())
    assert "estimates a lower bound" not in board.out
    cells = json.loads(harness("show", *db, "--format", "json").out)
    (key,) = [cell["key"] for cell in cells if "certified" in str(cell["attack"])]
    with sqlite3.connect(db[1]) as connection:
        ((image, linf),) = connection.execute("SELECT image_id, linf FROM samples").fetchall()
    shown = json.loads(harness("show", *db, "--format", "json", key, image).out)
    low, high = shown["brackets"]["linf.score"]
    assert 0 < low < high == linf
    assert "linf.score, smallest known" in harness("show", *db, key, image).out
