"""A run in parts, merged, is the run; parts that are not merged yet are named."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from harness.store.database import reading
from harness.store.merge.merge import merge

ROOT = Path(__file__).parents[2]
SUITE = """\
suites:
  parts:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 6
    accuracy_images: 8
    attacks:
      - attack: ifgsm
        goals: [untargeted, random]
        parameters: {steps: 3, attempts: 4}
        keep: true
      - {attack: fgsm, goals: [random], images: 1, parameters: {epsilon: 0.2}}
    measurements:
      - measurement: clever
        goals: [random]
        images: 2
        parameters: {norms: [l2], batches: 4, samples: 4, radius_l2: 1.0}
    transfer: {border: white}
    metrics: [accuracy, success, linf]
"""
PARTS = 3
RUNS = f"""
from harness.cli.main import main
for i in range({PARTS + 1}):
    shard = ["--shard", f"{{i}}/{PARTS}", "--db", f"part-{{i}}.db"] if i else ["--db", "whole.db"]
    options = ["--registry", "parts.yaml", "--suite", "parts", "--models", MODELS]
    try:
        main(["run", *options, "--exact", "1", *shard])
    except SystemExit as end:
        assert not end.code, end.code
"""
MODELS = "digits-alexnet,digits-mobilenet_v1_025"
RUN = ("run", "--registry", "parts.yaml", "--suite", "parts", "--models", MODELS, "--exact", "1")
VIEWS = (
    *("samples", "clean_predictions", "readings", "transfer_samples", "transfer_pairs"),
    *("leaderboard_rows", "cells_named"),
)


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """``whole.db`` and three parts of the same run, to the bit."""
    folder = tmp_path_factory.mktemp("parts")
    folder.joinpath("parts.yaml").write_text(SUITE)
    program = f"MODELS = {MODELS!r}{RUNS}"
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def here(computed, tmp_path):
    shutil.copytree(computed, tmp_path, dirs_exist_ok=True)
    return tmp_path


def parts(folder, *numbers):
    return [folder / f"part-{number}.db" for number in numbers or range(1, PARTS + 1)]


def united(target, others):
    for other in others:
        merge(target, other, command=["x"])
    return target


def stored(path):
    """The rows of all views, and the images with their numbers.

    Of trials without what is measured on images, for each part tries models on its own first ones.
    """
    with reading(path) as db:
        found = {view: sorted(map(repr, db.execute(f"SELECT * FROM {view}"))) for view in VIEWS}
        found["images"] = db.execute("SELECT * FROM images ORDER BY id").fetchall()
        fixed = "cell_id, images, difference, outputs, dynamic"
        found["trials"] = db.execute(f"SELECT {fixed} FROM trials ORDER BY cell_id").fetchall()
    return found


def trials(path):
    """What models showed when they were tried, as merged."""
    with reading(path) as db:
        return db.execute("SELECT * FROM trials ORDER BY cell_id").fetchall()


def shown(harness, path, *command, format="json"):
    done = harness(*command, "--db", path, "--format", format)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    return found["rows"] if "schema" in found else found, done.err


def bare(value):
    """Without what happened: attempts, and in which run."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if key not in ("attempts", "run")}
    return value


def test_in_any_order_and_twice(here):
    whole, tried = stored(here / "whole.db"), set()
    for order in itertools.permutations(parts(here)):
        target = here / "all.db"
        united(target, order)
        assert stored(target) == whole
        tried.add(repr(trials(target)))
        assert len(tried) == 1
        with closing(sqlite3.connect(target)) as db:
            before = list(db.iterdump())
        united(target, reversed(order))
        with closing(sqlite3.connect(target)) as db:
            assert list(db.iterdump()) == before
        for file in [target, *here.glob("all.db-*")]:
            file.unlink()
        shutil.rmtree(here / "all.db.artifacts")


