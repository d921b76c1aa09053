"""While torch.fx traces a network, `torch.nn.Module` itself is patched: one at a time, unseen."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence

import torch
from torch import fx, nn

from harness.api import ModelError

TRACING = threading.RLock()
"""Held while a network is traced, and while it is looked at what functions and classes are called.

Two traces that overlap leave one's patch behind for good; and what a guard sees of a trace on
another thread it would hold against a plugin, or put back in its midst.
"""


def traced(module: nn.Module, shape: Sequence[int], device: torch.device) -> fx.GraphModule:
    """What ``module`` computes of one image of ``shape``, as ATen's operations.

    Raises:
        ModelError: it cannot be traced.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        # A layout of its own would show among the operations.
        plain = copy.deepcopy(module).to(memory_format=torch.contiguous_format)
        with TRACING, torch.no_grad():
            return make_fx(plain)(torch.zeros((1, *shape), device=device))
    except Exception as error:
        said = " ".join(str(error).split())
        raise ModelError(f"it cannot be traced: {type(error).__name__}: {said}") from error
