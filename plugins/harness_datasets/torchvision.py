"""The dataset reader ``torchvision``: CIFAR and MNIST as torchvision stores them."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import ConfigError, DatasetSpec, MissingError
from harness_datasets import tree
from harness_datasets.arrays import COMMON, ArrayDataset, Content

SPLITS = ("test", "train")

_FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
_KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


@dataclass(frozen=True, slots=True)
class Stored:
    """A dataset as it lies on the disk.

    Attributes:
        folder: below the root.
        read: the split's images, labels and names of classes, in that folder.
        names: of the classes, where the files have none.
    """

    folder: str
    read: Callable[[Path, str], tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]]
    names: tuple[str, ...] = ()


class TorchvisionDataset(ArrayDataset):
    """The root is the one given to ``torchvision.datasets``, or the dataset's own folder in it.

    Ids are row numbers, as torchvision counts them. Options, beside those of `ArrayDataset`:
        name: one of `STORED`, where the root has several.
        split: ``test`` (default) or ``train``.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        tree.refuse_unknown_options(spec, (*COMMON, "name", "split"))
        split = tree.choice(spec, "split", SPLITS, "test")
        chosen = tree.choice(spec, "name", STORED, None)
        name, folder = _place(tree.root_of(spec), chosen, spec)
        images, labels, names = STORED[name].read(folder, split)
        super().__init__(spec, Content(images, labels, names or STORED[name].names, str(folder)))


def _place(root: Path, chosen: str | None, spec: DatasetSpec) -> tuple[str, Path]:
    """Which dataset lies at ``root``, and its folder."""
    found = {
        name: folder
        for name, stored in STORED.items()
        for folder in (root, root / Path(stored.folder).name, root / stored.folder)
        if chosen in (None, name) and folder.is_dir() and _ends(folder, stored.folder)
    }
    if chosen is not None:
        found.setdefault(chosen, root)
    where = f"dataset {spec.name}: {root}"
    if not found:
        raise MissingError(
            f"holds no {chosen or 'dataset of these'}",
            where=where,
            hint=f"it takes {', '.join(each.folder for each in STORED.values())} in the root",
        )
    if len(found) > 1:
        raise ConfigError(
            f"holds {' and '.join(found)}", where=where, hint="say the dataset's option name"
        )
    return next(iter(found.items()))


def _ends(folder: Path, wanted: str) -> bool:
    return folder.absolute().parts[-len(Path(wanted).parts) :] == Path(wanted).parts


def _cifar(batches: Mapping[str, tuple[str, ...]], label: bytes, meta: str, names: bytes) -> Any:
    """Reads CIFAR's Python version: pickles of arrays and lists."""

    def read(folder: Path, split: str) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]:
        images, labels = [], []
        for batch in batches[split]:
            path = folder / batch
            content = _unpickled(path)
            rows, numbers = content.get(b"data"), content.get(label)
            if (
                not isinstance(rows, np.ndarray)
                or rows.dtype != np.uint8
                or rows.shape[1:] != (3072,)
                or not isinstance(numbers, list)
                or len(numbers) != len(rows)
                or not all(type(number) is int for number in numbers)
            ):
                raise _damaged(path, "holds no rows of 3,072 bytes with a label each")
            images.append(rows.reshape(-1, 3, 32, 32))
            labels.append(np.array(numbers, np.int64))
        kinds = _unpickled(folder / meta).get(names) if (folder / meta).is_file() else None
        said = tuple(each.decode() for each in kinds or () if isinstance(each, bytes))
        return np.concatenate(images), np.concatenate(labels), said

    return read


def _cifar_binary(folder: Path, split: str) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]:
    """Reads CIFAR-10's binary version: rows of a label and 3,072 bytes."""
    names = ("test_batch.bin",) if split == "test" else tuple(f"{name}.bin" for name in _BATCHES)
    rows = []
    for name in names:
        content = np.frombuffer(_bytes(folder / name), np.uint8)
        if len(content) % 3073 or not len(content):
            raise _damaged(folder / name, f"has {len(content):,} bytes, no rows of 3,073")
        rows.append(content.reshape(-1, 3073))
    whole = np.concatenate(rows)
    return whole[:, 1:].reshape(-1, 3, 32, 32), whole[:, 0], ()


def _idx(folder: Path, split: str) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]:
    """Reads MNIST's files: a header of big-endian numbers, then bytes."""
    stem = "t10k" if split == "test" else "train"
    images = _idx_file(folder / f"{stem}-images-idx3-ubyte", 3)
    labels = _idx_file(folder / f"{stem}-labels-idx1-ubyte", 1)
    return images, labels, ()


def _idx_file(path: Path, axes: int) -> NDArray[np.uint8]:
    if not path.is_file():
        path = path.with_name(f"{path.name}.gz")
    content = _bytes(path)
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < 4 + 4 * axes:
        raise _damaged(path, f"does not begin as an idx{axes} file of bytes")
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if len(values) != int(np.prod(shape, dtype=object)):
        raise _damaged(path, f"holds {len(values):,} values, its header says {shape}")
    return values.reshape(shape)


def _bytes(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        cause = getattr(error, "strerror", None) or error
        raise MissingError(
            f"cannot be read: {cause}", where=str(path), hint="download it again"
        ) from error


class _Arrays(pickle.Unpickler):
    """Knows NumPy's arrays and what they are made of; whatever else is refused."""

    _KNOWN = MappingProxyType(
        {
            ("numpy.core.multiarray", "_reconstruct"): "numpy._core.multiarray",
            ("numpy._core.multiarray", "_reconstruct"): "numpy._core.multiarray",
            ("numpy", "ndarray"): "numpy",
            ("numpy", "dtype"): "numpy",
            ("_codecs", "encode"): "_codecs",
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name}"[:80])
        return super().find_class(self._KNOWN[module, name], name)


def _unpickled(path: Path) -> dict[Any, Any]:
    try:
        content = _Arrays(io.BytesIO(_bytes(path)), encoding="bytes").load()
    except MissingError:
        raise
    except pickle.UnpicklingError as error:
        raise MissingError(
            f"holds more than arrays ({error}): reading it could run any code",
            where=str(path),
            hint="download it again, or take the binary version",
        ) from error
    except Exception as error:  # whatever a damaged stream makes of it
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(content, dict):
        raise _damaged(path, "holds no dictionary")
    return {key.encode() if isinstance(key, str) else key: each for key, each in content.items()}


def _damaged(path: Path, why: str) -> MissingError:
    return MissingError(why, where=str(path), hint="download it again")


_DIGITS = tuple(map(str, range(10)))
STORED: Mapping[str, Stored] = MappingProxyType(
    {
        "cifar10": Stored(
            "cifar-10-batches-py",
            _cifar(
                {"test": ("test_batch",), "train": _BATCHES},
                b"labels", "batches.meta", b"label_names",
            ),
            _CIFAR10,
        ),
        "cifar10-binary": Stored("cifar-10-batches-bin", _cifar_binary, _CIFAR10),
        "cifar100": Stored(
            "cifar-100-python",
            _cifar(
                {"test": ("test",), "train": ("train",)},
                b"fine_labels", "meta", b"fine_label_names",
            ),
        ),
        "mnist": Stored("MNIST/raw", _idx, _DIGITS),
        "fashion-mnist": Stored("FashionMNIST/raw", _idx, _FASHION),
        "kmnist": Stored("KMNIST/raw", _idx, _KUZUSHIJI),
    }
)  # fmt: skip
"""What the reader knows, by the option ``name``."""
