"""What passes of a plan's models cost: from the cache, or measured with random weights and kept.

torch is imported only where something has to be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.api import HarnessError, ModelError, ModelLoader, ModelSpec
from harness.definition import Numerics
from harness.estimate.machine import machine
from harness.estimate.passes import (
    PassCostCache,
    PassCosts,
    builds_untrained,
    cache_folder,
    pass_cost_key,
)
from harness.resolve.prepare import Resolved

if TYPE_CHECKING:
    import torch

SECONDS = 0.7
"""How long each kind of passes of a model is timed, about."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pass costs by model, and why some models have none.

    Attributes:
        device: what the seconds are of; None where none are known.
    """

    device: str | None
    costs: Mapping[str, PassCosts]
    without: Mapping[str, str]


def calibrate(
    resolved: Resolved,
    models: Collection[str],
    device: str,
    *,
    measure: bool,
    say: Callable[[str], None],
) -> Calibration:
    """The pass costs of ``models`` on ``device`` (auto, cpu, cuda:N).

    With ``measure`` unknown ones are measured, which takes seconds per model, and kept. ``say`` is
    called with each model that is measured, and when the cache cannot be written.

    Raises:
        ConfigError: there is no such device, or it cannot compute in the plan's numerics.
    """
    cache = PassCostCache(cache_folder() / "figures.json", {"device": device, **machine()})
    numerics = resolved.plan.policy.precision
    keys = {
        model.name: pass_cost_key(model, resolved.models[model.name][0], numerics)
        for model in resolved.plan.models
        if model.name in models
    }
    without = {
        name: "the loader builds nothing without weights"
        for name in keys
        if resolved.models[name][1].weights is None
        and not builds_untrained(resolved.models[name][0])
    }
    measured: dict[str, PassCosts] = {}
    unknown = [name for name in keys if not (name in without or cache.complete(keys[name]))]
    for number, name in enumerate(unknown if measure else (), start=1):
        from harness.engine.device import describe, must_compute_in, resolve_device

        place = resolve_device(device)
        must_compute_in(numerics, place)
        say(f"measuring passes of {name} ({number} of {len(unknown)})")
        try:
            measured[name] = _measured(*resolved.models[name], place, numerics)
        except HarnessError as error:
            without[name] = error.what
            continue
        try:
            cache.keep(keys[name], measured[name], describe(place))
        except OSError as error:
            say(f"pass costs cannot be kept: {error}")
    known = {name: measured.get(name) or cache.find(key) for name, key in keys.items()}
    costs = {name: found for name, found in known.items() if found is not None}
    missing = {name: "not measured yet" for name in keys if name not in costs}
    return Calibration(cache.device, costs, {**missing, **without})


def _measured(
    loader: ModelLoader, spec: ModelSpec, device: torch.device, numerics: Numerics
) -> PassCosts:
    from harness.engine.device import default_batch_size
    from harness.engine.timing import count_flops, seconds_an_image
    from harness.estimate.untrained import build_either

    model = build_either(loader, spec, device, numerics=numerics).model
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
