"""A model's weights on a worker's host."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.api import MissingError, ModelLoader, ModelSpec
from harness.estimate.passes import cache_folder
from harness.execute.worker.supplies.manifest import WeightFile, Weights, stamp
from harness.execute.worker.supplies.requests import Ask, WeightsRequest, fetched
from harness.identity import file_sha256


class SuppliedWeights:
    """Finds each model's weight file here, or fetches it from the driver's host, once per host.

    Any thread may call it, one at a time.
    """

    def __init__(self, weights: Mapping[str, Weights], ask: Ask) -> None:
        self._weights, self._ask = weights, ask
        self._found: dict[str, list[Path]] = {}

    def bytes(self, model: str) -> int:
        """The size of the files: about that of the model before it is loaded; 0: unknown."""
        return self._weights[model].bytes if model in self._weights else 0

    def located(self, spec: ModelSpec, loader: ModelLoader) -> ModelSpec:
        """``spec`` with the weight file and the code on this host.

        Raises:
            MissingError: it is not here, and cannot be fetched.
        """
        weights = self._weights.get(spec.name)
        if weights is None:
            return spec
        if spec.name not in self._found:
            own = _own(weights, spec, loader)
            self._found[spec.name] = own or self._cached(spec.name, weights)
        first, *others = self._found[spec.name]
        if spec.code is None:
            return replace(spec, weights=first)
        if spec.weights is None:
            return replace(spec, code=first)
        return replace(spec, weights=first, code=others[0])

    def _cached(self, model: str, weights: Weights) -> list[Path]:
        """The weights in this host's cache; fetched where they are not there, or damaged."""
        folder = cache_folder() / "weights" / weights.sha256
        names = [file.name for file in weights.files]
        paths = [folder / name for name in names]
        try:
            with _locked(folder.with_suffix(".lock")):
                if not _is_right(paths, weights):
                    self._fetch(model, weights, folder)
        except OSError as error:
            raise MissingError(
                f"its weights cannot be kept in {folder}: {error.strerror}",
                where=f"model {model}",
                hint="free some space there, or set XDG_CACHE_HOME",
            ) from error
        return paths

    def _fetch(self, model: str, weights: Weights, folder: Path) -> None:
        """Fetch the files into a folder beside ``folder``, which it becomes when all are right."""
        if not all(file.name for file in weights.files):
            raise MissingError(
                "its weights need files in other folders, which cannot be fetched",
                where=f"model {model}",
                hint=f"copy them to this host: {', '.join(str(f.path) for f in weights.files)}",
            )
        coming = folder.with_suffix(".part")
        shutil.rmtree(coming, ignore_errors=True)  # of a process that died
        paths = [coming / file.name for file in weights.files]
        for number, (file, path) in enumerate(zip(weights.files, paths, strict=True)):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fetch_file(model, number, file, path)
        if file_sha256(*paths) != weights.sha256:
            shutil.rmtree(coming)
            raise MissingError(
                "the weights of the driver's host are not those of the run",
                where=f"model {model}",
                hint="start the run again",
            )
        shutil.rmtree(folder, ignore_errors=True)  # what was damaged
        coming.rename(folder)

    def _fetch_file(self, model: str, number: int, file: WeightFile, path: Path) -> None:
        with path.open("wb") as opened:
            while opened.tell() < file.bytes:
                request = WeightsRequest(model, number, opened.tell())
                piece = fetched(self._ask, request, MissingError)
                if not piece.size:
                    return  # it is shorter now, and is found to be another
                opened.write(piece.tobytes())


def _own(weights: Weights, spec: ModelSpec, loader: ModelLoader) -> list[Path] | None:
    """The weights where this host has them itself: the driver's place, or its loader's own."""
    first = [file.path for file in weights.files]
    if _is_right(first, weights):
        return first
    if spec.code is not None:
        return None
    try:
        found = loader.weights(replace(spec, weights=None)).path
        if found is None or found == first[0]:
            return None
        paths = [found, *loader.files(replace(spec, weights=found))]
    except Exception:  # whatever it is, the driver has them
        return None
    return paths if _is_right(paths, weights) else None


def _is_right(paths: list[Path], weights: Weights) -> bool:
    """Whether the files at ``paths`` are the run's."""
    try:
        if [stamp(path) for path in paths] == [file.stamp for file in weights.files]:
            return True
        return file_sha256(*paths) == weights.sha256
    except OSError:
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process of this host at a time; the lock goes with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
