"""A user's own file travels to other hosts with its weights and the modules that it imports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.execute.worker.supplies.manifest import Weights, weights_of
from harness.execute.worker.supplies.requests import Sent
from harness.execute.worker.supplies.source import PIECE
from harness.execute.worker.supplies.weights import SuppliedWeights
from harness.plugins import installed
from harness.registry import load
from harness.resolve.components import found_model

OVERLAY = """\
models:
  mine:
    loader: python
    code: code/net.py
    architecture: make
    {weights}
    classes: 3
    preprocessing: {{size: [2, 2]}}
"""


@pytest.mark.parametrize("with_weights", [True, False])
def test_code_and_what_it_imports_are_fetched_and_run(tmp_path, monkeypatch, with_weights) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "code" / "parts").mkdir(parents=True)
    (tmp_path / "code" / "net.py").write_text(
        "from torch import nn\nfrom parts.last import last\n\n\n"
        "def make():\n    return nn.Sequential(nn.Flatten(), last(3))\n"
    )
    (tmp_path / "code" / "parts" / "__init__.py").write_text("")
    (tmp_path / "code" / "parts" / "last.py").write_text(
        "from torch import nn\n\n\ndef last(classes):\n    return nn.Linear(12, classes)\n"
    )
    (tmp_path / "runs").mkdir()
    tensors = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).state_dict()
    save_file(tensors, tmp_path / "runs" / "best.safetensors")
    overlay = tmp_path / "mine.yaml"
    file = "weights: {file: runs/best.safetensors}" if with_weights else ""
    overlay.write_text(OVERLAY.format(weights=file))
    entry = load([overlay]).models["mine"]
    component, (loader, spec) = found_model(entry, installed())
    weights = weights_of(component, loader, spec)
    assert weights is not None
    names = ["best.safetensors"] * with_weights
    code = ["net.py", "parts/__init__.py", "parts/last.py"]
    assert [each.name for each in weights.files] == [
        *names, *(f"code/{name}" if with_weights else name for name in code)
    ]  # fmt: skip

    contents = [each.path.read_bytes() for each in weights.files]
    asked = []

    def ask(request):
        import numpy as np

        asked.append(request.file)
        content = contents[request.file][request.start : request.start + PIECE]
        return Sent.of(np.frombuffer(content, np.uint8))

    nowhere = tuple(
        replace(each, path=Path("/no/such") / each.path.name, stamp=(0, each.bytes, 0))
        for each in weights.files
    )
    supplied = SuppliedWeights({"mine": Weights(nowhere, weights.sha256)}, ask)
    located = supplied.located(spec, loader)
    assert sorted(set(asked)) == [
        number for number, each in enumerate(weights.files) if each.bytes
    ], "an empty file has nothing to fetch"
    assert located.code is not None
    assert located.code.is_relative_to(tmp_path / "cache")
    there, here = loader.load(located, "cpu"), loader.load(spec, "cpu")
    images = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(there.module(images), here.module(images))
    if with_weights:
        assert torch.equal(there.module[1].weight, tensors["1.weight"])
    supplied = SuppliedWeights({"mine": weights}, ask)
    asked.clear()
    assert supplied.located(spec, loader) == replace(
        spec, code=spec.code.absolute(), weights=spec.weights and spec.weights.absolute()
    )
    assert not asked, "on the driver's own host nothing is fetched"
