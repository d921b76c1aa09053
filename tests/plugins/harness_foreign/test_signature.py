"""Hyper-parameters from signatures: annotated, annotated as text, or not at all."""

import typing
from enum import Enum
from typing import Literal

import pytest
from pydantic import ValidationError, create_model

from harness_foreign.signature import fields


class Colour(Enum):
    RED = 1


def typed(
    model: object,
    steps: int = 10,
    confidence: float = 0,
    loss: typing.Union[Literal["ce"], Literal["dlr"]] = "ce",  # noqa: UP007
    rate: typing.Optional[float] = None,  # noqa: UP045
    size: tuple[int, int] = (2, 3),
    colour: Colour | str = Colour.RED,
    penalty: typing.Callable = print,
    far: float = float("inf"),
    **further: int,
): ...


def textual(
    model,
    wanted: "float",
    eps: "int | float | np.ndarray" = 0.3,  # noqa: F821
    order: "'Order' | None" = None,  # noqa: F821
    seed: "int | None" = None,
    box: "tuple[float, float]" = (0.0, 1.0),
): ...


def bare(model, steps=10, scale=10, loss="ce", start=True, span=(2, 10), seed=None, α_init=0.5): ...


def kinds(call, required=None):
    return {name: kind for name, _, kind, _ in fields(call, ("model",), required or {})}


def test_annotations_are_taken():
    assert kinds(typed) == {
        "steps": int,
        "kappa": float,
        "loss": Literal["ce"] | Literal["dlr"],
        "rate": float | None,
        "size": tuple[int, int],
    }


def test_annotations_may_be_text():
    found = {"wanted": float, "eps": float, "seed": int | None, "box": tuple[float, float]}
    assert kinds(textual) == found


def test_what_is_not_annotated_is_guessed_from_its_default():
    assert kinds(bare) == {
        "steps": int,
        "scale": float,
        "loss": str,
        "start": bool,
        "span": tuple[int, ...],
        "alpha_init": float,
    }
    assert {original for _, original, _, _ in fields(bare, (), {})} >= {"α_init"}


def test_what_has_no_default_that_works_is_required():
    parts = {name: (kind, field) for name, _, kind, field in fields(bare, (), {"seed": "int"})}
    model = create_model("Bare", **parts)
    assert model(seed=3).model_dump()["span"] == (2, 10)
    with pytest.raises(ValidationError, match="seed"):
        model()
