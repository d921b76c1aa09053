"""The kinds of component, and what a plugin has to declare and register."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from harness.api import API_VERSION
from harness.verbs import VERBS

BUNDLED = "frontier-harness"
"""The distribution of the harness itself."""
OLDEST_API = 0
"""Plugins of this version of the API, and of later ones up to ours, are loaded."""


class Kind(StrEnum):
    """The kinds of component; `hook` is what offers them."""

    ATTACK = "attack"
    MODEL_LOADER = "model_loader"
    DATASET = "dataset"
    METRIC = "metric"
    MEASUREMENT = "measurement"
    EXECUTOR = "executor"
    COMMAND = "command"
    FINDING = "finding"
    REFERENCE_FIT = "reference_fit"
    REPORT_SECTION = "report_section"
    OBSERVER = "observer"
    REGISTRY = "registry"

    @property
    def label(self) -> str:
        """As people read it: ``model loader``."""
        return self.value.replace("_", " ")

    @property
    def hook(self) -> str:
        """The function of a plugin that offers such components."""
        return "register_registries" if self is Kind.REGISTRY else f"register_{self}s"


def check_api(module: Any) -> None:
    """Check the version of the API that a plugin declares.

    Raises:
        ValueError: it is none that this harness loads.
    """
    declared = getattr(module, "HARNESS_API", None)
    if type(declared) is not int or declared < OLDEST_API:
        raise ValueError(
            f"HARNESS_API is {declared!r}, this harness has {API_VERSION} and loads plugins from "
            f"{OLDEST_API} on: declare it, or update the plugin"
        )
    if declared > API_VERSION:
        raise ValueError(
            f"HARNESS_API is {declared}, this harness has {API_VERSION}: update the harness "
            f"(pip install --upgrade {BUNDLED})"
        )


def check_offer(kind: Kind, name: Any, target: Any, version: Any, summary: Any) -> None:
    """What a hook passes on is text, and names its object as ``module:Object``."""
    given = {"name": name, "target": target, "version": version, "summary": summary}
    for key, value in given.items():
        if not isinstance(value, str):
            raise TypeError(f"the {key} of {kind.label} {name!r} is {value!r}, not a text")
    if not name.isprintable() or name != " ".join(name.split()) or not name:
        raise ValueError(f"the {kind.label} name {name!r} is not one")
    if not all(target.partition(":")):
        raise ValueError(f"the target of {kind.label} {name!r} is {target!r}, not 'module:Object'")
    if kind is Kind.COMMAND:
        _check_command(name)


def check_absent(value: Any) -> dict[str, str]:
    """A plugin's ``HARNESS_ABSENT``: how names begin, and what to do where they are not offered."""
    if not isinstance(value, Mapping):
        raise TypeError(f"it is a {type(value).__name__}, not a mapping")
    for each in [*value.keys(), *value.values()]:
        if not isinstance(each, str) or not each:
            raise TypeError(f"it holds {each!r}, not a text")
    return dict(value)


def _check_command(name: str) -> None:
    """A command is a word, or two of which the first is a group of the harness; not one of its own.

    Raises:
        ValueError: it is something else.
    """
    first, *rest = name.split(" ")
    group = VERBS.get(first)
    if name.startswith("-") or len(rest) > 1 or (rest and (group is None or group.own is None)):
        groups = ", ".join(verb for verb in VERBS if VERBS[verb].own is not None)
        raise ValueError(
            f"command {name!r} is not a word, nor one behind a group of the harness ({groups})"
        )
    if group is not None and (not rest or rest[0] in (group.own or ())):
        raise ValueError(f"command {name!r} is one of the harness itself ({BUNDLED}): rename it")


def is_bundled(origin: str) -> bool:
    """Whether it came with the harness: what ``distribution:plugin`` offers."""
    return origin.startswith(f"{BUNDLED}:")
