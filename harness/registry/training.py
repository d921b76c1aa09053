"""The training regime of a model: a few words with a meaning, and any others in their form."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, Field

REGIMES = MappingProxyType(
    {
        "standard": "on the labelled images of the dataset alone",
        "augmented": "the same, with augmentations that are meant for robustness",
        "adversarial": "on adversarial examples",
        "distilled": "on the outputs of another network",
        "pretrained": "on a larger labelled set first",
        "pretrained-web": "on images from the web with their texts or tags first",
        "self-supervised": "without labels first",
        "semi-supervised": "on further images with the labels of another network",
        "unknown": "not known",
    }
)
"""The words with a meaning, which are never taken for misspellings of one another."""

_NEAR = 0.8
"""`SequenceMatcher.ratio` from which a word of about the same length is a misspelling."""


def _spelt(word: str) -> str:
    """The word, unless it is nearly one of `REGIMES`: that would make a regime of its own."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", word):
        raise ValueError(
            f"must be words in lower case with - between them, such as {', '.join([*REGIMES][:3])}"
        )
    if word in REGIMES:
        return word
    for known in REGIMES:
        alike = SequenceMatcher(None, word, known).ratio() >= _NEAR
        if alike and abs(len(word) - len(known)) <= 1:
            raise ValueError(f"must be {known!r} or a word less like it")
    return word


Training = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_spelt)]
