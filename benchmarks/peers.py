"""Our attacks against other libraries': same model, images, batch and threads.

    python -m pip install -e '.[bench]' && python -m pip install --no-deps adv-lib torchattacks \
      adversarial-robustness-toolbox          (`make peers` does both)
    python benchmarks/peers.py [--only GLOB] [--quick] [--photographs] [--repeats N]

The study's attacks on model A and on photographs (``--only study``), and the contests of
`contests.py` (``--only 'fmn-*'``) on model A; ``--photographs``: on photographs alone.

Everybody attacks through the same network object with frozen weights. All cases of a group go on
in turn, a second each, in one process; seconds are medians over the repetitions, and ratios medians
of paired ratios. "nominal" is a bare loop of the nominal budget: forwards, each with
`autograd.grad` of the input. "made" is what a bare loop needs for the passes really made.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import contests
import refill
import rivals
import torch
from measure import Measured, Passes, Presence, interleaved, load_line, ratio
from subjects import Subject, model_a, model_b
from torch import Tensor

from harness.api import SteppedAttack
from harness.engine.batches import attack_images
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import IFGSM

HEADER = f"{'':34} {'seconds':>8} {'nominal':>8} {'made':>6} {'fwd':>7} {'bwd':>6} {'success':>8}"
WIDTHS = {"l0": 7, "l2": 7, "l1": 8, "linf": 9}
STUDY = ("l2", "l1", "linf")
"""The norms that are shown of the study's attacks."""
NOMINAL, FORWARD = "bare: nominal budget", "bare: forwards only"

Case = Callable[[Subject], Tensor]
"""Attacks the subject's images; the adversarial ones, in order."""


@dataclass(frozen=True)
class Row:
    """A measured case. Distances are over successes; passes are an image's mean."""

    name: str
    seconds: Measured
    nominal: float
    made: float
    forwards: float
    backwards: float
    broken: Tensor
    distances: Mapping[str, Tensor]

    def text(self, norms: Sequence[str]) -> str:
        found = {norm: self.distances[norm][self.broken] for norm in norms}
        return (
            f"{self.name:34} {self.seconds.median:8.2f} {self.nominal:8.3f} {self.made:6.2f}"
            f" {self.forwards:7.1f} {self.backwards:6.1f} {self.broken.float().mean():8.3f} "
            + " ".join(
                f"{each.median():{WIDTHS[norm]}.4g} {each.mean():{WIDTHS[norm] - 1}.4g}"
                for norm, each in found.items()
            )
        )


def ours(attack: SteppedAttack) -> Case:
    def run(subject: Subject) -> Tensor:
        stream = attack_images(
            attack,
            subject.model,
            iter(subject.jobs),
            batch_size=subject.batch,
            on_halving=lambda size: None,
        )
        judged = sorted(
            (row for rows in stream for row in rows), key=lambda row: int(row.job.image_id)
        )
        return torch.stack([row.candidate for row in judged if row.candidate is not None])

    return run


def bare(pairs: int, forwards: int) -> Case:
    """``pairs`` forward passes with a backward pass, and ``forwards`` without one."""

    def run(subject: Subject) -> Tensor:
        for images in subject.images.split(subject.batch):
            # Not drawn: the guard of the attack beside it would take that for the attack's.
            cotangent = torch.ones(len(images), subject.model.classes)
            for _ in range(pairs):
                point = images.detach().requires_grad_(True)
                torch.autograd.grad(subject.model.forward(point), point, cotangent)
            with torch.no_grad():
                for _ in range(forwards):
                    subject.model.forward(images)
        return subject.images

    return run


