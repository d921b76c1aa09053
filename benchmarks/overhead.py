"""The engine's overhead: ``ifgsm`` 9 x 50 against a bare loop of the nominal passes.

    python benchmarks/overhead.py [--repeats N] [--device cuda:0] [--imagenet-mini FOLDER]

The bare loop makes, for the same images at the same batch size through the same module, 9 T
forwards with `autograd.grad` of the input and 9 more forwards; nothing else. The goal is random.
Ratios are medians of repetitions in one process, in which both go on in turn, a second each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from measure import interleaved, load_line, ratio

from harness.api import Goal
from harness.api.goal import random_target
from harness.engine.batches import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.device import synchronise
from harness.engine.jobs import Job
from harness.execute.images import Images
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import prepare
from harness.resolve.request import Request
from harness_attacks.sign.fgsm import IFGSM

STEPS, ATTEMPTS = 50, 9


def jobs_of(
    request: Request, overlays: Sequence[Path], count: int, device: str = "cpu"
) -> tuple[PixelClassifier, list[Job]]:
    """The model of ``request`` and its first ``count`` correctly classified images."""
    resolved = prepare(request, load(overlays), installed())
    (name,) = resolved.models
    loader, spec = resolved.models[name]
    model = PixelClassifier(
        loader.load(spec, device), device=torch.device(device), fold_batch_norm=True
    )
    images, jobs = Images(resolved.dataset), []
    for planned in resolved.plan.cells[0].images:
        picture = images.read(planned.id, spec.preprocessing.shape)
        if model.predict(picture[None].to(model.device)).argmax().item() != planned.label:
            continue
        target = random_target(
            seed=0,
            dataset="benchmark",
            image_id=planned.id,
            label=planned.label,
            classes=model.classes,
        )
        jobs.append(Job("cell", planned.id, picture, planned.label, target, seed=0))
        if len(jobs) == count:
            break
    return model, jobs


def bare(model: PixelClassifier, jobs: Sequence[Job], batch_size: int) -> Iterator[None]:
    """The nominal passes, and nothing else; yields about once a second."""
    beat = time.perf_counter()
    for start in range(0, len(jobs), batch_size):
        images = torch.stack([job.image for job in jobs[start : start + batch_size]])
        images = images.to(model.device).contiguous(memory_format=model.memory_format)
        # Not drawn: the guard of the attack beside it would take that for the attack's.
        cotangent = torch.ones(len(images), model.classes, device=model.device)
        for _ in range(ATTEMPTS):
            for _ in range(STEPS):
                point = images.detach().requires_grad_(True)
                torch.autograd.grad(model.forward(point), point, cotangent)
                if time.perf_counter() - beat >= 1:
                    synchronise(model.device)
                    yield
                    beat = time.perf_counter()
            with torch.no_grad():
                model.forward(images)
    synchronise(model.device)


def harnessed(model: PixelClassifier, jobs: Sequence[Job], batch_size: int) -> Iterator[object]:
    """The attack, verdicts included; its heartbeats come about once a second too."""
    attack = IFGSM(steps=STEPS, attempts=ATTEMPTS)
    for judged in attack_images(
        attack, model, iter(jobs), batch_size=batch_size, on_halving=lambda size: None
    ):
        synchronise(model.device)
        yield judged


def compare(
    title: str, model: PixelClassifier, jobs: Sequence[Job], batch: int, repeats: int
) -> float:
    """Prints both, and returns their ratio."""
    warm = jobs[: max(1, batch // 4)]
    for _ in attack_images(
        IFGSM(steps=2, attempts=2), model, iter(warm), batch_size=batch, on_halving=print
    ):
        pass
    results = interleaved(
        {
            "bare": lambda: bare(model, jobs, batch),
            "harness": lambda: harnessed(model, jobs, batch),
        },
        repeats=repeats,
    )
    for name, each in results.items():
        print(
            f"{title:28} {name:8} {each.median:7.2f} s  (spread {each.spread:4.0%})  "
            f"peak {each.peak_mib:6.0f} MiB"
        )
    value = ratio(results["harness"], results["bare"])
    print(f"{title:28} ratio    {value:7.3f}    {load_line()}", flush=True)
    return value


def measured(device: str, repeats: int) -> float:
    """The ratio on ``device``: a network of the embedded suite, 64 images at a time."""
    request = Request(suite="digits18", models=["digits-resnet_v2_50"], goals=[Goal.RANDOM])
    model, jobs = jobs_of(request, [], 64, device)
    return compare(f"digits-resnet_v2_50, 64, {device}", model, jobs, 64, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--imagenet-mini", type=Path, default=Path("../shared/imagenet-mini"))
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load_line()}")
    measured(arguments.device, arguments.repeats)
    if not arguments.imagenet_mini.is_dir():
        print(f"MobileNet-0.50-160 left out: no {arguments.imagenet_mini}")
        return
    request = Request(
        suite="imagenet-mini",
        models=["mobilenet_v1_050_160"],
        data={"imagenet": arguments.imagenet_mini / "images"},
    )
    overlay = Path(__file__).parent.parent / "examples" / "imagenet-mini.yaml"
    model, jobs = jobs_of(request, [overlay], 8, arguments.device)
    compare("mobilenet_v1_050_160, 8", model, jobs, 8, arguments.repeats)


if __name__ == "__main__":
    main()
