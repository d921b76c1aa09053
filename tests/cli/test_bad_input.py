"""Bad input: one line with cause and remedy, the documented exit code, the database intact."""

from __future__ import annotations

import os
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from harness.resolve.places import HostPath

WEIGHTS = Path(__import__("harness_digits").__file__).parent / "weights"

MODEL = """\
models:
  odd:
    loader: {loader}
    architecture: digits-mobilenet_v1_025
    family: MobileNet
    classes: 10
    preprocessing: {{size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
    weights: {{file: {file}{sha}}}
suites:
  odd:
    dataset: digits
    models: [odd, digits-alexnet]
    images: 4
    accuracy_images: 4
    attacks:
      - {{attack: fgsm, goals: [untargeted]}}
    metrics: [accuracy]
"""


def one_line(result, code: int, *parts: str) -> None:
    """The command ended with ``code`` and exactly one line, which names ``parts``."""
    assert result.code == code, result.err
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err
    for part in parts:
        assert part in result.err, result.err


def a_table(result, *parts: str) -> None:
    """The command ended with code 3, a table that names ``parts``, and one line."""
    assert result.code == 3, result.err
    *table, error = result.err.strip().splitlines()
    assert error.startswith("error: ")
    assert "Traceback" not in result.err
    for part in parts:
        assert any(part in line for line in table), result.err


def odd(tmp_path: Path, file: Path, *, loader: str = "digits", sha: str = "") -> Path:
    path = tmp_path / "odd.yaml"
    path.write_text(MODEL.format(loader=loader, file=file, sha=sha))
    return path


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--suite", "digits81"], ["unknown suite 'digits81'", "did you mean 'digits18'?"]),
        (["--suite", "digits18", "--models", "digits-vgg_16"], ["digits-vgg16"]),
        (["--suite", "digits18", "--attacks", "fgms"], ["'fgms'", "'fgsm'"]),
        (["--suite", "digits18", "--goals", "randon"], ["'randon'", "'random'"]),
        (["--suite", "digits18", "--data", "digits"], ["NAME=PATH"]),
        (["--suite", "digits18", "--data", "digit=x"], ["'digit'", "'digits'"]),
        (["--suite", "digits18", "--devices", "tpu"], ["tpu"]),
        (["--suite", "digits18", "--batch-size", "0"], ["--batch-size"]),
        (["--suite", "digits18", "--registry", "none.yaml"], ["none.yaml"]),
        (["--suite", "digits18", "--limit", "0"], ["--limit", "harness run --help"]),
        (["--sweet", "digits18"], ["--sweet", "harness run --help"]),
        ([], ["--suite", "harness run --help"]),
    ],
)
def test_wrong_names_and_values(harness, arguments, parts):
    one_line(harness("run", *arguments), 2, *parts)
    assert not Path("harness.db").exists()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("suites: [", ["bad.yaml:"]),
        ("suites:\n  a: {dataset: digits}\n  a: {dataset: digits}\n", ["bad.yaml:3", "'a'"]),
        (
            "suites:\n  a:\n    dataset: 3\n    models: [digits-vgg16]\n    metrics: [accuracy]\n",
            ["bad.yaml:3", "suites.a.dataset"],
        ),
        (
            "suites:\n  a:\n    dataset: digits\n    models: [digits-vgg99]\n"
            "    metrics: [accuracy]\n",
            ["bad.yaml:", "digits-vgg99"],
        ),
        (
            "suites:\n  a:\n    dataset: digits\n    models: [digits-vgg16]\n    attacks:\n"
            "      - {attack: ifgsm, goals: [random], parameters: {step: 3}}\n"
            "    metrics: [accuracy]\n",
            ["bad.yaml:6", "'step'", "'steps'"],
        ),
        (
            "suites:\n  a:\n    dataset: digits\n    models: [digits-vgg16]\n    attacks:\n"
            "      - {attack: ifgsm, goals: [random], parameters: {steps: -3}}\n"
            "    metrics: [accuracy]\n",
            ["bad.yaml:6", "steps", "-3"],
        ),
        (
            "suites:\n  a:\n    dataset: digits\n    models: [digits-vgg16]\n    attacks:\n"
            "      - {attack: fgsm, goals: [random]}\n"
            "      - {attack: fgsm, goals: [untargeted]}\n"
            "    metrics: [accuracy]\n",
            ["bad.yaml:7", "'fgsm'", "twice"],
        ),
        (
            "suites:\n  a:\n    dataset: digits\n    models: [digits-vgg16]\n    attacks:\n"
            "      - {attack: ifgsm, goals: [random], preset: paper}\n"
            "    metrics: [accuracy]\n",
            ["bad.yaml:6", "'paper'"],
        ),
    ],
)
def test_wrong_registries(harness, tmp_path, text, parts):
    (tmp_path / "bad.yaml").write_text(text)
    one_line(harness("run", "--registry", "bad.yaml", "--suite", "a"), 2, *parts)


