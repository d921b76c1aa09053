"""Every attack of every other library on two digits models: which run, which do not, and why.

    python benchmarks/foreign.py [--libraries PREFIX ...] [--attacks NAME ...] [--missing]
    python benchmarks/foreign.py --pages

A few images, both goals where an attack has both, with small numbers of steps, in a child process
that is ended after a number of seconds. What is found is kept in ``build/foreign.json``, library by
library; ``--pages`` writes ``docs/adapters/`` and the counts in ``docs/adapters.md`` from it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import foreign_pages

from harness.plugins import Kind, installed
from harness_foreign.tables import libraries

KEPT = Path("build/foreign.json")
MODELS = ("digits-mobilenet_v1_100", "digits-vgg16")
IMAGES, SEED = 2, 0
GOALS = ("untargeted", "random")
SMALL = {
    r"binary_search|search_steps|search_iter|restart|nb_random_init|eot_iter": 1,
    r"^init_size$|^num_trial$|^init_eval$|^sample_size$|num_eval|update_stats": 10,
    r"max_eval|gradient_eval|quer(y|ies)|^k$": 200,
    r"^directions$|^repeats$|population|nb_sample|num_ens|num_xforms|conjugate_s|projected_s": 10,
    r"^(first_)?steps$|iter$|iterations$|nb_iter|n_iter|num_steps|nb_steps|num_iter_set": 20,
}
"""The most that a parameter of such a name is: the tables are about what runs, not how well."""
WHOLE = ("art:GeoDA", "torchattack:GeoDA")
"""They share out their queries, of which they need many."""
BUDGETS = {"linf": 0.2, "l2": 2.0, "l1": 30.0, "l0": 100.0}


def settings(name: str) -> dict[str, Any]:
    """Few steps, the budget of the norm, and something for what has no default."""
    attack = installed().get(Kind.ATTACK, name).load()
    chosen: dict[str, Any] = {}
    for field, info in attack.model_fields.items():
        if field == attack.entry.budget:
            chosen[field] = BUDGETS[attack.norm]
            continue
        small = {} if name.startswith(WHOLE) else SMALL
        limit = next((most for words, most in small.items() if re.search(words, field)), None)
        if limit is not None and (info.is_required() or type(info.default) in (int, float)):
            value = limit if info.is_required() else min(info.default, limit)
            if value != info.default:
                chosen[field] = value
    return chosen


def images() -> tuple[Any, Any]:
    """The first test images, and their labels."""
    from harness_digits.data import digits, split

    pixels, labels = digits()
    rows = split("test")[:IMAGES]
    return pixels[rows], labels[rows]


def tried(name: str) -> dict[str, Any]:
    """What becomes of one attack, on every model and for every goal that it knows."""
    import numpy as np

    import harness

    attack = installed().get(Kind.ATTACK, name).load()
    chosen, (pixels, labels) = settings(name), images()
    found: dict[str, Any] = {"settings": chosen, "norm": attack.norm.value, "goals": {}}
    found["access"] = attack.access.value
    for goal in (goal for goal in GOALS if goal in attack.goals):
        rows = [
            harness.attack(model, pixels, labels, name, goal=goal, seed=SEED, **chosen)
            for model in MODELS
        ]
        again = harness.attack(MODELS[0], pixels[:1], labels[:1], name, goal=goal, seed=SEED,
                               **chosen)  # fmt: skip
        status = np.concatenate([each.status for each in rows])
        distances = np.concatenate([getattr(each, attack.norm.value) for each in rows])
        broken = status == "broken"
        found["goals"][goal] = {
            "images": int((status != "clean_wrong").sum()),
            **{kind: int((status == kind).sum()) for kind in ("broken", "invalid", "error")},
            "distance": float(np.median(distances[broken])) if broken.any() else None,
            "forwards": float(np.mean(np.concatenate([each.forwards for each in rows]))),
            "backwards": float(np.mean(np.concatenate([each.backwards for each in rows]))),
            "repeats": bool(np.array_equal(again.images[0], rows[0].images[0])),
            "reasons": sorted({text for each in rows for text in each.errors if text}),
        }
    return found


def _child(names: Connection, results: Connection) -> None:
    """Tries one attack after the other."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    while True:
        name = names.recv()
        try:
            results.send(tried(name))
        except Exception as error:
            results.send({"failed": f"{type(error).__name__}: {' '.join(str(error).split())}"})


class Trials:
    """A child process that is replaced when it takes too long or dies."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: Any = None

    def of(self, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in names:
            if self._process is None:
                self._start()
            self._names.send(name)
            try:
                if self._results.poll(self._seconds):
                    yield name, self._results.recv()
                    continue
                said = f"took more than {self._seconds:g} s"
            except EOFError:
                said = "its process died"
            self.end()
            yield name, {"failed": said}

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        given, self._names = context.Pipe(duplex=False)
        self._results, taken = context.Pipe(duplex=False)
        self._process = context.Process(target=_child, args=(given, taken), daemon=True)
        self._process.start()
        taken.close()

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", nargs="*", help="their prefixes; by default all")
    parser.add_argument("--attacks", nargs="*", help="only these, by name; by default all")
    parser.add_argument("--missing", action="store_true", help="only what has no result yet")
    parser.add_argument("--seconds", type=float, default=120, help="for one attack")
    parser.add_argument("--pages", action="store_true", help="write the documentation")
    arguments = parser.parse_args()
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    if arguments.pages:
        foreign_pages.write(kept, MODELS, IMAGES)
        return
    trials = Trials(arguments.seconds)
    for library in libraries():
        if arguments.libraries and library.prefix not in arguments.libraries:
            continue
        names = [f"{library.prefix}:{entry.name}" for entry in library.table().entries]
        names = [name for name in names if not arguments.attacks or name in arguments.attacks]
        rows = kept.setdefault(library.prefix, {})
        names = [name for name in names if not (arguments.missing and name in rows)]
        for name, found in trials.of(names):
            rows[name] = found
            print(name, foreign_pages.verdict(found), flush=True)
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(kept, indent=1), "utf-8")
    trials.end()


if __name__ == "__main__":
    main()
