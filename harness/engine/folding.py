"""Batch norms folded into the convolutions before them, beside a model that is at work."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from harness.engine.tracing import TRACING


class _Tracer(fx.Tracer):
    """Traces its own thread alone.

    While torch.fx traces, every module's calls and attributes go through the tracer, those of other
    threads too: another model may be at work there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def folded(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """``network`` with batch norms folded into convolutions, where that is exact; else itself.

    The folding is done in float64. A network that torch.fx cannot trace, or whose folded form
    differs by more than float32 rounding explains, is left as it is.
    """
    from torch.fx.experimental.optimization import fuse

    if not any(isinstance(part, nn.BatchNorm2d) for part in network.modules()):
        return network
    try:
        tracer, exact = _Tracer(), copy.deepcopy(network).double()
        with TRACING:
            traced = fx.GraphModule(exact, tracer.trace(exact))
        folded = fuse(traced, inplace=True, no_trace=True).float().requires_grad_(False)
        generator = torch.Generator().manual_seed(0)
        probe = torch.rand((2, *shape), generator=generator) * 2 - 1
        probe = probe.to(next(network.parameters()).device)
        with torch.inference_mode():
            before, after = network(probe), folded(probe)
        if (before - after).abs().max() <= 1e-4 * before.abs().max():
            return folded
    except Exception:  # any network that tracing does not understand is simply not folded
        return network
    return network