def test_missing_and_wrong_weights_are_found_before_anything_is_made(harness, tmp_path):
    run = ("run", "--suite", "odd", "--registry")
    a_table(harness(*run, odd(tmp_path, Path("gone.safetensors"))), "gone.safetensors", "odd")
    wrong = odd(
        tmp_path, WEIGHTS / "digits-mobilenet_v1_025.safetensors", sha=f", sha256: '{'0' * 64}'"
    )
    a_table(harness(*run, wrong), "SHA-256", "weights.sha256")
    assert not Path("harness.db").exists()


def run_beside_a_healthy_model(harness, overlay: Path) -> str:
    """The odd model's cells fail and are named; the healthy one's are done; exit code 1."""
    result = harness("run", "--suite", "odd", "--registry", overlay)
    assert result.code == 1, result.err
    assert "Traceback" not in result.err
    with sqlite3.connect("harness.db") as connection:
        healthy = connection.execute(
            "SELECT count(*) FROM samples WHERE model = 'digits-alexnet'"
            " AND status IN ('robust', 'broken', 'clean_wrong')"
        ).fetchone()
        odd_ones = connection.execute(
            "SELECT count(*) FROM samples WHERE model = 'odd' AND status IN ('robust', 'broken')"
        ).fetchone()
        errors = connection.execute("SELECT error FROM attempts WHERE status = 'failed'").fetchall()
    assert healthy == (4,)
    assert odd_ones == (0,)
    assert errors
    return result.err + str(errors)


def test_pickled_weights_are_refused(harness, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "harm"),))

    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(Harmful()))
    said = run_beside_a_healthy_model(harness, odd(tmp_path, path))
    assert "weights.pkl" in said
    assert "pickle" in said
    assert not (tmp_path / "harm").exists()


def test_a_model_that_returns_nan_is_an_error_not_a_robust_model(harness, tmp_path):
    tensors = load_file(WEIGHTS / "digits-mobilenet_v1_025.safetensors")
    path = tmp_path / "nan.safetensors"
    save_file({name: np.full_like(value, np.nan) for name, value in tensors.items()}, path)
    said = run_beside_a_healthy_model(harness, odd(tmp_path, path))
    assert "NaN" in said
    again = harness("run", "--suite", "odd", "--registry", "odd.yaml", "--retry-errors")
    assert again.code == 1
    assert "8 images computed" in again.err


def test_an_onnx_file_with_two_inputs(harness, tmp_path):
    from onnx import TensorProto, helper, save

    pixels = helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 3, 32, 32])
    other = helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", 3, 32, 32])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3, 32, 32])
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["logits"])], "g",
                              [pixels, other], [out])  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "2.onnx")
    said = run_beside_a_healthy_model(harness, odd(tmp_path, tmp_path / "2.onnx", loader="onnx"))
    assert "2.onnx" in said
    assert "input" in said


FOLDER = """\
datasets:
  pictures: {reader: folder, version: "1", classes: 10, options: {classes: sorted}}
suites:
  pictures:
    dataset: pictures
    models: [digits-alexnet]
    attacks:
      - {attack: fgsm, goals: [untargeted]}
    metrics: [accuracy]
"""


def pictures(tmp_path: Path) -> Path:
    """Ten classes with a picture each, in all the modes that pictures come in."""
    root = tmp_path / "pictures"
    modes = ("RGB", "L", "RGBA", "CMYK", "RGB", "L", "RGB", "RGB", "P", "RGB")
    for index, mode in enumerate(modes):
        folder = root / f"class{index}"
        folder.mkdir(parents=True)
        pixels = np.random.default_rng(index).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        suffix = "png" if mode in ("RGBA", "P") else "jpg"
        Image.fromarray(pixels).convert(mode).save(folder / f"{index}.{suffix}")
    (tmp_path / "folder.yaml").write_text(FOLDER)
    return root


