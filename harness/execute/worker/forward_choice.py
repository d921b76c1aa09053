"""The fastest forward backend for a target: timed once, and remembered in the user's cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

from harness.engine.classifier import PixelClassifier
from harness.engine.device import is_out_of_memory
from harness.engine.forwards import (
    Forward,
    Way,
    agrees,
    exported,
    module_of,
    predicting,
    seconds_an_image,
    timed_export,
)
from harness.estimate.machine import machine
from harness.estimate.passes import read_whole, write_whole
from harness.identity import tagged_hash

VERSION = 1
"""Of the file's layout; a file of another one is replaced."""

BATCHES = 50
"""Backends are timed for at least so many batches: that takes five batches each."""

EXPORT_SECONDS = 1.0
"""Forward passes that take at least so long are worth trying an export. A small network's takes a
tenth of that; a large one's takes seconds, but so do a few batches. What it took is kept too."""

Timings = dict[str, float | None]
"""Seconds per image by backend, and of the export itself (``export``); None: not possible."""


class TimingCache:
    """The file: timings by place (device, batch size, machine) and model.

    A file that cannot be read is replaced: everything in it can be measured again.
    """

    def __init__(self, path: Path, *, device: str, batch_size: int) -> None:
        self._path, self._place = path, _place(device, batch_size)

    def find(self, key: str) -> Timings:
        """What is known about the model of this key."""
        return dict(self._read()["places"].get(self._place, {}).get(key, {}))

    def keep(self, key: str, timings: Timings) -> None:
        """Write the timings down, where the folder can be written."""
        whole = self._read()  # another process may have been at it
        whole["places"].setdefault(self._place, {})[key] = timings
        with suppress(OSError):  # then it is measured again
            write_whole(self._path, whole)

    def _read(self) -> dict[str, Any]:
        return read_whole(self._path, VERSION, _sound) or {"version": VERSION, "places": {}}


def fastest(
    model: PixelClassifier, key: str, book: TimingCache, *, images: int, batch_size: int
) -> Forward:
    """The backend for ``model`` that is expected to finish ``images`` first.

    ``key`` says which model it is. For few images nothing is timed or exported: they take the
    backend of the verdicts.
    """
    if images < BATCHES * batch_size:
        return predicting(model)
    known = book.find(key)
    timings: Timings = dict(known)
    ready: dict[Way, Forward] = {"predict": predicting(model)}
    try:
        _time(model, timings, ready, images=images, batch_size=batch_size)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return ready["predict"]  # evaluating halves the batches, timing does not
    if timings != known:
        book.keep(key, timings)
    way = chosen(timings, images, ready="exported" in ready)
    found = ready.get(way) or _MAKERS[way](model)
    return found or ready["predict"]


def chosen(timings: Mapping[str, float | None], images: int, *, ready: bool = False) -> Way:
    """The backend that finishes first; ``ready``: the graph is exported already."""
    ways: dict[Way, float] = {}
    for way in get_args(Way):
        seconds = timings.get(way)
        if seconds is not None:
            ways[way] = images * seconds
    if "exported" in ways and not ready:
        ways["exported"] += timings.get("export") or 0.0
    return min(ways, key=lambda way: ways[way])


def _time(
    model: PixelClassifier,
    timings: Timings,
    ready: dict[Way, Forward],
    *,
    images: int,
    batch_size: int,
) -> None:
    """Complete ``timings``; backends that were made for it are added to ``ready``."""
    if "predict" not in timings:
        timings["predict"] = seconds_an_image(ready["predict"], model, batch_size)
    if "module" not in timings:
        module = module_of(model)
        if module is not None and agrees(module, model):
            ready["module"] = module
        timings["module"] = _seconds(ready.get("module"), model, batch_size)
    if "exported" in timings:
        return
    if images * (timings[chosen(timings, images)] or 0.0) >= EXPORT_SECONDS:
        graph, timings["export"] = timed_export(model)
        if graph is not None:
            ready["exported"] = graph
        timings["exported"] = _seconds(graph, model, batch_size)


def _seconds(forward: Forward | None, model: PixelClassifier, batch_size: int) -> float | None:
    return None if forward is None else seconds_an_image(forward, model, batch_size)


_MAKERS: Mapping[Way, Callable[[PixelClassifier], Forward | None]] = {
    "predict": predicting,
    "module": module_of,
    "exported": exported,
}


@cache
def _place(device: str, batch_size: int) -> str:
    """What timings depend on apart from the model."""
    facts = {"device": device, "batch_size": batch_size, **machine(), **_runtime()}
    return tagged_hash("place", facts)


def _runtime() -> dict[str, str]:
    """The version of ONNX Runtime, whichever of its packages is installed."""
    for name in ("onnxruntime-gpu", "onnxruntime"):
        with suppress(PackageNotFoundError):
            return {"onnxruntime": version(name)}
    return {}


def _sound(found: dict[str, Any]) -> bool:
    return all(
        isinstance(value, float | int | None)
        for place in found["places"].values()
        for timings in place.values()
        for value in timings.values()
    )
