"""What it costs to keep the best point over every query, beside the passes themselves.

    python benchmarks/best_query.py [--steps N] [--repeats N] [--imagenet-mini FOLDER]

A whole-batch attack asks for a gradient at each of N points. Two targets get the same calls in
turn, one that keeps best queries and one that does not; the seconds are this process's own, so that
others on the machine do not count. ``nothing found``: no query is adversarial, as while an attack
has not succeeded. ``always nearer``: every query is adversarial and nearer than all before, the
most that there can be to do. Ratios are medians over the repetitions; memory is that of the kept
images and their originals.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from measure import load_line
from subjects import Subject, digits_model, model_a, photographs

from harness.api import Batch
from harness.engine.best import BestQueries
from harness.engine.target import CountingTarget
from harness_attacks.penalty.cw import CW
from harness_attacks.sign.fgsm import IFGSM

PHOTOGRAPHS = (
    "mobilenet_v1_025_128",
    "mobilenet_v1_050_160",
    "mobilenet_v1_075_192",
    "mobilenet_v2_100_224",
)
ATTACKS = {"linf": IFGSM(), "l2": CW()}


def batch_of(subject: Subject, *, found: bool) -> Batch:
    """Its images with a goal that every query reaches, or that none does."""
    count = len(subject.images)
    logits = subject.model.predict(subject.images)
    classes = logits.argmin(1)  # untargeted, whatever is not this class is adversarial
    return Batch(
        images=subject.images,
        labels=classes,
        classes=classes,
        targeted=torch.full((count,), not found),
        seeds=tuple(range(count)),
    )


def seconds(subject: Subject, norm: str, steps: int, *, found: bool) -> tuple[float, float]:
    """Of ``steps`` forward and backward passes, without and with best queries."""
    model, batch, attack = subject.model, batch_of(subject, found=found), ATTACKS[norm]
    count = len(batch.images)
    best = BestQueries(attack, model, count)
    best.load(torch.arange(count), batch)
    targets = [
        CountingTarget(model, attack, count),
        CountingTarget(model, attack, count, best=best),
    ]
    away = torch.where(batch.images > 0.5, -0.01, 0.01)
    spent = [0.0, 0.0]
    for step in range(steps):
        points = batch.images + away * (1 - step / steps)
        for which in (0, 1) if step % 2 else (1, 0):
            start = time.process_time()
            targets[which].gradient(points, lambda logits: logits[:, 0])
            spent[which] += time.process_time() - start
    kept = int(best.found.distance.isfinite().sum())
    if kept != (count if found else 0):
        raise AssertionError(f"{kept} of {count} have a best query")
    return spent[0], spent[1]


def report(subject: Subject, steps: int, repeats: int) -> float:
    """Prints a subject's figures; returns the largest ratio."""
    count = len(subject.images)
    seconds(subject, "l2", 2, found=True)  # what is only made once
    largest = 0.0
    for norm in ATTACKS:
        for name, found in (("nothing found", False), ("always nearer", True)):
            each = [seconds(subject, norm, steps, found=found) for _ in range(repeats)]
            ratio = statistics.median(kept / plain for plain, kept in each)
            spread = max(kept / plain for plain, kept in each) - ratio
            plain = statistics.median(plain for plain, _ in each) / steps / count
            largest = max(largest, ratio)
            print(
                f"{subject.name:26} {norm:5} {name:14} pass {1e3 * plain:8.3f} ms an image"
                f"   cost {ratio - 1:+7.2%} (spread {spread:.2%})",
                flush=True,
            )
    values = subject.images[0].numel()
    print(f"{subject.name:26} memory {2 * 4 * values * count / 2**20:.2f} MiB of {count} images")
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--imagenet-mini", type=Path, default=Path("../shared/imagenet-mini"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, {load_line()}")
    for subject in (model_a(64, 64), digits_model("digits-resnet_v2_50", 64, 64)):
        report(subject, arguments.steps, arguments.repeats)
    if not arguments.imagenet_mini.is_dir():
        print(f"the photographs are left out: no {arguments.imagenet_mini}")
        return
    largest = max(
        report(photographs(name, arguments.imagenet_mini, 8, 8), arguments.steps, arguments.repeats)
        for name in PHOTOGRAPHS
    )
    print(f"the photographs' largest cost: {largest - 1:.2%} of a forward and backward pass")


if __name__ == "__main__":
    main()
