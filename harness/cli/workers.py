"""Options that say where a run's work is done, and what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.api import Devices
from harness.api.devices import FORMS
from harness.cli.options import Decorator, decorated, option
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.api import Placement


def devices(text: str = "Device to compute on; a single one.") -> Decorator:
    return option("--devices", default="auto", metavar=FORMS, help=text)


def workers(command: Any) -> Any:
    """The options that place a run's workers."""
    return decorated(
        command,
        devices(
            "Devices to compute on: all GPUs that there are, else the CPU (auto); N processes that"
            " share the CPU cores (cpu:N); GPUs by number."
        ),
        option(
            "--executor",
            default="auto",
            metavar="NAME",
            help="Where the work is done: inline (in this process), processes, or one that a plugin"
            " provides. auto: processes for several GPUs, and for small networks on a CPU.",
        ),
        option("--ray-address", metavar="HOST:PORT", help="Ray cluster to join."),
        option(
            "--gpus-per-worker",
            type=click.FloatRange(min=0, min_open=True),
            metavar="X",
            help="Share of a GPU per worker; .5 places two workers on each.",
        ),
        option(
            "--cpus-per-worker",
            type=click.IntRange(min=1),
            metavar="N",
            help="CPU cores per worker.",
        ),
        option(
            "--image-timeout",
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help="A plugin that makes no progress for so long, for each image that it has in its"
            " hands, is stopped: no pass of the model, no finished image. 0: never. By default 60"
            " for plugins that did not come with the harness, and never for those that did.",
        ),
        option(
            "--worker-timeout",
            type=click.FloatRange(min=1),
            default=60.0,
            metavar="SECONDS",
            help="A worker process that has given no sign of life for so long is replaced.",
        ),
    )


def placement(
    *,
    devices: str,
    ray_address: str | None,
    gpus_per_worker: float | None,
    cpus_per_worker: int | None,
    worker_timeout: float,
    image_timeout: float | None,
) -> Placement:
    """The options as they are given to an executor.

    Raises:
        ConfigError: the devices are malformed.
    """
    from harness.api import Placement

    return Placement(
        devices=Devices.parse(devices),
        address=ray_address,
        gpus_per_worker=gpus_per_worker,
        cpus_per_worker=cpus_per_worker,
        silence=worker_timeout,
        image_timeout=image_timeout,
    )


def one_device(devices: str, verb: str) -> str:
    """The device of a verb that computes on a single one: ``auto``, ``cpu`` or ``cuda:N``.

    Raises:
        ConfigError: there are several, or they are malformed.
    """
    asked = Devices.parse(devices)
    if not asked.is_single:
        raise ConfigError(
            f"`harness {verb}` computes on one device, not on {asked}",
            where="--devices",
            hint="use cpu or, say, cuda:0",
        )
    return str(asked.first)
