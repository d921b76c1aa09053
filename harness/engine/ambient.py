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


ASPECTS = (
    Aspect("whether torch records gradients", torch.is_grad_enabled, _put_grad),
    Aspect("torch's autocast", _autocast, _put_autocast),
    Aspect("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Aspect("torch's default device", torch.get_default_device, _put_device),
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
