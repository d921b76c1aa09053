"""What plugins return, checked where it enters."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from harness.api import Again, Candidates, CellRows, Metric, PluginError, Point, Score
from harness.contained import scored
from harness.engine.values import checked_again, checked_candidates

ROWS, SHAPE = 5, (3, 2, 2)


def images(dtype=torch.float32, rows=ROWS, device="cpu"):
    return torch.zeros(rows, *SHAPE, dtype=dtype, device=device)


def numbers(value):
    return Candidates(images(), {"a": value})


WRONG = {
    "not floats": (images(torch.int64), "int64"),
    "bytes": (images(torch.uint8), "uint8"),
    "too few": (images(rows=4), "(4, 3, 2, 2)"),
    "no values": (images(device="meta"), "on meta"),
    "sparse": (images().to_sparse(), "float32"),
    "a list": ([1, 2, 3], "list of 3"),
    "images of another kind": (Candidates(np.zeros((ROWS, *SHAPE))), "an array float64"),
    "a number too few": (numbers(torch.zeros(4)), "'a'"),
    "numbers for pixels": (numbers(images()), "'a'"),
    "complex numbers": (numbers(torch.zeros(ROWS, dtype=torch.complex64)), "'a'"),
    "no tensor": (numbers([0.0] * ROWS), "'a'"),
    "names": (Candidates(images(), {3: torch.zeros(ROWS)}), "name"),
    "no mapping": (Candidates(images(), [torch.zeros(ROWS)]), "not a mapping"),
}


@pytest.mark.parametrize("what", WRONG)
def test_candidates_of_a_wrong_type_or_shape_are_one_line(what):
    value, said = WRONG[what]
    with pytest.raises(PluginError) as caught:
        checked_candidates(value, ROWS, SHAPE)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_candidates_of_any_float_are_taken(dtype):
    found = checked_candidates(images(dtype), ROWS, SHAPE)
    assert found.images.dtype is dtype
    assert checked_candidates(numbers(torch.zeros(ROWS, dtype=torch.int64)), ROWS, SHAPE)


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (None, "NoneType"),
        (0.5, "float, not a Score"),
        (Score("1", 1), "its value is str"),
        (Score(True, 1), "its value is bool"),
        (Score(10**400, 1), "larger than any float"),
        (Score(float("nan"), 1), "NaN"),
        (Score(1.0, 1.5), "number of images is float"),
        (Score(1.0, -1), "is not one"),
        (Score(1.0, 2**70), "is not one"),
    ],
)
def test_a_score_of_a_wrong_type_is_one_line(score, said):
    class Odd(Metric):
        def score(self, cell):
            return score

    with pytest.raises(PluginError, match=re.escape(said)):
        scored(Odd(), CellRows("model", "attack", "random", (3, 2, 2), (), ()))


def test_a_score_of_numpys_types_is_taken():
    class Numpys(Metric):
        def score(self, cell):
            return Score(np.float32(0.5), np.int64(3))

    found = scored(Numpys(), CellRows("model", "attack", "random", (3, 2, 2), (), ()))
    assert found == Score(0.5, 3)
    assert type(found.images) is int


LOGITS = torch.zeros(ROWS, 4)


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (LOGITS, "not Again or None"),
        (Again([0.0] * 4), "cotangent list of 4"),
        (Again(LOGITS[:, :3]), "(5, 3)"),
        (Again(LOGITS.double()), "float64"),
        (Again(LOGITS, torch.ones(ROWS)), "asking a tensor float32"),
        (Again(LOGITS, torch.ones(ROWS + 1, dtype=torch.bool)), "(6,)"),
    ],
)
def test_a_wrong_wish_for_another_gradient_is_one_line(again, said):
    with pytest.raises(PluginError) as caught:
        checked_again(again, Point(images(), again=True), LOGITS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
