"""Labels of a flat folder: the devkit's ground truth, Caffe's, Kaggle's and TensorFlow's files.

A file is taken line by line as its format says, or refused with the line: never half understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from harness.api import ConfigError, DatasetSpec, MissingError
from harness_datasets.names import CLASSES, IMAGES, image_id, number_of, official_id
from harness_datasets.tree import class_numbers, is_image

_DEVKIT = "ILSVRC2012_validation_ground_truth.txt"
_KAGGLE = "LOC_val_solution.csv"
_SYNSETS = "imagenet_2012_validation_synset_labels.txt"
_FILES = ("val.txt", _DEVKIT, _KAGGLE, _SYNSETS)
_FOLDERS = (".", "..", "ILSVRC2012_devkit_t12/data", "../ILSVRC2012_devkit_t12/data")

NAMES = frozenset({*_FILES, "meta.mat", "ILSVRC2012_devkit_t12"})
"""Files that may be among the images of a flat folder."""

_HINT = f"give {_DEVKIT} (1 to 1000), Caffe's val.txt (<file> <0 to 999>), {_KAGGLE} or {_SYNSETS}"
_MOST_BYTES = 64 * 1024**2
_KAGGLE_HEADER = "ImageId,PredictionString"
_BOXES = re.compile(r"(n[0-9]{8})( [0-9]+){4}( \1( [0-9]+){4})* ?")
_WNID = re.compile(r"n[0-9]{8}")


def find(root: Path, spec: DatasetSpec) -> Path:
    """The file of labels: option ``ground_truth`` (relative to the root), or next to the images.

    Raises:
        MissingError: there is none.
    """
    named = spec.options.get("ground_truth")
    if named is None:
        for folder in _FOLDERS:
            for name in _FILES:
                if (root / folder / name).is_file():
                    return root / folder / name
        raise MissingError(
            f"the images have no labels: neither {' nor '.join(_FILES)} is there or next to it",
            where=f"dataset {spec.name}: {root}",
            hint="put one there, or set the dataset's option ground_truth: PATH",
        )
    where = f"dataset {spec.name}: options.ground_truth"
    if not isinstance(named, str):
        raise ConfigError(f"is {named!r}", where=where, hint="give the path of a file")
    if not (root / named).is_file():
        raise MissingError(f"{root / named} is not a file", where=where, hint="correct the path")
    return root / named


def labels(path: Path) -> Mapping[str, int]:
    """0-based class by image id, or by file name where a name is not an official one.

    Lines of one number are the devkit's (line n: ILSVRC id 1 to 1000 of image n), lines of one wnid
    TensorFlow's (line n: that of image n), lines of a file and a number Caffe's (0 to 999), and
    Kaggle's have a header. The devkit's ids come in an order of their own, which the ``meta.mat``
    next to the file defines.

    Raises:
        MissingError: the file is damaged, or not what it should be; the line is named.
    """
    lines = _lines(path)
    first = lines[0] if lines else ""
    if first == _KAGGLE_HEADER:
        return _named(path, lines[1:], 2, _kaggle)
    if known := _other_format(first):
        raise MissingError(f"is {known}, which names no image's class", where=str(path), hint=_HINT)
    if _WNID.fullmatch(first):
        return _synsets(path, lines)
    if len(first.split()) < 2:
        return _devkit(path, lines)
    return _named(path, lines, 1, _caffe)


def _lines(path: Path) -> list[str]:
    """The file's lines without the empty ones at its end; names in it need not be UTF-8."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise MissingError("is too large for a list of labels", where=str(path), hint=_HINT)
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise MissingError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise MissingError("is no text file", where=f"{path}:{line}", hint=_HINT)
    return text.rstrip().split("\n") if text.strip() else []


