"""Imported models as a registry overlay, ``models.yaml`` beside their ONNX files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.api import ConfigError, DataError
from harness_su2018.importing.child import Found
from harness_su2018.importing.known import SYMMETRIC, Known

FILE = "models.yaml"
UNCHECKED = "normalisation to be checked"
"""Begins the notes of a model whose preprocessing the importer could only guess."""

_HEADER = """\
# Written by `harness models import`, which keeps the entries of other models but no comments.
# Use it as an overlay: harness run --registry models.yaml ...
"""
_COMMENT = "    # To be checked: the importer knows no mean, std and channels of this model.\n"
_IMAGENET, _WITH_BACKGROUND = 1000, 1001


@dataclass(frozen=True, slots=True)
class Facts:
    """A network's input size (height, width), its number of logits and of parameters."""

    size: tuple[int, int]
    outputs: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from: its entry's loader, and words for its notes."""

    loader: Mapping[str, str]
    words: str


GRAPH = Origin({"loader": "onnx"}, "the authors' frozen TensorFlow graph")


def entry(
    known: Known | None, found: Facts | Found, *, file: str, sha256: str, origin: Origin = GRAPH
) -> dict[str, Any]:
    """A model's entry as registries have it.

    1,001 outputs are ImageNet's with background first. A graph that is none of the study's gets
    2x - 1, and notes that say so.
    """
    background = found.outputs == _WITH_BACKGROUND
    normalisation = SYMMETRIC if known is None else known.normalisation
    return {
        **origin.loader,
        "family": "unknown" if known is None else known.family,
        **({} if known is None else {"year": known.year}),
        **({} if known is None or known.layers is None else {"layers": known.layers}),
        "parameters": found.parameters,
        "classes": found.outputs - background,
        "preprocessing": {
            "size": list(found.size),
            "mean": list(normalisation.mean),
            "std": list(normalisation.std),
            "channels": normalisation.channels,
            **({"background": 0} if background else {}),
        },
        "weights": {"file": file, "sha256": sha256},
        **_published(known, found, origin),
    }


def _published(known: Known | None, found: Facts | Found, origin: Origin) -> dict[str, Any]:
    if known is None:
        return {"notes": f"{UNCHECKED}; imported from a frozen TensorFlow graph"}
    if found.outputs not in (_IMAGENET, _WITH_BACKGROUND):
        return {"notes": "imported from a frozen TensorFlow graph of other classes than ImageNet's"}
    notes = f"imported from {origin.words}"
    if known.family == "MobileNet" and found.size != (known.size, known.size):
        notes += f"; published accuracies are those at {known.size} x {known.size}"
    return {"published": {"top1": known.top1, "top5": known.top5}, "notes": notes}


def read(path: Path) -> dict[str, Any]:
    """The file's content; empty where there is none yet.

    Raises:
        ConfigError: there is something else under that name.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            "cannot be read as an overlay", where=str(path), hint="move it, or choose another -o"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("models", {}), dict):
        raise ConfigError("is no overlay", where=str(path), hint="move it, or choose another -o")
    return content


def add(path: Path, name: str, model: dict[str, Any]) -> None:
    """Write ``model`` into the overlay at ``path``, in place of one of the same name."""
    content = read(path)
    content["models"] = {**content.get("models", {}), name: model}
    write(path, (_HEADER + _text(content)).encode())


def write(path: Path, content: bytes) -> None:
    """The file at ``path``, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        os.replace(part, path)  # noqa: PTH105
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _text(content: dict[str, Any]) -> str:
    lines = ["models:\n"]
    for name, model in content["models"].items():
        text = _dump({name: model})
        if str(model.get("notes", "")).startswith(UNCHECKED):
            text = text.replace("\n  preprocessing:\n", f"\n{_COMMENT[2:]}  preprocessing:\n", 1)
        lines += [f"  {line}" for line in text.splitlines(keepends=True)]
    rest = {key: value for key, value in content.items() if key != "models"}
    return "".join(lines) + (_dump(rest) if rest else "")


def _dump(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None)
