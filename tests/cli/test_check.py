"""``harness check``: exit code 1 where a model of the baseline lost accuracy or robustness."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from harness.analysis.regression import FEWEST

ALEXNET, MOBILENET = "digits-alexnet", "digits-mobilenet_v1_025"
SUITE = """\
suites:
  small:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 30
    accuracy_images: 60
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.1}}
      - {attack: ifgsm, goals: [random], parameters: {epsilon: search, steps: 4, attempts: 5}}
    metrics: [success]
"""


@pytest.fixture(scope="module")
def _ran(tmp_path_factory):
    """A folder with a run, its summary, and its database as a baseline."""
    folder = tmp_path_factory.mktemp("ran")
    folder.joinpath("small.yaml").write_text(SUITE)
    command = ["run", "--registry", "small.yaml", "--suite", "small", "--summary", "s.json"]
    subprocess.run([sys.executable, "-m", "harness", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def here(_ran, tmp_path):
    shutil.copytree(_ran, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "harness.db", tmp_path / "before.db")
    return tmp_path


def rows(done):
    return json.loads(done.out)["rows"]


def test_nothing_changed(harness, here):
    for baseline in ("s.json", "before.db"):
        done = harness("check", "--baseline", baseline, "--format", "json")
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert (found["table"], found["passed"], found["counts"]["fell"]) == ("check", True, 0)
        kinds = {(row["kind"], row["paired"], row["difference"]) for row in found["rows"]}
        assert kinds == {
            (kind, True, 0.0) for kind in ("accuracy", "robust accuracy", "distortion")
        }
    board = harness("leaderboard", "--attack", "ifgsm*", "--format", "json")
    (here / "b.json").write_text(board.out)
    assert {row["kind"] for row in rows(harness(
        "check", "--baseline", "b.json", "--format", "json"
    ))} == {"accuracy", "distortion"}  # fmt: skip


def swapped(here, *, keys):
    """The summary as if each model had been the other one."""
    summary = json.loads((here / "s.json").read_text())
    for table in summary["leaderboards"]:
        for row in table["rows"]:
            row["model"] = MOBILENET if row["model"] == ALEXNET else ALEXNET
            if not keys:
                row["cell_key"] = row["clean_key"] = None
    (here / "swapped.json").write_text(json.dumps(summary))


def test_rows_of_the_baseline_in_the_same_database_are_paired(harness, here):
    swapped(here, keys=True)
    done = harness("check", "--baseline", "swapped.json", "--format", "json")
    mine = {row["kind"]: row for row in rows(done) if row["model"] == ALEXNET}
    compared = rows(harness("compare", ALEXNET, MOBILENET, "--format", "json"))
    for other in compared:
        if other["kind"] in ("accuracy", "distortion"):
            row = mine[other["kind"]]
            assert row["paired"]
            assert row["images"] == other["images"]
            assert row["difference"] == pytest.approx(other["difference"])
            for end in ("low", "high"):  # another order of the images, other draws
                shown = other[f"difference_{end}"]
                assert row[f"difference_{end}"] == pytest.approx(shown, abs=0.03)
    assert (mine["accuracy"]["verdict"], done.code) == ("rose", 1)
    few = mine["distortion"]
    assert (few["images"] < FEWEST, few["verdict"]) == (True, "unknown")


def test_without_rows_the_intervals_decide(harness, here):
    swapped(here, keys=False)
    found = rows(harness("check", "--baseline", "swapped.json", "--format", "json"))
    assert {row["paired"] for row in found} == {False}
    for row in found:
        assert row["difference"] == pytest.approx(row["now"] - row["before"])
        assert row["difference_low"] < row["difference"] < row["difference_high"]


def worse(path, statement):
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


def test_what_fell_is_named_with_how_much(harness, here):
    # In the baseline one model stood firm on ten more images than now.
    worse(
        here / "before.db",
        "UPDATE outcomes SET status = 'robust' WHERE status = 'broken' AND cell_id ="
        " (SELECT cells.id FROM cells JOIN components ON components.id = model_id"
        f" WHERE components.name = '{ALEXNET}' AND label LIKE 'fgsm%')",
    )
    done = harness("check", "--baseline", "before.db", "--format", "json")
    assert done.code == 1
    (fell,) = [row for row in rows(done) if row["verdict"] == "fell"]
    assert (fell["model"], fell["kind"], fell["paired"]) == (ALEXNET, "robust accuracy", True)
    with closing(sqlite3.connect("harness.db")) as db:
        (broken, images) = db.execute(
            "SELECT sum(status = 'broken'), count(*) FROM samples WHERE model = ?"
            " AND attack = 'fgsm'", [ALEXNET],
        ).fetchone()  # fmt: skip
    assert fell["difference"] == pytest.approx(-broken / images)
    table = harness("check", "--baseline", "before.db")
    assert table.code == 1
    assert (
        "fell by more than their interval: digits-alexnet robust accuracy under fgsm" in table.out
    )
    # The other model is not asked for: all is well.
    other = harness("check", "--baseline", "before.db", "--models", "*mobilenet*")
    assert other.code == 0, other.out


def test_a_model_that_is_not_here_any_more_fails(harness, here):
    worse(here / "harness.db", "UPDATE components SET name = 'renamed' WHERE name LIKE '%alexnet'")
    done = harness("check", "--baseline", "s.json", "--format", "json")
    assert done.code == 1
    assert {row["model"] for row in rows(done) if row["verdict"] == "missing"} == {ALEXNET}


def test_bad_input(harness, here):
    for wrong, text in (
        (("--baseline", "no.json"), "no.json"),
        (("--baseline", "small.yaml"), "is no baseline"),
        (("--baseline", "s.json", "--models", "nothing"), "has no results"),
        (("--baseline", "s.json", "--suite", "other"), "other"),
        ((), "--baseline"),
    ):
        done = harness("check", *wrong)
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
        assert text in done.err
