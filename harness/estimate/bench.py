"""How fast models and attacks run on a device: random weights, noise, no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from harness.api import (
    AttackParameters,
    HarnessError,
    MissingError,
    ModelError,
    ModelLoader,
    ModelSpec,
    SteppedAttack,
)
from harness.definition import Numerics
from harness.engine.classifier import PixelClassifier
from harness.engine.device import default_batch_size, forget_peak, peak_bytes
from harness.engine.halving import BatchSize
from harness.engine.throughput import Rounds
from harness.engine.timing import (
    Work,
    forward_pass,
    gradient_pass,
    images_a_second,
    random_images,
)
from harness.estimate.untrained import Built, build
from harness.plugins import Catalog, Kind
from harness.registry import ModelEntry, SuiteEntry
from harness.resolve.components import attack_components, find_weights, model_component
from harness.resolve.tasks import place


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What to measure and how.

    Attributes:
        attacks: by name.
        batch_size: None: a default for the device and the image size.
        seconds: for each kind of passes and each attack, about.
        numerics: of the gradients; inference is in IEEE fp32.
    """

    device: torch.device
    attacks: Mapping[str, SteppedAttack]
    batch_size: int | None = None
    seconds: float = 2.0
    numerics: Numerics = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """A model's speeds, in images per second; None where there is none.

    Attributes:
        source: the registry's name of the source, None where the model has only one.
        weights: ``random`` unless no source could be built without weights.
        forward, gradient: inference, and a forward with a backward to the pixels.
        steps: of each attack: images times rounds a second.
        memory: peak bytes; on a CPU those of the whole process.
        missing: nothing could be built, for ``problem``; otherwise ``problem`` is what failed.
    """

    model: str
    source: str | None = None
    loader: str | None = None
    architecture: str | None = None
    weights: str | None = None
    parameters: int | None = None
    size: tuple[int, int] | None = None
    batch_size: int | None = None
    forward: float | None = None
    gradient: float | None = None
    steps: Mapping[str, float | None] = field(default_factory=dict)
    memory: int | None = None
    missing: bool = False
    problem: str | None = None


def stepped_attacks(suite: SuiteEntry, catalog: Catalog) -> dict[str, SteppedAttack]:
    """The first of each of the suite's stepped attacks, with the suite's parameters.

    Raises:
        ConfigError: a parameter is wrong.
    """
    found: dict[str, AttackParameters] = {}
    for entry in suite.attacks:
        registration = catalog.find(Kind.ATTACK, entry.attack)
        if registration is not None and entry.attack not in found:
            where = place(entry, suite)
            (_, found[entry.attack]), *_ = attack_components(entry, suite, registration, where)
    return {name: each for name, each in found.items() if isinstance(each, SteppedAttack)}


def bench_model(entry: ModelEntry, catalog: Catalog, bench: Bench) -> Speed:
    """The speeds of one model, built from the first of its sources that can be.

    A model that cannot be built, or that fails at work, has a ``problem``.
    """
    try:
        source, built = _first_built(entry, catalog, bench)
    except HarnessError as error:
        return Speed(model=entry.name, missing=True, problem=error.what)
    model = built.model
    row = Speed(
        model=entry.name,
        source=source.source_name,
        loader=source.loader,
        architecture=source.architecture,
        weights="random" if built.random else "loaded",
        parameters=built.parameters,
        size=(model.shape[1], model.shape[2]),
    )
    return _measured(row, model, bench)


def _first_built(entry: ModelEntry, catalog: Catalog, bench: Bench) -> tuple[ModelEntry, Built]:
    """From any source with random weights; failing that, from any whose weights are here."""
    sources = [entry.chosen(name) for name in entry.sources] or [entry]
    known = [(each, _with_weights(each, catalog)) for each in sources]
    first: HarnessError | None = None
    for random in (True, False):
        for source, (loader, spec) in known:
            if not random and spec.weights is None:
                continue
            try:
                place, numerics = bench.device, bench.numerics
                return source, build(loader, spec, place, numerics=numerics, random=random)
            except HarnessError as error:
                first = first or error
    assert first is not None
    raise first


def _with_weights(entry: ModelEntry, catalog: Catalog) -> tuple[ModelLoader, ModelSpec]:
    """The loader of ``entry``, with the weights if they are here."""
    try:
        weights = find_weights(entry, catalog)
    except (MissingError, ModelError):
        weights = None
    return model_component(entry, catalog, weights)[1]


def _measured(row: Speed, model: PixelClassifier, bench: Bench) -> Speed:
    """``row`` with its speeds; batches are halved where memory is short."""
    images = bench.batch_size or default_batch_size(bench.device, model.shape)
    size = BatchSize(images, bench.device, lambda _: None)

    def speeds(images: int) -> list[dict[str, Any]]:
        forget_peak(bench.device)
        return [_speeds(model, bench, images)]

    try:
        (found,) = size.stream(speeds)
    except Exception as error:
        problem = error.what if isinstance(error, HarnessError) else _line(error)
        return replace(row, batch_size=size.images, problem=problem)
    return replace(row, **found, batch_size=size.images)


def _speeds(model: PixelClassifier, bench: Bench, size: int) -> dict[str, Any]:
    def speed(work: Work) -> float:
        return images_a_second(work, bench.device, seconds=bench.seconds)

    images = random_images(model, size)
    found: dict[str, Any] = {"forward": speed(forward_pass(model, images))}
    if model.differentiable is not None:
        found["gradient"] = speed(gradient_pass(model, images))
        found["steps"] = {
            name: speed(Rounds(attack, model, size)) for name, attack in bench.attacks.items()
        }
    found["memory"] = peak_bytes(bench.device)
    return found


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
