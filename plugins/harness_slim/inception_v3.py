"""Inception-v3 (Szegedy et al. 2016, arXiv 1512.00567) as TF-Slim has it, without the Aux head."""

from __future__ import annotations

from collections.abc import Sequence

from harness_slim.blocks import Branch, Conv, Fork, Inception, Mixed, Pool, Step


def inception_v3(outputs: int) -> Inception:
    """For 299 x 299; 23.8 million parameters with 1,001 outputs."""
    return Inception(_STEPS, "Conv2d_1c_1x1", outputs)


def stem() -> Sequence[Step]:
    """To 35 x 35 x 192; Inception-ResNet-v2 begins so too."""
    return [
        Conv("Conv2d_1a_3x3", 32, 3, 2, "VALID"),
        Conv("Conv2d_2a_3x3", 32, 3, 1, "VALID"),
        Conv("Conv2d_2b_3x3", 64, 3),
        Pool("MaxPool_3a_3x3", 3, 2, "VALID"),
        Conv("Conv2d_3b_1x1", 80, 1),
        Conv("Conv2d_4a_3x3", 192, 3, 1, "VALID"),
        Pool("MaxPool_5a_3x3", 3, 2, "VALID"),
    ]


def _mixed_5(
    letter: str, pooled: int, second: tuple[str, str] = ("Conv2d_0a_1x1", "Conv2d_0b_5x5")
) -> Mixed:
    """At 35 x 35; ``pooled``: width of the last branch; ``second``: scopes of the second one."""
    return Mixed(
        f"Mixed_5{letter}",
        [
            [Conv("Conv2d_0a_1x1", 64, 1)],
            [Conv(second[0], 48, 1), Conv(second[1], 64, 5)],
            [
                Conv("Conv2d_0a_1x1", 64, 1),
                Conv("Conv2d_0b_3x3", 96, 3),
                Conv("Conv2d_0c_3x3", 96, 3),
            ],
            [Pool("AvgPool_0a_3x3"), Conv("Conv2d_0b_1x1", pooled, 1)],
        ],
    )


def _mixed_6(letter: str, width: int) -> Mixed:
    """At 17 x 17; ``width``: of the layers inside the two branches of 7 x 7."""
    return Mixed(
        f"Mixed_6{letter}",
        [
            [Conv("Conv2d_0a_1x1", 192, 1)],
            [
                Conv("Conv2d_0a_1x1", width, 1),
                Conv("Conv2d_0b_1x7", width, (1, 7)),
                Conv("Conv2d_0c_7x1", 192, (7, 1)),
            ],
            [
                Conv("Conv2d_0a_1x1", width, 1),
                Conv("Conv2d_0b_7x1", width, (7, 1)),
                Conv("Conv2d_0c_1x7", width, (1, 7)),
                Conv("Conv2d_0d_7x1", width, (7, 1)),
                Conv("Conv2d_0e_1x7", 192, (1, 7)),
            ],
            [Pool("AvgPool_0a_3x3"), Conv("Conv2d_0b_1x1", 192, 1)],
        ],
    )


def _mixed_7(letter: str, tall: str) -> Mixed:
    """At 8 x 8; ``tall``: scope of the 3 x 1 in the second branch."""
    return Mixed(
        f"Mixed_7{letter}",
        [
            [Conv("Conv2d_0a_1x1", 320, 1)],
            [
                Conv("Conv2d_0a_1x1", 384, 1),
                Fork((Conv("Conv2d_0b_1x3", 384, (1, 3)), Conv(tall, 384, (3, 1)))),
            ],
            [
                Conv("Conv2d_0a_1x1", 448, 1),
                Conv("Conv2d_0b_3x3", 384, 3),
                Fork((Conv("Conv2d_0c_1x3", 384, (1, 3)), Conv("Conv2d_0d_3x1", 384, (3, 1)))),
            ],
            [Pool("AvgPool_0a_3x3"), Conv("Conv2d_0b_1x1", 192, 1)],
        ],
    )


# Scopes that are unlike their neighbours' are so in the published checkpoint; the kernels of 3 in
# Mixed_6a are called 1x1 there.
_STEPS: Branch = [
    *stem(),
    _mixed_5("b", 32),
    _mixed_5("c", 64, second=("Conv2d_0b_1x1", "Conv_1_0c_5x5")),
    _mixed_5("d", 64),
    Mixed(
        "Mixed_6a",
        [
            [Conv("Conv2d_1a_1x1", 384, 3, 2, "VALID")],
            [
                Conv("Conv2d_0a_1x1", 64, 1),
                Conv("Conv2d_0b_3x3", 96, 3),
                Conv("Conv2d_1a_1x1", 96, 3, 2, "VALID"),
            ],
            [Pool("MaxPool_1a_3x3", 3, 2, "VALID")],
        ],
    ),
    _mixed_6("b", 128),
    _mixed_6("c", 160),
    _mixed_6("d", 160),
    _mixed_6("e", 192),
    Mixed(
        "Mixed_7a",
        [
            [Conv("Conv2d_0a_1x1", 192, 1), Conv("Conv2d_1a_3x3", 320, 3, 2, "VALID")],
            [
                Conv("Conv2d_0a_1x1", 192, 1),
                Conv("Conv2d_0b_1x7", 192, (1, 7)),
                Conv("Conv2d_0c_7x1", 192, (7, 1)),
                Conv("Conv2d_1a_3x3", 192, 3, 2, "VALID"),
            ],
            [Pool("MaxPool_1a_3x3", 3, 2, "VALID")],
        ],
    ),
    _mixed_7("b", "Conv2d_0b_3x1"),
    _mixed_7("c", "Conv2d_0c_3x1"),
]
