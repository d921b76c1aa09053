"""A run whose cores other processes want too, against its fair share of them.

    python benchmarks/contended.py [--repeats N] [--busy N] [--subjects digits,mobile,photo]

Each case is a process that stays; all take turns, alone and beside processes that only count. They
may use the first ``--cores`` cores, which need to be idle otherwise. Cases: torch's threads as they
are (``fixed``), and as runs have them by default (``default``, see `harness.engine.threads`); and,
with --cases fixed,default,GOMP_SPINCOUNT=0, torch's threads under that variable.

The fair share: on C cores, T threads beside B busy processes have C / (T + B) of a core each, and
one at most. So a run that takes t seconds alone may take t * min(T, C) / (T * min(1, C / (T + B))).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from measure import load_line

from harness.cores import usable_cores

SUBJECTS = {
    "digits": "mobilenet_v1_050 on 64 digits: I-FGSM 3 x 6, C&W 3 x 20",
    "mobile": "MobileNetV2-0.50 on 32 images of 128 x 128: I-FGSM, 6 steps",
    "photo": "ResNet-18 on 16 images of 224 x 224: I-FGSM, 2 steps",
}
FREE = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables that are taken out of the environment."""
BUSY = "import os; us = os.getppid()\nwhile os.getppid() == us: pass"
"""Somebody else's work, until the process that started it has ended."""
SETTLED = 3
"""Turns of a case that are not counted."""


def work(subject: str) -> Callable[[], None]:
    """A piece of ``subject``'s work: about a second on an idle machine."""
    import timm
    import torch
    from overhead import jobs_of

    from harness.api import AttackParameters, Goal
    from harness.engine.batches import attack_images
    from harness.engine.jobs import Job
    from harness.resolve.request import Request
    from harness.testing.fakes import jobs_for, pixel_model
    from harness_attacks.penalty.cw import CW
    from harness_attacks.sign.fgsm import IFGSM

    attacks: list[AttackParameters] = [IFGSM(epsilon=0.01, steps=6)]
    jobs: Sequence[Job]
    if subject == "digits":
        attacks = [IFGSM(steps=6, attempts=3), CW(iterations=20, search_steps=3)]
        request = Request(suite="digits18", models=["digits-mobilenet_v1_050"], goals=[Goal.RANDOM])
        model, jobs = jobs_of(request, [], 64)
    else:
        name, count, side = "mobilenetv2_050", 32, 128
        if subject == "photo":
            name, count, side = "resnet18", 16, 224
            attacks = [IFGSM(epsilon=0.01, steps=2)]
        torch.manual_seed(0)
        model = pixel_model(timm.create_model(name).eval(), classes=1000, size=(side, side))
        jobs = jobs_for(model, torch.rand(count, 3, side, side), [None] * count)

    def piece() -> None:
        for attack in attacks:
            for _ in attack_images(
                attack, model, iter(jobs), batch_size=256, on_halving=lambda size: None
            ):
                pass

    return piece


def serve(subject: str, case: str) -> None:
    """Do a piece for each line of stdin, and say how many seconds it took."""
    from harness.engine.threads import adapting

    piece = work(subject)
    with adapting() if case == "default" else contextlib.nullcontext():
        for _ in sys.stdin:
            begun = time.perf_counter()
            piece()
            print(time.perf_counter() - begun, flush=True)


class Served:
    """A case's process."""

    def __init__(self, subject: str, case: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in FREE}
        name, given, value = case.partition("=")
        if given:
            environment[name] = value
        command = [sys.executable, __file__, "--serve", subject, "--case", case]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def seconds(self) -> float:
        """Of one more piece."""
        assert self._process.stdin
        assert self._process.stdout
        print(file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def beside(count: int) -> Iterator[None]:
    """``count`` busy processes."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def fair(threads: int, cores: int, others: int) -> float:
    """How many times as long a run may take beside ``others`` as alone."""
    return min(threads, cores) / (threads * min(1, cores / (threads + others)))


def compare(subject: str, names: Sequence[str], cores: int, repeats: int, others: int) -> None:
    print(f"{SUBJECTS[subject]}; {load_line()}")
    with ExitStack() as stack:
        cases = {case: stack.enter_context(Served(subject, case)) for case in names}
        for case in cases.values():
            for _ in range(SETTLED):  # these are not counted
                case.seconds()
        alone = turns(cases, repeats)
        with beside(others):
            shared = turns(cases, repeats)
    plain = alone[names[0]]
    least = statistics.median(plain) * fair(cores, cores, others)
    for name in cases:
        quiet, contended = statistics.median(alone[name]), statistics.median(shared[name])
        cost = statistics.median(
            mine / its - 1 for mine, its in zip(alone[name], plain, strict=True)
        )
        print(
            f"  {name:22} alone {quiet:.2f} s ({cost:+6.1%})  beside {others}: {contended:5.2f} s, "
            f"{contended / least:4.2f} of the fair {least:.2f} s    "
            f"({_all(alone[name])} | {_all(shared[name])})",
            flush=True,
        )


def turns(cases: Mapping[str, Served], repeats: int) -> dict[str, list[float]]:
    """The seconds of ``repeats`` pieces of each case, which take turns."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            found[name].append(case.seconds())
    return found


def _all(seconds: Sequence[float]) -> str:
    return " ".join(f"{each:.2f}" for each in seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--busy", type=int, default=1)
    parser.add_argument("--cores", type=int, default=usable_cores())
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    parser.add_argument("--serve", choices=SUBJECTS, help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument(
        "--cases", default="fixed,default", help="the first is the one to compare with"
    )
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.case)
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    for subject in arguments.subjects.split(","):
        names = arguments.cases.split(",")
        compare(subject, names, arguments.cores, arguments.repeats, arguments.busy)


if __name__ == "__main__":
    main()
