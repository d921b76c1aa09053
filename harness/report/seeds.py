"""Models by their training seeds: means over seeds, and where their spread comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from harness.analysis.seeds import SeedGroup, SeedGroups
from harness.analysis.variance import Components
from harness.report.accuracies import common_notes
from harness.report.presentation import Cell, Field, Presentation, present
from harness.report.trials import trial_table, trial_title
from harness.report.values import ends, number, percent, shown

Part = Callable[[SeedGroup], Components | None]


def presentation(found: SeedGroups) -> Presentation:
    """One row per model with its seeds, the most robust first; rates in [0, 1]."""
    return present(
        _fields(found),
        found.rows,
        title=trial_title(found.trial, "training seeds"),
        notes=footnotes(found),
        table=trial_table("seeds", found.trial, found.common),
    )


def _fields(found: SeedGroups) -> list[Field[SeedGroup]]:
    rate, norm = found.kind == "robust accuracy", found.trial.attack.norm
    name = "robust accuracy" if rate else f"mean {norm}"
    return [
        Field("rank", "rank", f"By {name}; equals share it.", numeric=True, repeated=True),
        Field(
            "model",
            "model",
            "The model that the others are training seeds of.",
            value=lambda row: row.name,
            repeated=True,
        ),
        Field("family", "family"),
        Field("seeds", "seeds", value=lambda row: len(row.models), numeric=True),
        Field("models", value=lambda row: list(row.models)),
        *_of("top1", "top-1", lambda row: row.accuracy, rate=True),
        *_of(
            "robust_accuracy" if rate else "distortion",
            name,
            lambda row: row.robustness,
            rate=rate,
            more=True,
        ),
    ]


def _of(
    key: str, title: str, part: Part, *, rate: bool, more: bool = False
) -> list[Field[SeedGroup]]:
    """The columns of one number; ``more``: of its images, and of what is due to the seed."""

    def of(read: Callable[[Components], Any]) -> Callable[[SeedGroup], Any]:
        return lambda row: shown(part(row), read)

    def show(value: float) -> str:
        return percent(value) if rate else number(value)

    def spread(suffix: str, heading: str | None, meaning: str) -> Field[SeedGroup]:
        return Field(
            f"{key}_{suffix}_sd",
            heading,
            meaning,
            value=of(lambda found: shown(getattr(found, suffix), math.sqrt)),
            show=show,
            numeric=True,
        )

    def ranged(row: SeedGroup) -> Cell | None:
        found = part(row)
        if found is None:
            return None
        low_high = found.interval
        if rate:
            return Cell(percent(found.mean), found.mean, ends(low_high))
        aside = f"{number(low_high[0])}–{number(low_high[1])}" if low_high else ""
        return Cell(number(found.mean), found.mean, aside)

    return [
        Field(
            f"{key}_images",
            "images" if more else None,
            "Those with a number on all seeds.",
            value=of(lambda found: found.images),
            numeric=True,
        ),
        Field(
            key,
            f"{title} (95% CI)",
            "Over seeds and images, with an interval for new ones of both.",
            value=of(lambda found: found.mean),
            text=ranged,
            numeric=True,
        ),
        Field(f"{key}_low", value=of(lambda found: shown(found.interval, lambda each: each[0]))),
        Field(f"{key}_high", value=of(lambda found: shown(found.interval, lambda each: each[1]))),
        spread("seed", f"sd over seeds ({title})", "Of the model's true means, seed by seed."),
        spread("image", "sd over images" if more else None, "Of the images' true means."),
        spread("remainder", None, "Of a single value, given its seed and image."),
        Field(
            f"{key}_seed_share",
            "seed's share" if more else None,
            "Of the variance of one seed's mean over these images, what is due to the seed.",
            value=of(lambda found: found.seed_share),
            show=percent,
            numeric=True,
        ),
    ]


def footnotes(found: SeedGroups) -> list[str]:
    """What the columns do not say, one line each."""
    trial = found.trial
    what = (
        "robust accuracy over the images with an outcome on all seeds"
        if found.kind == "robust accuracy"
        else f"mean {trial.attack.norm} distortion, in pixel space [0, 1], over the images that"
        " broke on all seeds"
    )
    lines = [
        f"attack {trial.attack.label}, goal {trial.goal}, seed of the attack {trial.seed}, dataset"
        f" {trial.dataset}; {what}",
        "a value is mean + training seed + image + remainder, seeds and images at random; variances"
        " by the method of moments (REML's where none is negative, else 0), intervals Student's"
        " with Satterthwaite's degrees of freedom: for other seeds and images of the same kind",
        "the leaderboard's own intervals are over images alone, for the very weights attacked",
    ]
    if found.alone:
        lines.append(f"one training seed, so left out: {', '.join(found.alone)}")
    return [*lines, *common_notes(found.common), *trial.notes]
