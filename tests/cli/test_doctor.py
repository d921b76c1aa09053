"""What a run needs: the doctor's rows, the check before every run, downloads."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from harness.identity import file_sha256
from harness.registry.entries import models_folder

WEIGHTS = Path(__import__("harness_digits").__file__).parent / "weights"

NAMES = ("digits-alexnet", "digits-vgg16", "digits-mobilenet_v1_025")
DIGITS = "family: F, classes: 10, preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], "
DIGITS += "std: [0.5, 0.5, 0.5]}"
SUITE = """\
suites:
  mixed:
    dataset: {dataset}
    models: [{models}]
    images: 4
    accuracy_images: 4
    attacks:
      - {{attack: fgsm, goals: [untargeted]}}
    metrics: [accuracy]
"""


def sha(name: str) -> str:
    return file_sha256(WEIGHTS / f"{name}.safetensors")


MODELS = {
    "here": f"  here: {{loader: digits, architecture: {NAMES[0]}, {DIGITS}}}\n",
    "far": f"  far: {{loader: cloud, architecture: {NAMES[1]}, {DIGITS},\n"
    f"        weights: {{sha256: '{sha(NAMES[1])}'}}}}\n",
    "far2": f"  far2: {{loader: cloud, architecture: {NAMES[2]}, {DIGITS}}}\n",
    "odd": f"  odd: {{loader: cloud, {DIGITS}}}\n",
    "gone": f"  gone: {{loader: digits, {DIGITS}, weights: {{file: nowhere/x.onnx}}}}\n",
    "kept": f"  kept: {{loader: digits, {DIGITS}, weights: {{cached: paper/x.onnx}}}}\n",
    "told": f"  told: {{loader: digits, {DIGITS}, weights: {{cached: paper/y.onnx,"
    " how: 'unpack it into {folder}'}}\n",
    "other": f"  other: {{loader: digits, architecture: {NAMES[0]}, {DIGITS},\n"
    f"          weights: {{sha256: '{'0' * 64}'}}}}\n",
}
"""Entries; all but the first are not here, each for a reason of its own."""


@pytest.fixture
def mixed(tmp_path):
    """Writes an overlay with suite ``mixed`` of some of the models; returns the options."""

    def write(*models: str, dataset: str = "digits") -> tuple[object, ...]:
        text = "models:\n" + "".join(MODELS[name] for name in models)
        text += "datasets:\n  photos: {reader: folder, version: '1', classes: 10, licence: ask}\n"
        text += SUITE.format(dataset=dataset, models=", ".join(models))
        (tmp_path / "mixed.yaml").write_text(text)
        return ("--registry", "mixed.yaml", "--suite", "mixed")

    return write


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def doctor(harness, *options: object) -> tuple[int, dict[str, dict[str, object]]]:
    done = harness("doctor", *options, "--format", "json")
    return done.code, {row["name"]: row for row in json.loads(done.out)}


def test_what_is_here_is_present(harness, mixed):
    code, rows = doctor(harness, *mixed("here"))
    size = (WEIGHTS / f"{NAMES[0]}.safetensors").stat().st_size
    assert code == 0
    assert {name: row["state"] for name, row in rows.items()} == {
        "here": "present",
        "digits": "present",
    }
    assert (rows["here"]["kind"], rows["here"]["bytes"]) == ("model", size)
    assert rows["digits"]["kind"] == "dataset"
    assert "UCI" in rows["digits"]["licence"]
    assert "has everything it needs" in harness("doctor", *mixed("here")).out


def test_every_way_to_be_missing_has_its_row_and_its_remedy(harness, mixed, cloud, tmp_path):
    options = mixed(*MODELS, dataset="photos")
    before = files(tmp_path)
    code, rows = doctor(harness, *options)
    assert code == 3
    assert list(rows) == [*MODELS, "photos"]
    states = {name: row["state"] for name, row in rows.items()}
    assert states == dict.fromkeys(rows, "missing") | {
        "here": "present",
        "far": "downloadable",
        "far2": "downloadable",
    }
    expected = {
        "far": ("", "from the cloud"),
        "odd": ("no such thing", "look it up"),
        "gone": ("x.onnx", "weights.file"),
        "kept": ("x.onnx", "weights.cached"),
        "told": ("y.onnx", f"unpack it into {models_folder() / 'paper'}"),
        "other": ("SHA-256", "weights.sha256"),
        "photos": ("has no folder", "--data photos=PATH"),
    }
    for name, (problem, how) in expected.items():
        assert problem in (rows[name]["problem"] or "")
        assert how in rows[name]["how"]
    assert (rows["far"]["bytes"], rows["far"]["licence"]) == (1000, "free")
    assert rows["photos"]["licence"] == "ask"
    said = harness("doctor", *options).out
    assert "to download: 2 files, 0.0 MB" in said
    assert "6 of 9 requirements are missing" in said
    assert cloud.asked == []
    assert files(tmp_path) == before


TWO = """\
models:
  two:
    family: F
    classes: 10
    preprocessing: {size: [32, 32]}
    sources:
      graph:
        loader: onnx
        weights: {cached: two.onnx, how: "fetch http://there.org/two.tar.gz into {folder}"}
        fidelity: same_weights
        bytes: 4000000
      own: {loader: digits, architecture: digits-alexnet, fidelity: nearest}
