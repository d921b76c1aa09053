"""Inception-ResNet-v2 (Szegedy et al. 2017, arXiv 1602.07261) as TF-Slim has it: the stem of
Inception-v3, residuals scaled before they are added, no Aux head."""

from __future__ import annotations

from collections.abc import Sequence

from harness_slim.blocks import Branch, Conv, Inception, Mixed, Pool, Repeat, Residual
from harness_slim.inception_v3 import stem


def inception_resnet_v2(outputs: int) -> Inception:
    """For 299 x 299; 55.8 million parameters with 1,001 outputs."""
    return Inception(_STEPS, "Logits", outputs)


# At 35 x 35.
_BLOCK_35: Sequence[Branch] = [
    [Conv("Conv2d_1x1", 32, 1)],
    [Conv("Conv2d_0a_1x1", 32, 1), Conv("Conv2d_0b_3x3", 32, 3)],
    [Conv("Conv2d_0a_1x1", 32, 1), Conv("Conv2d_0b_3x3", 48, 3), Conv("Conv2d_0c_3x3", 64, 3)],
]

# At 17 x 17.
_BLOCK_17: Sequence[Branch] = [
    [Conv("Conv2d_1x1", 192, 1)],
    [
        Conv("Conv2d_0a_1x1", 128, 1),
        Conv("Conv2d_0b_1x7", 160, (1, 7)),
        Conv("Conv2d_0c_7x1", 192, (7, 1)),
    ],
]

# At 8 x 8.
_BLOCK_8: Sequence[Branch] = [
    [Conv("Conv2d_1x1", 192, 1)],
    [
        Conv("Conv2d_0a_1x1", 192, 1),
        Conv("Conv2d_0b_1x3", 224, (1, 3)),
        Conv("Conv2d_0c_3x1", 256, (3, 1)),
    ],
]

_STEPS: Branch = [
    *stem(),
    Mixed(
        "Mixed_5b",
        [
            [Conv("Conv2d_1x1", 96, 1)],
            [Conv("Conv2d_0a_1x1", 48, 1), Conv("Conv2d_0b_5x5", 64, 5)],
            [
                Conv("Conv2d_0a_1x1", 64, 1),
                Conv("Conv2d_0b_3x3", 96, 3),
                Conv("Conv2d_0c_3x3", 96, 3),
            ],
            [Pool("AvgPool_0a_3x3"), Conv("Conv2d_0b_1x1", 64, 1)],
        ],
    ),
    Repeat("Repeat", [Residual(f"block35_{n}", _BLOCK_35, 0.17) for n in range(1, 11)]),
    Mixed(
        "Mixed_6a",
        [
            [Conv("Conv2d_1a_3x3", 384, 3, 2, "VALID")],
            [
                Conv("Conv2d_0a_1x1", 256, 1),
                Conv("Conv2d_0b_3x3", 256, 3),
                Conv("Conv2d_1a_3x3", 384, 3, 2, "VALID"),
            ],
            [Pool("MaxPool_1a_3x3", 3, 2, "VALID")],
        ],
    ),
    Repeat("Repeat_1", [Residual(f"block17_{n}", _BLOCK_17, 0.10) for n in range(1, 21)]),
    Mixed(
        "Mixed_7a",
        [
            [Conv("Conv2d_0a_1x1", 256, 1), Conv("Conv2d_1a_3x3", 384, 3, 2, "VALID")],
            [Conv("Conv2d_0a_1x1", 256, 1), Conv("Conv2d_1a_3x3", 288, 3, 2, "VALID")],
            [
                Conv("Conv2d_0a_1x1", 256, 1),
                Conv("Conv2d_0b_3x3", 288, 3),
                Conv("Conv2d_1a_3x3", 320, 3, 2, "VALID"),
            ],
            [Pool("MaxPool_1a_3x3", 3, 2, "VALID")],
        ],
    ),
    Repeat("Repeat_2", [Residual(f"block8_{n}", _BLOCK_8, 0.20) for n in range(1, 10)]),
    Residual("Block8", _BLOCK_8, 1.0, relu=False),
    Conv("Conv2d_7b_1x1", 1536, 1),
]
