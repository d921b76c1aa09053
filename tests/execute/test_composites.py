"""Composites of a suite in a run: rows, passes, kept examples; killed and resumed elsewhere."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import harness as library

SUITE = """\
suites:
  mine:
    dataset: digits
    models: [digits-alexnet]
    images: 12
    accuracy_images: 12
    goals: [untargeted]
    attacks: &members
      - {attack: fgsm, parameters: {epsilon: 0.06}}
      - {attack: ifgsm, parameters: {epsilon: 0.06, steps: 60}}
    composites:
      strong: {attacks: *members, keep: true}
    metrics: [success]
"""
ROWS = (
    "SELECT cells.label, image_id, status, forwards, backwards, round(linf, 5) FROM samples"
    " JOIN cells ON cells.key = samples.cell_key WHERE attack_id IS NOT NULL"
)
NUMBERS = (
    "SELECT images.name, measurements.name, value FROM measurements"
    " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
    " WHERE cells.label = 'strong'"
)


def read(path: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return sorted(connection.execute(query).fetchall())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("composites")
    (folder / "mine.yaml").write_text(SUITE)
    library.run("mine", registry=[folder / "mine.yaml"], db=folder / "whole.db", progress="none")
    return folder


def test_it_is_the_worst_of_its_members_and_costs_what_they_took(folder: Path) -> None:
    rows: dict[str, dict[str, tuple[Any, ...]]] = {}
    for label, image, *row in read(folder / "whole.db", ROWS):
        rows.setdefault(label, {})[image] = tuple(row)
    strong, (first, second) = rows.pop("strong"), rows.values()
    numbers = {(image, name): value for image, name, value in read(folder / "whole.db", NUMBERS)}
    kinds = set()
    for image, (status, forwards, _, _) in strong.items():
        early = first[image][0] == "broken"
        kinds.add((early, status))
        assert status == ("broken" if early else second[image][0])
        assert forwards == first[image][1] + (0 if early else second[image][1])
        assert numbers[image, "passes.0"] == 2
        assert ((image, "passes.1") in numbers) == (not early)
        assert not early or numbers[image, "member"] == 0
    assert kinds == {(True, "broken"), (False, "broken"), (False, "robust")}


def test_killed_in_a_process_of_its_own_and_resumed_here(folder: Path) -> None:
    path = folder / "killed.db"
    command = [sys.executable, "-m", "harness", "run", "--registry", "mine.yaml", "--suite", "mine",
               "--attacks", "strong", "--executor", "processes", "--devices", "cpu:1",
               "--batch-size", "1", "--db", path.name]  # fmt: skip
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    before: list[Any] = []
    while process.poll() is None and not before:
        time.sleep(0.002)
        if path.exists():
            try:
                before = read(path, ROWS)
            except sqlite3.OperationalError:  # not migrated yet
                before = []
    process.send_signal(signal.SIGKILL)
    _, error = process.communicate()
    whole = [row for row in read(folder / "whole.db", ROWS) if row[0] == "strong"]
    assert 0 < len(before) < len(whole), error
    kept = read(path, ROWS)
    library.run(
        "mine", attacks=["strong"], registry=[folder / "mine.yaml"], db=path, progress="none"
    )
    resumed = read(path, ROWS)
    assert resumed == whole
    assert set(kept) <= set(resumed)
    assert read(path, NUMBERS) == read(folder / "whole.db", NUMBERS)
