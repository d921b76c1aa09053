"""Smallest distances when the others have four times our passes.

    python benchmarks/depth.py [--norms linf,l2] [--models a,digits-vgg16] [--images 32]

Ours are FMN in linf, l2 and l1 and sigma-zero in l0, on the same images of the same models, random
targets and untargeted. Of each rival:
the ratio of our mean distance to its, over the images that both broke, and how many more we broke.
A ratio above 1 is a rival that finds nearer points. No seconds: `peers.py` has those.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from contest_nearest import ATTACKS, ORDERS, adv_lib_attack
from peers import Case, ours
from rivals import Rival, adv_lib, batched
from subjects import Subject, digits_model, model_a, photographs
from torch import Tensor

from harness.api import SteppedAttack
from harness_attacks.nearest.sigma_zero import SigmaZero

MODELS = (
    "a,digits-vgg16,digits-resnet_v2_50,digits-inception_v3,"
    "mobilenet_v1_025_128,mobilenet_v1_050_160,mobilenet_v1_075_192"
)
WIDEST = {"linf": 0.5, "l2": 10.0, "l1": 100.0}
"""Where the search for the smallest epsilon begins."""


def minimal_apgd(norm: str, steps: int, *, attempts: int = 20) -> Rival:
    """Auto-PGD with a binary search over epsilon, ``steps`` over all attempts."""

    def attack(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        adv_lib()
        from adv_lib.attacks.auto_pgd import minimal_apgd as search

        found: Tensor = search(
            subject.network,
            images,
            targets if subject.targeted else labels,
            norm=ORDERS[norm],
            max_eps=WIDEST[norm],
            targeted=subject.targeted,
            binary_search_steps=attempts,
            n_iter=steps // attempts,
        )
        return found

    return batched(attack)


def others(norm: str, steps: int, *, targeted: bool) -> Mapping[str, Rival]:
    """Rivals in ``norm`` with ``steps`` forward passes with a backward pass; adv-lib's."""
    order = ORDERS[norm]
    found = {"fmn": adv_lib_attack("fmn", norm=order, steps=steps)}
    if norm == "l2":
        found["ddn"] = adv_lib_attack("ddn", steps=steps)
        found["alma"] = adv_lib_attack("alma", num_steps=steps)
        found["pdgd"] = adv_lib_attack("pdgd", num_steps=steps)
    if norm in ("l1", "linf"):
        found["pdpgd"] = adv_lib_attack("pdpgd", norm=order, num_steps=steps)
    if norm != "l0" and not (norm == "linf" and targeted):  # its targeted loss is for 4 classes
        found["apgd, epsilon searched"] = minimal_apgd(norm, steps)
    if norm == "l0" and not targeted:
        found["sigma-zero"] = adv_lib_attack("sigma_zero", num_steps=steps)
    return found


def chosen(names: str, images: int, folder: Path) -> Iterator[Subject]:
    for name in names.split(","):
        if name == "a":
            yield model_a(images, 128)
        elif name.startswith("digits-"):
            yield digits_model(name, images, 64)
        elif folder.is_dir():
            yield photographs(name, folder, max(1, images // 8), 8)
        else:
            print(f"{name} left out: no {folder}")


def distances(subject: Subject, case: Case, norm: str) -> Tensor:
    """Of each image, inf where the goal was not reached."""
    images = case(subject)
    logits = torch.cat([subject.model.predict(part) for part in images.split(subject.batch)])
    delta = (images - subject.images).flatten(1).double()
    found = torch.linalg.vector_norm(delta, ORDERS[norm], dim=1)
    return torch.where(subject.reached(logits.argmax(1)), found, torch.inf)


def compare(subject: Subject, norm: str, steps: int, factor: int) -> None:
    goal = "random targets" if subject.targeted else "untargeted"
    attack: type[SteppedAttack] = SigmaZero if norm == "l0" else ATTACKS[norm]
    own = distances(subject, ours(attack(steps=steps)), norm)
    broken = own.isfinite()
    print(
        f"\n{subject.name}, {len(own)} images, {norm}, {goal}: harness, {steps} passes: broken"
        f" {int(broken.sum())}, median {own.median():.5g}, mean {own[broken].mean():.5g}",
        flush=True,
    )
    for name, rival in others(norm, factor * steps, targeted=subject.targeted).items():
        try:
            theirs = distances(subject, rival, norm)
        except RuntimeError as error:
            print(f"  {name}, {factor * steps}: {error}")
            continue
        both = broken & theirs.isfinite()
        if not both.any():
            print(f"  {name}, {factor * steps}: breaks none")
            continue
        share = own[both].mean() / theirs[both].mean()
        more = int(broken.sum() - theirs.isfinite().sum())
        nearer = int((theirs[both] < 0.999 * own[both]).sum())
        print(
            f"  {name}, {factor * steps}: ratio {share:.4f} on {int(both.sum())}, broken {more:+d},"
            f" nearer on {nearer} images",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--norms", default="linf,l2,l1,l0")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--images", type=int, default=32, help="on photographs an eighth of them")
    parser.add_argument("--steps", type=int, default=500, help="ours")
    parser.add_argument("--factor", type=int, default=4, help="how many times as many they have")
    parser.add_argument("--imagenet-mini", type=Path, default=Path("../shared/imagenet-mini"))
    arguments = parser.parse_args()
    for subject in chosen(arguments.models, arguments.images, arguments.imagenet_mini):
        for norm in arguments.norms.split(","):
            for goal in (subject, subject.untargeted()):
                compare(goal, norm, arguments.steps, arguments.factor)


if __name__ == "__main__":
    main()
