"""Models that no registry names: ``LOADER:MODEL[:option=value]...``, or a file.

A file's suffix says which loader is meant: ``net.py:build_model``, ``net.onnx``, ``net.pt``. What
the user says of all of them is in ``--weights`` and ``--preprocessing``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import ValidationError

from harness.api import ConfigError, Dataset, ModelReference, did_you_mean
from harness.identity import file_sha256
from harness.plugins import Catalog, Kind, unknown
from harness.registry import ModelEntry
from harness.registry.fields import PreprocessingEntry
from harness.resolve.adhoc import split
from harness.resolve.datasets import split_options

LOADERS: Mapping[str, str] = MappingProxyType(
    {".py": "python", ".onnx": "onnx", ".pt": "torchscript", ".pth": "torchscript"}
)
"""The loader of a file that is given by itself, by its suffix."""

Source = tuple[str | None, str]
"""(glob of models, source or file); without a glob it is for all that have it."""

_CUT = ("crop", "interpolation")


@dataclass(frozen=True, slots=True)
class Named:
    """An item of ``--models`` that names a loader, or a file.

    Attributes:
        text: the model, in the loader's words; ``options`` are those that follow.
    """

    item: str
    loader: str
    text: str
    options: Mapping[str, Any]

    def matches(self, glob: str) -> bool:
        """Whether ``glob`` of --weights means this model: by the item, or without its options."""
        plain = self.item.partition("=")[0].rpartition(":")[0] if self.options else self.item
        return any(fnmatchcase(name, glob) for name in (self.item, plain, self.text))

    def reference(
        self, weights: Path | None, said: Mapping[str, Any], data: Dataset | None
    ) -> ModelReference:
        """What its loader is told."""
        return ModelReference(
            text=self.text,
            options=self.options,
            weights=weights,
            said=said,
            size=None if data is None else data.image_size,
            classes=None if data is None else data.classes,
        )


def read(item: str, catalog: Catalog) -> Named | None:
    """What ``item`` names; None: a model of the registry, or a glob.

    Raises:
        ConfigError: there is no such loader, or an option is malformed.
    """
    first, colon, rest = item.partition(":")
    if colon and catalog.find(Kind.MODEL_LOADER, first) is not None:
        text, options = split_options(rest, where=f"--models {item}")
        return Named(item, first, text, options)
    loader = LOADERS.get(Path(first).suffix)
    if loader is not None:
        text, options = split_options(item, where=f"--models {item}")
        return Named(item, loader, text, options)
    if not colon:
        return None
    loaders = [known.name for known in catalog.all(Kind.MODEL_LOADER)]
    raise unknown("model loader", first, loaders, "--models", "`harness plugins list`")


def divided(
    weights: Sequence[Source], others: Sequence[Named], models: Sequence[ModelEntry]
) -> tuple[dict[str, Path], list[Source]]:
    """``--weights`` as the files of ``others``, by item, and the sources of the registry's models.

    Raises:
        ConfigError: it is not clear which model a file is for.
    """
    known = {source for entry in models for source in entry.sources}
    files: dict[str, Path] = {}
    sources: list[Source] = []
    for glob, name in weights:
        meant = [each for each in others if glob is None or each.matches(glob)]
        if not meant or (glob is None and name in known):
            sources.append((glob, name))
            continue
        if len(meant) > 1 and glob is None:
            raise ConfigError(
                f"{name}: which of {len(meant)} models is it for?",
                where="--weights",
                hint=f"say MODEL=FILE, such as {meant[0].item}={name}",
            )
        if not Path(name).is_file():
            raise ConfigError(
                f"{name} is no file", where="--weights", hint="give the path of the weights"
            )
        files |= {each.item: Path(name) for each in meant}
    return files, sources


def parsed_input(text: str) -> dict[str, Any]:
    """``size=32,mean=.5,std=[.2, .2, .3],channels=grey`` in the words of a registry's entry.

    Raises:
        ConfigError: something is malformed, or no field.
    """
    where, said = "--preprocessing", dict[str, Any]()
    fields = [*(name for name in PreprocessingEntry.model_fields if name != "cut"), *_CUT]
    for item in filter(None, map(str.strip, split(text, ","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        if name not in fields or not equals:
            hint = did_you_mean(name, fields, f"choose from {', '.join(fields)}")
            raise ConfigError(f"{item!r} is no field=value", where=where, hint=hint)
        try:
            said[name] = _sides(value) if name == "size" else _number(yaml.safe_load(value))
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"{name}: {value!r} is no value", where=where) from error
    if any(name in said for name in _CUT):
        cut = {"crop": 0.875, "interpolation": "bicubic"}
        said["cut"] = {**cut, **{name: said.pop(name) for name in _CUT if name in said}}
    checked_input({"size": [1, 1], **said})
    return said


def _sides(text: str) -> Any:
    """``32``, ``[32, 48]`` or ``32x48``: height and width."""
    found = yaml.safe_load(text)
    if isinstance(found, str) and found.count("x") == 1:
        return [int(side) for side in found.split("x")]
    return [found, found] if isinstance(found, int) else found


def _number(value: Any) -> Any:
    """YAML 1.1 takes ``.5`` and ``1e-3`` for text."""
    if isinstance(value, list):
        return [_number(each) for each in value]
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def checked_input(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """``fields`` if a registry's entry could have them.

    Raises:
        ConfigError: it could not.
    """
    try:
        PreprocessingEntry.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{field}: {what}" if field else what, where="--preprocessing", hint="correct it"
        ) from error
    return fields


def announce(path: Path) -> None:
    """Say that a file of the user's own is run.

    Raises:
        ConfigError: it is not there.
    """
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), hint="check the path"
        ) from error
    warnings.warn(f"running {path}, SHA-256 {digest}", stacklevel=2)


@contextmanager
def left_as_it_was(code: Path | None) -> Iterator[None]:
    """Around what runs a user's file: what it changes for others is put back.

    Raises:
        ConfigError: it changed something.
    """
    if code is None:
        yield
        return
    from harness.engine.guard import Guard

    guard = Guard("the file", may_draw=True)
    try:
        yield
    finally:
        changed = guard.put_back()
    if changed:
        raise ConfigError(
            f"changed {', '.join(changed)}", where=str(code), hint="leave that to the harness"
        )
