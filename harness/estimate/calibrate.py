"""The figures of a plan's models: from the cache, or measured with random weights and kept there.

torch is imported only where something has to be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.api import HarnessError, ModelError, ModelLoader, ModelSpec
from harness.estimate.machine import machine
from harness.estimate.passes import (
    PassCostCache,
    PassCosts,
    builds_untrained,
    cache_folder,
    figures_key,
)
from harness.resolve.prepare import Resolved

if TYPE_CHECKING:
    import torch

SECONDS = 0.7
"""How long each kind of passes of a model is timed, about."""


@dataclass(slots=True)
class Calibration:
    """PassCosts by model, and why some models have none.

    Attributes:
        device: what the seconds are of; None where none are known.
    """

    device: str | None = None
    figures: dict[str, PassCosts] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)


def calibrate(
    resolved: Resolved,
    models: Collection[str],
    device: str,
    *,
    measure: bool,
    say: Callable[[str], None],
) -> Calibration:
    """The figures of ``models`` on ``device`` (auto, cpu, cuda:N).

    With ``measure`` unknown ones are found out, which takes seconds a model and is kept. ``say``
    hears of it, and of a cache that cannot be written.

    Raises:
        ConfigError: there is no such device.
    """
    book = PassCostCache(cache_folder() / "figures.json", {"device": device, **machine()})
    components = {model.name: model for model in resolved.plan.models if model.name in models}
    keys = {
        name: figures_key(component, resolved.models[name][0])
        for name, component in components.items()
    }
    result = Calibration()
    for name in keys:
        loader, spec = resolved.models[name]
        if spec.weights is None and not builds_untrained(loader):
            result.without[name] = "whose loader builds nothing without weights"
    unknown = [name for name, key in keys.items() if not book.complete(key)]
    unknown = [name for name in unknown if measure and name not in result.without]
    for number, name in enumerate(unknown, start=1):
        from harness.engine.device import describe, resolve_device

        place = resolve_device(device)
        say(f"measuring passes of {name} ({number} of {len(unknown)})")
        try:
            found, where = _measured(*resolved.models[name], place), describe(place)
        except HarnessError as error:
            result.without[name] = error.what
            continue
        try:
            book.keep(keys[name], found, where)
        except OSError as error:
            say(f"the figures cannot be kept: {error}")
        result.figures[name], result.device = found, where
    for name, key in keys.items():
        known = book.find(key)
        if name not in result.figures and known is not None:
            result.figures[name] = known
        elif name not in result.figures:
            result.without.setdefault(name, "not measured yet")
    result.device = result.device or book.device
    return result


def _measured(loader: ModelLoader, spec: ModelSpec, device: torch.device) -> PassCosts:
    from harness.engine.device import default_batch_size
    from harness.engine.timing import count_flops, seconds_an_image
    from harness.estimate.untrained import build_either

    model = build_either(loader, spec, device).model
    try:
        flops = count_flops(model)
        size = default_batch_size(device, model.shape)
        seconds = seconds_an_image(model, batch_size=size, seconds=SECONDS)
    except HarnessError:
        raise
    except Exception as error:  # whatever a network does on noise
        raise ModelError(
            f"its passes cannot be measured: {type(error).__name__}", where=f"model {spec.name}"
        ) from error
    return PassCosts(flops.forward, flops.gradient, seconds.forward, seconds.gradient)
