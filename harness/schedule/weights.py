"""A model's weight file: where it lies or how to get it, and whether it is the registry's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from harness.api import HarnessError, MissingError, ModelLoader, PluginError, WeightsFile
from harness.identity import file_sha256
from harness.registry import ModelEntry

ARCHIVE = "frozen_imagenet_models_v1.1.tar.gz"
"""What the study's authors published; imported models come from it."""


def place(entry: ModelEntry) -> str:
    """The entry for messages; one that stands in no registry has its loader's name and a colon."""
    return f"--models {entry.name}" if ":" in entry.name else f"{entry.source}: models.{entry.name}"


def locate(entry: ModelEntry, loader: ModelLoader) -> WeightsFile:
    """Where the weights lie, or how to get them; without network.

    Licence and size are the registry's where the loader knows none.

    Raises:
        HarnessError: the loader cannot do what the entry says.
    """
    found = _registered(entry)
    if found is None:
        try:
            found = loader.weights(entry.spec(None))
        except HarnessError:
            raise
        except Exception as error:
            raise PluginError(
                f"loader {entry.loader!r} raised {type(error).__name__}: {error}",
                where=place(entry),
                hint="update or remove the plugin",
            ) from error
    size, source = found.bytes, entry.chosen_source
    if found.path is not None and found.path.is_file():
        size = found.path.stat().st_size
    if source is not None:
        size, licence = size or source.bytes, found.licence or source.licence
        return replace(found, bytes=size, licence=licence)
    return replace(found, bytes=size)


def _registered(entry: ModelEntry) -> WeightsFile | None:
    """The file that the entry itself names."""
    path = entry.weights_path
    if path is None:
        return None
    if entry.weights.cached is not None:
        return WeightsFile(path, how=f"harness models import {ARCHIVE} -o {path.parent}")
    return WeightsFile(path, how="put the file there, or correct weights.file")


def checked_weights(entry: ModelEntry, loader: ModelLoader) -> tuple[Path, str]:
    """The weight file and its SHA-256, which is the registry's where the registry names one.

    Raises:
        MissingError: the file is not there, or another one.
    """
    found = locate(entry, loader)
    if found.path is None:
        raise MissingError("its weights are not here", where=place(entry), hint=found.how)
    return found.path, checked_hash(entry, found)


def checked_hash(entry: ModelEntry, found: WeightsFile) -> str:
    """SHA-256 of the file at ``found.path``.

    Raises:
        MissingError: it cannot be read, or is not the registry's.
    """
    assert found.path is not None
    try:
        digest = _sha256(found.path, found.path.stat().st_mtime_ns)
    except OSError as error:
        raise MissingError(
            f"weights {found.path}: {error.strerror}", where=place(entry), hint=found.how
        ) from error
    expected = entry.weights.sha256
    if expected is not None and digest != expected:
        raise MissingError(
            f"weights {found.path} have SHA-256 {digest[:12]}…, not {expected[:12]}…",
            where=place(entry),
            hint="get the right file, or correct weights.sha256",
        )
    return digest


@cache
def _sha256(path: Path, changed: int) -> str:
    """The hash of a file last ``changed`` then (ns): a run asks for it twice, a file is large."""
    return file_sha256(path)
