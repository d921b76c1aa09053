"""The comparison of attacks as text or data: columns for people, records for programs, notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness.analysis.optimality import Contest, Quality
from harness.report.tables import Column

FIXED, INCOMPLETE = "§", "‡"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _number(value: float) -> str:
    """Three significant digits; large numbers whole."""
    if math.isinf(value):
        return "∞"
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


TABLE = (
    Column("attack", "attack"),
    Column("norm", "norm"),
    Column("goal", "goal"),
    Column("images", "images", right=True),
    Column("success", "success", _percent, right=True),
    Column("median", "med. all", _number, right=True),
    Column("optimality", "optimality", _percent, right=True),
    Column("best", "best", _percent, right=True),
    Column("forwards", "fwd.", _number, right=True),
    Column("backwards", "bwd.", _number, right=True),
)
"""What people see; `text_rows` has these keys."""


def text_rows(contest: Contest) -> list[dict[str, Any]]:
    """The rows for tables and Markdown, with their marks."""
    return [
        {
            "attack": _marked(row),
            "norm": row.attack.norm,
            "goal": row.goal,
            "images": f"{row.attacked}/{row.images}",
            "success": row.success,
            "median": row.median,
            "optimality": row.optimality,
            "best": row.best_share,
            "forwards": row.forwards,
            "backwards": row.backwards,
        }
        for row in contest.rows
    ]


def _marked(row: Quality) -> str:
    marks = (FIXED, row.attack.budget is not None), (INCOMPLETE, not row.complete)
    return " ".join([row.attack.label, *(mark for mark, meant in marks if meant)])


def records(contest: Contest) -> list[dict[str, Any]]:
    """The rows as JSON-like data; shares in [0, 1].

    What does not exist is None, and so is an infinite median: a flag beside it tells.
    """
    return [_record(contest, row) for row in contest.rows]


def _record(contest: Contest, row: Quality) -> dict[str, Any]:
    least, most = row.success_bounds or (None, None)
    return {
        "attack": row.attack.label,
        "norm": row.attack.norm,
        "goal": row.goal,
        "budget": row.attack.budget,
        "images": row.images,
        "attacked": row.attacked,
        "broken": row.broken,
        "without_verdict": row.without,
        "success": row.success,
        "success_at_least": least,
        "success_at_most": most,
        "distortion_median_all": None if row.median == math.inf else row.median,
        "distortion_median_all_infinite": row.median == math.inf,
        "optimality": row.optimality,
        "best": row.best_share,
        "compared": row.compared,
        "unsolved": row.unsolved,
        "rivals": row.rivals,
        "without_rival": row.alone,
        "forwards": row.forwards,
        "backwards": row.backwards,
        "complete": row.complete,
        "models_not_run": len(row.not_run),
        "suite": contest.suite,
        "dataset": row.dataset,
        "seed": row.seed,
    }


def csv_columns(rows: list[dict[str, Any]]) -> list[Column]:
    """A column for each value of the records."""
    return [Column(key, key) for key in (rows[0] if rows else ())]


def title(contest: Contest) -> str:
    """What the rows are of, on one line."""
    return f"{contest.suite}: its attacks"


def columns(contest: Contest) -> tuple[Column, ...]:
    """`TABLE`."""
    return TABLE


def footnotes(contest: Contest) -> list[str]:
    """All that the columns do not say, one line each."""
    return [
        "over the (model, image) pairs of the suite; images: attacked/all; med. all: median"
        " distortion in the attack's norm, pixel space [0, 1], failures are infinite; fwd., bwd.:"
        " mean passes an attacked image",
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
        if row.attacked:
            key = (row.attack.norm, row.goal, _compared(row))
            named.setdefault(key, []).append(row.attack.label)
    for (norm, goal, text), labels in named.items():
        yield f"{norm}, goal {goal}: {', '.join(labels)}: compared with {text}"


def _compared(row: Quality) -> str:
    text = f"{row.rivals} other attack{'' if row.rivals == 1 else 's'} on {row.compared} images"
    if row.unsolved:
        text += f"; {row.unsolved} that none broke are left out"
    if row.alone:
        text += f"; {row.alone} that no other tried, so its successes there are trivially optimal"
    return text


def _fixed_notes(rows: Iterable[Quality]) -> Iterable[str]:
    if any(row.attack.budget is not None for row in rows):
        yield (
            f"{FIXED} fixed budget: every success lies about at the budget, so that median and"
            " optimality tell how well the budget was chosen"
        )


def _incomplete(row: Quality) -> str:
    parts = []
    if row.not_run:
        parts.append(f"not run on {len(row.not_run)} of the suite's models")
    if row.without:
        parts.append(f"{row.without} of {row.images} images without a verdict")
    if row.without and row.success_bounds:
        low, high = row.success_bounds
        parts.append(f"success between {_percent(low)} and {_percent(high)}")
    return ", ".join(parts)


def _selection_notes(rows: Sequence[Quality]) -> Iterable[str]:
    """What the choice of cells left aside; without names where it is the same for all rows."""
    named: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            named.setdefault(note, []).append(_name(row))
    for note, names in named.items():
        yield note if len(names) == len(rows) > 1 else f"{'; '.join(names)}: {note}"


def _name(row: Quality) -> str:
    return f"{row.attack.label}, {row.goal}"
