"""The manifest: everything that a run reads, and how one knows that it is the same elsewhere."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Self

from harness.api import Dataset, DatasetSpec, ImageKey, ModelLoader, ModelSpec
from harness.planning import Component
from harness.resolve.checked_dataset import CheckedDataset
from harness.resolve.places import HostPath


@dataclass(frozen=True)
class Reader:
    """How a host makes the run's dataset; unpickling it imports no plugin.

    Attributes:
        kind: the reader's class; pickled once more where this has travelled.
        plugin: who offers it, for messages.
        classes: the dataset's.
    """

    kind: Callable[[DatasetSpec], Dataset] | bytes
    spec: DatasetSpec
    plugin: str
    classes: int

    def __reduce__(self) -> tuple[type[Reader], tuple[bytes, DatasetSpec, str, int]]:
        packed = self.kind if isinstance(self.kind, bytes) else pickle.dumps(self.kind)
        return type(self), (packed, self.spec, self.plugin, self.classes)

    @classmethod
    def of(cls, dataset: CheckedDataset) -> Self:
        spec = dataset.spec
        spec = replace(spec, root=spec.root and spec.root.absolute())
        return cls(dataset.reader, spec, dataset.plugin, dataset.classes)

    def dataset(self, root: Path | None) -> CheckedDataset:
        """The dataset at ``root``; what its reader warns of was said where the run was prepared.

        Raises:
            HarnessError: see `CheckedDataset`. Exception: the plugin is not there.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec = replace(self.spec, root=root)
            kind = pickle.loads(self.kind) if isinstance(self.kind, bytes) else self.kind
            return CheckedDataset(kind, spec, self.plugin)


CODE = PurePath("code")


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One of the files of a model's weights.

    Attributes:
        name: relative to the folder of the first one; of code and what it needs, elsewhere, below
            ``code/``; "" where it lies elsewhere still.
        stamp: (inode, bytes, time of change in ns): what has the same is the same file.
    """

    path: Path
    name: str
    stamp: tuple[int, int, int]

    @property
    def bytes(self) -> int:
        return self.stamp[1]


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's weight file and its code, and after them those that they need.

    Attributes:
        sha256: of the files, one after the other.
    """

    files: tuple[WeightFile, ...]
    sha256: str

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run reads, and nothing else; the same for its workers and for who supplies them.

    Attributes:
        places: where hosts have the dataset, if not where the driver's host has it.
        images: of the run, with the hashes that the driver found.
        weights: by the model's name.
        artifacts: the folder of saved adversarial examples.
    """

    reader: Reader
    places: tuple[HostPath, ...]
    images: tuple[ImageKey, ...]
    weights: Mapping[str, Weights]
    artifacts: Path


def weights_of(component: Component, loader: ModelLoader, spec: ModelSpec) -> Weights | None:
    """The files behind ``spec``, which were checked when the run was prepared.

    None: it has none, or they are gone by now, which its loader will say.
    """
    own = [path for path in (spec.weights, spec.code) if path is not None]
    if not own:
        return None
    try:
        files = tuple(_files((*own, *loader.files(spec)), spec.code))
    except Exception:
        return None
    return Weights(files, component.identity["weights"])


def stamp(path: Path) -> tuple[int, int, int]:
    """See `WeightFile.stamp`."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _files(paths: tuple[Path, ...], code: Path | None) -> Iterable[WeightFile]:
    home = paths[0].parent
    for path in paths:
        name = ""
        if path.is_relative_to(home):
            name = str(path.relative_to(home))
        elif code is not None and path.is_relative_to(code.parent):
            name = str(CODE / path.relative_to(code.parent))
        yield WeightFile(path.absolute(), name, stamp(path))