def test_pictures_in_every_mode_work_and_broken_ones_cost_only_themselves(harness, tmp_path):
    root = pictures(tmp_path)
    run = ("run", "--registry", "folder.yaml", "--suite", "pictures", "--data")
    assert harness(*run, f"pictures={root}").code == 0
    whole = root / "class0" / "0.jpg"
    (root / "class0" / "cut.jpg").write_bytes(whole.read_bytes()[:600])
    (root / "class1" / "text.jpg").write_text("this is no picture")
    broken = harness(*run, f"pictures={root}")
    assert broken.code == 1
    assert "Traceback" not in broken.err
    assert "cut.jpg" in broken.err or "text.jpg" in broken.err
    with sqlite3.connect("harness.db") as connection:
        errors = dict(
            connection.execute("SELECT image_id, error FROM samples WHERE status = 'error'")
        )
        done = connection.execute("SELECT count(*) FROM samples WHERE status != 'error'").fetchone()
    assert set(errors) == {"class0/cut.jpg", "class1/text.jpg"}
    assert all(image.split("/")[1] in error for image, error in errors.items())
    assert done == (10,)
    # The picture is mended: its content is another, so it is computed without being asked.
    (root / "class0" / "cut.jpg").write_bytes(whole.read_bytes())
    (root / "class1" / "text.jpg").unlink()
    assert harness(*run, f"pictures={root}").code == 0


def test_missing_and_empty_folders(harness, tmp_path):
    pictures(tmp_path)
    (tmp_path / "empty").mkdir()
    run = ("run", "--registry", "folder.yaml", "--suite", "pictures")
    a_table(harness(*run), "pictures", "--data")
    a_table(harness(*run, "--data", "pictures=gone"), "gone")
    a_table(harness(*run, "--data", "pictures=empty"), "empty")


def test_a_database_that_is_none(harness, overlay, tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("dear diary\n" * 200)
    for verb in (("run", "--registry", overlay, "--suite", "small"), ("leaderboard",), ("status",)):
        one_line(harness(*verb, "--db", path), 5, "notes.db")
    assert path.read_text().startswith("dear diary")
    one_line(harness("leaderboard", "--db", "gone.db"), 5, "gone.db", "harness run")


def test_a_database_of_a_newer_version(harness, overlay, tmp_path):
    run = ("run", "--registry", overlay, "--suite", "small", "--limit", 1)
    assert harness(*run).code == 0
    with sqlite3.connect("harness.db") as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('harness', 'm999_from_the_future', '2030-01-01')"
        )
    for verb in (run, ("leaderboard",)):
        one_line(harness(*verb), 5, "newer", "harness.db")


def test_a_full_database_keeps_what_it_has(harness, overlay, monkeypatch):
    run = ("run", "--registry", overlay, "--suite", "small")
    assert harness(*run, "--limit", 3).code == 0
    from harness.store.write import writer

    opened = writer.open_writable

    def starved(path, *, check):
        database = opened(path, check=check)
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        return database

    with monkeypatch.context() as patch:
        patch.setattr(writer, "open_writable", starved)
        full = harness(*run)
    assert full.code == 5, full.err
    assert "full" in full.err.splitlines()[-1]
    with sqlite3.connect("harness.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM samples").fetchone()[0] >= 2 * 4 * 3


def test_a_database_that_cannot_be_written(harness, overlay, tmp_path, unprivileged):
    run = ("run", "--registry", overlay, "--suite", "small", "--limit")
    assert harness(*run, 1).code == 0
    for path in (tmp_path / "harness.db", tmp_path):
        path.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *map(str, run), "2"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            **unprivileged,
        )
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "harness.db" in done.stderr


LATER = """\
  later:
    loader: digits
    architecture: digits-alexnet
    family: AlexNet
    classes: 10
    preprocessing: {size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
suites:
"""


