"""Whether every model of a suite builds: random weights, offline, one image, one model at a time.

python benchmarks/loadable.py SUITE [--models GLOB,...] [--registry FILE]
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from fnmatch import fnmatch
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from measure import load_line

from harness.plugins import installed
from harness.registry import load
from harness.registry.entries import ModelEntry
from harness.resolve.components import loader_of


def built(entry: ModelEntry) -> str:
    """What came of it: the logits' shape, the parameters and the seconds, or the error."""
    start = time.perf_counter()
    try:
        entry = entry.chosen(None)
        network = loader_of(entry, installed()).untrained(entry.spec(None), "cpu").module
        assert network is not None
        with torch.no_grad():
            logits = network(torch.rand(1, *entry.preprocessing.shape))
        count = sum(weight.numel() for weight in network.parameters())
    except Exception as error:  # whatever architectures raise is what is asked for
        return f"FAILED: {type(error).__name__}: {' '.join(str(error).split())[:90]}"
    return f"{tuple(logits.shape)!s:10} {count:>12,} {time.perf_counter() - start:6.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite")
    parser.add_argument("--models", default="*", help="only those that a glob matches")
    parser.add_argument("--registry", type=Path, action="append", default=[])
    options = parser.parse_args()
    registry = load(options.registry)
    print(load_line())
    found = [
        entry
        for entry in registry.match_models(registry.get_suite(options.suite).models)
        if any(fnmatch(entry.name, glob) for glob in options.models.split(","))
    ]
    failed = 0
    for entry in found:
        said = built(entry)
        failed += said.startswith("FAILED")
        print(f"{entry.name:52} {entry.loader:12} {entry.training:16} {said}", flush=True)
        gc.collect()
    print(f"{len(found) - failed} of {len(found)} build")


if __name__ == "__main__":
    main()