def measure(
    title: str,
    subject: Subject,
    cases: Mapping[str, Case],
    *,
    pairs: int,
    forwards: int,
    norm: str,
    repeats: int,
    norms: Sequence[str] = STUDY,
) -> dict[str, Row]:
    """Run ``cases`` in turn with the bare loops; print and return a row each.

    The nominal budget is ``pairs`` forward passes with a backward pass, ``forwards`` without.
    """
    print(f"\n{subject.name}, {len(subject.images)} images, batch {subject.batch}: {title}")
    results: dict[str, Tensor] = {}
    counts: dict[str, Passes] = {}

    def sliced(name: str, case: Case) -> Iterator[None]:
        def work() -> None:
            results[name] = case(subject)

        counts[name] = Passes()
        return subject.network.turns.sliced(work, counts[name])

    few = max(1, (pairs or forwards) // 10)
    every = {NOMINAL: bare(pairs, forwards), FORWARD: bare(0, few), **cases}
    presence = Presence(torch.get_num_threads())
    seconds = interleaved(
        {name: partial(sliced, name, case) for name, case in every.items()}, repeats=repeats
    )
    forward = seconds[FORWARD].median / few
    pair = (seconds[NOMINAL].median - forwards * forward) / pairs if pairs else 0.0
    columns = (f"{norm + ' med':>{WIDTHS[norm]}} {'mean':>{WIDTHS[norm] - 1}}" for norm in norms)
    print(HEADER, *columns)
    rows = {}
    for name in every:
        if name == FORWARD:
            continue
        passes, count = counts[name], len(subject.images)
        made, back = passes.forwards / count, passes.backwards / count
        row = _row(subject, name, results[name], seconds[name],
                   nominal=ratio(seconds[name], seconds[NOMINAL]),
                   made=seconds[name].median / (back * pair + (made - back) * forward),
                   forwards=made, backwards=back)  # fmt: skip
        rows[name] = row
        text = row.text(norms)
        print(text if name in cases else text[: len(HEADER) - 9], flush=True)
    print(_on_common(rows, cases, norm))
    print(f"{presence}", flush=True)
    return rows


def _on_common(rows: Mapping[str, Row], cases: Mapping[str, Case], norm: str) -> str:
    """Means over the images that all broke: over its own successes, few would look best."""
    common = torch.stack([rows[name].broken for name in cases]).all(0)
    means = (f"{name} {rows[name].distances[norm][common].mean():.4g}" for name in cases)
    return f"mean {norm} of the {int(common.sum())} images that all broke: {', '.join(means)}"


def _row(
    subject: Subject,
    name: str,
    images: Tensor,
    seconds: Measured,
    *,
    nominal: float,
    made: float,
    forwards: float,
    backwards: float,
) -> Row:
    logits = torch.cat([subject.model.predict(part) for part in images.split(subject.batch)])
    delta = (images - subject.images).flatten(1).double()
    return Row(name, seconds, nominal, made, forwards, backwards,
               broken=subject.reached(logits.argmax(1)),
               distances={"l0": delta.count_nonzero(1).double(), "l1": delta.abs().sum(1),
                          "l2": delta.norm(dim=1), "linf": delta.abs().amax(1)})  # fmt: skip


def carlini_wagner(subject: Subject, iterations: int, repeats: int) -> dict[str, Row]:
    """The full budget, with and without everyone's own early abort; the warm starts; both Adams."""
    settings = CW(**{**CW.presets["carlini"], "iterations": iterations})
    cold = settings.model_copy(update={"abort_early": False})
    survey = cold.model_copy(update={"adam_epsilon": "inside"})
    warm = settings.model_copy(update={"warm_start": True})
    fast = warm.model_copy(update={"iterations": iterations // 2, "initial_const": 0.1})
    cases = {
        "harness": ours(cold),
        "harness, the survey's Adam": ours(survey),
        "adv-lib": rivals.adv_lib_cw(iterations, abort=False),
        "foolbox": rivals.foolbox_cw(iterations, abort=False),
        "harness, abort": ours(settings),
        "adv-lib, abort": rivals.adv_lib_cw(iterations, abort=True),
        "foolbox, abort": rivals.foolbox_cw(iterations, abort=True),
        "harness, abort, warm": ours(warm),
        f"harness, warm, 9 x {iterations // 2} (fast)": ours(fast),
    }
    goal = "random targets" if subject.targeted else "untargeted"
    return measure(
        f"C&W l2, 9 x {iterations}, {goal}",
        subject,
        {name: case for name, case in cases.items() if rivals.installed(name)},
        pairs=9 * iterations,
        forwards=0,
        norm="l2",
        repeats=repeats,
    )


def elastic_net(subject: Subject, iterations: int, repeats: int) -> dict[str, Row]:
    exact = EAD(iterations=iterations, initial_const=1e-3, abort_early=False)
    lazy = exact.model_copy(update={"lazy_margin": LAZY})
    port = exact.model_copy(update={"first_k": 0})
    return measure(
        f"EAD-L1, 9 x {iterations}",
        subject,
        {
            "harness": ours(exact),
            f"harness, lazy_margin {LAZY:g}": ours(lazy),
            "harness, k from 0 as foolbox": ours(port),
            "foolbox": rivals.foolbox_ead(iterations, abort=False),
            "torchattacks (leaves the box)": rivals.torchattacks_ead(iterations, abort=False),
        },
        pairs=9 * iterations,
        forwards=0,
        norm="l1",
        repeats=repeats,
    )


def smallest_epsilon(subject: Subject, repeats: int) -> dict[str, Row]:
    return measure(
        "I-FGSM's search, 9 x 10",
        subject,
        {
            "harness": ours(IFGSM(steps=10, attempts=9)),
            "harness, step eps/4": ours(IFGSM(steps=10, attempts=9, relative_step=0.25)),
            "adv-lib PGD, step eps/10": rivals.adv_lib_pgd_search(10, 9, 0.02, step=0.1),
            "adv-lib PGD, step eps/4": rivals.adv_lib_pgd_search(10, 9, 0.02, step=0.25),
        },
        pairs=90,
        forwards=9,
        norm="linf",
        repeats=repeats,
    )


def contest(subject: Subject, each: contests.Contest, repeats: int) -> None:
    """A table for each goal, and how our first attack does against each rival."""
    mine = {name: ours(attack) for name, attack in each.ours.items()}
    theirs = {name: case for name, case in each.rivals.items() if rivals.installed(name)}
    for goal in each.goals:
        rows = measure(
            f"{each.name}, {each.pairs + each.forwards} passes, {goal}",
            subject if goal == "random targets" else subject.untargeted(),
            {**mine, **theirs},
            pairs=each.pairs,
            forwards=each.forwards,
            norm=each.norm,
            repeats=repeats,
            norms=(each.norm,),
        )
        first = rows[next(iter(mine))]
        for name in theirs:
            print(_against(first, rows[name], each.norm))


def _against(own: Row, other: Row, norm: str) -> str:
    both = own.broken & other.broken
    means = [row.distances[norm][both].mean() for row in (own, other)]
    more = int(own.broken.sum() - other.broken.sum())
    return (
        f"{own.name} over {other.name}: mean {norm} {means[0] / means[1]:.4f} on the"
        f" {int(both.sum())} that both broke, images broken {more:+d},"
        f" seconds {ratio(own.seconds, other.seconds):.2f}"
    )


def slow_peers(subject: Subject, iterations: int) -> None:
    """ART evaluates each image several times an iteration: few images, once."""
    measure(
        f"ART, 9 x {iterations}",
        subject,
        {
            "ART C&W": rivals.art_cw(iterations),
            "ART EAD (another algorithm)": rivals.art_ead(iterations),
        },
        pairs=9 * iterations,
        forwards=0,
        norm="l1",
        repeats=1,
    )


def refilling(subject: Subject, iterations: int, repeats: int) -> None:
    attack = CW(learning_rate=1e-2, iterations=iterations, initial_const=1e-3)
    slots, batches, shares = refill.compare(attack, subject, repeats=repeats)
    print(
        f"\n{subject.name}, {len(subject.images)} images: C&W with abort in {subject.batch} slots "
        f"{slots.median:.2f} s, in fixed batches {batches.median:.2f} s, "
        f"ratio {ratio(slots, batches):.3f}\n"
        f"busy share of the rows, by tenths of the rounds: {' '.join(f'{s:.3f}' for s in shares)}"
    )


LAZY = 2.0
"""Logits of margin: the option of EAD that is measured beside the exact rule."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="of the digits' groups")
    parser.add_argument("--quick", action="store_true", help="a tenth of it all, to try it out")
    parser.add_argument("--only", default="*", help="'study', or contests, such as 'fmn-*'")
    parser.add_argument("--photographs", action="store_true", help="on photographs alone")
    parser.add_argument("--imagenet-mini", type=Path, default=Path("../shared/imagenet-mini"))
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load_line()}")
    study = fnmatchcase("study", arguments.only)
    chosen = list(contests.every(arguments.only))
    if not study and not chosen:
        parser.error(f"--only {arguments.only}: nothing has that name")
    if not arguments.photographs:
        digits(chosen, arguments.repeats, study=study, quick=arguments.quick)
    if not (study or arguments.photographs):
        return
    if not arguments.imagenet_mini.is_dir():
        print(f"\nMobileNet-0.50-160 left out: no {arguments.imagenet_mini}")
        return
    photographs = model_b(arguments.imagenet_mini, 32, 16)
    if study:
        carlini_wagner(photographs, 10, repeats=1)
        carlini_wagner(photographs.untargeted(), 10, repeats=1)
    if study and not arguments.photographs:
        elastic_net(photographs, 10, repeats=1)
    if arguments.photographs:
        for each in chosen:
            contest(photographs.first(16), each, repeats=1)


def digits(chosen: list[contests.Contest], repeats: int, *, study: bool, quick: bool) -> None:
    iterations, count, repeats = (10, 32, 1) if quick else (100, 256, repeats)
    subject = model_a(4 * count - (0 if quick else 24), 128)
    first = subject.first(count)
    if study:
        carlini_wagner(first, iterations, repeats)
        elastic_net(first, iterations, repeats)
        smallest_epsilon(first, repeats)
        slow_peers(subject.first(32), iterations)
        refilling(subject, iterations, repeats=1)
    for each in chosen:
        contest(first, each, repeats)


if __name__ == "__main__":
    main()
