"""Where on this machine workers are: on which device, and with how many of the cores."""

from __future__ import annotations

from dataclasses import dataclass

from harness.api import ConfigError, Devices, Placement

NO_CLUSTER = "the workers are on this machine"


@dataclass(frozen=True, slots=True)
class Place:
    """One worker's.

    Attributes:
        device: ``cpu`` or ``cuda:N``.
        threads: of torch.
    """

    device: str
    threads: int


def single(placement: Placement, gpus: int) -> str:
    """The device of a single worker that has the whole machine, which has ``gpus`` GPUs.

    Raises:
        ConfigError: several workers are asked for, or shares of something.
    """
    devices = placement.devices
    _on_this_machine(placement)
    for flag, share in (
        ("--gpus-per-worker", placement.gpus_per_worker),
        ("--cpus-per-worker", placement.cpus_per_worker),
    ):
        if share is not None:
            raise ConfigError(
                "the only worker shares nothing", where=flag, hint="use --executor processes"
            )
    if devices.is_cpu(gpus):
        names = ["cpu"] * (devices.workers or 1)
    else:
        numbers = _numbers(devices, gpus)
        names = [f"cuda:{each}" for each in (numbers[:1] if devices.kind == "auto" else numbers)]
    if len(names) > 1:
        raise ConfigError(
            f"{devices} is for several workers, and there is one in this process",
            where="--devices",
            hint="use --executor processes",
        )
    return names[0]


def places(placement: Placement, *, gpus: int, cores: int) -> list[Place]:
    """The workers' places on a machine with so many ``gpus`` and usable ``cores``.

    Raises:
        ConfigError: there is no such device, or no such share of one.
    """
    _on_this_machine(placement)
    share, most = placement.cpus_per_worker, max(1, placement.most)
    if share is not None and share > cores:
        raise ConfigError(
            f"this process may use {cores} cores, not {share}", where="--cpus-per-worker"
        )
    if placement.devices.is_cpu(gpus):
        if placement.gpus_per_worker is not None:
            raise ConfigError("the workers are on CPUs", where="--gpus-per-worker")
        count = placement.devices.workers or cores // (share or 1)
        names = ["cpu"] * min(count, most)
    else:
        on_each = _on_each(placement.gpus_per_worker)
        numbers = _numbers(placement.devices, gpus)
        names = [f"cuda:{number}" for number in numbers * on_each][:most]
    threads = share or max(1, cores // len(names))
    return [Place(name, threads) for name in names]


def _on_this_machine(placement: Placement) -> None:
    if placement.address is not None:
        raise ConfigError(NO_CLUSTER, where="--ray-address", hint="use --executor ray")


def _on_each(share: float | None) -> int:
    """Workers per GPU, each with a ``share`` of it."""
    if share is None:
        return 1
    if not 0 < share <= 1:
        raise ConfigError(
            f"a worker computes on one GPU or a part of it, not on {share:g}",
            where="--gpus-per-worker",
            hint="use a share such as 1 or .5",
        )
    return int(1 / share + 1e-9)


def _numbers(devices: Devices, gpus: int) -> list[int]:
    """The numbers of the GPUs to use."""
    there = "no GPU" if not gpus else "one GPU, cuda:0" if gpus == 1 else f"{gpus} GPUs"
    if not gpus or any(number >= gpus for number in devices.numbers):
        raise ConfigError(
            f"{devices} cannot be used: torch sees {there} here",
            where="--devices",
            hint="use --devices auto or cpu",
        )
    return list(devices.numbers) or list(range(gpus))
