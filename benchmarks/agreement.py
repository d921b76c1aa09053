"""How far two runs of the same models agree: rank correlations of their leaderboards.

    harness run --suite digits18-full --db full.db
    harness run --suite digits18 --db short.db
    python benchmarks/agreement.py full.db short.db

For each attack that minimises the distortion, and each goal: Spearman's correlation of the models'
mean distortions and of their frontier residuals, and how many models each frontier has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scipy.stats import spearmanr

BOARDS = (
    ("ifgsm epsilon=search*", ("random", "least-likely")),
    ("cw*", ("untargeted", "random")),
    ("ead*", ("untargeted", "random")),
)

Board = Mapping[str, Mapping[str, Any]]


def board(db: str, attack: str, goal: str) -> Board:
    """The records of a leaderboard by model."""
    harness = Path(sys.executable).with_name("harness")
    options = ["--attack", attack, "--goal", goal, "--format", "json", "--db", db]
    done = subprocess.run([harness, "leaderboard", *options], check=True, capture_output=True)
    return {record["model"]: record for record in json.loads(done.stdout)["rows"]}


def correlation(one: Board, other: Board, key: str) -> float:
    """Spearman's, over the models that have the value on both."""
    pairs = [(one[model][key], other[model][key]) for model in one.keys() & other.keys()]
    return float(
        spearmanr(*zip(*(pair for pair in pairs if None not in pair), strict=True)).statistic
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("databases", nargs=2)
    databases = parser.parse_args().databases
    print("attack                 goal           mean distortion   residual   on the frontiers")
    for attack, goals in BOARDS:
        for goal in goals:
            one, other = (board(db, attack, goal) for db in databases)
            frontiers = [sum(row["on_frontier"] for row in each.values()) for each in (one, other)]
            print(
                f"{attack:22} {goal:12} {correlation(one, other, 'distortion_mean'):17.2f}"
                f" {correlation(one, other, 'frontier_distance'):10.2f}"
                f"   {frontiers[0]}, {frontiers[1]}",
                flush=True,
            )


if __name__ == "__main__":
    main()
