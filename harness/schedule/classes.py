"""Whether a model's classes are those of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.api import Dataset, ModelError, ModelSpec

if TYPE_CHECKING:
    from harness.schedule.resolve import Resolved


def must_fit(spec: ModelSpec, dataset: Dataset) -> None:
    """Compare a model's classes with the data set's: labels are numbers.

    Raises:
        ModelError: they are not as many.
    """
    if spec.classes == dataset.classes:
        return
    hint = "run it on data of its own classes"
    if spec.classes == dataset.classes + 1:
        hint = (
            f"if one output is a background class, say `classes: {dataset.classes}` and which one"
            " in `preprocessing.background` (0 in most such networks)"
        )
    raise ModelError(
        f"has {spec.classes} classes, data set {dataset.spec.name} {dataset.classes}", hint=hint
    )


def misfits(resolved: Resolved) -> Iterator[str]:
    """The models that will fail for it, a line each."""
    for model in resolved.plan.models:
        try:
            must_fit(resolved.models[model.name][1], resolved.dataset)
        except ModelError as error:
            yield f"{model.name}: {error}"
