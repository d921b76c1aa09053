"""Inception-v1 (Szegedy et al. 2015, arXiv 1409.4842) as TF-Slim has it: with batch norm, and 3 x 3
where the paper has 5 x 5."""

from __future__ import annotations

from harness_slim.blocks import Branch, Conv, Inception, Mixed, Pool


def inception_v1(outputs: int) -> Inception:
    """For 224 x 224; 6.6 million parameters with 1,001 outputs."""
    return Inception(_STEPS, "Conv2d_0c_1x1", outputs)


def _mixed(scope: str, widths: tuple[int, int, int, int, int, int], last: str = "0b") -> Mixed:
    """``widths``: of the first branch; of the two layers of the second and third; of the fourth."""
    first, reduced, second, narrow, third, fourth = widths
    return Mixed(
        scope,
        [
            [Conv("Conv2d_0a_1x1", first, 1)],
            [Conv("Conv2d_0a_1x1", reduced, 1), Conv("Conv2d_0b_3x3", second, 3)],
            [Conv("Conv2d_0a_1x1", narrow, 1), Conv(f"Conv2d_{last}_3x3", third, 3)],
            [Pool("MaxPool_0a_3x3"), Conv("Conv2d_0b_1x1", fourth, 1)],
        ],
    )


_STEPS: Branch = [
    Conv("Conv2d_1a_7x7", 64, 7, stride=2),
    Pool("MaxPool_2a_3x3", stride=2),
    Conv("Conv2d_2b_1x1", 64, 1),
    Conv("Conv2d_2c_3x3", 192, 3),
    Pool("MaxPool_3a_3x3", stride=2),
    _mixed("Mixed_3b", (64, 96, 128, 16, 32, 32)),
    _mixed("Mixed_3c", (128, 128, 192, 32, 96, 64)),
    Pool("MaxPool_4a_3x3", stride=2),
    _mixed("Mixed_4b", (192, 96, 208, 16, 48, 64)),
    _mixed("Mixed_4c", (160, 112, 224, 24, 64, 64)),
    _mixed("Mixed_4d", (128, 128, 256, 24, 64, 64)),
    _mixed("Mixed_4e", (112, 144, 288, 32, 64, 64)),
    _mixed("Mixed_4f", (256, 160, 320, 32, 128, 128)),
    Pool("MaxPool_5a_2x2", kernel=2, stride=2),
    # The published checkpoint calls this block's layer so.
    _mixed("Mixed_5b", (256, 160, 320, 32, 128, 128), last="0a"),
    _mixed("Mixed_5c", (384, 192, 384, 48, 128, 128)),
]
