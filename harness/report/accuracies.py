"""The models of a leaderboard: names, accuracies, indicators, and the images that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from harness.analysis.common import Common
from harness.analysis.indicators import Indicator
from harness.analysis.place import AccuracyOf, Entry
from harness.report.presentation import Cell, Field
from harness.report.values import DOUBTFUL, INCOMPLETE, amount, ends, percent, shown

Row = TypeVar("Row")


def model_text(entry: Entry) -> str:
    """The model's name with its marks."""
    marks = (INCOMPLETE, not entry.complete), (DOUBTFUL, bool(entry.indicators))
    return " ".join([entry.model, *(mark for mark, has in marks if has)])


def indicator_notes(found: Iterable[Indicator]) -> Iterator[str]:
    """Why models' numbers may not be what they seem."""
    for each in found:
        yield f"{DOUBTFUL} {each.model}: {each.name}: {each.says}"


def doubtful(entries: Iterable[Entry]) -> list[Indicator]:
    """The indicators of all models of a leaderboard."""
    return [each for entry in entries for each in entry.indicators]


def indicator_fields(of: Callable[[Row], Entry]) -> list[Field[Row]]:
    """What programs get of the indicators: their names and what they say."""
    return [
        Field("indicators", value=lambda row: indicator_names(of(row))),
        Field("warnings", value=lambda row: [each.says for each in of(row).indicators]),
    ]


def indicator_names(entry: Entry) -> list[str]:
    """Each name once."""
    return list(dict.fromkeys(each.name for each in entry.indicators))


def entry_fields(
    of: Callable[[Row], Entry], ranked: str, entries: Sequence[Entry]
) -> list[Field[Row]]:
    """The columns that all leaderboards begin with; ``ranked`` says by what the models are.

    People see the training regime where the ``entries`` have several.
    """
    mixed = len({entry.training for entry in entries} - {None}) > 1
    return [
        Field("rank", "rank", ranked, value=lambda row: of(row).rank, numeric=True, repeated=True),
        Field(
            "model",
            "model",
            "The model's name in the registry.",
            value=lambda row: of(row).model,
            text=lambda row: model_text(of(row)),
            repeated=True,
        ),
        Field(
            "family", "family", "The family of its architecture.", value=lambda row: of(row).family
        ),
        Field(
            "training",
            "training" if mixed else None,
            "Its training regime.",
            value=lambda row: of(row).training,
        ),
        Field(
            "parameters",
            "parameters",
            "Its number of parameters.",
            value=lambda row: of(row).parameters,
            show=amount,
            numeric=True,
        ),
        Field(
            "top1",
            "top-1 (95% CI)",
            "Accuracy over all images, before any exclusion, with its 95% Wilson interval.",
            value=lambda row: of(row).top1,
            text=lambda row: _accuracy(of(row)),
            numeric=True,
        ),
    ]


def accuracy_fields(of: Callable[[Row], Entry]) -> list[Field[Row]]:
    """What programs get of the accuracies."""
    return [
        Field("top1_measured", value=lambda row: of(row).accuracy.measured),
        Field("top1_published", value=lambda row: of(row).accuracy.published),
        Field("top1_images", value=lambda row: of(row).accuracy.images),
    ]


def _accuracy(entry: Entry) -> Cell:
    """Top-1, with its interval where it is measured."""
    interval = entry.accuracy.interval if entry.top1 == entry.accuracy.measured else None
    return Cell(shown(entry.top1, percent), entry.top1, ends(interval))


def common_notes(common: Common | None) -> Iterable[str]:
    """Which images all models classify correctly, where only these count."""
    if common is None:
        return
    yield (
        f"common images: {len(common.images)} of {common.of}, which all of {len(common.models)}"
        " models classify correctly by their stored clean predictions; everything but top-1 is over"
        " these alone; measurements are over all images and therefore left out"
    )
    if common.unpredicted:
        counts = ", ".join(f"{model} ({count})" for model, count in common.unpredicted.items())
        yield f"without a clean prediction for some images, which cannot be common: {counts}"
    if common.without:
        yield (
            "without any clean predictions, so ignored in the choice of common images:"
            f" {', '.join(common.without)}"
        )


def accuracy_notes(entries: Sequence[Entry], accuracy: AccuracyOf) -> Iterable[str]:
    """Which accuracies these are, and those that are missing or perfect."""
    if accuracy == "published":
        yield "top-1: published"
        unknown = [entry.model for entry in entries if entry.accuracy.published is None]
        if unknown:
            yield f"no published accuracy, excluded from the fit: {', '.join(unknown)}"
        return
    counts = sorted({entry.accuracy.images for entry in entries if entry.accuracy.images})
    number = "their number differs between models" if len(counts) > 1 else sum(counts)
    yield (
        f"top-1: measured on all images of the runs before exclusions ({number}), with the 95%"
        " Wilson interval"
    )
    perfect = [e.model for e in entries if e.accuracy.images and e.top1 == 1]
    if perfect:
        yield f"no errors, counted as half an error in the fit: {', '.join(perfect)}"
