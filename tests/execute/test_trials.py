"""Models that are not what they seem, in a run beside a sound one: what is said, what counts."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

SUITE = """
suites:
  suspects:
    dataset: columns
    models: [{models}]
    attacks: [{{attack: fgsm, goals: [untargeted], parameters: {{epsilon: 0.05}}}}]
    metrics: [accuracy, success]
datasets:
  columns: {{reader: columns, version: "1", classes: 4}}
models:
"""
MODEL = """\
  {name}:
    loader: suspects
    architecture: {name}
    family: Suspect
    classes: {classes}
    preprocessing: {{size: [4, 4]}}
    published: {published}
"""


@pytest.fixture
def run(harness, tmp_path, monkeypatch):
    """Runs the suite of these models beside the sound one, with the plugin installed."""
    from harness.plugins import installed

    site = tmp_path / "site"
    info = site / "suspects-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: suspects\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nsuspects = suspects\n")
    shutil.copy(Path(__file__).parent / "suspects.py", site)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    installed.cache_clear()

    def run(*names, classes=4, published="{}", options=()):
        text = SUITE.format(models=", ".join(["sound", *names]))
        text += MODEL.format(name="sound", classes=4, published="{}")
        for name in names:
            text += MODEL.format(name=name, classes=classes, published=published)
        (tmp_path / "suspects.yaml").write_text(text)
        return harness("run", "--registry", "suspects.yaml", "--suite", "suspects", *options)

    yield run
    installed.cache_clear()
    sys.modules.pop("suspects", None)


def told(done, name):
    """What a run said of a model, without the model's name."""
    return re.findall(rf"^{name}: (.*)$", done.err, re.M)


def counts(name):
    with sqlite3.connect("harness.db") as connection:
        return dict(
            connection.execute(
                "SELECT status, count(*) FROM samples WHERE model = ? GROUP BY 1", [name]
            )
        )


def trials():
    with sqlite3.connect("harness.db") as connection:
        rows = connection.execute(
            "SELECT components.name, images, difference, outputs FROM trials"
            " JOIN cells ON cells.id = cell_id JOIN components ON components.id = model_id"
        ).fetchall()
    return {name: rest for name, *rest in rows}


def test_a_sound_model_is_tried_and_nothing_is_said(run):
    done = run()
    assert done.code == 0, done.err
    assert told(done, "sound") == []
    assert trials() == {"sound": [4, 0.0, "logits"]}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("noisy", r"the logits of two equal passes differ by 0\.\d+ of the"),
        ("probabilities", "its outputs are probabilities: margins"),
        ("shifted", r"accuracy 0\.0% of 40 images cannot be told from chance \(25\.0%\): check"),
    ],
)
def test_what_is_doubtful_is_said_and_stands_on_the_boards(run, harness, name, said):
    done = run(name)
    assert done.code == 0, done.err
    (line,) = told(done, name)
    assert re.match(said, line), line
    assert sum(counts(name).values()) == 40
    assert name in trials()
    rows = json.loads(harness("leaderboard", "--format", "json").out)["rows"]
    assert {row["model"]: row["warnings"] for row in rows} == {"sound": [], name: [line]}
    board = " ".join(harness("leaderboard").out.split())
    assert f"{name} ¶" in board
    assert re.search(rf"¶ {name}: [a-z-]+: {re.escape(line)}", board)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("batched", "an image's logits depend on the other images of its batch: alone and in a "),
        ("dictionary", "the model returned a dict of logits; one tensor of logits is expected"),
        ("onelogit", r"the model returned \(4, 1\) for 4 images; logits \(4, 4\) are expected"),
        ("raising", "the model failed: ZeroDivisionError: no"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_the_others_run(run, name, said):
    done = run(name)
    assert done.code == 1
    assert "Traceback" not in done.err
    (line,) = told(done, name)
    assert re.match(said, line), line
    assert counts(name) == {}
    assert sum(counts("sound").values()) == 40


def test_nan_for_one_image_is_that_images_error_alone(run):
    done = run("nan")
    assert done.code == 1
    assert counts("nan").pop("error") == 1
    assert sum(counts("nan").values()) == 40
    with sqlite3.connect("harness.db") as connection:
        found = connection.execute(
            "SELECT image_id FROM samples WHERE model = 'nan' AND status = 'error'"
        ).fetchall()
    assert found == [("i01",)]


def test_a_model_that_works_in_place_is_measured_as_any_other(run):
    done = run("overwriting")
    assert done.code == 0, done.err
    assert told(done, "overwriting") == []
    assert "invalid" not in counts("overwriting")
    assert counts("overwriting") == counts("sound")


@pytest.mark.parametrize(
    ("classes", "hint"),
    [
        (5, "if one output is a background class, say `classes: 4` and which one in"),
        (2, "run it on data of its own classes"),
        (1000, "run it on data of its own classes"),
    ],
)
def test_a_model_of_other_classes_is_one_line_with_the_numbers(run, harness, classes, hint):
    done = run("onelogit", classes=classes)
    assert done.code == 1
    (line,) = told(done, "onelogit")
    assert line.startswith(f"has {classes} classes, dataset columns 4; {hint}")
    assert sum(counts("sound").values()) == 40
    planned = run("onelogit", classes=classes, options=("--dry-run",))
    assert planned.code == 0
    unfit = line.removesuffix(" (plugin suspects:suspects)")
    assert told(planned, "onelogit") == [unfit]
    looked = harness("doctor", "--registry", "suspects.yaml", "--suite", "suspects", "--strict")
    assert (looked.code, f"onelogit: {unfit}" in looked.out) == (1, True)


def test_an_accuracy_below_half_of_the_published_one_is_said(run):
    done = run("half", published="{top1: 99.0}")
    assert done.code == 0, done.err
    assert told(done, "half") == [
        "accuracy 42.5% of 40 images is below half of the published 99.0%: check its preprocessing"
        " and the order of its classes"
    ]


def test_few_images_say_nothing_about_accuracy(run):
    assert told(run("shifted", options=("--limit", 19)), "shifted") == []
