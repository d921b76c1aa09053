"""``--numerics`` and a suite's ``numerics``: other cells, the same predictions, said aloud."""

from __future__ import annotations

import json
import sqlite3

import pytest

import harness as library
from harness.api import HarnessError

SUITE = """\
suites:
  rough:
    dataset: digits
    models: [digits-mobilenet_v1_025]
    images: 6
    accuracy_images: 8
    {numerics}
    attacks:
      - {{attack: fgsm, goals: [random], parameters: {{epsilon: 0.1}}, keep: true}}
      - {{attack: ifgsm, goals: [random], parameters: {{steps: 3, attempts: 3}}}}
    measurements:
      - {{measurement: divergence, parameters: {{steps: 2}}}}
    transfer: {{}}
    metrics: [success, accuracy]
"""


@pytest.fixture
def rough(harness, tmp_path):
    """Runs a verb on the suite, whose field ``numerics`` is as given."""

    def run(verb, *options, numerics=""):
        tmp_path.joinpath("rough.yaml").write_text(SUITE.format(numerics=numerics))
        return harness(verb, "--registry", "rough.yaml", "--suite", "rough", *options)

    return run


def query(sql: str) -> list[tuple]:
    with sqlite3.connect("harness.db") as connection:
        return connection.execute(sql).fetchall()


def test_the_cells_differ_and_the_predictions_are_shared(rough, harness):
    assert rough("run").code == 0
    before = query("SELECT key FROM cells ORDER BY id")
    assert "(seed" not in rough_board(harness)
    done = rough("run", "--numerics", "bf16")
    assert done.code == 0, done.err
    assert "8 found in harness.db" in done.err, "the clean predictions"
    keys = query("SELECT key FROM cells ORDER BY id")
    assert keys[: len(before)] == before
    assert len(keys) == 2 * len(before) - 1
    kinds = query("SELECT numerics, kind, count(*) FROM cells_named GROUP BY 1, 2")
    assert kinds == [
        ("bf16", "attack", 2), ("bf16", "measurement", 1),
        ("fp32", "attack", 2), ("fp32", "clean", 1), ("fp32", "measurement", 1),
    ]  # fmt: skip
    (one, other) = query("SELECT DISTINCT numerics, top1 FROM leaderboard_rows ORDER BY 1")
    assert one[1] == other[1] is not None
    assert query("SELECT count(DISTINCT target_cell_key), count(*) FROM transfer_pairs") == [(1, 2)]
    assert query("SELECT count(DISTINCT numerics) FROM readings") == [(2,)]
    assert "nothing to do" in rough("run", "--numerics", "bf16").err
    plan = library.plan("rough", registry=["rough.yaml"], numerics="bf16")
    assert [row["pending"] for row in plan] == [0] * 4
    assert [row["pending"] for row in library.plan("rough", registry=["rough.yaml"])] == [0] * 4
    ((kept,),) = query("SELECT count(*) FROM outcomes WHERE artifact_id IS NOT NULL")
    verified = harness("verify", "--registry", "rough.yaml", "--format", "json")
    assert verified.code == 0, verified.err
    verdicts = [each for each in json.loads(verified.out) if each["what"] == "verdicts"]
    assert [each["agree"] for each in verdicts] == [kept], "of both, by one model loaded once"


def rough_board(harness, *options: str) -> str:
    done = harness("leaderboard", "--format", "md", *options)
    assert done.code == 0, done.err
    return done.out + done.err


def test_what_is_shown_says_what_it_is(rough, harness):
    assert rough("run").code == 0
    assert rough("run", "--numerics", "bf16", "--attacks", "ifgsm").code == 0
    board = rough_board(harness)
    assert "the latest run's is shown (seed 0, gradients in bf16)" in board
    joint = rough_board(harness, "--joint")
    assert "gradients in bf16" in joint
    assert "gradients in bf16" in harness("findings").out
    assert "gradients in bf16" not in rough_board(harness, "--attack", "fgsm*")
    cells = json.loads(harness("show", "--format", "json").out)
    assert {cell["numerics"] for cell in cells} == {"fp32", "bf16"}
    key = next(cell["key"] for cell in cells if cell["numerics"] == "bf16")
    assert "precision=bf16" in harness("show", key[:12]).out


def test_a_suite_chooses_and_the_option_goes_before_it(rough, harness):
    assert rough("run", "--attacks", "fgsm", numerics="numerics: bf16").code == 0
    assert query("SELECT DISTINCT numerics FROM samples") == [("bf16",)]
    assert "goal random: gradients in bf16, verdicts in fp32" in rough_board(harness)
    (definition,) = query("SELECT json_extract(definition, '$.numerics') FROM runs")
    assert definition == ("bf16",)
    shown = harness("suites", "show", "rough", "--registry", "rough.yaml", "--format", "json")
    assert json.loads(shown.out)["numerics"] == "bf16"
    done = rough("run", "--attacks", "fgsm", "--numerics", "fp32", numerics="numerics: bf16")
    assert done.code == 0, done.err
    assert query("SELECT DISTINCT numerics FROM samples ORDER BY 1") == [("bf16",), ("fp32",)]


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_a_wrong_word_is_one_line(rough, verb, tmp_path):
    done = rough(verb, "--numerics", "bf61")
    assert done.code == 2
    assert "bf16" in done.err
    done = rough(verb, numerics="numerics: bf61")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "suites.rough.numerics: input should be 'fp32', 'tf32' or 'bf16'" in done.err
    assert "did you mean 'bf16'?" in done.err
    with pytest.raises(HarnessError, match="did you mean 'bf16'"):
        library.plan("rough", registry=["rough.yaml"], numerics="bf61")
    assert not tmp_path.joinpath("harness.db").exists()


@pytest.mark.parametrize(
    ("options", "numerics"), [(("--numerics", "tf32"), ""), ((), "numerics: tf32")]
)
def test_tf32_on_a_cpu_stops_before_anything_is_made(rough, tmp_path, options, numerics):
    done = rough("run", "--devices", "cpu", *options, numerics=numerics)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "numerics: cpu has no TF32" in done.err
    assert not tmp_path.joinpath("harness.db").exists()
