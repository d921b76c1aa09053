"""Kill -9 in the middle of the transfers: nothing is lost, nothing is done twice."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from transfer_toys import PAIRS

SUITE = """\
suites:
  pairs:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025, digits-resnet_v2_50]
    images: 16
    accuracy_images: 16
    transfer: {}
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}, keep: true}
    metrics: [accuracy]
"""

# The process that is killed says how often a target computed each transfer.
PROGRAM = """\
import sys
from harness.execute.worker import transfer_task as target
from harness.cli.main import main

evaluate = target.evaluate

def told(forward, batches, **options):
    for seen in evaluate(forward, batches, **options):
        print(len(seen.predicted), flush=True)
        yield seen

target.evaluate = told
main(sys.argv[1:])
"""


def start(folder: Path, db: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, "run", "--registry", "pairs.yaml", "--suite", "pairs",
               "--batch-size", "2", "--db", db]  # fmt: skip
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stored(path: Path) -> dict[tuple, tuple]:
    """(source, target, goal, image) -> (predicted, rank) of everything committed."""
    if not path.exists():
        return {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            rows = connection.execute(PAIRS).fetchall()
        except sqlite3.OperationalError:  # not migrated yet
            return {}
    return {tuple(row[:4]): tuple(row[4:6]) for row in rows}


def test_killed_at_three_moments_and_resumed_each_time(tmp_path):
    (tmp_path / "pairs.yaml").write_text(SUITE)
    process = start(tmp_path, "whole.db")
    out, err = process.communicate()
    assert process.returncode == 0, err
    whole = stored(tmp_path / "whole.db")
    assert sum(map(int, out.split())) == len(whole)
    choose = random.Random(20261121)
    path, before, computed, killed = tmp_path / "killed.db", {}, 0, 0
    for moment in sorted(choose.sample(range(len(whole) - 20), 3)):
        process = start(tmp_path, "killed.db")
        while process.poll() is None and len(stored(path)) <= max(moment, len(before)):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        killed += process.returncode == -signal.SIGKILL
        computed += sum(map(int, out.split()))
        now = stored(path)
        assert before.items() <= now.items()
        before = now
    process = start(tmp_path, "killed.db")
    out, err = process.communicate()
    assert process.returncode == 0, err
    computed += sum(map(int, out.split()))
    final = stored(path)
    assert killed >= 2
    assert final.keys() == whole.keys()
    assert before.items() <= final.items()
    assert sum(final[key] == whole[key] for key in whole) >= 0.99 * len(whole)
    assert len(whole) <= computed <= len(whole) + 2 * killed, "the batch at work alone is redone"
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
