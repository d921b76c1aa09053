"""``harness.attack``: any installed attack on any model, image by image, judged by the harness."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.analysis.indicators import of_trial
from harness.api import CleanPrediction, ConfigError, Goal, Outcome, Status, Verdict
from harness.api.goal import NO_TARGET
from harness.engine.batches import attack_images
from harness.engine.clean import predict_clean
from harness.engine.device import default_batch_size
from harness.engine.jobs import Job
from harness.engine.threads import adapting
from harness.engine.trial import tried
from harness.identity import image_seed, tagged_hash
from harness.library.models import Model, opened_model
from harness.library.outcomes import AttackResult, collected
from harness.plugins import Kind, installed, unknown
from harness.resolve.components import attack_of
from harness.resolve.parameters import ParameterSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.api import AttackParameters
    from harness.engine.classifier import PixelClassifier

WHERE = "harness.attack"
DATASET = "images from Python"
"""What the random targets of such images are drawn under."""


def attack(
    model: Model,
    images: Tensor | NDArray[np.float32],
    labels: Tensor | NDArray[np.int64] | Sequence[int],
    attack: str,
    *,
    goal: Goal | str = Goal.UNTARGETED,
    preset: str | None = None,
    device: str | None = None,
    seed: int = 0,
    **parameters: Any,
) -> AttackResult:
    """Attack ``images`` and judge what comes back, as a run does, without a database.

    Images that the model gets wrong are not attacked. An image's outcome depends on the image, the
    attack, the goal and ``seed``, not on the other images, their order or the batch size.

    Args:
        model: a torch module in pixel space; a `harness.api.Classifier`, which says how its network
            wants its images; a name of the registry; a timm name; or an ONNX file.
        images: float (n, channels, height, width) in [0, 1], as the model takes them.
        labels: (n,), the true classes, from 0.
        attack: the name of an installed attack, as ``harness attacks list`` prints it.
        goal: as ``harness run``'s.
        preset: a named parameter set of the attack.
        device: ``cpu``, ``cuda:0``; None: the module's own, else the first GPU, else the CPU.
        seed: of random targets and of the attack's own random numbers.
        **parameters: the attack's hyper-parameters, as ``harness attacks show NAME`` lists them.

    Raises:
        HarnessError: of the classes that the command line prints: `ConfigError` for wrong
            arguments, `MissingError` for weights that are not here, `ModelError` for a model that
            fails, `PluginError` for a plugin that breaks its contract. An attack that fails on an
            image costs that image alone: its status is ``error``.
    """
    pixels = _images(images)
    numbers = _labels(labels, len(pixels))
    asked = _asked(attack, goal, preset, seed, parameters)
    opened, notes = opened_model(model, (pixels.shape[1], pixels.shape[2], pixels.shape[3]), device)
    if pixels.shape[1:] != opened.shape:
        raise ConfigError(
            f"the model takes images of {opened.shape}, these are {tuple(pixels.shape[1:])}",
            where=WHERE,
            hint="resize or crop the images first",
        )
    with adapting():
        found = _run(asked, opened, pixels, numbers)
    return replace(found, notes=(*notes, *found.notes))


@dataclass(frozen=True, slots=True)
class _Asked:
    """An attack for a goal; ``key`` is what the random numbers of an image are drawn under."""

    attack: AttackParameters
    key: str
    goal: Goal
    seed: int


def _asked(
    name: str, goal: Goal | str, preset: str | None, seed: int, parameters: dict[str, Any]
) -> _Asked:
    """
    Raises:
        ConfigError: there is no such attack, goal, preset or parameter.
    """
    try:
        aim = Goal(goal)
    except ValueError:
        names = [each.value for each in Goal]
        raise unknown("goal", str(goal), names, WHERE, "`harness.api.Goal`") from None
    registration = installed().get(Kind.ATTACK, name, where=WHERE)
    spec = ParameterSpec(Kind.ATTACK, name, WHERE, (aim,), parameters, preset)
    component, attack = attack_of(spec, registration)
    return _Asked(attack, tagged_hash(WHERE, [dict(component.identity), aim.value]), aim, seed)


def _run(asked: _Asked, model: PixelClassifier, images: Tensor, labels: list[int]) -> AttackResult:
    """The outcomes of all images; only those that the model gets right are attacked."""
    if not len(images):
        return collected([], [], images)
    size = default_batch_size(model.device, model.shape)
    trial = tried(model, images, _ignore)
    named = ((str(row), images[row], labels[row]) for row in range(len(images)))
    batches = predict_clean(model, named, batch_size=size, on_halving=_ignore)
    clean = list(itertools.chain.from_iterable(batches))
    work = [
        _assigned(asked, model.classes, image, row)
        for image, row in zip(images, clean, strict=True)
    ]
    outcomes = {each.image_id: each for each in work if isinstance(each, Outcome)}
    adversarial = images.clone()
    jobs = (each for each in work if isinstance(each, Job))
    stream = attack_images(asked.attack, model, jobs, batch_size=size, on_halving=_ignore)
    for judged in itertools.chain.from_iterable(stream):
        outcomes[judged.job.image_id] = judged.outcome
        if judged.candidate is not None:
            adversarial[int(judged.job.image_id)] = judged.candidate
    ordered = [outcomes[row.image_id] for row in clean]
    return collected(clean, ordered, adversarial, tuple(each.says for each in of_trial("", trial)))


def _ignore(size: int) -> None:
    """A smaller batch changes no outcome."""


def _assigned(asked: _Asked, classes: int, image: Tensor, clean: CleanPrediction) -> Job | Outcome:
    """What there is to do for an image, by its clean prediction; or its outcome without that."""

    def skipped(status: Status, error: str | None) -> Outcome:
        return Outcome(
            image_id=clean.image_id, label=clean.label, verdict=Verdict(status), error=error
        )

    if clean.predicted is None:
        return skipped(Status.ERROR, clean.error)
    if not clean.correct:
        return skipped(Status.CLEAN_WRONG, None)
    name = hashlib.sha256(image.numpy().tobytes()).hexdigest()
    target = asked.goal.target(
        replace(clean, image_id=name), seed=asked.seed, dataset=DATASET, classes=classes
    )
    if target == clean.label:
        return skipped(Status.ERROR, NO_TARGET)
    seed = image_seed(cell_key=asked.key, seed=asked.seed, image_id=name)
    return Job(asked.key, clean.image_id, image, clean.label, target, seed)


def _images(given: object) -> Tensor:
    """The images as float32 on the host.

    Raises:
        ConfigError: they are not (n, channels, height, width), or not within [0, 1].
    """
    images = _tensor(given, "images")
    if images.ndim != 4 or not images.is_floating_point():
        raise ConfigError(
            f"images are {str(images.dtype).removeprefix('torch.')} of {tuple(images.shape)}",
            where=WHERE,
            hint="pass float images in [0, 1] as (n, channels, height, width)",
        )
    images = images.to("cpu", torch.float32).contiguous()
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ConfigError(
            "images leave [0, 1] or hold NaN",
            where=WHERE,
            hint="divide 8-bit images by 255; normalisation belongs in the model",
        )
    return images


def _labels(given: object, count: int) -> list[int]:
    """
    Raises:
        ConfigError: they are not one whole number per image.
    """
    labels = _tensor(given, "labels").cpu()
    whole = not (labels.is_floating_point() or labels.dtype is torch.bool)
    if labels.shape != (count,) or not (whole or count == 0):
        kind = str(labels.dtype).removeprefix("torch.")
        raise ConfigError(
            f"labels are {kind} of {tuple(labels.shape)} for {count} images",
            where=WHERE,
            hint="pass one whole number per image, from 0",
        )
    return [int(label) for label in labels]


def _tensor(given: object, what: str) -> Tensor:
    try:
        return torch.as_tensor(given).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{what}: {type(given).__name__}: {reason}", where=WHERE) from error
