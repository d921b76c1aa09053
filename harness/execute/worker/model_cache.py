"""Which models are in memory: the one at work, those before it while there is room, and the next.

The next model is loaded on another thread while the present one computes. That is one load at a
time and one model ahead, and only where both fit.
"""

from __future__ import annotations

import gc
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import torch

from harness.api import Cut, ModelLoader, ModelSpec
from harness.definition import Numerics
from harness.engine.classifier import PixelClassifier
from harness.engine.device import default_model_memory, is_out_of_memory
from harness.engine.opening import opened
from harness.execute.worker.supplies.weights import SuppliedWeights
from harness.planning import Component, NumericPolicy


@dataclass(frozen=True, slots=True)
class Loadable:
    """A model of the run, and how it is loaded."""

    component: Component
    loader: ModelLoader
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready on the device.

    Attributes:
        cut: how readers that follow the model crop its images.
        bytes: of its parameters and buffers, and of what a runtime other than torch holds.
    """

    model: PixelClassifier
    cut: Cut | None
    bytes: int


def load_model(
    loader: ModelLoader,
    spec: ModelSpec,
    device: torch.device,
    *,
    fold_batch_norm: bool,
    rows: int | None = None,
    numerics: Numerics = "fp32",
) -> Loaded:
    """The model of ``spec`` on ``device``, behind its preprocessing; see `PixelClassifier`.

    Raises:
        HarnessError: the loader's own, or ModelError for anything else that it raises.
    """
    found = opened(
        loader.load,
        spec,
        device,
        fold_batch_norm=fold_batch_norm,
        rows=rows,
        numerics=numerics,
    )
    model, classifier = found.model, found.classifier
    size = 0
    if model.differentiable is not None:
        parts = itertools.chain(model.differentiable.parameters(), model.differentiable.buffers())
        size = sum(part.nbytes for part in parts)
    if classifier.forward is not None:
        size += file_bytes(spec)
    return Loaded(model, classifier.preprocessing.cut, size)


def file_bytes(spec: ModelSpec) -> int:
    """The size of the weight file: about that of the model before it is loaded. 0: unknown."""
    try:
        return 0 if spec.weights is None else spec.weights.stat().st_size
    except OSError:
        return 0  # to say what is wrong with the file is the loader's task


class _Ahead(threading.Thread):
    """One load on another thread, which ends with it.

    A thread that stayed would keep torch threads of its own, and slow down the main one's.
    """

    def __init__(self, model: str, load: Callable[[str], Loaded | None]) -> None:
        super().__init__(name=f"load {model}")
        self.model, self._load = model, load
        self.found: Future[Loaded | None] = Future()

    def run(self) -> None:
        try:
            self.found.set_result(self._load(self.model))
        except BaseException as error:
            self.found.set_exception(error)


class ModelCache:
    """The loaded models of a run, for one thread; a context that leaves no thread behind.

    Args:
        load: loads the model of this name; called on another thread too, never twice at a time.
        estimate: about how many bytes it will take.
        limit: bytes of all models together. The present one stays however large it is.
    """

    def __init__(
        self, load: Callable[[str], Loaded], estimate: Callable[[str], int], *, limit: int
    ) -> None:
        self._load, self._estimate, self._limit = load, estimate, limit
        self._resident: OrderedDict[str, Loaded] = OrderedDict()
        """By name, the least recently used first; the last one is the present model."""
        self._ahead: _Ahead | None = None

    def __enter__(self) -> ModelCache:
        return self

    def __exit__(self, *raised: object) -> None:
        """A load that has begun cannot be broken off: it is waited for."""
        if self._ahead is not None:
            with suppress(RuntimeError):  # an interrupt came before it was started
                self._ahead.join()
        self._ahead = None
        self._resident.clear()

    @property
    def resident(self) -> tuple[str, ...]:
        """The names of the models in memory, the least recently used first."""
        return tuple(self._resident)

    def use(self, name: str, then: str | None = None) -> Loaded:
        """The model ``name``, the present one from now on; ``then`` is loaded meanwhile.

        Raises:
            Exception: whatever loading it raised, now or before.
        """
        if name not in self._resident:
            found = self._arrived(name)
            if found is None:
                self._make_room(self._estimate(name))
                found = self._load(name)
            self._make_room(found.bytes)
            self._resident[name] = found
        self._resident.move_to_end(name)
        if then is not None and then not in self._resident:
            self._start(then)
        return self._resident[name]

    def evict_others(self) -> None:
        """Evict all but the present model: the device has no memory for its work.

        One that is being loaded ahead cannot be broken off: it is waited for, and let go of.
        """
        if self._ahead is not None:
            self._ahead.join()
            self._ahead = None
            gc.collect()
        self._make_room(self._limit, keep=1)

    def _arrived(self, name: str) -> Loaded | None:
        """The model if it was loaded ahead; where another one was, that load ends first."""
        if self._ahead is None:
            return None
        self._ahead.join()
        ahead, self._ahead = self._ahead, None
        return ahead.found.result() if ahead.model == name else None

    def _start(self, name: str) -> None:
        """Load ``name`` on the other thread if the present model leaves it room."""
        present, size = next(reversed(self._resident.values())), self._estimate(name)
        if self._ahead is not None or present.bytes + size > self._limit:
            return
        self._make_room(size, keep=1)
        free = self._limit - self._bytes
        self._ahead = _Ahead(name, lambda name: self._load_ahead(name, free))
        self._ahead.start()

    def _load_ahead(self, name: str, free: int) -> Loaded | None:
        """The model, or None where it takes more than is free: then it has to wait its turn."""
        try:
            found = self._load(name)
        except Exception as error:
            # It may well fit once the present model's work is over.
            if is_out_of_memory(error.__cause__ or error):
                return None
            raise
        if found.bytes <= free:
            return found
        del found
        gc.collect()
        return None

    @property
    def _bytes(self) -> int:
        return sum(loaded.bytes for loaded in self._resident.values())

    def _make_room(self, size: int, *, keep: int = 0) -> None:
        """Evict the least recently used models, but ``keep``, until ``size`` more bytes fit."""
        before = len(self._resident)
        while len(self._resident) > keep and self._bytes + size > self._limit:
            self._resident.popitem(last=False)
        if len(self._resident) < before:
            gc.collect()  # a folded network refers to itself


def model_cache(
    models: Mapping[str, Loadable],
    policy: NumericPolicy,
    device: torch.device,
    weights: SuppliedWeights,
) -> ModelCache:
    """A cache of these models, none of them loaded yet."""

    def load(name: str) -> Loaded:
        return load_model(
            models[name].loader,
            weights.located(models[name].spec, models[name].loader),
            device,
            fold_batch_norm=policy.fold_batch_norm,
            rows=policy.rows,
            numerics=policy.precision,
        )

    return ModelCache(load, weights.bytes, limit=default_model_memory(device))
