"""Each of the study's 18 models through each of its routes, on made files at full size.

    python benchmarks/routes.py [--models GLOB] [--folder DIR]

For every source of a model that a loader can build, the file is made where a user without network
puts it (the Hub's cache, torch's, the folder of imported models), found by the registry's entry
offline, and loaded into another instance of the network, whose logits on noise have to be those of
the one that made the file. The authors' graphs (source `paper`) need TensorFlow: those are made and
converted by tests/plugins/harness_su2018/importing. It needs the memory and the space of the
largest model, and deletes each file after its turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

HEADER = """\
| model | source | loader | weights | MB | parameters | Table 1 | outputs | error | seconds |
|---|---|---|---|---:|---:|---:|---:|---:|---:|"""

REVISION = "0" * 40
"""Of the repositories in the cache."""


def place(folder: Path, loader: str, architecture: str, cached: str | None) -> Path:
    """Where the file of a source belongs; what has a hash in its name goes elsewhere."""
    if cached is not None:
        return folder / "imported" / cached
    if loader == "torchvision":
        return folder / "torchvision" / f"{architecture}.safetensors"
    owner = "google" if loader == "mobilenet_v1" else "timm"
    repository = folder / "hf" / "hub" / f"models--{owner}--{architecture}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    return repository / "snapshots" / REVISION / "model.safetensors"


def travelled(entry: Any, catalog: Any, folder: Path) -> dict[str, Any]:
    """The network with random weights through a file: how many parameters, and what differs."""
    import torch
    from safetensors.torch import save_file

    from harness.resolve.components import find_weights, loader_of

    loader = loader_of(entry, catalog)
    made = loader.untrained(entry.spec(None), "cpu").module
    for parameter in made.parameters():  # other weights than every new network has
        parameter.mul_(0.9)
    for module in made.modules():  # logits that differ between classes, and are finite
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(0.5)
            module.running_mean.normal_(0, 0.01)
    path = place(folder, entry.loader, entry.architecture, entry.weights.cached)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(made.state_dict(), path)
    found = path if entry.loader == "torchvision" else find_weights(entry, catalog).path
    assert found.samefile(path)
    images = torch.rand(2, 3, *entry.input.size, generator=torch.Generator().manual_seed(1))
    start = time.perf_counter()
    module = loader.load(entry.spec(found), "cpu").module
    seconds = time.perf_counter() - start
    with torch.no_grad():
        expected, logits = made(images), module(images)
    size = path.stat().st_size
    path.unlink()
    assert expected.std() > 0
    return {
        "parameters": sum(each.numel() for each in module.parameters()),
        "bytes": size,
        "outputs": logits.shape[1],
        "error": float((logits - expected).abs().max() / expected.std()),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="*", metavar="GLOB")
    parser.add_argument("--folder", type=Path, help="where the files are made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        os.environ |= {  # before the libraries read them
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder / "hf"),
            "TORCH_HOME": str(folder / "torch"),
            "HARNESS_IMPORTED": str(folder / "imported"),
        }
        from harness.plugins import installed
        from harness.registry import load
        from harness_su2018.importing.known import MODELS

        registry, catalog = load(), installed()
        print(HEADER)
        for known in MODELS:
            model = registry.models[known.name]
            for source in model.sources:
                entry = model.chosen(source)
                if source == "architecture" or not fnmatchcase(known.name, asked.models):
                    continue
                what = f"| {known.name} | `{source}` | {entry.loader} | {entry.fidelity} |"
                if entry.loader == "onnx":
                    size = model.sources[source].bytes / 1e6
                    print(f"{what} {size:.1f} | – | {model.parameters / 1e6:g} M | – | – | – |")
                    continue
                row = travelled(entry, catalog, folder)
                print(
                    f"{what} {row['bytes'] / 1e6:.1f} | {row['parameters'] / 1e6:.2f} M |"
                    f" {model.parameters / 1e6:g} M | {row['outputs']} | {row['error']:.1e} |"
                    f" {row['seconds']:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
