"""One image file as pixel-space RGB at a model's input size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from harness.api import Cut, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness_datasets.source import Source

Preset = Callable[[Image.Image, tuple[int, int], Cut | None], Image.Image]

MOST_PIXELS = 89_478_485
"""Larger images count as decompression bombs; Pillow warns of them from the same size on."""

_SUFFIXES = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
_OPTIONAL = {"AVIF": "avif", "WEBP": "webp"}
"""Formats that not every Pillow reads, by the name of its feature."""

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        suffix: kind
        for suffix, kind in _SUFFIXES.items()
        if kind not in _OPTIONAL or features.check(_OPTIONAL[kind])
    }
)
"""The format behind each suffix that this Pillow reads."""

_FORMATS = sorted(set(SUFFIXES.values()))


def read(
    source: Source, preset: Preset, size: tuple[int, int], cut: Cut | None
) -> NDArray[np.float32]:
    """The image as float32 (3, height, width) in [0, 1], 8 bits deep, ``size`` = (height, width).

    As ImageNet's users do: grey becomes three equal channels, CMYK goes to RGB without a colour
    profile, transparency is dropped (the colours under it stay), EXIF rotation is not applied, of
    an animation or of several pages the first one counts. 16-bit grey is rounded to 8 (of 16-bit
    colours Pillow takes the upper 8); wider numbers and floats have no range that one could know.

    Raises:
        DataError: the source cannot be read, is not an image, is truncated, or is too large.
    """
    try:
        with source.open() as file, Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            pixels = np.asarray(preset(_rgb(image), size, cut), np.float32)
    except DataError:
        raise
    except OSError as error:
        raise DataError(_cause(error), where=source.where, hint=_HINT) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"too large: {error}", where=source.where, hint=_HINT) from error
    except Exception as error:  # decoders raise anything on garbage
        cause = f"cannot be decoded: {type(error).__name__}: {error}"
        raise DataError(cause, where=source.where, hint=_HINT) from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)) / np.float32(255)


def paper(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The study's way: the shorter side to the input size (Lanczos), then the centre."""
    height, width = size
    scale = max(height / image.height, width / image.width)
    across = max(width, round(image.width * scale))
    down = max(height, round(image.height * scale))
    left, top = (across - width) // 2, (down - height) // 2
    resized = _resized(image, (across, down), Image.Resampling.LANCZOS)
    return resized.crop((left, top, left + width, top + height))


def slim(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """TF-Slim's way: the central 87.5% of each side, resized to ``size`` (bilinear)."""
    left, top = int(image.width * 0.0625), int(image.height * 0.0625)
    central = image.crop((left, top, image.width - left, image.height - top))
    return central.resize(size[::-1], Image.Resampling.BILINEAR)


def timm(image: Image.Image, size: tuple[int, int], cut: Cut | None) -> Image.Image:
    """timm's way: the shorter side to size / crop with the model's interpolation, then the centre.

    It rounds as timm's evaluation transform does (crop mode "center"), with timm's own defaults
    where the model asks for nothing.
    """
    cut = cut or TIMM_DEFAULT
    height, width = size
    tall, wide = (math.floor(side / cut.crop) for side in size)
    if tall == wide:
        shorter = min(image.size)
        across, down = (int(tall * side / shorter) for side in image.size)
    else:
        ratio = min(image.height / tall, image.width / wide)
        across, down = (round(side / ratio) for side in image.size)
    left, top = round((across - width) / 2), round((down - height) / 2)
    resized = _resized(image, (across, down), Image.Resampling[cut.interpolation.upper()])
    return resized.crop((left, top, left + width, top + height))


TIMM_DEFAULT = Cut(0.875, "bicubic")

CUTS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper": lambda image, size, cut: paper(image, size),
        "slim": lambda image, size, cut: slim(image, size),
        "timm": timm,
        "model": lambda image, size, cut: timm(image, size, cut) if cut else slim(image, size),
    }
)
"""The presets of the readers' option ``resize``; ``model``: the model's cut, or else slim's way."""

_HINT = "replace or remove the file"


def _resized(
    image: Image.Image, sides: tuple[int, int], resampling: Image.Resampling
) -> Image.Image:
    across, down = sides
    if across * down > MOST_PIXELS:
        raise Image.DecompressionBombError(
            f"{image.width} x {image.height} pixels become {across} x {down}"
        )
    return image.resize(sides, resampling)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion would clip it
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65_535:
            raise OSError("its pixels have more than 16 bits")
        return Image.fromarray(np.rint(pixels / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise OSError("its pixels are floats")
    if image.mode == "P":  # by way of RGBA: a transparent colour is a colour
        image = image.convert("RGBA")
    return image.convert("RGB")


def _cause(error: OSError) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"is not an image in a supported format ({', '.join(_FORMATS)})"
    return f"cannot be read: {error.strerror or error}"
