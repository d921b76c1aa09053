"""Inception-v2 (Ioffe and Szegedy 2015, arXiv 1502.03167) as TF-Slim has it: the first convolution
is separable, with biases and without batch norm."""

from __future__ import annotations

from harness_slim.blocks import Branch, Conv, Inception, Mixed, Pool, Separable


def inception_v2(outputs: int) -> Inception:
    """For 224 x 224; 11.2 million parameters with 1,001 outputs."""
    return Inception(_STEPS, "Conv2d_1c_1x1", outputs)


def _mixed(
    scope: str, widths: tuple[int, int, int, int, int, int], pool: str = "AvgPool_0a_3x3"
) -> Mixed:
    """``widths``: of the first branch; of the second's two layers; of the third's first, and of its
    other two; of the fourth."""
    first, reduced, second, narrow, third, fourth = widths
    return Mixed(
        scope,
        [
            [Conv("Conv2d_0a_1x1", first, 1)],
            [Conv("Conv2d_0a_1x1", reduced, 1), Conv("Conv2d_0b_3x3", second, 3)],
            [
                Conv("Conv2d_0a_1x1", narrow, 1),
                Conv("Conv2d_0b_3x3", third, 3),
                Conv("Conv2d_0c_3x3", third, 3),
            ],
            [Pool(pool), Conv("Conv2d_0b_1x1", fourth, 1)],
        ],
    )


def _reduction(scope: str, widths: tuple[int, int, int, int]) -> Mixed:
    """Half the height and width. ``widths``: as `_mixed` has them, of the branches with a 3 x 3."""
    reduced, first, narrow, second = widths
    return Mixed(
        scope,
        [
            [Conv("Conv2d_0a_1x1", reduced, 1), Conv("Conv2d_1a_3x3", first, 3, stride=2)],
            [
                Conv("Conv2d_0a_1x1", narrow, 1),
                Conv("Conv2d_0b_3x3", second, 3),
                Conv("Conv2d_1a_3x3", second, 3, stride=2),
            ],
            [Pool("MaxPool_1a_3x3", stride=2)],
        ],
    )


_STEPS: Branch = [
    Separable("Conv2d_1a_7x7", 64, 7, stride=2, multiplier=8),
    Pool("MaxPool_2a_3x3", stride=2),
    Conv("Conv2d_2b_1x1", 64, 1),
    Conv("Conv2d_2c_3x3", 192, 3),
    Pool("MaxPool_3a_3x3", stride=2),
    _mixed("Mixed_3b", (64, 64, 64, 64, 96, 32)),
    _mixed("Mixed_3c", (64, 64, 96, 64, 96, 64)),
    _reduction("Mixed_4a", (128, 160, 64, 96)),
    _mixed("Mixed_4b", (224, 64, 96, 96, 128, 128)),
    _mixed("Mixed_4c", (192, 96, 128, 96, 128, 128)),
    _mixed("Mixed_4d", (160, 128, 160, 128, 160, 96)),
    _mixed("Mixed_4e", (96, 128, 192, 160, 192, 96)),
    _reduction("Mixed_5a", (128, 192, 192, 256)),
    _mixed("Mixed_5b", (352, 192, 320, 160, 224, 128)),
    _mixed("Mixed_5c", (352, 192, 320, 192, 224, 128), pool="MaxPool_0a_3x3"),
]
