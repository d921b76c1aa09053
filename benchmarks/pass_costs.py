"""Record what passes of the 18 ImageNet models cost here, for the makespans of tests/execute.

    OMP_NUM_THREADS=1 python benchmarks/pass_costs.py tests/execute/data/imagenet18_costs.json

Neither weights nor photographs are needed: `harness plan` measures with random weights, and counts
empty files. It takes minutes the first time; then all is in the cache of pass costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from harness_datasets import lists

WEIGHTS = ("resnet_v2_152=architecture", "mobilenet_v1_0[25]*=architecture")
"""Sources that can be built; those of the others are the first ones."""
COSTS = ("forward_flops", "gradient_flops", "forward_seconds", "gradient_seconds")


def plan(photos: Path, *options: str) -> dict:
    """The JSON of `harness plan` for the whole suite."""
    for name in lists.names():
        (photos / name).touch()
    command = [sys.executable, "-m", "harness", "plan", "--suite", "imagenet18", "--format", "json"]
    command += ["--data", f"imagenet={photos}", "--db", str(photos / "none.db"), *options]
    command += [part for source in WEIGHTS for part in ("--weights", source)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    with tempfile.TemporaryDirectory() as folder:
        found = plan(Path(folder))
    models = {row["model"]: {name: row[name] for name in COSTS} for row in found["models"]}
    content = {"command": "benchmarks/pass_costs.py", "device": found["device"], "models": models}
    file.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
