"""Saved adversarial examples as files for other programs: npz, safetensors, or PNG.

npz and safetensors hold every bit of the pixels, PNG 8 of them: each value is rounded to the
nearest multiple of 1/255, and a small perturbation may be lost.
"""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import ConfigError
from harness.store.artifacts import load
from harness.store.read.kept import KeptImage, KeptSet
from harness.store.replacing import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlite_utils import Database

NONE = -1
"""The target of an untargeted attack, where only whole numbers fit."""

INDEX, LABELS = "index.csv", "labels.csv"


def export_images(db: Database, sets: list[KeptSet], format: str, folder: Path) -> list[Path]:
    """Write each set into ``folder``, and then a table of them, ``index.csv``; returns the files.

    Args:
        format: one of `FORMATS`.

    Raises:
        StoreError: saved images are gone or damaged. ConfigError: a file cannot be written.
    """
    files, rows = [], []
    _make(folder)
    for each in sets:
        path = FORMATS[format](each, _pixels(db, each), folder / _name(each))
        files.append(path)
        rows.append([path.relative_to(folder).as_posix(), *_about(each).values(), len(each.images)])
    heads = ["file", *_about(sets[0]), "images"]
    with replacing(folder / INDEX) as partial:
        _table(partial, heads, rows)
    return [*files, folder / INDEX]


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"cannot be written ({error.strerror})", where=str(path), hint="name another folder"
        ) from error


def _make(folder: Path) -> None:
    with _errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _pixels(db: Database, of: KeptSet) -> Iterator[NDArray[np.float32]]:
    """One image after the other, float32 (channels, height, width)."""
    return (load(db, image.place.artifact, image.place.row) for image in of.images)


def _name(of: KeptSet) -> str:
    """A file's name without its extension; the key makes it the set's own."""
    words = re.sub(r"[^\w.=+-]+", "_", f"{of.model}.{of.attack}.{of.goal}")
    return f"{words[:150]}.{of.cell_key[:8]}"


def _about(of: KeptSet) -> dict[str, str]:
    return {
        "model": of.model,
        "attack": of.attack,
        "goal": of.goal,
        "dataset": of.dataset,
        "cell_key": of.cell_key,
    }


def _numbers(of: KeptSet) -> dict[str, NDArray[np.int64]]:
    """Labels, targets and predictions, int64 (n,)."""

    def column(value: Callable[[KeptImage], int]) -> NDArray[np.int64]:
        return np.array([value(image) for image in of.images], np.int64)

    return {
        "labels": column(lambda image: image.label),
        "targets": column(lambda image: NONE if image.target is None else image.target),
        "predictions": column(lambda image: image.prediction),
    }


def _texts(of: KeptSet) -> dict[str, list[str]]:
    return {
        "ids": [image.id for image in of.images],
        "digests": [image.digest for image in of.images],
        "statuses": [image.status for image in of.images],
    }


def _npz(of: KeptSet, pixels: Iterator[NDArray[np.float32]], stem: Path) -> Path:
    path = stem.with_name(f"{stem.name}.npz")
    others: dict[str, NDArray[Any]] = {
        **_numbers(of),
        **{name: np.array(texts) for name, texts in _texts(of).items()},
        **{name: np.array(text) for name, text in _about(of).items()},
    }
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            shape = (len(of.images), *of.shape)
            head = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, head)
            for image in pixels:  # never all of them in memory
                member.write(image.astype("<f4").tobytes())
        for name, values in others.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
    return path


def _safetensors(of: KeptSet, pixels: Iterator[NDArray[np.float32]], stem: Path) -> Path:
    path, numbers = stem.with_name(f"{stem.name}.safetensors"), _numbers(of)
    shape = (len(of.images), *of.shape)
    tensors: dict[str, Any] = {}
    end = 0
    for name, kind, size, each in (
        ("images", "F32", 4, shape),
        *((name, "I64", 8, values.shape) for name, values in numbers.items()),
    ):
        start, end = end, end + size * int(np.prod(each))
        tensors[name] = {"dtype": kind, "shape": list(each), "data_offsets": [start, end]}
    texts = {name: json.dumps(each) for name, each in _texts(of).items()}
    header = json.dumps({"__metadata__": {**_about(of), **texts}, **tensors}).encode()
    header += b" " * (-len(header) % 8)
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for image in pixels:
            file.write(image.astype("<f4").tobytes())
        for values in numbers.values():
            file.write(values.astype("<i8").tobytes())
    return path


def _png(of: KeptSet, pixels: Iterator[NDArray[np.float32]], stem: Path) -> Path:
    from PIL import Image

    if of.shape[0] not in (1, 3):
        raise ConfigError(
            f"PNG holds images of one or three channels, {of.model} has {of.shape[0]}",
            where="--format png",
            hint="--format npz",
        )
    _make(stem)
    with _errors(stem):
        (stem / LABELS).unlink(missing_ok=True)  # the folder is complete when it is there
    rows = []
    for number, (image, values) in enumerate(zip(of.images, pixels, strict=True)):
        name = f"{number:05}_{re.sub(r'[^A-Za-z0-9.-]+', '_', image.id)[-80:]}.png"
        # As `harness.engine.judge.to_8_bits`: in float64, where the product is exact.
        levels = np.rint(values.astype(np.float64) * 255).astype(np.uint8).transpose(1, 2, 0)
        data = io.BytesIO()
        Image.fromarray(levels.squeeze(2) if of.shape[0] == 1 else levels).save(data, "PNG")
        with _errors(stem / name):
            (stem / name).write_bytes(data.getvalue())
        target = "" if image.target is None else image.target
        rows.append(
            [name, image.id, image.digest, image.label, target, image.prediction, image.status,
             image.rounded_status or ""]
        )  # fmt: skip
    heads = ["file", "id", "digest", "label", "target", "prediction", "status", "rounded_status"]
    with replacing(stem / LABELS) as partial:
        _table(partial, heads, rows)
    return stem


def _table(path: Path, heads: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(heads)
        table.writerows(rows)


Write = Callable[[KeptSet, Iterator[Any], Path], Path]

FORMATS: Mapping[str, Write] = MappingProxyType(
    {"npz": _npz, "safetensors": _safetensors, "png": _png}
)