@pytest.mark.parametrize(
    "command",
    [
        "leaderboard",
        "leaderboard --intervals",
        "leaderboard --joint --intervals",
        "leaderboard --attacks",
        "leaderboard --images common",
        "transfer",
        "findings",
        "status",
        "show",
        "compare digits-alexnet digits-mobilenet_v1_025",
    ],
)
def test_every_table_is_that_of_the_whole_run(harness, here, command):
    united(here / "all.db", parts(here))
    one, two = (shown(harness, here / name, *command.split()) for name in ("all.db", "whole.db"))
    assert bare(one[0]) == bare(two[0])
    if command != "status":  # which names the run
        assert one[1] == two[1]


def test_cells_are_shown_as_of_the_whole_run(harness, here):
    """With the metrics over all images, which no part stored."""
    united(here / "all.db", parts(here))
    for cell in shown(harness, here / "all.db", "show")[0]:
        one, two = (shown(harness, here / f"{db}.db", "show", cell["key"])[0]
                    for db in ("all", "whole"))  # fmt: skip
        assert bare(one) == bare(two)
        assert one["scores"] or one["kind"] == "clean"


def test_saved_examples_come_along(harness, here):
    united(here / "all.db", parts(here))
    one, two = (
        {(check["what"], check["of"]): check for check in shown(harness, here / db, "verify")[0]}
        for db in ("all.db", "whole.db")
    )
    files = one.pop(("files", "")), two.pop(("files", ""))
    assert [check["agree"] for check in files] == [12, 4]  # each part has its own
    assert one == two
    assert not any(check["wrong"] or check["skipped"] for check in one.values())
    page = harness("report", "--db", here / "all.db", "-o", here / "page")
    assert page.code == 0, page.err


def test_the_whole_run_has_nothing_to_do(harness, here):
    united(here / "all.db", parts(here))
    done = harness(*RUN, "--db", here / "all.db")
    assert done.code == 0, done.err
    assert "run 4: nothing to do, 46 images found" in done.err
    status = harness("status", "--db", here / "all.db")
    assert "run 4 done: 46 of 46 images, 10 of 10 cells complete" in status.out


def test_missing_parts_are_named(harness, here):
    united(here / "all.db", parts(here, 2))
    board, _ = shown(harness, here / "all.db", "leaderboard")
    assert {row["status"] for row in board} == {"incomplete"}
    said = "parts 1, 3 of 3 are missing, 5 of 8 images"
    for command in ("leaderboard", "leaderboard --joint", "status", "transfer"):
        assert said in harness(*command.split(), "--db", here / "all.db").out, command
    united(here / "all.db", parts(here, 1))
    said = "part 3 of 3 is missing, 2 of 8 images"
    status = harness("status", "--db", here / "all.db")
    assert said in status.out
    assert "run 2 done with all stored parts: 34 of 46 images" in status.out
    united(here / "all.db", parts(here, 3))
    assert "missing" not in harness("leaderboard", "--db", here / "all.db").out


def test_what_no_part_brought_the_whole_run_does(harness, here):
    """Then nothing is missing, though a part still is."""
    united(here / "all.db", parts(here, 1, 3))
    done = harness(*RUN, "--db", here / "all.db")
    assert "16 images computed in 10 cells, 30 found" in done.err, done.err
    assert "missing" not in harness("leaderboard", "--db", here / "all.db").out
    one, two = (shown(harness, here / f"{db}.db", "status")[0] for db in ("all", "whole"))
    assert bare(one) == bare(two)


def test_a_part_is_resumed(harness, here):
    done = harness(*RUN, "--shard", "2/3", "--db", here / "part-2.db")
    assert "nothing to do" in done.err
    united(here / "all.db", parts(here))
    assert (
        shown(harness, here / "all.db", "leaderboard")[0]
        == (shown(harness, here / "whole.db", "leaderboard")[0])
    )
    runs, _ = shown(harness, here / "all.db", "runs", "list")
    assert [row["part"] for row in runs] == ["3/3", "2/3", "2/3", "1/3"]
    shown_run = harness("runs", "show", 2, "--db", here / "all.db")
    assert re.search(r"part +2/3", shown_run.out)


