"""Our standard AutoAttack against the original code: image by image, passes and time.

    python -m pip install -e '.[bench]' pyautoattack
    python benchmarks/autoattack.py [--quick] [--repeats N] [--imagenet-mini FOLDER]

Both attack the same images through the same network object with frozen weights, in turn, a second
each, in one process. A pass is a forward or a backward pass of one image. What theirs breaks and
ours does not is named. Targeted APGD alone shows what the order of target classes does.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure import Measured, Passes, Presence, interleaved, load_line, ratio
from peers import Case, bare
from subjects import Subject, digits_model, model_a, photographs
from torch import Tensor

from harness.api import AttackParameters, Status
from harness.engine.batches import attack_images
from harness.engine.jobs import Judged
from harness_attacks.ascent.apgd import APGDLinf
from harness_attacks.autoattack import AutoAttackLinf


def attacked(attack: AttackParameters, subject: Subject) -> list[Judged]:
    """The verdicts, in the images' order."""
    stream = attack_images(
        attack,
        subject.model,
        iter(subject.jobs),
        batch_size=subject.batch,
        on_halving=lambda size: None,
    )
    return sorted((row for rows in stream for row in rows), key=lambda row: int(row.job.image_id))


def passes_of(rows: Sequence[Judged]) -> float:
    """Forward and backward passes of an image, on average, without verdicts."""
    made = [row.outcome.passes.forwards + row.outcome.passes.backwards for row in rows]
    return sum(made) / max(1, len(made))


def original(epsilon: float) -> Case:
    """pyautoattack's standard version; the images as it leaves them."""

    def run(subject: Subject) -> Tensor:
        from pyautoattack import AutoAttack

        attack = AutoAttack(subject.network, norm="Linf", eps=epsilon, seed=0, device="cpu")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # It asks for views that images in channels-last order do not have.
            found, _ = attack.run_standard_evaluation(
                subject.images.contiguous(), subject.labels, batch_size=subject.batch
            )
        return found.detach()

    return run


@dataclass
class Sides:
    """What came of the cases, and what each took."""

    results: dict[str, Any]
    passes: dict[str, Passes]
    seconds: dict[str, Measured]


def in_turn(subject: Subject, cases: Mapping[str, Callable[[Subject], Any]], repeats: int) -> Sides:
    """All cases on the subject, a second of each in turn."""
    results: dict[str, Any] = {}
    counts: dict[str, Passes] = {}

    def sliced(name: str) -> Iterator[None]:
        def work() -> None:
            results[name] = cases[name](subject)

        counts[name] = Passes()
        return subject.network.turns.sliced(work, counts[name])

    seconds = interleaved({name: partial(sliced, name) for name in cases}, repeats=repeats)
    return Sides(results, counts, seconds)


def ascents(subject: Subject, epsilon: float) -> tuple[Tensor, float]:
    """The first two members alone: whether they break each image, and passes of an image."""
    first, targeted = AutoAttackLinf(epsilon=epsilon).members()[:2]
    rows = attacked(first, subject)
    broken = torch.tensor([row.outcome.status is Status.BROKEN for row in rows])
    passes = passes_of(rows)
    left = (~broken).nonzero().flatten()
    if len(left):
        rows = attacked(targeted, chosen(subject, left))
        broken[left] = torch.tensor([row.outcome.status is Status.BROKEN for row in rows])
        passes += passes_of(rows) * len(rows) / len(broken)
    return broken, passes


def chosen(subject: Subject, rows: Tensor) -> Subject:
    return replace(
        subject,
        images=subject.images[rows],
        labels=subject.labels[rows],
        targets=subject.targets[rows],
    )


