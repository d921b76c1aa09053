"""The real thing on a GPU, against the CPU of the same machine; ``make gpu-check``.

    python benchmarks/gpu_check.py [--candidate cuda:0] [--executors inline,processes,ray]

1. The suite is run on the CPU, and by each executor on the candidate. Statuses are the same on
   99.9% of the images, and every other image is named, with its margin on both.
2. An attack takes at most 1.05 times as long as a bare loop of its passes (``overhead.py``); its
   peak of memory is printed.
3. What a pass with a new number of rows costs, in both layouts: cuDNN plans its layers.
4. ``harness bench`` in each policy of numerics, in images per second.

Exit status: 0; 1: something is not as it should be; 3: there is no such device. With ``--candidate
cpu --numerics fp32,bf16`` the CPU takes both parts, which proves the script, not a GPU.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics as numbers
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

LEAST = 0.999
"""The share of images whose status has to be the same."""
MOST = 1.05
"""The longest time of an attack, over that of its passes alone."""

ROWS = (61, 53, 47, 37, 29)
"""Numbers of rows that no pass of a run has had."""

_SAME = "model, attack_label, goal, seed, dataset, image_id"
_ROWS = f"SELECT {_SAME}, status, margin FROM samples ORDER BY {_SAME}"


@dataclass(frozen=True, slots=True)
class Difference:
    """An image that two runs do not agree on; None where a run has no such row."""

    image: str
    reference: str | None
    candidate: str | None
    margins: tuple[float | None, float | None]

    def __str__(self) -> str:
        margins = " and ".join("none" if each is None else f"{each:.3g}" for each in self.margins)
        return f"{self.image}: {self.reference} became {self.candidate}, margins {margins}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two runs agree on ``images``."""

    images: int
    differences: list[Difference]

    @property
    def share(self) -> float:
        return 1 - len(self.differences) / self.images if self.images else 0.0

    @property
    def good(self) -> bool:
        """Whether enough is the same, and no row is missing in one of them."""
        missing = [each for each in self.differences if None in (each.reference, each.candidate)]
        return self.share >= LEAST and not missing


def compared(reference: Path, candidate: Path) -> Comparison:
    """The statuses of two databases, row by row."""
    one, other = _statuses(reference), _statuses(candidate)
    nothing = (None, None)
    differences = []
    for image in sorted(one.keys() | other.keys()):
        (before, far), (after, near) = one.get(image, nothing), other.get(image, nothing)
        if before != after:
            differences.append(Difference(image, before, after, (far, near)))
    return Comparison(len(one.keys() | other.keys()), differences)


def _statuses(database: Path) -> dict[str, tuple[str | None, float | None]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return {" ".join(map(str, row[:6])): (row[6], row[7]) for row in db.execute(_ROWS)}


def harness(*arguments: str, capture: bool = False) -> str:
    """One command; raises where it does not end with 0."""
    command = [str(Path(sys.executable).with_name("harness")), *arguments]
    print("$ harness", *arguments, flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE if capture else None)
    return done.stdout.decode() if capture else ""


def statuses(options: argparse.Namespace, run: Sequence[str]) -> bool:
    """Every executor on the candidate against the CPU."""
    reference = options.folder / "reference.db"
    harness("run", *run, "--devices", "cpu", "--executor", "inline", "--db", str(reference))
    good = True
    for executor in options.executors.split(","):
        database = options.folder / f"{executor}.db"
        place = ["--devices", options.candidate, "--executor", executor]
        harness("run", *run, *place, "--db", str(database))
        found = compared(reference, database)
        print(f"{executor}: {found.share:.4%} of {found.images} statuses as on the CPU")
        for each in found.differences:
            print(f"  {each}")
        good &= found.good
    return good


def speed(options: argparse.Namespace) -> bool:
    """The attack's time over its passes', and the memory that it needs."""
    from overhead import measured

    from harness.engine.device import forget_peak, peak_bytes, resolve_device

    device = resolve_device(options.candidate)
    forget_peak(device)
    ratio = measured(options.candidate, repeats=options.repeats)
    print(f"an attack takes {ratio:.3f} times as long as its passes, {MOST} at most")
    print(f"peak of memory: {peak_bytes(device) / 2**20:.0f} MiB")
    return ratio <= MOST


def planning(options: argparse.Namespace) -> None:
    """The first pass with a number of rows, forwards and backwards, and the next one."""
    import torch
    from overhead import jobs_of

    from harness.engine.device import resolve_device, synchronise
    from harness.resolve.request import Request

    device = resolve_device(options.candidate)

    def took(network: torch.nn.Module, images: torch.Tensor) -> float:
        synchronise(device)
        begun = time.perf_counter()
        torch.autograd.grad(network(images).sum(), images)
        synchronise(device)
        return (time.perf_counter() - begun) * 1000

    for name in options.planned.split(","):
        model, _ = jobs_of(Request(suite=options.suite, models=[name]), [], 1, options.candidate)
        assert model.differentiable is not None
        for layout in (torch.channels_last, torch.contiguous_format):
            network = model.differentiable.to(memory_format=layout)
            times = []
            for rows in ROWS:
                images = torch.rand((rows, *model.shape), device=device)
                images = images.contiguous(memory_format=layout).requires_grad_(True)
                times.append((took(network, images), took(network, images)))
            first, next_one = map(numbers.median, zip(*times, strict=True))
            print(f"{name:26} {str(layout)[6:]:17} first {first:6.0f} ms, then {next_one:4.1f} ms")


def bench(options: argparse.Namespace) -> None:
    """Images per second in each policy of numerics."""
    for numerics in options.numerics.split(","):
        place = ["--devices", options.candidate, "--numerics", numerics]
        models = ["--suite", options.suite, "--models", options.bench_models]
        text = harness("bench", *models, *place, "--format", "json", capture=True)
        for row in json.loads(text):
            forward, gradient = (row.get(each) for each in ("forward", "gradient"))
            passes = f"forward {forward:9,.0f}, gradient {gradient:9,.0f}"
            print(f"{numerics:5} {row['model']:28} {passes} images/s")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidate", default="cuda:0", help="the device that is checked")
    parser.add_argument("--executors", default="inline,processes,ray")
    parser.add_argument("--numerics", default="fp32,tf32,bf16")
    parser.add_argument("--suite", default="digits18")
    parser.add_argument("--bench-models", default="digits-resnet_v2_50,digits-vgg16")
    parser.add_argument("--planned", default="digits-vgg16,digits-mobilenet_v1_100")
    parser.add_argument("--folder", type=Path, default=Path("build/gpu-check"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("run", nargs="*", help="after --: further options of `harness run`")
    options = parser.parse_args(arguments)

    import torch

    if options.candidate.startswith("cuda") and not torch.cuda.is_available():
        print("gpu-check: no GPU here: run it where one is (or --candidate cpu)", file=sys.stderr)
        return 3
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        good = statuses(options, ["--suite", options.suite, *options.run])
        good &= speed(options)
        planning(options)
        bench(options)
    except subprocess.CalledProcessError as error:
        print(f"gpu-check: harness {error.cmd[1]} ended with {error.returncode}", file=sys.stderr)
        return 1
    print("gpu-check:", "good" if good else "NOT as it should be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
