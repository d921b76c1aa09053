"""Which device the work runs on."""

from __future__ import annotations

import torch

from harness.api import ConfigError


def resolve_device(name: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda:N`` as a device; ``auto`` is the first GPU, else the CPU.

    Matrix products and convolutions are set to IEEE fp32: verdicts never use less.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"device {name!r} cannot be used: {reason}", hint="try --device auto"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is not supported", hint="use cpu or cuda:N")
    be_exact()
    return device


def be_exact() -> None:
    """Set this process's matrix products and convolutions to IEEE fp32."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def describe(device: torch.device) -> str:
    """The device as attempts name it, such as ``cuda:0 NVIDIA H200``."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return f"cpu ({torch.get_num_threads()} threads)"
