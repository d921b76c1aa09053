"""A model's weight file: where it lies or how to get it, and whether it is the registry's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness.api import HarnessError, MissingError, ModelLoader, PluginError, WeightsFile
from harness.contained import contained
from harness.identity import file_sha256
from harness.registry import ModelEntry


@dataclass(frozen=True, slots=True)
class CheckedWeights:
    """A weight file that is here, and is the registry's where the registry names one.

    Attributes:
        path: the code where there are no weights but it.
        sha256: of the file, of the code and of those that they need, one after the other.
        code: SHA-256 of the code and of those that it needs; None: there is none.
    """

    path: Path
    sha256: str
    code: str | None = None


def place(entry: ModelEntry) -> str:
    """The entry for messages; one that is in no registry has its loader's name and a colon."""
    return f"--models {entry.name}" if ":" in entry.name else f"{entry.source}: models.{entry.name}"


def locate(entry: ModelEntry, loader: ModelLoader) -> WeightsFile:
    """Where the weights lie, or how to get them; without network.

    Licence and size are the registry's where the loader knows none.

    Raises:
        HarnessError: the loader cannot do what the entry says.
    """
    found = _registered(entry) or _from_loader(entry, loader)
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
    if path is None and entry.code_path is not None:
        return WeightsFile(entry.code_path, how="put the file there, or correct the path")
    if path is None:
        return None
    if entry.weights.how is not None:
        return WeightsFile(path, how=entry.weights.how.replace("{folder}", str(path.parent)))
    field = "file" if entry.weights.cached is None else "cached"
    return WeightsFile(path, how=f"put the file there, or correct weights.{field}")


def _from_loader(entry: ModelEntry, loader: ModelLoader) -> WeightsFile:
    try:
        with contained(f"loader {entry.loader!r}"):
            found = loader.weights(entry.spec(None))
        if not isinstance(found, WeightsFile):
            raise TypeError(f"{type(found).__name__} is not a WeightsFile")
    except HarnessError:
        raise
    except Exception as error:
        raise _broken(entry, error) from error
    return found


def checked_weights(entry: ModelEntry, loader: ModelLoader) -> CheckedWeights:
    """The weight file of ``entry``.

    Raises:
        MissingError: it is not there, or another one.
    """
    return checked(entry, loader, locate(entry, loader))


def checked(entry: ModelEntry, loader: ModelLoader, found: WeightsFile) -> CheckedWeights:
    """The file that `locate` found, once it is known to be the right one.

    Raises:
        MissingError: it is not there, cannot be read, or is not the registry's.
    """
    if found.path is None:
        raise MissingError("its weights are not here", where=place(entry), hint=found.how)
    try:
        if found.path.exists() and not found.path.is_file():  # a pipe would be read for ever
            raise MissingError(
                f"weights {found.path} are not a file", where=place(entry), hint=found.how
            )
        others = _others(entry, loader, found.path)
        code = () if entry.code_path is None else (entry.code_path, *others)
        paths = tuple(dict.fromkeys((found.path, *code, *others)))
        digest = _hash(paths)
    except OSError as error:
        name = error.filename or found.path
        raise MissingError(
            f"weights {name}: {error.strerror}", where=place(entry), hint=found.how
        ) from error
    expected, weights = entry.weights.sha256, paths
    if entry.code_path is not None:  # which the user changes while the weights stay
        weights = (found.path,)
    found_hash = _hash(weights)
    if expected is not None and found_hash != expected:
        raise MissingError(
            f"weights {' and '.join(map(str, weights))} have SHA-256 {found_hash[:12]}…, not "
            f"{expected[:12]}…",
            where=place(entry),
            hint="get the right file, or correct weights.sha256",
        )
    return CheckedWeights(found.path, digest, _hash(code) if code else None)


def download(
    entry: ModelEntry, loader: ModelLoader, progress: Callable[[int, int | None], None]
) -> CheckedWeights:
    """Fetch the weights of ``entry``.

    Args:
        progress: called with the bytes downloaded so far, and their total where it is known.

    Raises:
        MissingError: they cannot be had, or are not the registry's.
    """
    try:
        with contained("the loader"):
            loader.fetch(entry.spec(None), progress)
    except HarnessError as error:
        raise MissingError(error.what, where=error.where, hint=error.hint) from error
    except Exception as error:
        raise MissingError(
            f"the download failed: {type(error).__name__}: {error}",
            where=place(entry),
            hint="the same command tries again",
        ) from error
    return checked_weights(entry, loader)


def _others(entry: ModelEntry, loader: ModelLoader, path: Path) -> tuple[Path, ...]:
    """The files that ``path`` and the code need, by the loader."""
    if not path.is_file():
        return ()
    try:
        return loader.files(entry.spec(path))
    except (HarnessError, OSError):
        raise
    except Exception as error:
        raise _broken(entry, error) from error


def _broken(entry: ModelEntry, error: Exception) -> PluginError:
    return PluginError(
        f"loader {entry.loader!r} raised {type(error).__name__}: {error}",
        where=place(entry),
        hint="update or remove the plugin",
    )


def _hash(paths: tuple[Path, ...]) -> str:
    return _sha256(paths, tuple(path.stat().st_mtime_ns for path in paths))


@cache
def _sha256(paths: tuple[Path, ...], changed: tuple[int, ...]) -> str:
    """The hash of files last ``changed`` then (ns): a file is large, and named files are asked
    for again.
    """
    return file_sha256(*paths)
