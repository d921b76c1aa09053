"""Surfaces from the command line: chosen images, kept candidates, pictures, and bad input."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

SUITE = """\
suites:
  planes:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 6
    accuracy_images: 6
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}, keep: true}
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.2}, keep: true}
      - {attack: ifgsm, goals: [random], parameters: {steps: 2}}
    measurements:
      - {measurement: surface, parameters: {points: 5}}
      - measurement: surface
        goals: [untargeted, random]
        parameters: {points: 7, direction: attack, attack: fgsm epsilon=0.1}
    metrics: [success]
"""
BOTH = "digits-alexnet,digits-mobilenet_v1_025"
IMAGES = ("0010", "0012", "0013")


@pytest.fixture
def planes(tmp_path):
    path = tmp_path / "planes.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def run(harness, planes):
    def start(*more, verb="run"):
        return harness(verb, "--registry", planes, "--suite", "planes", *more)

    return start


def query(sql):
    with sqlite3.connect("harness.db") as connection:
        return connection.execute(sql).fetchall()


def test_chosen_images_and_their_surfaces(run, harness):
    assert run("--images", "0010,001[23]").code == 0
    assert {name for (name,) in query("SELECT name FROM images")} == set(IMAGES)
    statuses = dict(query("SELECT status, count(*) FROM measured GROUP BY 1"))
    assert set(statuses) <= {"measured", "clean_wrong"}
    assert sum(statuses.values()) == 2 * 3 * 3
    # A candidate's surface begins where its attack ended.
    rows = query(
        "SELECT samples.goal, samples.margin, samples.l2, m.value, d.value FROM readings AS m"
        " JOIN readings AS d ON d.cell_key = m.cell_key AND d.image_id = m.image_id"
        " AND d.name = 'attack_distance'"
        " JOIN samples ON samples.model = m.model AND samples.goal = m.goal"
        " AND samples.image_id = m.image_id AND samples.attack_label = 'fgsm epsilon=0.1'"
        " WHERE m.name = 'attack_margin'"
    )
    assert {goal for goal, *_ in rows} == {"untargeted", "random"}
    assert len({l2 for _, _, l2, _, _ in rows}) == len(rows), "no two candidates are equally far"
    for goal, margin, l2, surface, distance in rows:
        assert distance == pytest.approx(l2, rel=1e-5)
        if goal == "untargeted":
            assert surface == pytest.approx(-margin, abs=1e-5)
    listed = json.loads(harness("show", "surface", "--format", "json").out)
    assert len(listed) == statuses["measured"]
    assert {row["points"] for row in listed} == {5.0, 7.0}
    one = json.loads(harness("show", "surface", "digits-alexnet", "0012", "--format", "json").out)
    assert {(row["model"], row["image"]) for row in one} == {("digits-alexnet", "0012")}
    assert "nothing to do" in run("--images", "0010,0012,0013").err


def test_pictures_and_documents(run, harness, tmp_path):
    assert run("--images", "0012", "--attacks", "surface*,fgsm*").code == 0
    done = harness("show", "surface", BOTH, "0012", "-o", "out", "--format", "json")
    assert done.code == 0, done.err
    written = json.loads(done.out)
    assert len(written) == 3, "the gradient, and the attack for two goals"
    for paths in written:
        picture = (tmp_path / paths["png"]).read_bytes()
        assert picture.startswith(b"\x89PNG")
        whole = json.loads((tmp_path / paths["json"]).read_text())
        assert (whole["image"], whole["dataset"]) == ("0012", "digits")
        assert [each["model"] for each in whole["surfaces"]] == BOTH.split(",")
        for each in whole["surfaces"]:
            ((data,),) = query(
                "SELECT data FROM arrays JOIN cells ON cells.id = cell_id"
                f" WHERE key = '{each['cell']}' AND name = 'margin'"
            )
            points = int(each["numbers"]["points"])
            grid = np.array(each["margin"])
            assert grid.shape == (points, points) == np.array(each["loss"]).shape
            assert (grid == np.frombuffer(data, "<f4").reshape(points, points)).all()
            assert len(each["a"]) == len(each["b"]) == points
            middle = points // 2
            assert grid[middle, middle] == pytest.approx(each["numbers"]["margin"])
            assert each["a"][middle] == each["b"][middle] == 0
            assert len(each["provenance"]["model"]["weights"]) == 64
            assert each["seed"] == 0
            starts = each["provenance"]["measurement"].get("starts_from", {})
            assert ("attack_distance" in each["numbers"]) == bool(starts)
    # Cells side by side may be of different measurements.
    cells = [row["cell"] for row in json.loads(
        harness("show", "surface", "digits-alexnet", "--format", "json").out)]  # fmt: skip
    two = f"{cells[0][:8]},{cells[1][:8]}"
    assert (
        len(json.loads(harness("show", "surface", two, "-o", "out", "--format", "json").out)) == 1
    )


def test_what_is_drawn(run):
    run("--images", "0012", "--attacks", "surface*,fgsm*")
    from harness.library.results import results
    from harness_metrics.show_surface import ARRAYS
    from harness_metrics.surface_groups import side_by_side
    from harness_metrics.surface_picture import Drawn, draw

    stored = results("harness.db")
    for group in side_by_side(stored.measured(*ARRAYS), BOTH.split(","), None):
        drawn = [
            Drawn(each, {name: a.tolist() for name, a in stored.arrays(each).items()}, {})
            for each in group
        ]
        figure = draw(drawn)
        panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
        assert len(panels) == 4
        for first, second in (panels[:2], panels[2:]):
            scales = [ax.collections[0].norm for ax in (first, second)]
            assert scales[0].vmin == scales[1].vmin
            assert scales[0].vmax == scales[1].vmax, "one scale for both models"
        for ax, name in ((panels[0], "loss"), (panels[2], "margin")):
            most = max(abs(value) for each in drawn for value in each.grids[name])
            assert most <= ax.collections[0].norm.vmax <= 2.01 * most
        for ax, each in zip(panels, (*drawn, *drawn), strict=True):
            margins = each.grids["margin"]
            bold = [
                line for line in ax.collections
                if list(getattr(line, "levels", [])) == [0] and max(line.get_linewidths()) > 2
            ]  # fmt: skip
            assert len(bold) == (min(margins) < 0 < max(margins))
            marks = {(float(x), float(y)) for line in ax.lines for x, y in line.get_xydata()}
            assert (0, 0) in marks
            assert ((1, 0) in marks) == ("attack_distance" in each.about.numbers)


def test_without_the_candidate_an_image_has_a_reason_until_it_is_there(run):
    done = run("--attacks", "surface *direction=attack*", "--limit", 2)
    assert done.code == 1
    rows = query("SELECT status, error FROM measured WHERE status != 'clean_wrong'")
    assert rows
    for status, error in rows:
        assert status == "error"
        assert error.startswith("no saved example of fgsm epsilon=0.1; run the attack")
        assert "\n" not in error
    assert run("--limit", 2, "--retry-errors").code == 0
    assert not query("SELECT 1 FROM measured WHERE status = 'error'")


def test_a_lost_file_is_a_reason_too(run, tmp_path):
    run("--attacks", "fgsm*", "--limit", 2)
    for file in (tmp_path / "harness.db.artifacts").glob("*.safetensors"):
        file.write_bytes(b"no tensors")
    done = run("--attacks", "surface *direction=attack*", "--limit", 2)
    assert done.code == 1
    errors = query("SELECT error FROM measured WHERE status = 'error'")
    assert errors
    assert all("is damaged" in error for (error,) in errors)


def test_the_attack_is_part_of_the_key(run, planes):
    def keys():
        return dict(
            query(
                "SELECT label || goal, key FROM cells JOIN components ON components.id = attack_id"
                " WHERE components.name = 'surface'"
            )
        )

    more = ("--models", "digits-alexnet", "--limit", 1)
    run(*more, "--attacks", "surface*,fgsm*")
    before = keys()
    planes.write_text(SUITE.replace("{epsilon: 0.1}", "{epsilon: 0.15}").replace("=0.1}", "=0.15}"))
    run(*more, "--attacks", "surface*,fgsm*")
    after = keys()
    assert len(before) == 3
    assert len(after) == 5, "those of the other epsilon are others, that of the gradient is not"
    # By its label or, where that is clear, by its name: the same attack's identity.
    from harness.identity import canonical_json

    identities = [json.loads(text) for (text,) in query(
        "SELECT identity FROM components WHERE name = 'surface'")]  # fmt: skip
    starts = {canonical_json(each.get("starts_from")) for each in identities}
    assert len(starts) == 3
    assert sum("starts_from" in each for each in identities) == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("attack: fgsm epsilon=0.1}", "attack: fgms}", "did you mean 'fgsm'"),
        ("attack: fgsm epsilon=0.1}", "attack: fgsm}", "has not all the goals"),
        ("attack: fgsm epsilon=0.1}", "attack: ifgsm}", "does not keep its images"),
        (
            "goals: [untargeted, random]\n        parameters: {points: 7, direction: attack,"
            " attack: fgsm epsilon=0.1}",
            "parameters: {direction: attack, attack: fgsm}",
            "may be 'fgsm epsilon=0.1', 'fgsm epsilon=0.2'; give one of these labels",
        ),
        ("{points: 5}", "{points: 4}", "points must be odd"),
        ("{points: 5}", "{direction: attack}", "need each other"),
    ],
)
def test_a_wrong_direction_is_one_line(run, planes, old, new, words):
    text = SUITE.replace(old, new)
    if "all the goals" in words:  # of the attack that keeps its images
        text = text.replace("goals: [untargeted, random], parameters: {eps", "goals: [untargeted],"
                            " parameters: {eps")  # fmt: skip
    planes.write_text(text)
    done = run()
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert words in done.err
    assert "planes.yaml" in done.err


def test_unknown_images_are_one_line(run):
    for verb in ("run", "plan"):
        done = run("--images", "0010,00x2", verb=verb)
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert "--images: unknown image '00x2'; did you mean" in done.err
    plan = json.loads(run("--images", "001?", "--no-calibration", "--format", "json",
                          verb="plan").out)  # fmt: skip
    assert plan["attacks"][0]["images"] == 2 * 6, "the first six of ten"
    plan = json.loads(run("--images", "0010", "--no-calibration", "--format", "json",
                          verb="plan").out)  # fmt: skip
    assert {row["images"] for row in plan["attacks"]} == {2}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("digits-alexnt",), "did you mean 'digits-alexnet'"),
        (("digits-alexnet", "0011"), "unknown image '0011'; did you mean '0012'"),
        (("-o", "out"), "name a model or a cell"),
        (("digits-alexnet,digits-mobilenet_v1_025", "-o", "out"), "no surface of the same image"),
        (("digits-alexnet", "-o", "planes.yaml"), "planes.yaml"),
    ],
)
def test_what_cannot_be_shown_is_one_line(run, harness, arguments, words):
    run("--images", "0012", "--attacks", "surface", "--models", "digits-alexnet")
    run("--images", "0013", "--attacks", "surface", "--models", "digits-mobilenet*")
    done = harness("show", "surface", *arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert words in done.err


def test_without_matplotlib_or_surfaces(run, harness, monkeypatch):
    run("--images", "0012", "--attacks", "surface", "--models", "digits-alexnet")
    for name in ("matplotlib", "matplotlib.colors", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    done = harness("show", "surface", "digits-alexnet", "-o", "out")
    assert done.code == 3
    assert "frontier-harness[report]" in done.err
    done = harness("show", "--db", "harness.db", "surface")
    assert done.code == 2
    assert "harness show surface" in done.err


def test_the_list_loads_nothing_heavy(run, tmp_path):
    run("--images", "0012", "--attacks", "surface", "--models", "digits-alexnet")
    program = (
        "import sys\nfrom harness.cli.main import main\n"
        "try: main(['show', 'surface'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'onnxruntime', 'timm', 'scipy', 'altair', 'matplotlib'}\n"
        "sys.exit(str(heavy & set(sys.modules) or ''))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr.strip() == "", done.stderr
    assert "digits-alexnet" in done.stdout
