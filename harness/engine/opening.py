"""A loader's classifier enters the core: looked at once, then put on the device in pixel space."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from harness.api import Classifier, Cut, HarnessError, ModelError, ModelSpec, Preprocessing
from harness.api.classifier import channel_count
from harness.contained import cause
from harness.definition import Numerics
from harness.engine.classifier import PixelClassifier
from harness.engine.guard import loading

MOST, LEAST_STD = 1e6, 1e-6
"""Bounds of means and deviations, in pixel units: beyond them float32 loses the pixels."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a loader returned, and the same as the engine works on it."""

    classifier: Classifier
    model: PixelClassifier


_WORDS = {1: "one", 3: "three", 4: "four"}


def opened(
    load: Callable[[ModelSpec, str], object],
    spec: ModelSpec,
    device: torch.device,
    *,
    fold_batch_norm: bool,
    rows: int | None = None,
    numerics: Numerics = "fp32",
) -> Opened:
    """The model of ``spec`` on ``device``, as ``load``, a loader's method, makes it.

    ``fold_batch_norm``, ``rows``, ``numerics``: see `PixelClassifier`.

    Raises:
        HarnessError: the loader's own, or ModelError for anything else that it raises or returns.
    """
    who = f"loader {type(getattr(load, '__self__', load)).__name__}"
    try:
        with loading(who):
            classifier = _looked_at(load(spec, str(device)), spec)
            model = PixelClassifier(
                classifier,
                device=device,
                fold_batch_norm=fold_batch_norm,
                rows=rows,
                numerics=numerics,
            )
    except HarnessError:
        raise
    except Exception as error:
        raise ModelError(cause(who, error), where=f"model {spec.name}") from error
    return Opened(classifier, model)


def _looked_at(made: object, spec: ModelSpec) -> Classifier:
    """``made``, if it is a classifier that the core can work with.

    Raises:
        ModelError: it is not.
    """
    where = f"model {spec.name}"
    if not isinstance(made, Classifier):
        raise ModelError(
            f"the loader returned {_kind(made)}; a harness.api.Classifier is expected", where=where
        )
    problem = _module_problem(made.module) or _forward_problem(made)
    if problem is None and (made.classes != spec.classes or type(made.classes) is not int):
        problem = f"the registry says {spec.classes} classes, the loader {made.classes!r}"
    if problem is None:
        problem = _preprocessing_problem(made.preprocessing, spec)
    if problem is not None:
        raise ModelError(problem, where=where, hint="correct the loader, or the registry's entry")
    return made


def _forward_problem(made: Classifier) -> str | None:
    if made.module is None and made.forward is None:
        return "the loader returned neither a module nor a forward pass"
    if made.forward is not None and not callable(made.forward):
        return f"the classifier's forward is {_kind(made.forward)}; a function is expected"
    return None


def _module_problem(module: object) -> str | None:
    """Verdicts are made in IEEE fp32, and what was cast without a word is another network."""
    if module is None:
        return None
    if not isinstance(module, nn.Module):
        return f"the classifier's module is {_kind(module)}; a torch.nn.Module is expected"
    for name, part in module.named_parameters():
        if part.is_meta:
            return f"parameter {name} has no values: it is a meta tensor"
        if part.layout is not torch.strided:
            return f"parameter {name} is sparse; a dense tensor is expected"
        if part.dtype is not torch.float32:
            kind = str(part.dtype).removeprefix("torch.")
            return f"parameter {name} is {kind}; float32 is expected"
    return None


def _preprocessing_problem(given: object, spec: ModelSpec) -> str | None:
    """What is wrong with a classifier's preprocessing; None: nothing."""
    if not isinstance(given, Preprocessing):
        return f"the preprocessing is {_kind(given)}; a harness.api.Preprocessing is expected"
    if not isinstance(given.size, tuple | list) or [*given.size] != [*spec.preprocessing.size]:
        return f"the registry's size is {spec.preprocessing.size}, the loader's {given.size!r}"
    channels = given.channels
    if channels not in ("rgb", "bgr", "grey") and (type(channels) is not int or channels < 1):
        return f"preprocessing.channels must be 'rgb', 'bgr', 'grey' or a number: {channels!r}"
    count, wanted = channel_count(channels), channel_count(spec.preprocessing.channels)
    if count != wanted:
        return f"the registry says {_channels(wanted)}, the loader {_channels(count)}"
    for name, values in (("mean", given.mean), ("std", given.std)):
        if not _numbers(values, count):
            number = _WORDS.get(count, count)
            return f"preprocessing.{name} must be {number} finite numbers, it is {values!r}"
    if any(abs(value) > MOST for value in given.mean):
        return f"preprocessing.mean must lie within {-MOST:g} and {MOST:g}, it is {given.mean}"
    if not all(LEAST_STD <= value <= MOST for value in given.std):
        return f"preprocessing.std must lie within {LEAST_STD:g} and {MOST:g}, it is {given.std}"
    drop = given.background
    if drop is not None and (type(drop) is not int or not 0 <= drop <= spec.classes):
        return (
            f"preprocessing.background must be an output from 0 to {spec.classes}, it is {drop!r}"
        )
    if given.cut is not None and not isinstance(given.cut, Cut):
        return f"preprocessing.cut must be a harness.api.Cut, it is {_kind(given.cut)}"
    return None


def _channels(count: int) -> str:
    return f"{_WORDS.get(count, count)} channel{'s' * (count != 1)}"


def _numbers(values: object, count: int) -> bool:
    return (
        isinstance(values, tuple | list)
        and len(values) == count
        and all(type(value) in (int, float) and math.isfinite(value) for value in values)
    )


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
