"""What the gradients' numerics do to attacks: success, median distortion and passes by policy.

    python benchmarks/numerics.py [--data FOLDER] [--images N] [--photographs N] [--device DEVICE]

The bundled attacks with random targets, in fp32, bf16 and, on a GPU that has it, TF32: on embedded
digits models, and on the photographs and MobileNets of the folder imagenet-mini. Verdicts are in
IEEE fp32 whatever the policy. "as fp32": images with the status that they have there.
"""

from __future__ import annotations

import argparse
import math
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from measure import load_line

import harness
from harness.api import ConfigError
from harness.definition import Numerics
from harness.engine.device import must_compute_in, resolve_device

OVERLAY = Path(__file__).parent.parent / "examples" / "imagenet-mini.yaml"
SUITES = """\
suites:
  numerics-digits:
    dataset: digits
    models: [digits-mobilenet_v1_050, digits-resnet_v2_50, digits-vgg16]
    accuracy_images: 1
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.1}}
      - attack: ifgsm
        goals: [random]
        parameters: {epsilon: search, attempts: 9, initial_epsilon: 0.02, steps: 10}
      - attack: cw
        goals: [random]
        preset: fast
        parameters: {search_steps: 3, initial_const: 1.0, learning_rate: 0.05, adam_epsilon: inside}
      - attack: ead
        goals: [random]
        parameters: {search_steps: 3, initial_const: 10.0, iterations: 40, abort_early: false}
    metrics: [success]
  numerics-photographs:
    dataset: imagenet
    models: [mobilenet_v1_025_128, mobilenet_v1_050_160]
    accuracy_images: 1
    attacks:
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.01}}
      - attack: ifgsm
        goals: [random]
        parameters: {epsilon: search, attempts: 9, initial_epsilon: 0.02, steps: 10}
      - attack: cw
        goals: [random]
        preset: fast
        parameters: {search_steps: 4, iterations: 50, learning_rate: 0.002, adam_epsilon: inside}
      - attack: ead
        goals: [random]
        parameters: {search_steps: 4, iterations: 40, abort_early: false}
    metrics: [success]
"""

Rows = dict[tuple[str, str], tuple[str, float | None, int, int]]
"""(model, image) -> status, distortion in the attack's norm, forward and backward passes."""


def policies(device: str) -> tuple[Numerics, ...]:
    try:
        must_compute_in("tf32", resolve_device(device))
    except ConfigError:
        return "fp32", "bf16"
    return "fp32", "tf32", "bf16"


def measured(db: Path) -> Iterator[tuple[str, str, str, Rows]]:
    """Attack, norm, numerics and rows of every attack and policy, the attacks in their order."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as stored:
        groups = stored.execute(
            "SELECT attack_label, norm, numerics FROM cells_named WHERE kind = 'attack'"
            " GROUP BY 1, 3 ORDER BY min(cell_id)"
        ).fetchall()
        order = list(dict.fromkeys(label for label, _, _ in groups))
        for label, norm, numerics in sorted(groups, key=lambda group: order.index(group[0])):
            rows = stored.execute(
                f"SELECT model, image_id, status, {norm}, forwards, backwards FROM samples"
                " WHERE attack_label = ? AND numerics = ? AND status <> 'clean_wrong'",
                (label, numerics),
            )
            yield label, norm, numerics, {row[:2]: row[2:] for row in rows}


def table(db: Path) -> None:
    print(
        f"{'attack':44} {'gradients':>9} {'images':>6} {'success':>8} {'median':>9} {'norm':>5}"
        f" {'forwards':>8} {'backwards':>9} {'as fp32':>8}"
    )
    base: dict[str, Rows] = {}
    for label, norm, numerics, rows in measured(db):
        expected = base.setdefault(label, rows)
        broken = [status == "broken" for status, *_ in rows.values()]
        sizes = [
            size if status == "broken" and size is not None else math.inf
            for status, size, *_ in rows.values()
        ]
        same = [row[0] == expected[key][0] for key, row in rows.items()]
        print(
            f"{label[:44]:44} {numerics:>9} {len(rows):6} {fmean(broken):8.1%} {median(sizes):9.4g}"
            f" {norm:>5} {fmean(row[2] for row in rows.values()):8.1f}"
            f" {fmean(row[3] for row in rows.values()):9.1f} {fmean(same):8.1%}",
            flush=True,
        )


def run(suite: str, images: int, device: str, folder: Path, data: Path | None) -> None:
    registry = folder / "numerics.yaml"
    registry.write_text(SUITES)
    db = folder / f"{suite}.db"
    seconds: dict[str, float] = {}
    for numerics in policies(device):
        begun = time.perf_counter()
        harness.run(
            suite,
            db=db,
            devices=device,
            progress="plain",
            registry=[OVERLAY, registry],
            limit=images,
            data=None if data is None else {"imagenet": data},
            numerics=numerics,
        )
        seconds[numerics] = time.perf_counter() - begun
    times = ", ".join(f"{name} {took:.0f} s" for name, took in seconds.items())
    print(f"\n{suite}, {images} images per model; {load_line()}; {times}\n")
    table(db)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder imagenet-mini; none: digits alone")
    parser.add_argument("--images", type=int, default=100, help="digits per model")
    parser.add_argument("--photographs", type=int, default=24, help="photographs per model")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run("numerics-digits", asked.images, asked.device, Path(folder), None)
        if asked.data is not None:
            place = asked.data / "images"
            run("numerics-photographs", asked.photographs, asked.device, Path(folder), place)


if __name__ == "__main__":
    main()
