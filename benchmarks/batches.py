"""What the batch size does to distances, and what `--exact` costs.

    python benchmarks/batches.py [--imagenet-mini FOLDER]

The same photographs are attacked in batches of 64, 1, 3 and 7, and with passes of 32 images always
(`--exact`) in another order; then digits and photographs in turn, as by default and exactly, a
second each in one process, on one thread. Ratios are of the processor time of each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from measure import load_line
from overhead import jobs_of

from harness.api import Goal, SteppedAttack
from harness.engine import exact
from harness.engine.batches import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.device import default_batch_size
from harness.engine.jobs import Job, Judged
from harness.resolve.request import Request
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import IFGSM

OVERLAY = Path(__file__).parent.parent / "examples" / "imagenet-mini.yaml"
ROWS = 32
ATTACKS: dict[str, tuple[SteppedAttack, str]] = {
    "I-FGSM's search, 9 x 2": (IFGSM(steps=2, attempts=9), "linf"),
    "C&W, fast, 9 x 20": (CW(**{**CW.presets["fast"], "iterations": 20}), "l2"),
    "EAD-L1, 9 x 20": (EAD(iterations=20), "l1"),
}


def attacked(
    attack: SteppedAttack, model: PixelClassifier, jobs: Sequence[Job], batch: int
) -> Iterator[list[Judged]]:
    return attack_images(attack, model, iter(jobs), batch_size=batch, on_halving=lambda size: None)


def rows_of(
    attack: SteppedAttack, model: PixelClassifier, jobs: Sequence[Job], batch: int
) -> dict[str, Judged]:
    stream = attacked(attack, model, jobs, batch)
    return {row.job.image_id: row for rows in stream for row in rows}


def differences(model: PixelClassifier, jobs: Sequence[Job]) -> None:
    print(f"\n{len(jobs)} photographs, against batches of 64")
    print(f"{'':24} {'batch':>6} {'statuses':>9} {'> 0.1%':>8} {'largest':>8} {'mean':>8}")
    for title, (attack, norm) in ATTACKS.items():
        model.rows = None
        expected = rows_of(attack, model, jobs, 64)
        for batch in (1, 3, 7):
            found = _compared(rows_of(attack, model, jobs, batch), expected, norm)
            print(f"{title:24} {batch:6} {found}", flush=True)
        model.rows = ROWS
        expected = rows_of(attack, model, jobs, ROWS)
        found = rows_of(attack, model, jobs[::-1][: len(jobs) // 2], ROWS)
        same = sum(
            torch.equal(row.candidate, expected[name].candidate) for name, row in found.items()
        )
        print(
            f"{title:24}  exact {_compared(found, expected, norm)}   half of them, backwards:"
            f" {same} of {len(found)} the same to the bit",
            flush=True,
        )


def _compared(found: dict[str, Judged], expected: dict[str, Judged], norm: str) -> str:
    statuses = sum(
        row.outcome.status is not expected[name].outcome.status for name, row in found.items()
    )
    pairs = torch.tensor(
        [
            [getattr(each.outcome.norms, norm) for each in (row, expected[name])]
            for name, row in found.items()
        ]
    ).double()
    off = (pairs[:, 0] / pairs[:, 1] - 1).abs()
    mean = float(pairs[:, 0].mean() / pairs[:, 1].mean() - 1)
    return f"{statuses:9} {int((off > 1e-3).sum()):8} {float(off.max()):8.1%} {mean:+8.2%}"


def cost(
    title: str, model: PixelClassifier, jobs: Sequence[Job], attack: SteppedAttack, rows: int
) -> None:
    """The default against passes of ``rows`` images."""
    batch = default_batch_size(model.device, model.shape)

    sizes = {"default": None, "exact": rows}
    running = {name: attacked(attack, model, jobs, size or batch) for name, size in sizes.items()}
    seconds = dict.fromkeys(sizes, 0.0)
    while running:
        for name in list(running):
            model.rows, start = sizes[name], time.process_time()
            if next(running[name], None) is None:
                del running[name]
            seconds[name] += time.process_time() - start
    default, exactly = seconds["default"], seconds["exact"]
    print(
        f"{title}, {len(jobs)} images: batches of {batch} {default:.1f} s,"
        f" --exact {rows} {exactly:.1f} s, ratio {exactly / default:.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--imagenet-mini", type=Path, default=Path("../shared/imagenet-mini"))
    arguments = parser.parse_args()
    exact.prepare()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load_line()}")
    request = Request(suite="digits18", models=["digits-mobilenet_v1_050"], goals=[Goal.RANDOM])
    model, jobs = jobs_of(request, [], 512)
    search, net = IFGSM(steps=2, attempts=9), EAD(iterations=8, search_steps=3)
    for rows in (ROWS, 256):
        cost("digits-mobilenet_v1_050, I-FGSM, 9 x 2", model, jobs, search, rows)
        cost("digits-mobilenet_v1_050, EAD-L1, 3 x 8", model, jobs, net, rows)
    if not arguments.imagenet_mini.is_dir():
        print(f"MobileNet-0.25-128 left out: no {arguments.imagenet_mini}")
        return
    request = Request(
        suite="imagenet-mini",
        models=["mobilenet_v1_025_128"],
        data={"imagenet": arguments.imagenet_mini / "images"},
    )
    model, jobs = jobs_of(request, [OVERLAY], 64)
    cost("MobileNet-0.25-128, I-FGSM, 9 x 2", model, jobs, search, ROWS)
    cost("MobileNet-0.25-128, EAD-L1, 3 x 8", model, jobs, net, ROWS)
    differences(model, jobs[:16])


if __name__ == "__main__":
    main()
