"""CLEVER against a bare loop of the same passes, and against ART's.

    python -W ignore benchmarks/clever.py [--images N] [--batches N] [--samples N] [--repeats N]

The bare loop makes the same forwards and backwards through the same module, in batches of the same
size, on one fixed batch: no samples are drawn, nothing is reduced. Ratios are medians of
repetitions in one process, in which all go on in turn. The fits run in another process, as in a
run; the time until the last of them is done counts. Against ART 1.20.1 (if it is installed) both
score l2, untargeted, at the same number of batches and samples; the scores are shown, not judged.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from measure import interleaved, load_line, ratio
from overhead import jobs_of

from harness.api import Goal
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.engine.measuring import Finished, measure_images
from harness.engine.workers import Workers
from harness.schedule.resolve import Request
from harness_metrics.clever import Clever

BATCH = 64


def bare(
    model: PixelClassifier, jobs: Sequence[Job], passes: int, directions: int
) -> Iterator[None]:
    """``passes`` passes for each image, each with a backward for every direction."""
    for job in jobs:
        images = job.image.expand(BATCH, -1, -1, -1).contiguous(memory_format=model.memory_format)
        cotangents = torch.randn(directions, BATCH, model.classes)
        for _ in range(passes):
            point = images.detach().requires_grad_(True)
            logits = model.forward(point)
            for number, cotangent in enumerate(cotangents, start=1):
                torch.autograd.grad(logits, point, cotangent, retain_graph=number < directions)
        yield


def ours(
    clever: Clever, model: PixelClassifier, jobs: Sequence[Job], workers: Workers
) -> Iterator[list[Finished]]:
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
    passes = len(clever.norms) * clever.batches * clever.samples // BATCH
    results = interleaved(
        {
            "bare": lambda: bare(model, jobs, passes, 1 if targeted else model.classes - 1),
            "clever": lambda: ours(clever, model, jobs, workers),
        },
        repeats=repeats,
    )
    for name, each in results.items():
        print(f"{title:24} {name:8} {each.median:7.2f} s  (spread {each.spread:4.0%})")
    value = ratio(results["clever"], results["bare"])
    print(f"{title:24} ratio    {value:7.3f}    {load_line()}", flush=True)


def against_art(
    clever: Clever, model: PixelClassifier, jobs: Sequence[Job], workers: Workers, repeats: int
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
    theirs: dict[str, float] = {}
    mine: dict[str, float] = {}

    def run_art() -> Iterator[None]:
        for job in jobs:
            theirs[job.image_id] = clever_u(
                *(art, job.image.numpy(), clever.batches, clever.samples),
                *(clever.radius_l2, 2),
                verbose=False,
            )
            yield

    def run_ours() -> Iterator[None]:
        for rows in ours(clever, model, jobs, workers):
            mine.update({row.job.image_id: row.numbers["l2.score"] for row in rows})
            yield

    results = interleaved({"art": run_art, "clever": run_ours}, repeats=repeats)
    for name, each in results.items():
        print(f"{'untargeted l2':24} {name:8} {each.median:7.2f} s  (spread {each.spread:4.0%})")
    value = ratio(results["clever"], results["art"])
    print(f"{'untargeted l2':24} ratio    {value:7.3f}    {load_line()}")
    for job in jobs:
        print(f"{job.image_id}: ours {mine[job.image_id]:.4f}, ART {theirs[job.image_id]:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load_line()}")
    request = Request(suite="digits18", models=["digits-resnet_v2_50"], goals=[Goal.RANDOM])
    model, targeted = jobs_of(request, [], chosen.images)
    untargeted = [replace(job, target=None) for job in targeted]
    clever = Clever(norms=("l2",), batches=chosen.batches, samples=chosen.samples)
    with Workers() as workers:
        for _ in ours(clever.model_copy(update={"batches": 5}), model, targeted[:1], workers):
            pass  # starts the process
        compare("targeted", clever, model, targeted, workers, chosen.repeats)
        compare("untargeted, 10 classes", clever, model, untargeted, workers, chosen.repeats)
        against_art(clever, model, untargeted, workers, chosen.repeats)


if __name__ == "__main__":
    main()