def test_parts_of_another_number_unite_too(harness, here):
    """A part of two and two of four are the run; what is in two of them is compared."""
    for shard in ("1/2", "2/4", "4/4"):
        name = here / f"part-{shard[0]}-{shard[2]}.db"
        assert harness(*RUN, "--shard", shard, "--db", name).code == 0
    united(here / "all.db", sorted(here.glob("part-?-?.db")))
    one, two = (shown(harness, here / f"{db}.db", "status")[0] for db in ("all", "whole"))
    assert bare(one) == bare(two)
    assert not any(merge(here / "all.db", part, command=["x"]).conflicts for part in parts(here))
    assert bare(shown(harness, here / "all.db", "status")[0]) == bare(two)


def test_a_part_without_images(harness, here, monkeypatch):
    monkeypatch.setenv("HARNESS_SHARD", "9/9")
    done = harness(*RUN, "--db", here / "none.db")
    assert done.code == 0, done.err
    assert "nothing to do" in done.err
    assert harness("status", "--db", here / "none.db").code == 0
    monkeypatch.delenv("HARNESS_SHARD")
    united(here / "all.db", [here / "none.db", *parts(here)])
    assert stored(here / "all.db") == stored(here / "whole.db")
    assert "missing" not in harness("leaderboard", "--db", here / "all.db").out


def test_the_plan_of_a_part(harness, here):
    import harness as face

    rows = []
    for number in range(1, PARTS + 1):
        words = ["plan", *RUN[1:], "--shard", f"{number}/3", "--db", here / "new.db"]
        document = json.loads(harness(*words, "--format", "json").out)
        assert document["shard"] == f"{number}/3"
        rows.append({(row["attack"], row["goal"]): row["pending"] for row in document["attacks"]})
    whole = json.loads(harness("plan", *RUN[1:], "--db", here / "new.db", "--format", "json").out)
    for row in whole["attacks"]:
        shares = [each[row["attack"], row["goal"]] for each in rows]
        assert sum(shares) == row["pending"]
    models = MODELS.split(",")
    table = face.plan(
        "parts", db=here / "n.db", registry=[here / "parts.yaml"], models=models, shard="3/3"
    )
    assert sum(row["pending"] for row in table) == 12


@pytest.mark.parametrize("text", ["0/8", "9/8", "2", "a/b"])
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_wrong_parts(harness, here, verb, text):
    done = harness(verb, *RUN[1:], "--shard", text, "--db", here / "new.db")
    assert done.code == 2
    assert f"{text!r} is not a part of a run" in done.err
    assert done.err.count("\n") == 1
    assert not (here / "new.db").exists()


def test_the_slurm_script(here):
    """Its commands, with the variable that Slurm sets; then the merge of several databases."""
    place = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": place, "PARTS": "2", "OMP_NUM_THREADS": "1"}
    for file in parts(here):
        file.unlink()
    options = ["--registry", "parts.yaml", "--suite", "parts", "--limit", "2", "--models", MODELS]
    for number in "12":
        member = environment | {"SLURM_ARRAY_TASK_ID": number, "SLURM_ARRAY_TASK_COUNT": "1"}
        script = ["sh", ROOT / "examples" / "slurm.sh", *options, "--attacks", "fgsm"]
        subprocess.run(script, cwd=here, check=True, capture_output=True, env=member)
    merged = "harness merge part-*.db && harness status"
    done = subprocess.run(
        ["sh", "-c", merged], cwd=here, check=True, capture_output=True, text=True, env=environment
    )
    assert "done with all stored parts: 6 of 6 images, 4 of 4 cells complete" in done.stdout


def test_several_databases_at_once(harness, here):
    done = harness("merge", *parts(here), "--db", here / "all.db", "--format", "json")
    assert done.code == 0, done.err
    counts = {row["table"]: row for row in json.loads(done.out)}
    assert counts["runs"]["added"] == 3
    assert counts["images"]["added"] == 8
    assert counts["cells"] == counts["cells"] | {"added": 10, "equal": 20}
    with closing(sqlite3.connect(here / "part-2.db")) as db, db:
        db.execute("UPDATE clean SET predicted = predicted + 1")
    done = harness("merge", *parts(here), "--db", here / "all.db")
    assert done.code == 1
    assert f"conflict of {here / 'part-2.db'}: clean: cell " in done.err