"""


def test_every_source_of_a_model_is_shown(harness, tmp_path):
    suite = SUITE.format(dataset="digits", models="two")
    (tmp_path / "two.yaml").write_text(TWO + suite)
    options = ("--registry", "two.yaml", "--suite", "mixed")
    code, rows = doctor(harness, *options)
    assert code == 3
    how = f"fetch http://there.org/two.tar.gz into {models_folder()}"
    found = [
        (row["source"], row["fidelity"], row["state"], row["bytes"], row["how"])
        for row in rows["two"]["sources"]
    ]
    size = (WEIGHTS / f"{NAMES[0]}.safetensors").stat().st_size
    assert found == [
        ("graph", "same_weights", "missing", 4_000_000, how),
        ("own", "nearest", "present", size, None),
    ]
    assert rows["digits"]["sources"] == []
    said = harness("doctor", *options).out.splitlines()
    assert f"two (graph): {how}" in said
    table = said[said.index("All sources of the models' weights") :]
    assert [line.split() for line in table if line.startswith(" two")] == [
        ["two", "graph", "same_weights", "missing", "4.0"],
        ["two", "own", "nearest", "present", f"{size / 1e6:.1f}"],
    ]


def test_offline_nothing_can_be_downloaded(harness, mixed, cloud, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, rows = doctor(harness, *mixed("here", "far"))
    assert (code, rows["far"]["state"]) == (3, "missing")
    assert "offline" in rows["far"]["problem"]
    assert "HF_HUB_OFFLINE" in rows["far"]["how"]


@pytest.mark.parametrize("available", [(), ("--available",)])
def test_a_run_without_its_data_makes_nothing(harness, mixed, cloud, tmp_path, available):
    options = mixed("here", "far", "gone", dataset="photos")
    before = files(tmp_path)
    done = harness("run", *options, *available)
    assert done.code == 3
    *table, error = done.err.strip().splitlines()
    assert error.startswith("error: 2 of 4 requirements are missing")
    assert [line.split()[:2] for line in table[2:4]] == [["model", "gone"], ["dataset", "photos"]]
    assert not any("far" in line for line in table)
    assert "\\u001b" not in done.err
    assert (files(tmp_path), cloud.asked, done.out) == (before, [], "")


def test_available_goes_on_with_what_is_there(harness, mixed, tmp_path):
    options = mixed("here", "gone")
    before = files(tmp_path)
    refused = harness("run", *options)
    assert refused.code == 3
    assert "--available" in refused.err
    assert files(tmp_path) == before
    done = harness("run", *options, "--available")
    assert done.code == 0, done.err
    assert "skipped because their weights are missing: gone" in done.err
    board = json.loads(harness("leaderboard", "--format", "json").out)["rows"]
    assert {row["model"]: row["status"] for row in board} == {
        "here": "complete",
        "gone": "not run",
    }
    assert harness("run", *options, "--available", "--models", "gone").code == 3


def test_downloads_come_first_and_once(harness, mixed, cloud):
    cloud.offer(*NAMES)
    options = mixed("here", "far", "far2")
    done = harness("run", *options, "--progress", "json")
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.err.splitlines()]
    kinds = [event["event"] for event in events]
    told = {e["name"]: (e["bytes"], e["total"]) for e in events if e["event"] == "download"}
    sizes = [(WEIGHTS / f"{name}.safetensors").stat().st_size for name in NAMES[1:]]
    assert told == {"far": (sizes[0], sizes[0]), "far2": (sizes[1], sizes[1])}
    assert max(i for i, kind in enumerate(kinds) if kind == "download") < kinds.index("start")
    assert len(cloud.asked) == 2
    assert doctor(harness, *options)[1]["far"]["state"] == "present"
    assert "nothing to do" in harness("run", *options).err
    assert len(cloud.asked) == 2


def test_plain_progress_names_the_file_and_its_size(harness, mixed, cloud):
    cloud.offer(NAMES[1])
    done = harness("run", *mixed("far"))
    size = (WEIGHTS / f"{NAMES[1]}.safetensors").stat().st_size / 1e6
    assert "to download: 1 file, 0.0 MB" in done.err
    assert f"downloading far: {size:.1f} of {size:.1f} MB" in done.err


def test_a_download_that_fails(harness, mixed, cloud, tmp_path):
    cloud.offer(NAMES[2])
    options = mixed("here", "far", "far2")
    before = files(tmp_path)
    done = harness("run", *options)
    assert done.code == 3
    assert done.err.splitlines()[-1].startswith("error: model far:")
    assert "404" in done.err
    assert files(tmp_path) == before
    done = harness("run", *options, "--available")
    assert done.code == 0, done.err
    assert "skipped: model far" in done.err
    with sqlite3.connect("harness.db") as db:
        assert db.execute("SELECT DISTINCT model FROM samples").fetchall() == [
            ("here",),
            ("far2",),
        ]


@pytest.mark.parametrize("available", [False, True])
def test_a_download_with_another_hash_is_not_used(harness, mixed, cloud, tmp_path, available):
    cloud.offer(NAMES[0])
    (cloud.folder / f"{NAMES[0]}.safetensors").rename(cloud.folder / f"{NAMES[1]}.safetensors")
    done = harness("run", *mixed("here", "far"), *(["--available"] if available else []))
    assert done.code == (0 if available else 3), done.err
    assert "SHA-256" in done.err
    assert ("skipped: " in done.err) == available
    assert (tmp_path / "harness.db").exists() == available


def test_wrong_names_are_said_before_anything_is_downloaded(harness, mixed, cloud):
    cloud.offer(*NAMES)
    assert harness("run", *mixed("far"), "--attacks", "fgms").code == 2
    assert cloud.asked == []


def test_a_plan_needs_no_weights(harness, mixed, cloud, tmp_path):
    cloud.offer(*NAMES)
    options = mixed("here", "far", "far2", "gone")
    before = files(tmp_path)

    def rows() -> list[tuple[int, int]]:
        done = harness("plan", *options, "--format", "json")
        assert done.code == 0, done.err
        assert "missing weights, see `harness doctor`: " in done.err
        return [(row["images"], row["stored"]) for row in json.loads(done.out)["attacks"]]

    assert rows() == [(16, 0), (16, 0)]
    assert files(tmp_path) == before
    assert harness("run", *options, "--available").code == 0
    assert rows() == [(16, 12), (16, 12)]
    # Without the files, what is stored is known only where the registry names the hash.
    for file in cloud.cache.iterdir():
        file.unlink()
    assert rows() == [(16, 8), (16, 8)]


def test_a_plan_needs_the_data(harness, mixed):
    done = harness("plan", *mixed("here", dataset="photos"))
    assert done.code == 3
    assert "--data photos=PATH" in done.err


def test_what_no_plugin_offers_is_said_and_strict_makes_it_an_error(mixed, harness, tmp_path):
    where = mixed("here")
    overlay = tmp_path / "mixed.yaml"
    text = overlay.read_text().replace("metrics: [accuracy]", "metrics: [accuracy, succes]")
    overlay.write_text(
        text.replace("      - {", "      - {attack: fgms, goals: [random]}\n      - {")
    )
    lacking = (
        "not provided by any installed plugin, and skipped by a run: attack 'fgms', metric 'succes'"
    )
    done = harness("doctor", *where)
    assert (done.code, lacking in done.out) == (0, True)
    assert harness("doctor", *where, "--strict").code == 1
    done = harness("run", *where)
    assert done.code == 0
    ending = done.err[done.err.index("images computed in") :]
    assert "done without 'fgms', 'succes': not provided by any installed plugin" in ending
    assert harness("run", *where, "--strict").code == 1
    overlay.write_text(text.replace(", succes", ""))
    assert harness("run", *where, "--strict").code == 0
    assert harness("doctor", *where, "--strict").code == 0


def test_an_attack_that_is_not_installed_is_answered_with_the_nearest(mixed, harness):
    assert "did you mean 'fgsm'" in harness("run", *mixed("here"), "--attacks", "fgms").err
