"""The Inceptions and NASNet against TensorFlow in double precision, where a pixel too many or a
scale that is off by a little cannot pass for rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from harness_slim.names import check, converted, places
from harness_slim.nasnet_large import NASNet
from harness_slim.networks import NETWORKS

SMALL = "nasnet_small"
QUICK = ["inception_v1", "inception_v2", "inception_v3", SMALL]
LARGE = ["inception_v4", "inception_resnet_v2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes what `doubles.py` makes of some names, once; returns their folder."""
    if find_spec("tensorflow") is None:
        pytest.skip("tensorflow not installed: pip install -e '.[paper]'")

    @cache
    def make(*names: str) -> Path:
        folder = tmp_path_factory.mktemp("doubles")
        subprocess.run(
            [sys.executable, Path(__file__).with_name("doubles.py"), folder, *names],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=True,
        )
        return folder

    return make


@pytest.mark.parametrize("name", QUICK)
def test_logits_are_those_of_tensorflow(name: str, made: Callable[..., Path]) -> None:
    compare(name, made(*QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_logits_of_large_networks_too(name: str, made: Callable[..., Path]) -> None:
    compare(name, made(*LARGE))


def compare(name: str, folder: Path) -> None:
    if name == SMALL:
        module, scope = NASNet(1001, width=24, repeats=2), ""
    else:
        module, scope = NETWORKS[name].build(1001), NETWORKS[name].scope
    with np.load(folder / f"{name}.npz") as arrays:
        wanted = places(module, scope)
        shapes = {n: arrays[n].shape for n in arrays.files if n not in ("images", "logits")}
        assert check(wanted, shapes, name) == []
        state = {n: torch.from_numpy(converted(p, arrays[p.variable])) for n, p in wanted.items()}
        module.load_state_dict(state, strict=False)
        with torch.no_grad():
            found = module.double().eval()(torch.from_numpy(arrays["images"])).numpy()
        expected = arrays["logits"]
    assert np.abs(found - expected).max() <= 1e-7 * np.abs(expected).max()
    assert expected.std(1).min() > 0.1
