"""Measurements from the command line: run, resume, show, status, and bad input."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

SUITE = """\
suites:
  measured:
    dataset: digits
    models: [digits-mobilenet_v1_025, digits-alexnet]
    images: 6
    accuracy_images: 12
    attacks:
      - {attack: fgsm, goals: [random], parameters: {epsilon: 0.1}}
    measurements:
      - measurement: clever
        goals: [random, untargeted]
        parameters: {norms: [l2, linf], batches: 8, samples: 8, radius_l2: 1.0, radius_linf: 0.1}
      - {measurement: divergence, images: 4, parameters: {steps: 3}}
    metrics: [success]
"""


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "measured.yaml"
    path.write_text(SUITE)
    return path


def query(db, sql):
    with sqlite3.connect(db) as connection:
        return connection.execute(sql).fetchall()


def readings(db):
    rows = query(db, "SELECT cell_key, image_id, name, status, value FROM readings ORDER BY 1,2,3")
    return {row[:3]: row[3:] for row in rows}


def test_a_suite_with_measurements_end_to_end(harness, measured):
    run = ("run", "--registry", measured, "--suite", "measured")
    done = harness(*run)
    assert done.code == 0, done.err
    assert "nothing to do" in harness(*run).err
    statuses = dict(query("harness.db", "SELECT status, count(*) FROM measured GROUP BY 1"))
    assert set(statuses) <= {"measured", "clean_wrong"}
    assert sum(statuses.values()) == 2 * (6 + 6 + 4)
    # Outcomes and boards are the attacks' alone.
    assert query("harness.db", "SELECT count(*) FROM samples") == [(12,)]
    assert query("harness.db", "SELECT DISTINCT attack FROM leaderboard_rows") == [("fgsm",)]
    board = json.loads(harness("leaderboard", "--format", "json").out)["rows"]
    assert {row["attack"] for row in board} == {"fgsm epsilon=0.1"}
    # A score is the mean over the measured images.
    for metric, value, images in query(
        "harness.db",
        "SELECT metric, scores.value, (SELECT count(*) || ' ' || avg(value) FROM readings"
        " WHERE cell_key = cells.key AND name = metric AND status = 'measured') FROM scores"
        " JOIN cells ON cells.id = cell_id WHERE run_id = 1 AND metric LIKE '%score'",
    ):
        assert metric in ("l2.score", "linf.score")
        assert value == pytest.approx(float(images.split()[1]))
    # The maxima are there to be fitted again.
    from harness_metrics.fit import fit

    for cell, image, name, data in query(
        "harness.db", "SELECT cell_id, image_id, name, data FROM arrays LIMIT 40"
    ):
        maxima = np.frombuffer(data, "<f4")
        assert len(maxima) == 8
        found = dict(
            query(
                "harness.db",
                "SELECT name, value FROM measurements"
                f" WHERE cell_id = {cell} AND image_id = {image}",
            )
        )
        norm = name.partition(".")[0]
        stored = found.get(f"{name}.lipschitz", found[f"{norm}.lipschitz"])
        assert fit(maxima).location == pytest.approx(stored, rel=1e-6)


def test_batch_size_is_not_identity(harness, measured):
    run = ("run", "--registry", measured, "--suite", "measured", "--models", "digits-mob*",
           "--attacks", "clever,divergence*", "--limit", 3)  # fmt: skip
    assert harness(*run, "--batch-size", 64).code == 0
    assert harness(*run, "--batch-size", 5, "--db", "other.db").code == 0
    one, other = readings("harness.db"), readings("other.db")
    assert one.keys() == other.keys()
    for key, (status, value) in one.items():
        assert other[key][0] == status
        if key[2] and key[2].endswith(("score", "largest", "psi")):
            assert other[key][1] == pytest.approx(value, rel=1e-3)


def test_what_people_see(harness, measured):
    run = ("--registry", measured, "--suite", "measured", "--limit", 3, "--models", "digits-mob*")
    plan = json.loads(harness("plan", *run, "--format", "json").out)
    assert [row["attack"].split()[0] for row in plan["attacks"]] == [
        "clean", "fgsm", "clever", "clever", "divergence"
    ]  # fmt: skip
    assert plan["unknown_attacks"] == []
    random, untargeted, divergence = plan["attacks"][2:]
    # Two norms of 8 x 8 samples and the image itself; a backward for each of the other classes.
    assert (random["forwards"], random["backwards"]) == (3 * 129, 3 * 128)
    assert (untargeted["forwards"], untargeted["backwards"]) == (3 * 129, 3 * 128 * 9)
    assert (divergence["forwards"], divergence["backwards"]) == (3 * 9, 3 * 6)
    assert harness("run", *run).code == 0
    assert harness("status").code == 0
    cells = json.loads(harness("show", "--format", "json").out)
    (cell,) = [row for row in cells if row["attack"].startswith("divergence")]
    assert cell["images"] == 3
    shown = json.loads(harness("show", cell["key"], "--format", "json").out)
    assert {score["metric"] for score in shown["scores"]} == {"log10_psi", "divergence"}
    assert shown["forwards_per_image"] == 1 + 2 * 4
    assert harness("show", cell["key"]).code == 0
    (clever,) = [row for row in cells if row["attack"].startswith("clever")][:1]
    (image,) = query(
        "harness.db", "SELECT image_id FROM readings WHERE status = 'measured' LIMIT 1"
    )
    detail = json.loads(harness("show", clever["key"], image[0], "--format", "json").out)
    assert detail["status"] == "measured"
    assert detail["numbers"]["l2.score"] > 0
    assert set(detail["arrays"].values()) == {8}
    assert "clever" in harness("measurements", "list").out
    assert "survey-code" in harness("measurements", "show", "clever").out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("radius_l2: 1.0", "radius_l2: wide", "radius_l2"),
        ("radius_l2: 1.0", "radius_l2: -1.0", "radius_l2"),
        ("samples: 8", "samples: 0", "samples"),
        ("samples: 8", "sample: 8", "did you mean 'samples'"),
        ("measurement: divergence,", "measurement: divergence, goals: [random],", "cannot pursue"),
        ("measurement: divergence,", "measurement: divergence, preset: x,", "preset"),
    ],
)
def test_a_wrong_measurement_is_one_line(harness, measured, old, new, words):
    measured.write_text(SUITE.replace(old, new))
    done = harness("run", "--registry", measured, "--suite", "measured")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert words in done.err
    assert "measured.yaml" in done.err


def test_killed_and_resumed(harness, measured, gone, tmp_path):
    command = [sys.executable, "-m", "harness", "run", "--registry", str(measured), "--suite",
               "measured", "--attacks", "clever"]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    path, before = tmp_path / "harness.db", {}
    while process.poll() is None and len(before) < 30:
        time.sleep(0.02)
        try:
            before = readings(path)
        except sqlite3.OperationalError:
            continue
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = readings(path)
    assert before
    assert all(map(gone, children)), "nobody is left behind"
    done = harness("run", "--registry", measured, "--suite", "measured", "--attacks", "clever")
    assert done.code == 0, done.err
    assert before.items() <= readings(path).items()
    assert query(path, "SELECT count(*) FROM measured") == [(2 * 2 * 6,)]


def test_settings_that_measure_nothing_are_told_image_by_image(harness, measured):
    measured.write_text(SUITE.replace("samples: 8,", "samples: 1,"))
    done = harness("run", "--registry", measured, "--suite", "measured", "--attacks", "clever")
    assert done.code == 1
    (statuses,) = query(
        "harness.db",
        "SELECT group_concat(DISTINCT status) FROM measured WHERE status <> 'clean_wrong'",
    )
    assert statuses == ("invalid",)
    reasons = query("harness.db", "SELECT DISTINCT error FROM measured WHERE error IS NOT NULL")
    assert len(reasons) == 1
    assert query("harness.db", "SELECT count(*) FROM scores WHERE value IS NOT NULL") == [(0,)]