def compare(subject: Subject, epsilon: float, repeats: int) -> None:
    """A paragraph: who breaks what, in how many passes and seconds."""
    ours_of = partial(attacked, AutoAttackLinf(epsilon=epsilon))
    sides = in_turn(subject, {"ours": ours_of, "theirs": original(epsilon)}, repeats)
    count, rows = len(subject.images), sides.results["ours"]
    ours = torch.tensor([row.outcome.status is Status.BROKEN for row in rows])
    theirs = subject.model.predict(sides.results["theirs"]).argmax(1) != subject.labels
    only = (theirs & ~ours).nonzero().flatten().tolist()
    common = (theirs & ours).nonzero().flatten()
    done = sides.passes["theirs"]
    their_passes = (done.forwards + done.backwards) / count
    print(
        f"\n{subject.name}, linf {epsilon:.5g}, {count} images, batch {subject.batch}\n"
        f"  broken: ours {int(ours.sum())}, theirs {int(theirs.sum())}; "
        f"only by theirs: {', '.join(map(str, only)) or 'none'}; "
        f"only by ours: {int((ours & ~theirs).sum())}\n"
        f"  passes of an image: ours {passes_of(rows):.1f}, theirs {their_passes:.1f}, "
        f"ratio {passes_of(rows) / their_passes:.3f}"
    )
    if len(common):
        counted = subject.network.turns.passes = Passes()
        original(epsilon)(chosen(subject, common))
        theirs_here = (counted.forwards + counted.backwards) / len(common)
        ours_here = passes_of([rows[row] for row in common.tolist()])
        print(
            f"  of one that both break: ours {ours_here:.1f}, theirs {theirs_here:.1f}, "
            f"ratio {ours_here / theirs_here:.3f}"
        )
    broken, passes = ascents(subject, epsilon)
    lacking = (theirs & ~broken).nonzero().flatten().tolist()
    print(
        f"  our two ascents alone: broken {int(broken.sum())}, lacking of theirs "
        f"{', '.join(map(str, lacking)) or 'none'}; passes {passes:.1f}, "
        f"ratio {passes / their_passes:.3f}"
    )
    seconds = sides.seconds
    print(
        f"  seconds: ours {seconds['ours'].median:.2f}, theirs {seconds['theirs'].median:.2f}, "
        f"ratio {ratio(seconds['ours'], seconds['theirs']):.3f}",
        flush=True,
    )


def overhead(subject: Subject, steps: int, repeats: int) -> None:
    """APGD where it breaks nothing, against a bare loop of the same forward and backward passes."""
    attack = APGDLinf(epsilon=1e-6, steps=steps)
    # A last look at where the ascent ends, and the harness's verdict.
    cases = {"ours": partial(attacked, attack), "bare": bare(steps, 2)}
    seconds = in_turn(subject, cases, repeats).seconds
    print(
        f"\n{subject.name}, {len(subject.images)} images: APGD of {steps} steps over the bare loop "
        f"of its passes: {ratio(seconds['ours'], seconds['bare']):.3f}",
        flush=True,
    )


def orders(subject: Subject, epsilon: float) -> None:
    """Targeted APGD with both orders of its classes, and with fewer of them."""
    print(f"\n{subject.name}, linf {epsilon:.5g}: targeted APGD, passes of an image that is broken")
    for classes in (9, 3, 1):
        for targets in ("logits", "malt"):
            attack = APGDLinf(
                epsilon=epsilon, loss="targeted-dlr", targets=targets, target_classes=classes
            )
            rows = attacked(attack, subject)
            broken = [row for row in rows if row.outcome.status is Status.BROKEN]
            print(
                f"  {classes} classes, {targets:6}: broken {len(broken):4}, "
                f"passes {passes_of(broken):7.1f}, of all images {passes_of(rows):7.1f}",
                flush=True,
            )


DIGITS = ("digits-vgg16", "digits-resnet_v2_50", "digits-mobilenet_v1_100")
REAL = {"mobilenet_v1_025_128": 32, "mobilenet_v1_050_160": 16}
"""Photographs of each model."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few images, to try it out")
    parser.add_argument("--imagenet-mini", type=Path, default=Path("../shared/imagenet-mini"))
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load_line()}")
    presence = Presence(torch.get_num_threads())
    count = 16 if arguments.quick else 128
    subject = model_a(count, 128).untargeted()
    for epsilon in (0.1, 0.2):
        compare(subject, epsilon, arguments.repeats)
    orders(subject, 0.1)
    overhead(subject, 100, 3)
    for name in DIGITS:
        compare(digits_model(name, count // 4, 64).untargeted(), 0.1, arguments.repeats)
    if not arguments.imagenet_mini.is_dir():
        print(f"\nphotographs left out: no {arguments.imagenet_mini}")
        return
    for name, images in REAL.items():
        few = images // 4 if arguments.quick else images
        real = photographs(name, arguments.imagenet_mini, few, few).untargeted()
        compare(real, 4 / 255, arguments.repeats)
        overhead(real, 20, 3)
    print(f"\n{presence}")


if __name__ == "__main__":
    main()
