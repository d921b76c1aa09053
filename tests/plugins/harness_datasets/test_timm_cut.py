"""The preset ``timm`` against timm's own evaluation transform."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from timm.data import create_transform

from harness.api import Cut, DatasetSpec, Sample
from harness_datasets.folder import FolderDataset


def picture(root: Path, width: int, height: int) -> Path:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    path = root / "a" / "1.png"
    path.parent.mkdir()
    Image.fromarray(pixels).resize((width, height)).save(path)
    return path


def read(path: Path, size: tuple[int, int], cut: Cut | None, resize: str = "timm") -> np.ndarray:
    dataset = FolderDataset(
        DatasetSpec("mine", path.parent.parent, {"classes": "sorted", "resize": resize})
    )
    return dataset.read(Sample("a/1.png", 0), size, cut)


def timms(path: Path, size: tuple[int, int], cut: Cut) -> np.ndarray:
    transform = create_transform(
        (3, *size),
        crop_pct=cut.crop,
        interpolation=cut.interpolation,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        found: np.ndarray = transform(image.convert("RGB")).numpy()
    return found


@pytest.mark.parametrize("shape", [(500, 375), (333, 500), (64, 64), (401, 399), (97, 350)])
@pytest.mark.parametrize("size", [(224, 224), (299, 299), (331, 331), (96, 128)])
@pytest.mark.parametrize(
    "cut",
    [Cut(0.875, "bicubic"), Cut(0.911, "bilinear"), Cut(1.0, "bicubic"), Cut(0.95, "lanczos")],
)
def test_it_is_timms(
    tmp_path: Path, shape: tuple[int, int], size: tuple[int, int], cut: Cut
) -> None:
    path = picture(tmp_path, *shape)
    assert np.abs(read(path, size, cut) - timms(path, size, cut)).max() <= 1 / 255


def test_a_model_that_says_nothing_gets_timms_default(tmp_path: Path) -> None:
    path = picture(tmp_path, 90, 70)
    default = read(path, (32, 32), None)
    assert np.array_equal(default, read(path, (32, 32), Cut(0.875, "bicubic")))
    assert not np.array_equal(default, read(path, (32, 32), Cut(0.875, "bilinear")))


@pytest.mark.parametrize("resize", ["paper", "slim"])
def test_the_other_presets_do_not_listen(tmp_path: Path, resize: str) -> None:
    path = picture(tmp_path, 90, 70)
    cut = Cut(0.5, "bilinear")
    assert np.array_equal(
        read(path, (32, 32), cut, resize=resize), read(path, (32, 32), None, resize=resize)
    )


def test_each_model_has_its_way(tmp_path: Path) -> None:
    """``model``: the cut of a model that has one, TF-Slim's way for the others."""
    path, cut = picture(tmp_path, 90, 70), Cut(0.911, "bilinear")
    cuts = {resize: read(path, (32, 32), cut, resize) for resize in ("model", "timm", "slim")}
    assert np.array_equal(cuts["model"], cuts["timm"])
    assert not np.array_equal(cuts["model"], cuts["slim"])
    assert np.array_equal(read(path, (32, 32), None, "model"), cuts["slim"])
