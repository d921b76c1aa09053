"""Whether a model's two forward passes give the same statuses: ONNX Runtime's, and torch's.

    python benchmarks/forwards.py [--imagenet-mini FOLDER] [--models GLOB] [--photographs N]
        [--images N]

The loader ``onnx`` predicts and judges with ONNX Runtime, and takes gradients through the graph
in torch. Each MobileNet of ``examples/imagenet-mini.yaml`` is attacked twice: as it is loaded, and
with torch's forward pass in the place of ONNX Runtime's. Named are the images whose clean class, or
whose status under an attack, differs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from subjects import OVERLAY

from harness.api import AttackParameters
from harness.api.goal import random_target
from harness.engine.batches import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.execute.images import Images
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import Resolved, prepare
from harness.resolve.request import Request
from harness_attacks.sign.fgsm import FGSM, IFGSM

BATCH = 25
MODELS = (
    "mobilenet_v1_025_128",
    "mobilenet_v1_050_160",
    "mobilenet_v1_075_192",
    "mobilenet_v2_100_224",
)
CASES: tuple[tuple[str, AttackParameters, bool], ...] = (
    ("FGSM at 0.005, untargeted", FGSM(epsilon=0.005), False),
    ("FGSM at 0.03, random", FGSM(epsilon=0.03), True),
    ("I-FGSM at 0.005, 10 steps, random", IFGSM(epsilon=0.005, steps=10), True),
)


def pair(resolved: Resolved) -> tuple[PixelClassifier, PixelClassifier]:
    """The model with ONNX Runtime's forward pass, and with torch's."""
    ((loader, spec),) = resolved.models.values()
    found = loader.load(spec, "cpu")
    both = (found, replace(found, forward=None))
    device = torch.device("cpu")
    runtime, ours = (PixelClassifier(each, device=device, fold_batch_norm=True) for each in both)
    return runtime, ours


def jobs(resolved: Resolved, count: int) -> list[Job]:
    """Untargeted jobs of the first images of the plan."""
    ((_, spec),) = resolved.models.values()
    images = Images(resolved.dataset)
    return [
        Job(
            "bench",
            each.id,
            images.read(each.id, spec.preprocessing.shape),
            each.label,
            None,
            seed=n,
        )
        for n, each in enumerate(resolved.plan.cells[0].images[:count])
    ]


def targeted(job: Job, classes: int) -> Job:
    target = random_target(
        seed=0, dataset="bench", image_id=job.image_id, label=job.label, classes=classes
    )
    return replace(job, target=target)


def statuses(
    attack: AttackParameters, model: PixelClassifier, work: Sequence[Job]
) -> dict[str, str]:
    found = attack_images(attack, model, iter(work), batch_size=BATCH, on_halving=lambda size: None)
    return {row.job.image_id: str(row.outcome.status) for rows in found for row in rows}


def compare(name: str, folder: Path, photographs: int, count: int) -> None:
    request = Request(suite="imagenet-mini", models=[name], data={"imagenet": folder / "images"})
    resolved = prepare(request, load([OVERLAY]), installed())
    runtime, ours = pair(resolved)
    work = jobs(resolved, photographs)
    pixels = torch.stack([job.image for job in work])
    logits = [
        torch.cat([model.predict(part) for part in pixels.split(BATCH)])
        for model in (runtime, ours)
    ]
    difference = (logits[0] - logits[1]).abs().max() / logits[0].abs().max()
    other = (logits[0].argmax(1) != logits[1].argmax(1)).nonzero().flatten().tolist()
    print(f"\n{name}: logits of {len(work)} photographs differ by {difference:.1e} of the largest")
    print(f"  clean class: {len(other)} differ", *(work[row].image_id for row in other))
    for label, attack, aimed in CASES:
        these = [targeted(job, runtime.classes) if aimed else job for job in work[:count]]
        one, two = (statuses(attack, model, these) for model in (runtime, ours))
        differing = [image for image in one if one[image] != two[image]]
        broken = sum(status == "broken" for status in one.values())
        print(
            f"  {label}: {broken} of {len(one)} broken, {len(differing)} differ",
            *differing,
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--imagenet-mini", type=Path, default=Path("../shared/imagenet-mini"))
    parser.add_argument("--models", default="*", help="a glob; default: all four")
    parser.add_argument("--photographs", type=int, default=250, help="of the clean classes")
    parser.add_argument("--images", type=int, default=100, help="of each attack")
    asked = parser.parse_args(arguments)
    chosen = [name for name in MODELS if fnmatchcase(name, asked.models)]
    if not chosen:
        parser.error(f"--models {asked.models}: none of {', '.join(MODELS)}")
    for name in chosen:
        compare(name, asked.imagenet_mini, asked.photographs, asked.images)


if __name__ == "__main__":
    main()
