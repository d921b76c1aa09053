"""What became of a baseline's numbers: which model fell, and by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.analysis.regression import BAD, FEWEST, Change, Verdict
from harness.report.presentation import Cell, Field, Presentation, ResultTable, present
from harness.report.values import number, percent

STYLES = {"fell": "red", "missing": "red", "rose": "green"}


def presentation(found: Sequence[Change], suite: str, baseline: Path) -> Presentation:
    """One row per number of the baseline, what fell first; rates in [0, 1]."""
    ordered = sorted(found, key=lambda change: change.verdict not in BAD)
    counts = Counter(change.verdict for change in found)
    return present(
        FIELDS,
        ordered,
        title=f"{suite}: against {baseline}",
        notes=footnotes(found),
        table=ResultTable(
            "check",
            suite,
            {"baseline": str(baseline)},
            more={
                "passed": not any(change.verdict in BAD for change in found),
                "counts": {verdict: counts[verdict] for verdict in VERDICTS},
            },
        ),
    )


VERDICTS: tuple[Verdict, ...] = ("fell", "missing", "unknown", "same", "rose")


def _verdict(row: Change) -> Cell:
    return Cell(row.verdict, row.verdict, style=STYLES.get(row.verdict, ""))


def _text(row: Change, value: float | None) -> str | None:
    if value is None:
        return None
    return number(value) if row.kind == "distortion" else percent(value)


def _difference(row: Change) -> str | None:
    if row.difference is None:
        return None

    def signed(size: float) -> str:
        # Adding 0 makes a negative zero positive.
        return number(size, "+") if row.kind == "distortion" else f"{round(100 * size, 1) + 0:+.1f}"

    text = signed(row.difference)
    return (
        f"{text} ({signed(row.interval[0])} to {signed(row.interval[1])})" if row.interval else text
    )


FIELDS: tuple[Field[Change], ...] = (
    Field("verdict", "verdict", "fell, missing, unknown, same or rose.", text=_verdict),
    Field("model", "model", "The model's name in the registry.", repeated=True),
    Field("kind", "number", "What is compared: accuracy, robust accuracy or distortion."),
    Field("attack", "attack", "The attack with its parameters; none for the accuracy."),
    Field("goal", "goal", "The adversary's goal."),
    Field(
        "before", "baseline", "In the baseline.",
        text=lambda row: _text(row, row.before), numeric=True,
    ),
    Field("now", "now", "In the database.", text=lambda row: _text(row, row.now), numeric=True),
    Field(
        "difference", "difference (95% CI)", "Now minus the baseline, over the same images where"
        " the rows of both are stored; of rates in percentage points.",
        text=_difference, numeric=True,
    ),
    Field("difference_low", value=lambda row: row.interval[0] if row.interval else None),
    Field("difference_high", value=lambda row: row.interval[1] if row.interval else None),
    Field("images", "paired images", "Images behind a paired difference.", numeric=True),
    Field("paired"),
    Field("suite"),
)  # fmt: skip


def footnotes(found: Sequence[Change]) -> list[str]:
    """What the columns do not say, one line each."""
    fell = [change for change in found if change.verdict == "fell"]
    missing = [change for change in found if change.verdict == "missing"]
    pairs = sum(change.paired for change in found)
    notes = [
        f"{len(found)} numbers of the baseline, {pairs} of them compared on the same images, the"
        " others by their intervals; distortions in pixel space [0, 1]"
    ]
    if any(change.verdict == "unknown" for change in found):
        notes.append(f"unknown: no interval, or over fewer than {FEWEST} images")
    if fell:
        notes.append(f"fell by more than their interval: {', '.join(map(_subject, fell))}")
    if missing:
        notes.append(f"in the baseline, and not here: {', '.join(map(_subject, missing))}")
    return notes


def _subject(change: Change) -> str:
    under = f" under {change.attack} {change.goal}" if change.attack else ""
    return f"{change.model} {change.kind}{under}"
