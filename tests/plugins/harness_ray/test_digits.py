"""A run on Ray: the same results as in this process."""

from __future__ import annotations

import sqlite3

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'frontier-harness[ray]'")

ROWS = """SELECT cell_key, image_id, status, target, forwards, backwards FROM samples
ORDER BY cell_key, image_id"""
DISTANCES = "SELECT l2 FROM samples WHERE l2 IS NOT NULL ORDER BY cell_key, image_id"


def rows(path, query):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute(query).fetchall()


def test_the_same_statuses_passes_and_distances(harness, overlay, town, tmp_path):
    run = "run", "--registry", overlay, "--suite", "small"
    assert harness(*run, "--db", "inline.db", "--executor", "inline").code == 0
    done = harness(*run, "--db", "ray.db", "--executor", "ray", "--devices", "cpu:2",
                   "--ray-address", town.address)  # fmt: skip
    assert done.code == 0, done.err
    assert rows(tmp_path / "ray.db", ROWS) == rows(tmp_path / "inline.db", ROWS)
    ours, theirs = (rows(tmp_path / name, DISTANCES) for name in ("ray.db", "inline.db"))
    assert len(ours) > 50
    assert [l2 for (l2,) in ours] == pytest.approx([l2 for (l2,) in theirs], rel=1e-4, abs=1e-6)
    # Nobody else's words among the run's.
    assert "raylet" not in done.err
