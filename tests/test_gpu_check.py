"""``make gpu-check``: what it compares, and what it does where no GPU is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu_check.py"
sys.path.append(str(SCRIPT.parent))

import gpu_check  # noqa: E402


def database(path: Path, rows: dict[str, tuple[str, float | None]]) -> Path:
    """A database with the columns of the view `samples` that are compared."""
    with sqlite3.connect(path) as db:
        columns = "model, attack_label, goal, seed, dataset, image_id, status, margin"
        db.execute(f"CREATE TABLE samples ({columns})")
        for image, (status, margin) in rows.items():
            row = ("m", "fgsm", "random", 0, "digits", image, status, margin)
            db.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.close()
    return path


def rows(count: int) -> dict[str, tuple[str, float | None]]:
    return {f"{number:04}": ("broken", 1.0) for number in range(count)}


def test_equal_databases_are_equal(tmp_path):
    found = gpu_check.compared(
        database(tmp_path / "a.db", rows(10)), database(tmp_path / "b.db", rows(10))
    )
    assert (found.images, found.differences, found.good) == (10, [], True)


@pytest.mark.parametrize(("changed", "good"), [(1, True), (2, True), (3, False)])
def test_two_of_two_thousand_may_differ_and_each_is_named_with_its_margins(tmp_path, changed, good):
    other = rows(2000)
    for number in range(changed):
        other[f"{number:04}"] = ("robust", -1e-7)
    found = gpu_check.compared(
        database(tmp_path / "a.db", rows(2000)), database(tmp_path / "b.db", other)
    )
    assert found.good is good
    assert [str(each) for each in found.differences] == [
        f"m fgsm random 0 digits {number:04}: broken became robust, margins 1 and -1e-07"
        for number in range(changed)
    ]


@pytest.mark.parametrize("short", ["a", "b"])
def test_a_missing_row_is_never_good(tmp_path, short):
    sizes = {"a": 2000, "b": 2000} | {short: 1999}
    found = gpu_check.compared(
        *(database(tmp_path / f"{name}.db", rows(size)) for name, size in sizes.items())
    )
    assert not found.good
    assert "None" in str(found.differences[0])


def test_databases_without_rows_are_not_good(tmp_path):
    found = gpu_check.compared(database(tmp_path / "a.db", {}), database(tmp_path / "b.db", {}))
    assert not found.good


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_is_one_line_and_exit_code_3(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--folder", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no GPU here" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_each_executor_is_compared_and_a_difference_is_the_exit_code(tmp_path, monkeypatch, capsys):
    """With a `harness` that writes databases at once: one executor's run has lost an image."""
    ran = []

    def harness(*arguments: str, capture: bool = False) -> str:
        ran.append(arguments)
        if arguments[0] == "bench":
            return '[{"model": "m", "forward": 2000.0, "gradient": 500.0}]'
        path = Path(arguments[arguments.index("--db") + 1])
        database(path, rows(1999 if path.stem == "processes" else 2000))
        return ""

    monkeypatch.setattr(gpu_check, "harness", harness)
    monkeypatch.setattr(gpu_check, "speed", lambda options: True)
    place = ["--candidate", "cpu", "--numerics", "fp32,bf16"]
    assert gpu_check.main([*place, "--executors", "inline", "--folder", str(tmp_path / "a")]) == 0
    assert gpu_check.main([*place, "--folder", str(tmp_path / "b")]) == 1
    printed = capsys.readouterr().out
    assert "processes: 99.9500% of 2000 statuses" in printed
    assert "fp32  m" in printed
    assert "bf16  m" in printed
    devices = [each[each.index("--devices") + 1] for each in ran]
    assert set(devices) == {"cpu"}
    executors = [each[each.index("--executor") + 1] for each in ran if each[0] == "run"]
    assert executors == ["inline", "inline", "inline", "inline", "processes", "ray"]
