"""TF-Slim's checkpoints end to end: made, packed, imported, loaded, compared.

    python benchmarks/slim.py [NAME...]

For each network (all by default) TensorFlow alone makes a checkpoint at full size under TF-Slim's
names, random weights and statistics, with what training leaves beside them. It is packed as the
published archive is, imported by `harness models import`, and loaded by the loader `slim`, whose
logits are compared with those of TensorFlow's graph at the network's size and at one pixel more.
Needs the extra "paper". Prints rows of the table in docs/models.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.registry import load
from harness_slim.loader import SlimLoader
from harness_slim.networks import NETWORKS

MAKES = Path(__file__).parents[1] / "tests" / "plugins" / "harness_slim" / "checkpoints.py"

# How TF-Slim calls its archives, and the format inside.
ARCHIVES = {
    "vgg16": ("vgg_16_2016_08_28.tar.gz", "V1"),
    "vgg19": ("vgg_19_2016_08_28.tar.gz", "V1"),
    "inception_v1": ("inception_v1_2016_08_28.tar.gz", "V1"),
    "inception_v2": ("inception_v2_2016_08_28.tar.gz", "V1"),
    "inception_v3": ("inception_v3_2016_08_28.tar.gz", "V1"),
    "inception_v4": ("inception_v4_2016_09_09.tar.gz", "V1"),
    "inception_resnet_v2": ("inception_resnet_v2_2016_08_30.tar.gz", "V1"),
    "resnet_v2_50": ("resnet_v2_50_2017_04_14.tar.gz", "V1"),
    "resnet_v2_101": ("resnet_v2_101_2017_04_14.tar.gz", "V1"),
    "resnet_v2_152": ("resnet_v2_152_2017_04_14.tar.gz", "V1"),
    "mobilenet_v1_025": ("mobilenet_v1_0.25_128.tgz", "V2"),
    "mobilenet_v1_050": ("mobilenet_v1_0.5_160.tgz", "V2"),
    "mobilenet_v1_100": ("mobilenet_v1_1.0_224.tgz", "V2"),
    "nasnet_large": ("nasnet-a_large_04_10_2017.tar.gz", "V2"),
}


def packed(name: str, folder: Path) -> Path:
    """A checkpoint of ``name`` in an archive like the published one."""
    archive, version = ARCHIVES[name]
    subprocess.run(
        [sys.executable, MAKES, folder, f"{name}:{NETWORKS[name].size}:{version}"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with tarfile.open(folder / archive, "w:gz", compresslevel=1) as tar:
        for path in sorted(folder.glob(f"{name}.ckpt*")):
            tar.add(path, f"./{path.name}")
            path.unlink()
    return folder / archive


def imported(archive: Path, folder: Path) -> Mapping[str, Any]:
    """The command's own report."""
    harness = Path(sys.executable).with_name("harness")
    options = ["-o", str(folder), "--format", "json"]
    command = [str(harness), "models", "import", str(archive), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{archive.name}: {done.stderr}")
    row: Mapping[str, Any] = json.loads(done.stdout)[0]
    return row


def error(name: str, folder: Path) -> float:
    """Of the loaded network's logits, relative to the largest one; the larger of both sizes."""
    entry = load([folder / "models.yaml"]).get_model(name)
    module = SlimLoader().load(entry.spec(entry.weights_path), "cpu").module
    assert module is not None
    errors = []
    with np.load(folder / f"{name}.npz") as arrays, torch.inference_mode():
        for number in range(2):
            expected = arrays[f"logits{number}"]
            found = module(torch.from_numpy(arrays[f"images{number}"])).numpy()
            errors.append(float(np.abs(found - expected).max() / np.abs(expected).max()))
    return max(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NETWORKS), metavar="NAME")
    print("| network | archive | format | parameters | import's check | TensorFlow |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in parser.parse_args().names:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            row = imported(packed(name, folder), folder)
            print(
                f"| `{name}` | `{ARCHIVES[name][0]}` | {ARCHIVES[name][1]} "
                f"| {row['parameters']:,} | {row['error_torch']:.1e} "
                f"| {error(name, folder):.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
