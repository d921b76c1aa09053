"""What passes of each model cost, measured once and kept in a small file of the user's cache."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import ModelLoader
from harness.definition import Numerics
from harness.identity import tagged_hash
from harness.planning import Component

VERSION = 1
"""Of the file's layout; a file of another version is replaced."""


@dataclass(frozen=True, slots=True)
class PassCosts:
    """FLOPs and seconds of passes for one image; ``gradient`` is a forward and a backward.

    None: unknown. Seconds are those of the device that was asked about.
    """

    forward_flops: float | None = None
    gradient_flops: float | None = None
    forward_seconds: float | None = None
    gradient_seconds: float | None = None


def slowed(costs: PassCosts, factor: float) -> PassCosts:
    """The same passes where each takes ``factor`` times as long."""

    def times(seconds: float | None) -> float | None:
        return None if seconds is None else factor * seconds

    return replace(
        costs,
        forward_seconds=times(costs.forward_seconds),
        gradient_seconds=times(costs.gradient_seconds),
    )


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/frontier-harness``, by default in ``~/.cache``."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "frontier-harness"


def pass_cost_key(model: Component, loader: ModelLoader, numerics: Numerics = "fp32") -> str:
    """What a model's pass costs depend on: what is built, at which size, and its numerics.

    Its weights count only where the loader builds nothing without them.
    """
    given = model.identity
    content = {name: given[name] for name in ("loader", "architecture", "classes", "options")}
    content["preprocessing"] = {**given["preprocessing"], "cut": None}
    content |= {"code": given["code"]} if "code" in given else {}
    if not builds_untrained(loader):
        content["weights"] = given["weights"]
    if numerics != "fp32":
        content["numerics"] = numerics
    return tagged_hash("figures", content)


def builds_untrained(loader: ModelLoader) -> bool:
    """Whether the loader builds anything without weights."""
    return type(loader).untrained is not ModelLoader.untrained


class PassCostCache:
    """The file: FLOPs by model, and for each machine and device the seconds by model.

    A file that cannot be read is replaced: all of it can be measured again.
    """

    def __init__(self, path: Path, place: Mapping[str, Any]) -> None:
        self._path, self._place = path, tagged_hash("place", dict(place))
        self._whole = self._read()

    @property
    def device(self) -> str | None:
        """The device that the seconds are of, once something is known of it."""
        found = self._whole["places"].get(self._place, {}).get("device")
        return None if found is None else str(found)

    def find(self, key: str) -> PassCosts | None:
        """The model's costs if it has been measured on this device."""
        flops = self._whole["flops"].get(key)
        seconds = self._whole["places"].get(self._place, {}).get("seconds", {}).get(key)
        if flops is None and seconds is None:
            return None
        return PassCosts(*(flops or (None, None)), *(seconds or (None, None)))

    def complete(self, key: str) -> bool:
        """Whether nothing is left to measure of the model on this device."""
        place = self._whole["places"].get(self._place, {})
        return key in self._whole["flops"] and key in place.get("seconds", {})

    def keep(self, key: str, costs: PassCosts, device: str) -> None:
        """Store the costs.

        Raises:
            OSError: the folder cannot be written.
        """
        self._whole = self._read()  # another process may have written it
        self._whole["flops"][key] = [costs.forward_flops, costs.gradient_flops]
        place = self._whole["places"].setdefault(self._place, {"device": device, "seconds": {}})
        place["seconds"][key] = [costs.forward_seconds, costs.gradient_seconds]
        write_whole(self._path, self._whole)

    def _read(self) -> dict[str, Any]:
        found = read_whole(self._path, VERSION, _sound)
        return found or {"version": VERSION, "flops": {}, "places": {}}


def read_whole(
    path: Path, version: int, sound: Callable[[dict[str, Any]], bool]
) -> dict[str, Any] | None:
    """What the file at ``path`` holds; None: absent, of another version or damaged.

    It is only a cache: all of it can be measured again.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found) if found["version"] == version and sound(found) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Put ``content`` in the place of the file at ``path``, at once.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    Path(name).replace(path)


def _sound(found: dict[str, Any]) -> bool:
    places = [found["flops"], *(place["seconds"] for place in found["places"].values())]
    pairs = [pair for place in places for pair in place.values()]
    return all(
        len(pair) == 2 and all(isinstance(value, int | float | None) for value in pair)
        for pair in pairs
    )
