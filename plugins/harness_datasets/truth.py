"""Labels of a flat folder: the devkit's ground truth, or Caffe's ``val.txt``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.api import ConfigError, DatasetSpec, MissingError
from harness_datasets.names import CLASSES, IMAGES, image_id, official_id
from harness_datasets.tree import class_numbers

_DEVKIT = "ILSVRC2012_validation_ground_truth.txt"
_FOLDERS = (".", "..", "ILSVRC2012_devkit_t12/data", "../ILSVRC2012_devkit_t12/data")


def find(root: Path, spec: DatasetSpec) -> Path:
    """The file of labels: option ``ground_truth`` (relative to the root), or one beside the images.

    Raises:
        MissingError: there is none.
    """
    named = spec.options.get("ground_truth")
    if named is None:
        for folder in _FOLDERS:
            for name in ("val.txt", _DEVKIT):
                if (root / folder / name).is_file():
                    return root / folder / name
        raise MissingError(
            f"the pictures have no labels: neither val.txt nor {_DEVKIT} lies there or beside it",
            where=f"data set {spec.name}: {root}",
            hint="put one there, or set the data set's option ground_truth: PATH",
        )
    where = f"data set {spec.name}: options.ground_truth"
    if not isinstance(named, str):
        raise ConfigError(f"is {named!r}", where=where, hint="give the path of a file")
    if not (root / named).is_file():
        raise MissingError(f"{root / named} is no file", where=where, hint="correct the path")
    return root / named


def labels(path: Path) -> Mapping[str, int]:
    """0-based class by image id, or by file name where a name is no official one.

    Lines of one number are the devkit's (line n: ILSVRC id 1 to 1000 of image n), lines of a file
    and a number are Caffe's (0 to 999). The devkit's ids come in an order of their own, which the
    ``meta.mat`` beside the file tells.

    Raises:
        MissingError: the file is damaged, or not what it should be; the line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingError(f"cannot be read: {error}", where=str(path)) from error
    if not lines or len(lines[0].split()) == 1:
        return _devkit(path, lines)
    found: dict[str, int] = {}
    for row, line in enumerate(lines):
        file, _, number = " ".join(line.split()).rpartition(" ")
        name = Path(file).name
        found[image_id(name, name)] = _number(number, range(CLASSES), path, row)
    return found


def _devkit(path: Path, lines: Sequence[str]) -> Mapping[str, int]:
    if len(lines) != IMAGES:
        raise MissingError(
            f"has {len(lines):,} lines, not {IMAGES:,}: one for each validation image",
            where=f"{path}:{len(lines)}",
            hint="take the file from the devkit again",
        )
    classes = _classes(path.parent / "meta.mat")
    ids = range(1, CLASSES + 1)
    return {
        official_id(row + 1): classes[_number(line, ids, path, row)]
        for row, line in enumerate(lines)
    }


def _number(text: str, allowed: range, path: Path, row: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number not in allowed:
        raise MissingError(
            f"label {text.strip()!r} is none of {allowed[0]} to {allowed[-1]}",
            where=f"{path}:{row + 1}",
            hint="give the devkit's ground truth (1 to 1000) or Caffe's val.txt (0 to 999)",
        )
    return number


def _classes(path: Path) -> Mapping[int, int]:
    """0-based class by ILSVRC id."""
    where, hint = (
        str(path),
        "take it from the devkit (ILSVRC2012_devkit_t12/data), or use a val.txt",
    )
    if not path.is_file():
        raise MissingError("is not there: it tells the devkit's order", where=where, hint=hint)
    from scipy.io import loadmat

    numbers = class_numbers()
    try:
        rows = loadmat(path, squeeze_me=True, variable_names=["synsets"])["synsets"]
        pairs = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
        return {number: numbers[pairs[number]] for number in range(1, CLASSES + 1)}
    except Exception as error:  # a parser of binary files meets garbage with whatever comes to it
        cause = f"is not the devkit's: {type(error).__name__}: {error}"
        raise MissingError(cause, where=where, hint=hint) from error
