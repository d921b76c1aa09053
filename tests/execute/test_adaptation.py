"""Size adaptation, pixel by pixel."""

from __future__ import annotations

import pytest
import torch

from harness.engine.adaptation import adapted


def pictures(height: int, width: int) -> torch.Tensor:
    """Two pictures of which no two pixels are alike."""
    return torch.arange(2 * 3 * height * width).reshape(2, 3, height, width) / 2**22


def source_of(at: int, source: int, target: int) -> int | None:
    """Which pixel of the source lies at ``at`` of the target; None: the border."""
    if source >= target:
        middle = source // 2
        first, last = middle - target // 2, middle + target // 2 + target % 2
        return range(first, last)[at] if source > target else at
    start = (target - source) // 2
    return at - start if start <= at < start + source else None


@pytest.mark.parametrize("border", [1.0, 0.5])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((299, 299), (224, 224)),
        ((224, 224), (299, 299)),
        ((331, 331), (299, 299)),
        ((227, 227), (224, 224)),
        ((224, 224), (227, 227)),
        ((5, 4), (4, 5)),
        ((4, 7), (7, 4)),
        ((6, 9), (3, 9)),
        ((1, 1), (2, 3)),
        ((8, 8), (8, 8)),
    ],
)
def test_each_pixel_comes_from_where_the_rule_says(source, target, border):
    images = pictures(*source)
    result = adapted(images, (3, *target), border)
    assert result.shape == (2, 3, *target)
    rows = [source_of(y, source[0], target[0]) for y in range(target[0])]
    columns = [source_of(x, source[1], target[1]) for x in range(target[1])]
    for y, row in enumerate(rows):
        inside = torch.tensor([row is not None and column is not None for column in columns])
        assert (result[:, :, y][..., ~inside] == border).all()
        if inside.any():
            picked = [column for column in columns if column is not None]
            assert (result[:, :, y][..., inside] == images[:, :, row, picked]).all()


def test_the_known_offsets():
    wide = pictures(299, 299)
    assert torch.equal(adapted(wide, (3, 224, 224), 1.0), wide[:, :, 37:261, 37:261])
    framed = adapted(pictures(224, 224), (3, 299, 299), 1.0)
    assert torch.equal(framed[:, :, 37:261, 37:261], pictures(224, 224))
    assert (framed[:, :, 36] == 1).all()
    assert (framed[:, :, 261:] == 1).all()
    nasnet = pictures(331, 331)
    assert torch.equal(adapted(nasnet, (3, 299, 299), 1.0), nasnet[:, :, 16:315, 16:315])
    alexnet = pictures(227, 227)
    assert torch.equal(adapted(alexnet, (3, 224, 224), 1.0), alexnet[:, :, 1:225, 1:225])
