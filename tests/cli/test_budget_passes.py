"""Budgets of passes in suites and commands: keys, estimates, what is stored and shown."""

from __future__ import annotations

import json
import sqlite3

import pytest

from harness.library.results import results

SUITE = """\
suites:
  bounded:
    dataset: digits
    models: [digits-alexnet]
    images: 12
    accuracy_images: 12
    goals: [untargeted]
    attacks:
      - {attack: ifgsm, parameters: {steps: 5, attempts: 4}}
      - {attack: ifgsm, parameters: {steps: 5, attempts: 4}, budget_passes: 12}
    metrics: [success]
"""
BOUNDED = "ifgsm attempts=4 steps=5 budget_passes=12"
LONGER = "ifgsm attempts=4 steps=5 budget_passes=30"


@pytest.fixture
def run(harness, tmp_path):
    (tmp_path / "suite.yaml").write_text(SUITE)

    def run(*arguments):
        done = harness("run", "--registry", "suite.yaml", "--suite", "bounded", *arguments)
        assert done.code == 0, done.err
        return done

    return run


def rows(query, *values):
    with sqlite3.connect("harness.db") as db:
        return db.execute(query, values).fetchall()


def test_the_same_attack_with_and_without_a_budget_are_two(run, harness, tmp_path):
    run()
    cells = dict(rows("SELECT label, key FROM cells WHERE attack_id IS NOT NULL"))
    assert set(cells) == {"ifgsm attempts=4 steps=5", BOUNDED}
    most = (
        "SELECT max(forwards + backwards), count(best_query_status) FROM samples WHERE cell_key = ?"
    )
    assert rows(most, cells[BOUNDED]) == [(11, 12)]  # a gradient more would be 13
    assert rows(most, cells["ifgsm attempts=4 steps=5"]) == [(38, 0)]
    # A later run does nothing again, and the ad hoc spelling is the same cell.
    run("--attacks", BOUNDED.replace(" ", ":"))
    assert rows("SELECT count(*) FROM outcomes") == [(24,)]
    # Without the other one, the key of the attack without a budget is what it was.
    plain = SUITE.replace("bounded:", "plain:").splitlines()
    text = "\n".join(line for line in plain if "budget_passes" not in line)
    (tmp_path / "plain.yaml").write_text(text)
    assert harness("run", "--registry", "plain.yaml", "--suite", "plain").code == 0
    assert rows("SELECT count(*) FROM outcomes") == [(24,)]


def test_the_estimate_knows_the_budget(harness, tmp_path):
    (tmp_path / "suite.yaml").write_text(SUITE)
    done = harness("plan", "--registry", "suite.yaml", "--suite", "bounded", "--format", "json")
    assert done.code == 0, done.err
    passes = {
        row["attack"]: (row["forwards"], row["backwards"])
        for row in json.loads(done.out)["attacks"]
        if row["attack"] != "clean prediction"
    }
    assert passes == {"ifgsm attempts=4 steps=5": (252, 204), BOUNDED: (72, 72)}


@pytest.fixture
def nearer(run):
    """Of one image the best query is nearer, of one that was not broken it is a success."""
    run("--attacks", LONGER.replace(" ", ":"))
    with sqlite3.connect("harness.db") as db:
        (broken,) = db.execute(
            "SELECT image_id FROM outcomes WHERE status = 'broken' ORDER BY image_id"
        ).fetchone()
        (robust,) = db.execute(
            "SELECT image_id FROM outcomes WHERE status = 'robust' ORDER BY image_id"
        ).fetchone()
        db.execute("UPDATE outcomes SET best_query_status = 'robust', best_query_trace = NULL")
        for image, distance, trace in ((broken, 0.001, [None, 0.001]), (robust, 0.5, [0.5])):
            db.execute(
                "UPDATE outcomes SET best_query_status = 'broken', best_query_distance = ?,"
                " best_query_passes = 2, best_query_trace = ? WHERE image_id = ?",
                [distance, json.dumps(trace), image],
            )
        return db.execute("SELECT count(*) FROM outcomes WHERE status = 'broken'").fetchone()[0]


def test_boards_show_either_point_and_say_which(harness, nearer):
    def board(*arguments):
        done = harness("leaderboard", "--attack", LONGER, "--format", "json", *arguments)
        assert done.code == 0, done.err
        found = json.loads(done.out)
        return found["rows"][0], found

    returned, of_returned = board()
    best, of_best = board("--points", "best")
    assert (returned["broken"], best["broken"]) == (nearer, nearer + 1)
    assert of_returned["selection"]["points"] == "returned"
    assert of_best["selection"]["points"] == "best"
    assert any("that the attack returned" in note for note in of_returned["notes"])
    assert any("of the best point" in note for note in of_best["notes"])
    text = harness("leaderboard", "--attack", LONGER, "--points", "best").out
    assert "of the best point" in " ".join(text.split())
    suite = results("harness.db").suite(points="best")
    assert suite.leaderboard(attack=LONGER)[0]["broken"] == nearer + 1
    # Both are of one cell, and `show` prints both.
    ((key,),) = rows("SELECT DISTINCT cell_key FROM samples")
    whole = json.loads(harness("show", key[:8], "--format", "json").out)
    assert whole["broken"] == nearer
    assert whole["best_points"]["broken"] == nearer + 1
    assert whole["best_points"]["nearer_than_returned"] == 2
    assert "best point over every query" in harness("show", key[:8]).out


def test_attacks_are_compared_within_a_budget_of_passes(harness, nearer):
    done = harness("leaderboard", "--attacks", "--passes", 2, "--format", "json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    (row,) = (row for row in found["rows"] if row["attack"] == LONGER)
    # Of all pairs that it broke, two are solved by the second pass, one of them by the first.
    solved = nearer + 1
    assert row["optimality_within"] == pytest.approx(2 / solved)
    about = {"attack": LONGER, "norm": "linf", "goal": "untargeted", "median": None}
    assert found["progress"][:2] == [
        {**about, "passes": 1, "optimality": pytest.approx(1 / solved)},
        {**about, "passes": 2, "optimality": pytest.approx(2 / solved)},
    ]
    assert "within so many passes" in harness("leaderboard", "--attacks").out
    refused = harness("leaderboard", "--passes", 2)
    assert refused.code == 2
    assert "--passes" in refused.err
