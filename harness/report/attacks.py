"""A suite's attacks compared with one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from harness.analysis.indicators import RULES
from harness.analysis.optimality import Contest, Quality
from harness.analysis.progress import Progress
from harness.api.attacked import Attacked
from harness.report.attacked import (
    images_field,
    median_fields,
    robust_accuracy_fields,
    success_fields,
)
from harness.report.curve import glyphs_for
from harness.report.presentation import Field, Presentation, ResultTable, present
from harness.report.values import DOUBTFUL, finite, number, percent, shown
from harness.terminal import output

FIXED, INCOMPLETE = "§", "‡"

_Curve = tuple[Quality, Progress]


def presentation(
    contest: Contest, goal: str | None = None, passes: int | None = None
) -> Presentation:
    """One row per attack and goal, of ``goal`` alone where it was chosen; shares in [0, 1].

    Where queries are stored, distances and optimality within so many ``passes`` are shown too.

    What does not exist is None, and so is an infinite median: a flag next to it says so.
    """
    return present(
        _fields(contest, passes),
        contest.rows,
        title=f"{contest.suite}: its attacks",
        notes=footnotes(contest),
        parts=_curves(contest.rows),
        table=ResultTable(
            "attacks",
            contest.suite,
            {"goal": goal, "passes": passes},
            more={
                "progress": [each for row in contest.rows for each in _progress_data(row)],
                "indicators": [each for row in contest.rows for each in _indicator_data(row)],
            },
        ),
    )


def _fields(contest: Contest, passes: int | None) -> list[Field[Quality]]:
    return [
        Field(
            "attack",
            "attack",
            value=lambda row: row.trial.attack.label,
            text=_marked,
            repeated=True,
        ),
        Field("norm", "norm", value=lambda row: row.trial.attack.norm),
        Field("goal", "goal", value=lambda row: row.trial.goal, repeated=True),
        Field("budget", value=lambda row: row.trial.attack.budget),
        images_field(_outcomes),
        Field("attacked", value=lambda row: row.outcomes.attacked),
        Field("broken", value=lambda row: row.outcomes.broken),
        Field("without_verdict", value=lambda row: row.outcomes.without),
        *success_fields(_outcomes),
        *robust_accuracy_fields(_outcomes, _fixed, shown=any(map(_fixed, contest.rows))),
        *median_fields(_outcomes),
        Field("optimality", "optimality", show=percent, numeric=True),
        *_within_fields(passes),
        Field("best", "best", value=lambda row: row.best_share, show=percent, numeric=True),
        Field("compared"),
        Field("unsolved"),
        Field("rivals"),
        Field("without_rival", value=lambda row: row.alone),
        _passes("forwards", "forward passes", lambda row: row.outcomes.forwards),
        _passes("backwards", "backward passes", lambda row: row.outcomes.backwards),
        Field("complete"),
        Field("models_not_run", value=lambda row: len(row.not_run)),
        Field("suite", value=lambda _: contest.suite),
        Field("dataset", value=lambda row: row.trial.dataset),
        Field("seed", value=lambda row: row.trial.seed),
    ]


def _within_fields(passes: int | None) -> list[Field[Quality]]:
    """The optimality at a budget of passes, where one is asked for."""
    if passes is None:
        return []
    return [
        Field(
            "optimality_within",
            f"optimality within {passes} passes",
            value=lambda row: shown(row.progress, lambda found: found.at(passes)[1]),
            show=percent,
            numeric=True,
        )
    ]


def _progress_data(row: Quality) -> list[dict[str, Any]]:
    """A row's distances and optimality against passes, a record for each number of passes."""
    if row.progress is None:
        return []
    each = zip(row.progress.passes, row.progress.medians, row.progress.optimality, strict=True)
    return [
        {
            "attack": row.trial.attack.label,
            "norm": row.trial.attack.norm,
            "goal": row.trial.goal,
            "passes": passes,
            "median": shown(median, finite),
            "optimality": optimality,
        }
        for passes, median, optimality in each
    ]


def _curves(rows: Sequence[Quality]) -> list[Presentation]:
    """Distances and optimality against passes, an attack a row; none without stored queries."""
    kept = [(row, row.progress) for row in rows if row.progress is not None]
    if not kept:
        return []
    counts = sorted({count for _, progress in kept for count in progress.passes})
    fill = glyphs_for(output().encoding).fill

    def median(count: int) -> Callable[[_Curve], str | None]:
        return lambda row: shown(row[1].at(count)[0], number)

    def curve(row: _Curve) -> str:
        shares = (row[1].at(count)[1] or 0.0 for count in counts)
        return "".join(fill[round(share * (len(fill) - 1))] for share in shares)

    fields: list[Field[_Curve]] = [
        Field(
            "attack",
            "attack",
            text=lambda row: row[0].trial.attack.label,
            repeated=True,
            data=False,
        ),
        Field("goal", "goal", text=lambda row: row[0].trial.goal, repeated=True, data=False),
        Field("optimality", "optimality", text=curve, data=False),
        *(Field(f"within_{n}", f"{n:,}", text=median(n), numeric=True, data=False) for n in counts),
    ]
    return [
        present(
            fields,
            kept,
            title="median distance of the best queries within so many passes",
            notes=[
                "failures counted as infinite; optimality: from 0 to 100%, a column for each number"
                " of passes, d* including every attack's best queries"
            ],
        )
    ]


