"""What all plugins share in a process where torch is, as `harness.engine.shared` has the rest."""

from __future__ import annotations

from typing import Any

import torch

from harness.engine import threads
from harness.engine.device import (
    KINDS,
    precisions,
    put_precisions,
    put_tf32_settings,
    tf32_settings,
)
from harness.engine.shared import PYTHON_ASPECTS, Aspect


def _put_grad(on: bool) -> None:
    torch.set_grad_enabled(on)


def _put_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)


def _deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _put_deterministic(values: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(values[0], warn_only=values[1])


def _cudnn() -> tuple[bool, ...]:
    flags: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    return flags.enabled, flags.benchmark, flags.deterministic, mkldnn.enabled


def _put_cudnn(values: tuple[bool, ...]) -> None:
    flags: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    flags.enabled, flags.benchmark, flags.deterministic, mkldnn.enabled = values


def _autocast() -> tuple[bool, ...]:
    return tuple(map(torch.is_autocast_enabled, KINDS))


def _put_autocast(values: tuple[bool, ...]) -> None:
    for kind, value in zip(KINDS, values, strict=True):
        torch.set_autocast_enabled(kind, value)


def _modes() -> tuple[int, int]:
    return (
        torch._C._len_torch_function_stack(),
        torch._C._len_torch_dispatch_stack(),
    )


def _put_modes(lengths: tuple[int, int]) -> None:
    while torch._C._len_torch_function_stack() > lengths[0]:
        torch._C._pop_torch_function_stack()
    while torch._C._len_torch_dispatch_stack() > lengths[1]:
        torch._C._pop_torch_dispatch_stack(None)


_HOOKS = [
    hooks
    for name, hooks in vars(torch.nn.modules.module).copy().items()
    if name.startswith("_global") and isinstance(hooks, dict)
]


def _hooks() -> list[dict[Any, Any]]:
    return [dict(hooks) for hooks in _HOOKS]


def _put_hooks(before: list[dict[Any, Any]]) -> None:
    for hooks, values in zip(_HOOKS, before, strict=True):
        hooks.clear()
        hooks.update(values)


_inference: list[Any] = []
"""Guards that nobody may destroy: each would bring back what was before it."""


def _put_inference(on: bool) -> None:
    _inference.append(torch._C._InferenceMode(on))


ASPECTS = (
    Aspect("torch's function or dispatch modes", _modes, _put_modes, shown=False),
    Aspect("whether torch records gradients", torch.is_grad_enabled, _put_grad),
    Aspect("torch's autocast", _autocast, _put_autocast),
    Aspect("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Aspect("torch's default device", torch.get_default_device, _put_device),
    Aspect("torch's inference mode", torch.is_inference_mode_enabled, _put_inference),
    Aspect("the hooks of all torch modules", _hooks, _put_hooks, shown=False),
    Aspect("torch's deterministic algorithms", _deterministic, _put_deterministic),
    Aspect("the flags of cuDNN or oneDNN", _cudnn, _put_cudnn),
    Aspect("torch's TF32 settings", tf32_settings, put_tf32_settings, shown=False),
    Aspect("torch's fp32 precision", precisions, put_precisions, shown=False),
    Aspect("torch's number of threads", threads.number, threads.put),
    Aspect(
        "torch's global random numbers",
        torch.get_rng_state,
        torch.set_rng_state,
        shown=False,
        draws=True,
        main=True,
        same=torch.equal,
    ),
    *PYTHON_ASPECTS,
)
