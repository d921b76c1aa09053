"""A suite's attacks compared with one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.analysis.optimality import Contest, Quality
from harness.analysis.place import Attacked
from harness.report.attacked import images_field, median_fields, success_fields
from harness.report.presentation import Field, Presentation, present
from harness.report.values import number, percent

FIXED, INCOMPLETE = "§", "‡"


def presentation(contest: Contest) -> Presentation:
    """One row per attack and goal; shares in [0, 1].

    What does not exist is None, and so is an infinite median: a flag next to it says so.
    """
    return present(
        _fields(contest),
        contest.rows,
        title=f"{contest.suite}: its attacks",
        notes=footnotes(contest),
    )


def _fields(contest: Contest) -> list[Field[Quality]]:
    return [
        Field("attack", "attack", value=lambda row: row.trial.attack.label, text=_marked),
        Field("norm", "norm", value=lambda row: row.trial.attack.norm),
        Field("goal", "goal", value=lambda row: row.trial.goal),
        Field("budget", value=lambda row: row.trial.attack.budget),
        images_field(_outcomes),
        Field("attacked", value=lambda row: row.outcomes.attacked),
        Field("broken", value=lambda row: row.outcomes.broken),
        Field("without_verdict", value=lambda row: row.outcomes.without),
        *success_fields(_outcomes),
        *median_fields(_outcomes),
        Field("optimality", "optimality", show=percent, numeric=True),
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


def _outcomes(row: Quality) -> Attacked:
    return row.outcomes


def _passes(key: str, heading: str, mean: Callable[[Quality], float | None]) -> Field[Quality]:
    return Field(key, heading, value=mean, show=number, numeric=True)


def _marked(row: Quality) -> str:
    marks = (FIXED, row.trial.attack.budget is not None), (INCOMPLETE, not row.complete)
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
