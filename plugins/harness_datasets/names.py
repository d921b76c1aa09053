"""Names of ILSVRC2012's validation images, and the one id that an image has in every layout."""

from __future__ import annotations

import re

CLASSES = 1000
IMAGES = 50_000

_OFFICIAL = re.compile(r"ILSVRC2012_val_(\d{8})(?!\d)")
_SURVEY = re.compile(r"(\d{1,4})\.(\d{8})\.jpe?g", re.IGNORECASE)


def official_id(number: int) -> str:
    """The id of validation image ``number``, 1 to 50,000: its file's official stem."""
    return f"ILSVRC2012_val_{number:08d}"


def number_of(name: str) -> int | None:
    """The number of the validation image that ``name`` refers to, if any."""
    found = _OFFICIAL.search(name)
    number = int(found[1]) if found else 0
    return number if 1 <= number <= IMAGES else None


def image_id(name: str, otherwise: str) -> str:
    """The official id that ``name`` holds; ``otherwise``, as text, where it holds none."""
    number = number_of(name)
    return as_text(otherwise) if number is None else official_id(number)


def as_text(name: str) -> str:
    """A file's name as text that can be stored and shown: invalid UTF-8 as ``\\xe9``."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return name


def survey_name(name: str) -> tuple[int, int] | None:
    """(label 1 to 1000, number) of a file named the survey's way, ``139.00029510.jpg``."""
    found = _SURVEY.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None
