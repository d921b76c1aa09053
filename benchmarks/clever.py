"""CLEVER against a bare loop of the same passes, and against ART's.

    python -W ignore benchmarks/clever.py [--images N] [--batches N] [--samples N] [--repeats N]
        [--parts loop art saving]

The bare loop makes the same forward and backward passes through the same module, in batches of the
same size, on one fixed batch: no samples are drawn, nothing is reduced. Ratios are medians of
repetitions in one process, in which all go on in turn. The fits run in another process, as in a
run; the time until the last of them is done counts. Against ART 1.20.1 (if it is installed) both
score l2, untargeted, at the same number of batches and samples. ART draws its batches from a pool
of as many samples as ours, or of 10 batches' worth, its default; the scores are shown, not judged.
Last: what the sequential stop saves at a tolerance.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from measure import interleaved, load_line, ratio
from overhead import jobs_of
from subjects import model_a

from harness.api import Goal, Measured
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.engine.measurements import measure_images
from harness.engine.workers import Workers
from harness.resolve.request import Request
from harness.testing.fakes import jobs_for, plane_model
from harness_metrics.clever import Clever

BATCH = 256
"""What a run takes for images of this size."""


def bare(
    model: PixelClassifier, jobs: Sequence[Job], samples: int, directions: int
) -> Iterator[None]:
    """Passes of ``samples`` for each image, each with a backward for every direction."""
    sizes = [BATCH] * (samples // BATCH) + [rest for rest in (samples % BATCH,) if rest]
    for job in jobs:
        images = job.image.expand(BATCH, -1, -1, -1).contiguous(memory_format=model.memory_format)
        cotangents = torch.randn(directions, BATCH, model.classes)
        for size in sizes:
            point = images[:size].detach().requires_grad_(True)
            logits = model.forward(point)
            for number, cotangent in enumerate(cotangents[:, :size], start=1):
                torch.autograd.grad(logits, point, cotangent, retain_graph=number < directions)
        yield


def ours(
    clever: Clever, model: PixelClassifier, jobs: Sequence[Job], workers: Workers
) -> Iterator[list[Measured]]:
    return measure_images(
        *(clever, model, iter(jobs), workers),
        batch_size=BATCH,
        on_halving=print,
        on_pass=lambda: None,
    )


def compare(
    title: str,
    clever: Clever,
    model: PixelClassifier,
    jobs: Sequence[Job],
    workers: Workers,
    repeats: int,
) -> None:
    targeted = jobs[0].target is not None
    samples = len(clever.norms) * clever.batches * clever.samples
    results = interleaved(
        {
            "bare": lambda: bare(model, jobs, samples, 1 if targeted else model.classes - 1),
            "clever": lambda: ours(clever, model, jobs, workers),
        },
        repeats=repeats,
    )
    for name, each in results.items():
        print(f"{title:24} {name:8} {each.median:7.2f} s  (spread {each.spread:4.0%})")
    value = ratio(results["clever"], results["bare"])
    print(f"{title:24} ratio    {value:7.3f}    {load_line()}", flush=True)


def against_art(
    title: str,
    clever: Clever,
    model: PixelClassifier,
    jobs: Sequence[Job],
    workers: Workers,
    repeats: int,
) -> None:
    try:
        from art.estimators.classification import PyTorchClassifier
        from art.metrics import clever_u
    except ImportError:
        print("ART left out: adversarial-robustness-toolbox is not installed")
        return
    art = PyTorchClassifier(
        model.differentiable, torch.nn.CrossEntropyLoss(), model.shape, model.classes
    )
    scores: dict[str, list[float]] = {}

    def run_art(name: str, pool: int) -> Iterator[None]:
        scores[name] = []
        for job in jobs:
            score = clever_u(
                *(art, job.image.numpy(), clever.batches, clever.samples),
                *(clever.radius_l2, 2),
                pool_factor=pool,
                verbose=False,
            )
            scores[name].append(score)
            yield

    def run_ours() -> Iterator[None]:
        scores["ours"] = []
        for rows in ours(clever, model, jobs, workers):
            scores["ours"] += [row.numbers["l2.score"] for row in rows]
            yield

    same, default = "art, as many samples", "art, a pool of 10 batches"
    results = interleaved(
        {
            same: lambda: run_art(same, clever.batches),
            default: lambda: run_art(default, 10),
            "ours": run_ours,
        },
        repeats=repeats,
    )
    for name, each in results.items():
        print(f"{title:24} {name:26} {each.median:7.2f} s  (spread {each.spread:4.0%})")
        print(f"{title:24} scores: {' '.join(f'{score:.4f}' for score in scores[name])}")
    for name in (same, default):
        print(f"{title:24} ours / {name}: {ratio(results['ours'], results[name]):.3f}", flush=True)
    print(load_line())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=["loop", "art", "saving"])
    chosen = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load_line()}")
    request = Request(suite="digits18", models=["digits-resnet_v2_50"], goals=[Goal.RANDOM])
    model, targeted = jobs_of(request, [], chosen.images)
    untargeted = without(targeted)
    clever = Clever(norms=("l2",), batches=chosen.batches, samples=chosen.samples)
    with Workers() as workers:
        for _ in ours(clever.model_copy(update={"batches": 5}), model, targeted[:1], workers):
            pass  # starts the process
        if "loop" in chosen.parts:
            for title, jobs in (("targeted", targeted), ("untargeted, 10 classes", untargeted)):
                compare(title, clever, model, jobs, workers, chosen.repeats)
        if "art" in chosen.parts:
            few = chosen.repeats
            against_art("untargeted, ResNet-v2-50", clever, model, untargeted, workers, few)
            small = model_a(chosen.images, BATCH)
            against_art(
                "untargeted, model A", clever, small.model, without(small.jobs), workers, few
            )
        if "saving" in chosen.parts:
            saving("ResNet-v2-50", clever, model, targeted, workers)
            plane = plane_model(lambda at: 1 + at[:, 0] - 0.7 * at[:, 1] ** 2)
            points = torch.rand((4, 3, 1, 1), generator=torch.Generator().manual_seed(0))
            on_plane = jobs_for(plane, points, [None] * 4)
            saving("a parabola in the plane", clever, plane, on_plane, workers)


def without(jobs: Sequence[Job]) -> list[Job]:
    """The same images, untargeted."""
    return [replace(job, target=None) for job in jobs]


def saving(
    title: str, clever: Clever, model: PixelClassifier, jobs: Sequence[Job], workers: Workers
) -> None:
    """The batches spared by a sequential stop, and what it does to the scores."""
    whole = clever.model_copy(update={"batches": 500})
    rows = {
        tolerance: [
            row
            for found in ours(
                whole.model_copy(update={"tolerance": tolerance}), model, jobs, workers
            )
            for row in found
        ]
        for tolerance in (None, 0.1, 0.2, 0.5)
    }
    exact = [row.numbers["l2.score"] for row in rows[None]]
    for tolerance, found in rows.items():
        spared = sum(row.numbers["l2.saved_batches"] for row in found) / (500 * len(found))
        off = [
            abs(row.numbers["l2.score"] / score - 1)
            for row, score in zip(found, exact, strict=True)
        ]
        print(
            f"{title}, tolerance {tolerance}: {spared:4.0%} of 500 batches spared,"
            f" scores off by {sum(off) / len(off):.1%} on average, {max(off):.1%} at most"
        )


if __name__ == "__main__":
    main()
