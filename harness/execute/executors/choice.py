"""Which executor does a run's work, and with how many workers at most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from harness.api import Executor, Placement, PluginError, Watch
from harness.contained import contained
from harness.cores import usable_cores
from harness.definition import Numerics
from harness.engine.device import count_gpus, must_compute_in, resolve_device
from harness.execute.executors.inline import Inline
from harness.execute.executors.names import AUTO, BUILT_IN
from harness.execute.executors.places import places, single
from harness.execute.executors.processes import Processes
from harness.planning import Plan
from harness.plugins import Catalog, Kind, unknown

SMALL = 3 * 64 * 64
"""Values of an input up to which a network is one for a core of its own."""
WORTH = 500
"""Images to attack or measure for each process; below that its start takes longer than it saves."""


def helpful(plan: Plan, todo: Mapping[str, Sequence[str]], cores: int) -> int:
    """How many processes on CPUs help: one where the models or the work are not for more.

    Args:
        todo: the images that are left of each cell, by its key.
    """
    if any(math.prod(model.shape) > SMALL for model in plan.models):
        return 1
    images = sum(len(todo[cell.key]) for cell in plan.cells if cell.task is not None)
    return max(1, min(cores, images // WORTH))


def choose(
    asked: str, placement: Placement, *, helpful: int, pending: int, gpus: int, guests: bool = False
) -> tuple[str, Placement]:
    """The name of the executor, and where it is to work.

    Args:
        asked: what ``--executor`` says.
        placement: as it was asked for.
        helpful: how many processes on CPUs help.
        pending: images that are left: there is no work for more workers.
        gpus: of this machine.
        guests: plugins of third parties are at work, which may take down the process they are in.
    """
    devices, most = placement.devices, max(1, pending)
    if asked not in (AUTO, *BUILT_IN):
        return asked, replace(placement, most=most)
    if not devices.is_cpu(gpus):
        workers = len(devices.numbers) or gpus
    elif devices.workers is not None:
        workers = devices.workers
    else:
        workers = most = helpful
    shared = placement.gpus_per_worker is not None or placement.cpus_per_worker is not None
    several = "processes" if min(workers, most) > 1 or shared or guests else "inline"
    return (several if asked == AUTO else asked), replace(placement, most=most)


def executor_of(name: str, placement: Placement, catalog: Catalog, watch: Watch) -> Executor:
    """The executor of this name.

    Args:
        watch: is told what a worker in this process is at.

    Raises:
        ConfigError: there is none, or it cannot do what is asked. PluginError: it is broken.
    """
    if name == "inline":
        return Inline(placement, watch)
    if name == "processes":
        return Processes(placement)
    made = _class(name, catalog)
    with contained(f"executor {name!r}"):
        return made(placement)


def check(asked: str, placement: Placement, catalog: Catalog) -> None:
    """Before anything is computed: can it be done?

    Args:
        asked: what ``--executor`` says.

    Raises:
        ConfigError, PluginError: see `executor_of`.
    """
    if asked == "inline":
        single(placement, count_gpus())
    elif asked in (AUTO, "processes"):
        places(placement, gpus=count_gpus(), cores=usable_cores())
    else:
        made = _class(asked, catalog)
        with contained(f"executor {asked!r}"):
            made(placement)


def own_device(asked: str, placement: Placement, numerics: Numerics) -> torch.device:
    """What this process computes on. Workers on other machines have devices of their own.

    Args:
        asked: what ``--executor`` says.
        numerics: of the gradients; workers elsewhere find out for themselves.

    Raises:
        ConfigError: there is no such device, or it cannot compute in ``numerics``.
    """
    if asked not in (AUTO, *BUILT_IN):
        return resolve_device("auto")
    device = resolve_device(str(placement.devices.first))
    must_compute_in(numerics, device)
    return device


def _class(name: str, catalog: Catalog) -> type[Executor]:
    """What a plugin offers under this name."""
    registration = catalog.find(Kind.EXECUTOR, name)
    if registration is None:
        offered = [each.name for each in catalog.all(Kind.EXECUTOR)]
        raise unknown("executor", name, [AUTO, *BUILT_IN, *offered], "--executor")
    made = registration.load()
    if not isinstance(made, type) or not issubclass(made, Executor):
        raise PluginError(
            f"executor {name!r} is no subclass of harness.api.Executor",
            where=f"plugin {registration.plugin} ({registration.distribution})",
        )
    return made