def _fixed(row: Quality) -> bool:
    return row.trial.attack.fixed


def _outcomes(row: Quality) -> Attacked:
    return row.outcomes


def _passes(key: str, heading: str, mean: Callable[[Quality], float | None]) -> Field[Quality]:
    return Field(key, heading, value=mean, show=number, numeric=True)


def _marked(row: Quality) -> str:
    marks = (
        (FIXED, row.trial.attack.budget is not None),
        (INCOMPLETE, not row.complete),
        (DOUBTFUL, bool(row.indicators)),
    )
    return " ".join([row.trial.attack.label, *(mark for mark, meant in marks if meant)])


def footnotes(contest: Contest) -> list[str]:
    """What the columns do not say, one line each."""
    return [
        "over the (model, image) pairs of the suite; images: attacked/all; median: distortion in"
        " the attack's norm, in pixel space [0, 1], failures counted as infinite; passes: mean per"
        " attacked image",
        "optimality: 1 - the mean of 1 - d*/d, 1 for a failure; d* is the smallest distortion that"
        " any stored attack of the same norm, goal and target found for the image on the same"
        " weights; best: where d = d*. Only rows of one norm and goal compare",
        *_rival_notes(contest.rows),
        *_fixed_notes(contest.rows),
        *(f"{INCOMPLETE} {_name(row)}: {_incomplete(row)}" for row in contest.rows
          if not row.complete),
        *_indicator_notes(contest.rows),
        *_selection_notes(contest.rows),
    ]  # fmt: skip


def _rival_notes(rows: Iterable[Quality]) -> Iterable[str]:
    """What each row is compared with; the attacks of a norm and goal share a line if they can."""
    named: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        if row.outcomes.attacked:
            key = (row.trial.attack.norm, row.trial.goal, _compared(row))
            named.setdefault(key, []).append(row.trial.attack.label)
    for (norm, goal, text), labels in named.items():
        yield f"{norm}, goal {goal}: {', '.join(labels)}: compared with {text}"


def _compared(row: Quality) -> str:
    text = f"{row.rivals} other attack{'' if row.rivals == 1 else 's'} on {row.compared} images"
    if row.unsolved:
        text += f"; {row.unsolved} that none broke are excluded"
    if row.alone:
        text += f"; {row.alone} that no other tried, where its successes are trivially optimal"
    return text


def _fixed_notes(rows: Iterable[Quality]) -> Iterable[str]:
    if any(row.trial.attack.budget is not None for row in rows):
        yield (
            f"{FIXED} fixed budget: all successes lie close to the budget, so median and optimality"
            " only show how well the budget was chosen"
        )


def _incomplete(row: Quality) -> str:
    parts = []
    if row.not_run:
        parts.append(f"not run on {len(row.not_run)} of the suite's models")
    if row.outcomes.without:
        parts.append(f"{row.outcomes.without} of {row.outcomes.images} images without a verdict")
    if row.outcomes.without and row.outcomes.success_bounds:
        low, high = row.outcomes.success_bounds
        parts.append(f"success rate between {percent(low)} and {percent(high)}")
    return ", ".join(parts)


def _models_by_indicator(row: Quality) -> dict[str, list[str]]:
    """The models that each indicator of the attack is about."""
    found: dict[str, list[str]] = {}
    for each in row.indicators:
        found.setdefault(each.name, []).append(each.model)
    return {name: list(dict.fromkeys(models)) for name, models in found.items()}


def _indicator_data(row: Quality) -> list[dict[str, Any]]:
    return [
        {"attack": row.trial.attack.label, "goal": row.trial.goal, "name": name, "models": models}
        for name, models in _models_by_indicator(row).items()
    ]


def _indicator_notes(rows: Iterable[Quality]) -> Iterable[str]:
    """What is said of the attacks; `harness show` has the numbers."""
    for row in rows:
        for name, models in _models_by_indicator(row).items():
            yield f"{DOUBTFUL} {_name(row)}: {name} on {', '.join(models)}: {RULES[name].means}"


def _selection_notes(rows: Sequence[Quality]) -> Iterable[str]:
    """What the choice of cells leaves out; without names where it is the same for all rows."""
    named: dict[str, list[str]] = {}
    for row in rows:
        for note in row.trial.notes:
            named.setdefault(note, []).append(_name(row))
    for note, names in named.items():
        yield note if len(names) == len(rows) > 1 else f"{'; '.join(names)}: {note}"


def _name(row: Quality) -> str:
    return f"{row.trial.attack.label}, {row.trial.goal}"
