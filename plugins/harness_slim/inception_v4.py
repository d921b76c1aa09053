"""Inception-v4 (Szegedy et al. 2017, arXiv 1602.07261) as TF-Slim has it, without the Aux head."""

from __future__ import annotations

from collections.abc import Sequence

from harness_slim.blocks import Branch, Conv, Fork, Inception, Mixed, Pool


def inception_v4(outputs: int) -> Inception:
    """For 299 x 299; 42.6 million parameters with 1,001 outputs."""
    return Inception(_STEPS, "Logits", outputs)


_STEM: Branch = [
    Conv("Conv2d_1a_3x3", 32, 3, 2, "VALID"),
    Conv("Conv2d_2a_3x3", 32, 3, 1, "VALID"),
    Conv("Conv2d_2b_3x3", 64, 3),
    Mixed(
        "Mixed_3a",
        [
            [Pool("MaxPool_0a_3x3", 3, 2, "VALID")],
            [Conv("Conv2d_0a_3x3", 96, 3, 2, "VALID")],
        ],
    ),
    Mixed(
        "Mixed_4a",
        [
            [Conv("Conv2d_0a_1x1", 64, 1), Conv("Conv2d_1a_3x3", 96, 3, 1, "VALID")],
            [
                Conv("Conv2d_0a_1x1", 64, 1),
                Conv("Conv2d_0b_1x7", 64, (1, 7)),
                Conv("Conv2d_0c_7x1", 64, (7, 1)),
                Conv("Conv2d_1a_3x3", 96, 3, 1, "VALID"),
            ],
        ],
    ),
    Mixed(
        "Mixed_5a",
        [
            [Conv("Conv2d_1a_3x3", 192, 3, 2, "VALID")],
            [Pool("MaxPool_1a_3x3", 3, 2, "VALID")],
        ],
    ),
]

# At 35 x 35.
_BLOCK_A: Sequence[Branch] = [
    [Conv("Conv2d_0a_1x1", 96, 1)],
    [Conv("Conv2d_0a_1x1", 64, 1), Conv("Conv2d_0b_3x3", 96, 3)],
    [Conv("Conv2d_0a_1x1", 64, 1), Conv("Conv2d_0b_3x3", 96, 3), Conv("Conv2d_0c_3x3", 96, 3)],
    [Pool("AvgPool_0a_3x3"), Conv("Conv2d_0b_1x1", 96, 1)],
]

_REDUCTION_A: Sequence[Branch] = [
    [Conv("Conv2d_1a_3x3", 384, 3, 2, "VALID")],
    [
        Conv("Conv2d_0a_1x1", 192, 1),
        Conv("Conv2d_0b_3x3", 224, 3),
        Conv("Conv2d_1a_3x3", 256, 3, 2, "VALID"),
    ],
    [Pool("MaxPool_1a_3x3", 3, 2, "VALID")],
]

# At 17 x 17.
_BLOCK_B: Sequence[Branch] = [
    [Conv("Conv2d_0a_1x1", 384, 1)],
    [
        Conv("Conv2d_0a_1x1", 192, 1),
        Conv("Conv2d_0b_1x7", 224, (1, 7)),
        Conv("Conv2d_0c_7x1", 256, (7, 1)),
    ],
    [
        Conv("Conv2d_0a_1x1", 192, 1),
        Conv("Conv2d_0b_7x1", 192, (7, 1)),
        Conv("Conv2d_0c_1x7", 224, (1, 7)),
        Conv("Conv2d_0d_7x1", 224, (7, 1)),
        Conv("Conv2d_0e_1x7", 256, (1, 7)),
    ],
    [Pool("AvgPool_0a_3x3"), Conv("Conv2d_0b_1x1", 128, 1)],
]

_REDUCTION_B: Sequence[Branch] = [
    [Conv("Conv2d_0a_1x1", 192, 1), Conv("Conv2d_1a_3x3", 192, 3, 2, "VALID")],
    [
        Conv("Conv2d_0a_1x1", 256, 1),
        Conv("Conv2d_0b_1x7", 256, (1, 7)),
        Conv("Conv2d_0c_7x1", 320, (7, 1)),
        Conv("Conv2d_1a_3x3", 320, 3, 2, "VALID"),
    ],
    [Pool("MaxPool_1a_3x3", 3, 2, "VALID")],
]

# At 8 x 8.
_BLOCK_C: Sequence[Branch] = [
    [Conv("Conv2d_0a_1x1", 256, 1)],
    [
        Conv("Conv2d_0a_1x1", 384, 1),
        Fork((Conv("Conv2d_0b_1x3", 256, (1, 3)), Conv("Conv2d_0c_3x1", 256, (3, 1)))),
    ],
    [
        Conv("Conv2d_0a_1x1", 384, 1),
        Conv("Conv2d_0b_3x1", 448, (3, 1)),
        Conv("Conv2d_0c_1x3", 512, (1, 3)),
        Fork((Conv("Conv2d_0d_1x3", 256, (1, 3)), Conv("Conv2d_0e_3x1", 256, (3, 1)))),
    ],
    [Pool("AvgPool_0a_3x3"), Conv("Conv2d_0b_1x1", 256, 1)],
]

_STEPS: Branch = [
    *_STEM,
    *(Mixed(f"Mixed_5{letter}", _BLOCK_A) for letter in "bcde"),
    Mixed("Mixed_6a", _REDUCTION_A),
    *(Mixed(f"Mixed_6{letter}", _BLOCK_B) for letter in "bcdefgh"),
    Mixed("Mixed_7a", _REDUCTION_B),
    *(Mixed(f"Mixed_7{letter}", _BLOCK_C) for letter in "bcd"),
]
