"""Whether a model's classes are those of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from harness.api import DatasetSpec, ModelError
from harness.registry import ModelEntry


class Labelled(Protocol):
    """What is labelled; such as a `Dataset`."""

    @property
    def spec(self) -> DatasetSpec: ...

    @property
    def classes(self) -> int: ...


def must_fit(classes: int, dataset: Labelled) -> None:
    """Compare a model's ``classes`` with the dataset's: labels are numbers.

    Raises:
        ModelError: they are not as many.
    """
    if classes == dataset.classes:
        return
    hint = "run it on data of its own classes"
    if classes == dataset.classes + 1:
        hint = (
            f"if one output is a background class, say `classes: {dataset.classes}` and which one"
            " in `preprocessing.background` (0 in most such networks)"
        )
    raise ModelError(
        f"has {classes} classes, dataset {dataset.spec.name} {dataset.classes}", hint=hint
    )


def misfits(models: Iterable[ModelEntry], dataset: Labelled) -> Iterator[str]:
    """Those of ``models`` that will fail for it, a line each."""
    for entry in models:
        try:
            must_fit(entry.classes, dataset)
        except ModelError as error:
            yield f"{entry.name}: {error}"