def _other_format(first: str) -> str | None:
    """A public format that holds no labels of validation images, by its first line."""
    if first.lstrip()[:1] in ("{", "["):
        return "JSON"
    if first.lstrip().startswith("<"):
        return "XML"
    words = first.split()
    if len(words) == 2 and not is_image(words[0]) and words[1] == str(number_of(words[0])):
        return "a list of numbered images (ImageSets/CLS-LOC/val.txt)"
    if len(words) > 1 and _WNID.fullmatch(words[0]):
        return "a list of the classes' names (synset_words.txt)"
    if "," in first and not is_image(first.rpartition(" ")[0]):
        return f"a table with other columns than {_KAGGLE_HEADER}"
    return None


def _named(
    path: Path, lines: Sequence[str], first: int, parse: Callable[[str, str], tuple[str, int]]
) -> Mapping[str, int]:
    """One image a line, by its name; ``first`` is the number of the first line."""
    found: dict[str, int] = {}
    for row, line in enumerate(lines, first):
        name, label = parse(line, f"{path}:{row}")
        key = image_id(name, name)
        if key in found:
            raise MissingError(f"{key} is listed twice", where=f"{path}:{row}", hint="remove it")
        found[key] = label
    return found


def _caffe(line: str, where: str) -> tuple[str, int]:
    """``<file> <label>``; a file's name may hold spaces."""
    *file, number = line.rsplit(maxsplit=1) or [""]
    label = _number(number, range(CLASSES), where)
    name = file[0] if file else ""
    if not is_image(name):
        raise MissingError(f"{name!r} is not the name of an image", where=where, hint=_HINT)
    return PurePosixPath(name).name, label


def _kaggle(line: str, where: str) -> tuple[str, int]:
    """``ILSVRC2012_val_00048981,n03995372 85 1 499 272``: the class, and where it is seen."""
    name, _, boxes = line.partition(",")
    found = _BOXES.fullmatch(boxes)
    if not found or number_of(name) is None:
        raise MissingError(
            f"{line!r} is not <image>,<wnid> <4 numbers>", where=where, hint="get the file again"
        )
    return name, _class(found[1], where)


def _synsets(path: Path, lines: Sequence[str]) -> Mapping[str, int]:
    _check_length(path, lines)
    return {
        official_id(row): _class(line.strip(), f"{path}:{row}") for row, line in enumerate(lines, 1)
    }


def _devkit(path: Path, lines: Sequence[str]) -> Mapping[str, int]:
    _check_length(path, lines)
    classes = _classes(path.parent / "meta.mat")
    ids = range(1, CLASSES + 1)
    return {
        official_id(row): classes[_number(line, ids, f"{path}:{row}")]
        for row, line in enumerate(lines, 1)
    }


def _check_length(path: Path, lines: Sequence[str]) -> None:
    if len(lines) != IMAGES:
        raise MissingError(
            f"has {len(lines):,} lines, not {IMAGES:,}: one for each validation image",
            where=f"{path}:{len(lines)}",
            hint=_HINT,
        )


def _class(wnid: str, where: str) -> int:
    numbers = class_numbers()
    if wnid not in numbers:
        raise MissingError(
            f"{wnid!r} is not one of ImageNet's 1,000 classes", where=where, hint=_HINT
        )
    return numbers[wnid]


def _number(text: str, allowed: range, where: str) -> int:
    text = text.strip()
    number = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else -1
    if number not in allowed:
        raise MissingError(
            f"label {text!r} is none of {allowed[0]} to {allowed[-1]}", where=where, hint=_HINT
        )
    return number


def _classes(path: Path) -> Mapping[int, int]:
    """0-based class by ILSVRC id."""
    where, hint = (
        str(path),
        "take it from the devkit (ILSVRC2012_devkit_t12/data), or use a val.txt",
    )
    if not path.is_file():
        raise MissingError("is missing: it defines the devkit's order", where=where, hint=hint)
    from scipy.io import loadmat

    numbers = class_numbers()
    try:
        rows = loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"]
        pairs = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
        return {number: numbers[pairs[number]] for number in range(1, CLASSES + 1)}
    except Exception as error:  # a parser of binary files raises anything on garbage
        cause = f"is not the devkit's: {type(error).__name__}: {error}"
        raise MissingError(cause, where=where, hint=hint) from error
