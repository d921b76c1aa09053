"""A leaderboard with published numbers beside its own, and with rows that were never measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from harness.analysis.published import Correlated, Joined, PublishedModel, correlated
from harness.report.presentation import Cell, Column, Presentation
from harness.report.values import percent

MARK = "◇"
"""Of a row that is published and not measured."""

COLUMNS = (
    Column(
        "published_top1", "published top-1", "As the file of --with has it; not measured.",
        numeric=True,
    ),
    Column(
        "published_robust_accuracy", "published robust accuracy",
        "As the file of --with has it, under its own attack; not measured.", numeric=True,
    ),
)  # fmt: skip


def with_published(found: Presentation, rows: Joined) -> Presentation:
    """``found`` with the published numbers of its models, and the other rows below, marked."""
    own = [record["model"] for record in found.records]
    keys = [column.key for column in found.columns]
    below = sorted(rows.others, key=lambda row: (-(row.top1 or 0), row.name))
    records = [
        *({**each, **_record(rows.found.get(each["model"]))} for each in found.records),
        *(
            {**dict.fromkeys(found.header), "model": row.name, "status": "published"}
            | _record(row)
            for row in below
        ),
    ]  # fmt: skip
    document = None
    if found.document is not None:
        document = [
            *({**each, **_record(rows.found.get(each["model"]))} for each in found.document),
            *records[len(own) :],
        ]
    cells = [
        *(
            (*row, *_cells(rows.found.get(model)))
            for row, model in zip(found.rows, own, strict=True)
        ),
        *((*(_blank(key, row) for key in keys), *_cells(row)) for row in below),
    ]
    assert found.table is not None
    correlations = correlated(rows.rows)
    more = {
        **found.table.more,
        "published_without": list(rows.without),
        "published_correlations": [asdict(each) for each in correlations],
    }
    return replace(
        found,
        columns=(*found.columns, *COLUMNS),
        rows=tuple(cells),
        records=tuple(records),
        header=(*found.header, *(each.key for each in COLUMNS), "published_in"),
        document=document,
        notes=(*found.notes, *_notes(rows), *map(_correlation, correlations)),
        table=replace(found.table, more=more),
    )


def _record(row: PublishedModel | None) -> dict[str, Any]:
    return {
        "published_top1": row and row.top1,
        "published_robust_accuracy": row and row.robust,
        "published_in": row and row.file,
    }


def _cells(row: PublishedModel | None) -> tuple[Cell, Cell]:
    def cell(value: float | None) -> Cell:
        return Cell(None if value is None else percent(value), value)

    return (cell(row.top1), cell(row.robust)) if row else (Cell(None), Cell(None))


def _blank(key: str, row: PublishedModel) -> Cell:
    return Cell(f"{row.name} {MARK}", row.name) if key == "model" else Cell(None)


def _notes(rows: Joined) -> list[str]:
    files = sorted({row.file for row in (*rows.found.values(), *rows.others)})
    count = len(rows.found)
    notes = [
        f"published: {count + len(rows.others)} models of {_some(files)}, {count} of them"
        " here by name or architecture; never members of a frontier"
    ]
    if rows.others:
        notes.append(f"{MARK} published, not measured here: without rank and residual")
    if rows.without:
        notes.append(f"without a published row: {_some(rows.without)}")
    return notes


def _correlation(each: Correlated) -> str:
    low, high = each.interval
    budget = "" if each.eps is None else f", eps {each.eps}"
    left = f"; {each.undefended} of robust accuracy 0 left out" if each.undefended else ""
    return (
        f"published, {each.board}{budget}: clean and robust accuracy of {each.models} models:"
        f" Spearman {each.value:+.2f} (95% CI {low:+.2f} to {high:+.2f}){left}"
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")
