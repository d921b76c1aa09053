"""A model that no registry names, as its user names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """What a loader may go by when it describes a model; see `harness.api.ModelLoader.described`.

    Attributes:
        text: what follows the loader's name and a colon, without the options.
        options: those that follow it, ``:name=value``.
        weights: the file of ``--weights``.
        said: what ``--preprocessing`` says, in the words of `harness.api.Preprocessing`; the
            harness itself puts it in the place of what the loader describes.
        size: (height, width) of the data's images, where they have one size.
        classes: of the data.
    """

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    classes: int | None = None
