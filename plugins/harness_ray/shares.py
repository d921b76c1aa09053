"""What of a cluster each worker is given, and how many workers that makes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.api import ConfigError, Placement

FINEST = 10_000
"""Ray divides a GPU into so many parts."""


@dataclass(frozen=True, slots=True)
class Node:
    """A host of a cluster, by what it offers to workers.

    Attributes:
        cpus, gpus: all that it has.
        free_cpus, free_gpus: what nobody has taken.
    """

    cpus: float
    gpus: float
    free_cpus: float
    free_gpus: float


@dataclass(frozen=True, slots=True)
class Share:
    """What each worker is given.

    Attributes:
        device: ``cpu``, or ``cuda:0``, which is the one that a worker of Ray sees.
        threads: of torch.
        workers: how many there is room for now, or will be when others have left.
        most: how many may work at a time, wherever there will be room.
    """

    device: str
    cpus: int
    gpus: float
    threads: int
    workers: int
    most: int


def share(placement: Placement, nodes: Sequence[Node]) -> Share:
    """How the workers divide ``nodes``.

    Raises:
        ConfigError: there is no such device, or no such share of one.
    """
    gpus = sum(int(node.gpus) for node in nodes)
    if placement.devices.is_cpu(gpus):
        return _of_cores(placement, nodes)
    if not gpus:
        raise ConfigError(
            f"{placement.devices} cannot be used: the cluster has no GPU",
            where="--devices",
            hint="add a host that has one, or use --devices auto or cpu",
        )
    return _of_gpus(placement, nodes, gpus)


def check(placement: Placement) -> None:
    """What is wrong wherever the workers are.

    Raises:
        ConfigError: it is.
    """
    each = placement.gpus_per_worker
    if each is not None and placement.devices.kind == "cpu":
        raise ConfigError("the workers are on CPUs", where="--gpus-per-worker")
    if each is not None and not 0 < each <= 1:
        raise ConfigError(
            f"a worker computes on one GPU or a part of it, not on {each:g}",
            where="--gpus-per-worker",
            hint="use a share such as 1 or .5",
        )


def _of_cores(placement: Placement, nodes: Sequence[Node]) -> Share:
    cores = max(1, sum(int(node.cpus) for node in nodes))
    most = max(1, min(placement.most, placement.devices.workers or placement.most))
    cpus = placement.cpus_per_worker or max(1, _widest(nodes, min(most, cores)))
    if not _fit(nodes, cpus):
        largest = max((int(node.cpus) for node in nodes), default=0)
        raise ConfigError(
            f"no host of the cluster has {cpus} cores for a worker: the largest has {largest}",
            where="--cpus-per-worker",
        )
    free = sum(int(node.free_cpus // cpus) for node in nodes)
    return Share("cpu", cpus, 0.0, cpus, max(1, min(most, free)), most)


def _of_gpus(placement: Placement, nodes: Sequence[Node], gpus: int) -> Share:
    """Workers share a GPU only where there are more of them than GPUs."""
    on_each = 1
    if placement.gpus_per_worker is not None:
        on_each = int(1 / placement.gpus_per_worker + 1e-9)
    most = max(1, placement.most)
    on_each = min(on_each, math.ceil(most / gpus))
    cpus = placement.cpus_per_worker
    if cpus is None:
        cpus = min(int(node.cpus) // (int(node.gpus) * on_each) for node in nodes if node.gpus >= 1)
    free = sum(
        min(int(node.free_gpus) * on_each, int(node.free_cpus) // cpus if cpus else FINEST)
        for node in nodes
    )
    part = math.floor(FINEST / on_each) / FINEST
    return Share("cuda:0", cpus, part, max(1, cpus), max(1, min(most, free)), most)


def _widest(nodes: Sequence[Node], workers: int) -> int:
    """The most cores that so many workers can have each; 0: there are too few for them all."""
    widest = 0
    while _fit(nodes, widest + 1) >= workers:
        widest += 1
    return widest


def _fit(nodes: Sequence[Node], cpus: int) -> int:
    """How many workers of so many cores there is room for."""
    return sum(int(node.cpus) // cpus for node in nodes)
