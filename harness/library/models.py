"""What a caller from Python names as a model becomes a classifier in pixel space on a device."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from harness.api import Classifier, ConfigError, ModelError, ModelSpec, Preprocessing
from harness.contained import cause, contained
from harness.engine.classifier import PixelClassifier, PixelSpace
from harness.engine.device import resolve_device
from harness.engine.opening import opened
from harness.plugins import installed
from harness.registry.load import load
from harness.resolve.components import loader_of
from harness.resolve.models import described_model
from harness.resolve.named import read
from harness.resolve.weights import checked, download, locate

if TYPE_CHECKING:
    from harness.registry import ModelEntry

Model = nn.Module | Classifier | str | Path
"""A torch module that takes pixel-space images; a `Classifier`, which says how its network wants
them; a name of the registry; a timm name; a file (``net.onnx``, ``net.py:FUNCTION``); or
LOADER:MODEL."""


def opened_model(
    model: Model, shape: tuple[int, int, int], device: str | None
) -> tuple[PixelClassifier, tuple[str, ...]]:
    """``model`` on ``device``, ready for images of ``shape``; and what was assumed.

    A module is copied: the caller's own is left as it is. Without a ``device`` a module's own is
    taken, else the first GPU, else the CPU.

    Raises:
        HarnessError: there is no such model or device, its weights are missing, or it fails.
    """
    if isinstance(model, str | Path):
        return _by_name(str(model), shape[1:], device)
    if isinstance(model, nn.Module):
        like = Preprocessing(shape[1:], channels=shape[0])
        model = Classifier(model, like, _classes(model, like))
    if not isinstance(model, Classifier):
        raise ConfigError(
            f"the model is a {type(model).__name__}",
            where="harness.attack",
            hint="pass a torch module, a harness.api.Classifier, a timm name or an ONNX file",
        )
    name = type(model.module or model.forward).__name__
    spec = ModelSpec(name, name, None, model.preprocessing, model.classes, {})
    wanted = resolve_device(device or _own_device(model.module))

    def copied(spec: ModelSpec, device: str) -> Classifier:
        return Classifier(
            copy.deepcopy(model.module), model.preprocessing, model.classes, model.forward
        )

    return opened(copied, spec, wanted, fold_batch_norm=True).model, ()


def _by_name(
    name: str, size: tuple[int, int], device: str | None
) -> tuple[PixelClassifier, tuple[str, ...]]:
    """The model of a name, its weights downloaded where they are not here."""
    entry, catalog = _entry(name, size).chosen(None), installed()
    loader = loader_of(entry, catalog)
    found = locate(entry, loader)
    if (found.path is None or not found.path.exists()) and found.url is not None:
        weights = download(entry, loader, lambda done, total: None)
    else:
        weights = checked(entry, loader, found)
    wanted = resolve_device(device or "auto")
    model = opened(loader.load, entry.spec(weights.path), wanted, fold_batch_norm=True).model
    return model, (entry.notes,) if ":" in entry.name and entry.notes else ()


def _entry(name: str, size: tuple[int, int]) -> ModelEntry:
    registered = load().models.get(name)
    if registered is not None:
        return registered
    catalog = installed()
    other = read(name, catalog) or read(f"timm:{name}", catalog)
    assert other is not None
    reference = other.reference(None, {}, None)
    return described_model(other, replace(reference, size=size), catalog)


def _own_device(module: nn.Module | None) -> str:
    tensors = () if module is None else (*module.parameters(), *module.buffers())
    return str(tensors[0].device) if tensors else "auto"


def _classes(module: nn.Module, like: Preprocessing) -> int:
    """How many classes the module tells apart: the columns of its output for one grey image."""
    probe = PixelSpace(module, like).to(_own_device(module).replace("auto", "cpu"))
    trained, before = module.training, torch.get_rng_state()
    try:
        module.eval()
        with contained("the model"), torch.inference_mode():
            logits = probe(torch.full((1, *like.shape), 0.5, device=probe.scale.device))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(cause("the model", error)) from error
    finally:
        module.train(trained)
        torch.set_rng_state(before)
    if logits.ndim != 2:
        raise ModelError(
            f"the model returned {tuple(logits.shape)} for one image; logits (1, classes) are"
            " expected"
        )
    return int(logits.shape[1])
