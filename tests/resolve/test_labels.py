"""Labels tell a suite's attacks apart; they are no part of any identity."""

from __future__ import annotations

import json
import sqlite3

from harness.plugins import Kind, installed
from harness.resolve.parameters import labels

SUITE = """\
suites:
  toy:
    dataset: digits
    models: [digits-mobilenet_v1_025]
    images: 3
    accuracy_images: 3
    attacks: [{attacks}]
    metrics: [success]
"""
DEFAULT = "{attack: fgsm, goals: [random]}"
SMALL = "{attack: fgsm, goals: [random], parameters: {epsilon: 0.1}}"


def called(*tasks):
    classes = {name: installed().get(Kind.ATTACK, name).load() for name in ("fgsm", "ifgsm", "cw")}
    return labels([(name, classes[name](**given)) for name, given in tasks])


def test_what_differs_is_told_and_what_is_no_default():
    assert called(("fgsm", {}), ("cw", {})) == ["fgsm", "cw"]
    assert called(("fgsm", {}), ("fgsm", {"epsilon": 0.1})) == [
        "fgsm epsilon=0.3", "fgsm epsilon=0.1"
    ]  # fmt: skip
    assert called(("ifgsm", {"steps": 10}), ("ifgsm", {"epsilon": 0.1, "steps": 10})) == [
        "ifgsm epsilon=search steps=10", "ifgsm epsilon=0.1 steps=10"
    ]  # fmt: skip
    assert called(("ifgsm", {}), ("ifgsm", {"relative_step": 0.1})) == [
        "ifgsm relative_step=none", "ifgsm relative_step=0.1"
    ]  # fmt: skip


def test_a_number_keeps_the_digits_that_tell_it_apart():
    assert called(("fgsm", {"epsilon": 0.1234567}), ("fgsm", {"epsilon": 0.12345671})) == [
        "fgsm epsilon=0.1234567", "fgsm epsilon=0.12345671"
    ]  # fmt: skip


def test_stored_labels_follow_the_suite_and_boards_do_not_depend_on_them(harness, tmp_path):
    def run(*attacks, suite="toy"):
        text = SUITE.replace("{attacks}", ", ".join(attacks)).replace("toy", suite)
        (tmp_path / "toy.yaml").write_text(text)
        done = harness("run", "--registry", "toy.yaml", "--suite", suite)
        assert done.code == 0, done.err
        return done.err

    def stored():
        with sqlite3.connect("harness.db") as db:
            return dict(db.execute("SELECT attack_label, cell_key FROM samples GROUP BY 1, 2"))

    def board(*arguments):
        done = harness("leaderboard", "--format", "json", *arguments)
        assert done.code == 0, done.err
        (row,) = json.loads(done.out)["rows"]
        return row

    run(DEFAULT)
    before, alone = stored(), board()
    assert list(before) == [alone["attack"]] == ["fgsm"]
    run(DEFAULT, SMALL)
    assert stored()["fgsm epsilon=0.3"] == before["fgsm"]
    assert board("--attack", "fgsm epsilon=0.3") == {**alone, "attack": "fgsm epsilon=0.3"}
    # Another suite with the same attack alone: each board has its own suite's labels.
    run(DEFAULT, suite="other")
    assert board("--suite", "other", "--attack", "fgsm")["attack"] == "fgsm"
    assert board("--suite", "toy", "--attack", "fgsm epsilon=0.3")["broken"] == alone["broken"]
    assert "several attacks" in harness("leaderboard", "--suite", "toy", "--attack", "fgsm").err
