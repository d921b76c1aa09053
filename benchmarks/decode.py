"""Images decoded per second: a run's stream of images against a plain loop.

python benchmarks/decode.py FOLDER [--size 224] [--resize paper]

FOLDER holds photographs as <wnid>/<file>. Loop and stream take turns; medians of five rounds. The
last line is a consumer that holds each batch of 32 for as long as its images take in the loop, as
a device would: the share of its time that it waits for images.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import torch
from measure import interleaved, load_line, ratio

from harness.api import DatasetSpec
from harness.execute.images import THREADS, Images, look_ahead
from harness.plugins import Kind, installed

REPEATS, SLICE, BATCH = 5, 50, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--resize", default="paper")
    given = parser.parse_args()
    torch.set_num_threads(1)
    reader = installed().get(Kind.DATASET, "imagenet", where="the benchmark").load()
    dataset = reader(DatasetSpec("imagenet", given.folder, {"resize": given.resize}))
    ids, shape = [sample.id for sample in dataset.samples()], (3, given.size, given.size)

    def loop() -> Iterator[object]:
        images = Images(dataset)
        for row, image_id in enumerate(ids):
            images.read(image_id, shape)
            if row % SLICE == SLICE - 1:
                yield

    def stream() -> Iterator[object]:
        """In one slice: its threads would go on in the loop's turns."""
        with closing(Images(dataset).stream(ids, shape)) as pictures:
            yield sum(1 for _ in pictures)

    print(load_line())
    found = interleaved({"loop": loop, "stream": stream}, repeats=REPEATS)
    for name, measured in found.items():
        print(f"{name:7} {len(ids) / measured.median:6.0f} images/s at {given.size} x {given.size}")
    faster = ratio(found["loop"], found["stream"])
    print(f"stream over loop: {faster:.2f} with {THREADS} threads, {look_ahead(shape)} ahead")
    print(
        f"waiting: {waiting(dataset, ids, shape, found['loop'].median):.1%} of the consumer's time"
    )


def waiting(dataset: object, ids: list[str], shape: tuple[int, int, int], seconds: float) -> float:
    """The share of its time that a consumer as slow as the loop waits, the first batch aside."""
    with closing(Images(dataset).stream(ids, shape)) as pictures:  # type: ignore[arg-type]
        list(itertools.islice(pictures, BATCH))
        waited, start = 0.0, time.perf_counter()
        for _ in range(BATCH, len(ids), BATCH):
            time.sleep(seconds / len(ids) * BATCH)
            before = time.perf_counter()
            list(itertools.islice(pictures, BATCH))
            waited += time.perf_counter() - before
        return waited / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
