"""Which failure indicators the stored results of sound models raise: there should be none.

    harness run --suite digits18 --db sound.db \\
      --attacks fgsm*,ifgsm*,cw*,ead*,apgd-linf:epsilon=0.03,fmn-linf,square-linf:epsilon=0.03
    python benchmarks/false_alarms.py sound.db

Every attack and goal of the database's latest suite is looked at, and every model. Exit code 1
where anything is raised.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.analysis.indicated import of_attack, of_model
from harness.analysis.indicators import Indicator, distinct
from harness.analysis.place import accuracy_of
from harness.analysis.results import Results, SuiteResults
from harness.store.database import snapshot


def raised(suite: SuiteResults) -> Iterator[Indicator]:
    """All indicators of a suite's models and of what attacked them."""
    for trial in suite.every_trial:
        for model in trial.models:
            published = trial.model(model).published
            accuracy = accuracy_of(trial.predictions(model), published, "measured")
            yield from of_model(trial, model, accuracy)
            yield from of_attack(trial, model)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("db", type=Path)
    parser.add_argument("--suite")
    asked = parser.parse_args()
    with snapshot(asked.db) as db:
        suite = Results(db).suite(asked.suite)
        found = distinct(raised(suite))
        trials = [trial for trial in suite.every_trial if trial.cells]
        cells = sum(len(trial.cells) for trial in trials)
    for each in found:
        print(f"{each.model}: {each.name}: {each.says}")
    print(
        f"{suite.name}: {len(suite.models)} models, {len(trials)} attacks and goals, {cells} cells:"
        f" {len(found)} indicators"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
