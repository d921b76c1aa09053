"""A board's models: names, accuracies, doubts, and the images that they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.analysis.common import Common
from harness.analysis.place import AccuracyOf, Entry
from harness.report.values import DOUBTFUL, INCOMPLETE, percent, shown


def model_text(entry: Entry) -> str:
    """The model's name with its marks."""
    marks = (INCOMPLETE, not entry.complete), (DOUBTFUL, bool(entry.doubts))
    return " ".join([entry.model, *(mark for mark, has in marks if has)])


def doubt_notes(entries: Sequence[Entry]) -> Iterable[str]:
    """Why models' numbers may not be what they seem."""
    for entry in entries:
        for doubt in entry.doubts:
            yield f"{DOUBTFUL} {entry.model}: {doubt}"


def accuracy_text(entry: Entry) -> str | None:
    """Top-1, with its interval where it is measured."""
    text = shown(entry.top1, percent)
    interval = entry.accuracy.interval
    if text is None or interval is None or entry.top1 != entry.accuracy.measured:
        return text
    low, high = interval
    return f"{text} ({100 * low:.1f}–{100 * high:.1f})"


def common_notes(common: Common | None) -> Iterable[str]:
    """Which images all models classify correctly, where only these count."""
    if common is None:
        return
    yield (
        f"common images: {len(common.images)} of {common.of}, which all of {len(common.models)}"
        " models classify correctly by their stored clean predictions; everything but top-1 is over"
        " these alone, and measurements, being over all images, are left out"
    )
    if common.unpredicted:
        counts = ", ".join(f"{model} ({count})" for model, count in common.unpredicted.items())
        yield f"without a clean prediction for some images, which cannot be common: {counts}"
    if common.without:
        yield (
            "no clean predictions at all, so no say in which images are common:"
            f" {', '.join(common.without)}"
        )


def accuracy_notes(entries: Sequence[Entry], accuracy: AccuracyOf) -> Iterable[str]:
    """Whose accuracies they are, and those that are none or perfect."""
    if accuracy == "published":
        yield "top-1: published"
        unknown = [entry.model for entry in entries if entry.accuracy.published is None]
        if unknown:
            yield f"no published accuracy, left out of the fit: {', '.join(unknown)}"
        return
    counts = sorted({entry.accuracy.images for entry in entries if entry.accuracy.images})
    number = "not as many for each model" if len(counts) > 1 else sum(counts)
    yield (
        f"top-1: measured on all images of the runs before exclusions ({number}), with the 95 %"
        " Wilson interval"
    )
    perfect = [e.model for e in entries if e.accuracy.images and e.top1 == 1]
    if perfect:
        yield f"no errors, counted as half an error in the fit: {', '.join(perfect)}"