def test_fail_fast_stops_at_the_first_model_that_fails(harness, tmp_path):
    tensors = load_file(WEIGHTS / "digits-mobilenet_v1_025.safetensors")
    save_file({name: np.full_like(value, np.nan) for name, value in tensors.items()}, "nan.st")
    path = odd(tmp_path, tmp_path / "nan.st")
    text = path.read_text().replace("suites:\n", LATER).replace("digits-alexnet]", "later]")
    path.write_text(text)
    run = ("run", "--suite", "odd", "--registry", path)
    stopped = harness(*run, "--fail-fast")
    assert stopped.code == 1
    assert "stopped at odd: --fail-fast" in stopped.err
    with sqlite3.connect("harness.db") as connection:
        models = connection.execute("SELECT DISTINCT model FROM samples").fetchall()
    assert models == [("odd",)]
    assert harness(*run).code == 1
    with sqlite3.connect("harness.db") as connection:
        models = connection.execute("SELECT DISTINCT model FROM samples ORDER BY 1").fetchall()
    assert models == [("later",), ("odd",)]


def test_lack_of_memory_halves_the_batch_is_said_and_recorded(harness, overlay, monkeypatch):
    """A device that runs out of memory cannot be made real here."""
    import torch

    from harness.engine.classifier import PixelClassifier

    run = ("run", "--registry", overlay, "--suite", "small", "--models", "digits-alexnet")
    assert harness(*run, "--db", "roomy.db").code == 0
    differentiated = PixelClassifier.differentiated

    def starved(self, images):
        if len(images) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory (scripted)")
        return differentiated(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(PixelClassifier, "differentiated", starved)
        done = harness(*run, "--batch-size", 32)
    assert done.code == 0, done.err
    assert "out of memory, retrying with batch size 8" in done.err
    query = "SELECT cell_key, image_id, status, round(linf, 4) FROM samples ORDER BY 1, 2"
    found = []
    for name in ("roomy.db", "harness.db"):
        with sqlite3.connect(name) as connection:
            found.append(connection.execute(query).fetchall())
            halvings = connection.execute(
                "SELECT DISTINCT batch_size, halvings FROM attempts JOIN cells"
                " ON cells.id = cell_id WHERE attack_id IS NOT NULL ORDER BY 1"
            ).fetchall()
    assert found[0] == found[1]
    assert halvings == [(8, 0), (32, 2)], "the next attack begins with what there is memory for"


@pytest.mark.parametrize("spaces", [" ", "  ", "\n", "\t "])
def test_paths_with_spaces_in_the_environment(spaces, monkeypatch):
    """`HARNESS_DATA` is split before NAME= or NAME@HOST=, not inside a path."""
    from harness.cli import run, selection

    items = ["mine=/a b/c=d", "mine@gpu-[0-9]*=/e f", "my-own.2=relative  path", "x=/y"]
    monkeypatch.setenv("HARNESS_DATA", f" {spaces.join(items)} ")
    context = run.run.make_context("run", ["--suite", "x"])
    assert list(context.params["data"]) == items
    assert selection.places(context.params["data"]) == {
        "mine": Path("/a b/c=d"), "my-own.2": Path("relative  path"), "x": Path("/y")
    }  # fmt: skip
    context = run.run.make_context("run", ["--suite", "x", "--data", "n=a b=c"])
    assert list(context.params["data"]) == ["n=a b=c"]


def test_paths_on_other_hosts():
    from harness.cli import selection

    data = ["digits=here", "digits@*=/everywhere", "digits@GPU-1=/there=x"]
    asked = selection.request(suite="x", models=None, data=data, attacks=None, goals=None,
                              images=None)  # fmt: skip
    assert asked.data == {"digits": Path("here")}
    assert asked.data_on == {
        "digits": (HostPath("*", Path("/everywhere")), HostPath("GPU-1", Path("/there=x")))
    }


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ("digits", "--data: 'digits' gives no path; say NAME=PATH, or NAME@HOST=PATH"),
        ("digits@host=", "--data: 'digits@host=' gives no path; say"),
        ("digits@=/x", "--data: 'digits@' names no host; say NAME=PATH, or NAME@HOST=PATH"),
        ("@host=/x", "--data: '@host' names no dataset; say NAME=PATH, or NAME@HOST=PATH"),
        ("digits@host=x/y", "--data: 'digits@host': x/y is relative; give the path from / on"),
        ("digist@host=/x", "--data: unknown dataset 'digist'; did you mean 'digits'?"),
    ],
)
def test_a_malformed_path_of_a_dataset_is_one_line(harness, item, line):
    result = harness("plan", "--suite", "digits18", "--data", item)
    assert result.code == 2
    assert result.out == ""
    assert line in result.err
    assert len(result.err.splitlines()) == 1
