"""The ranks of models under one attack, and which of them the images tell apart."""

from __future__ import annotations

from typing import Any

from harness.analysis.ranked import LEVEL, Pair, Ranked, Ranking
from harness.analysis.signed_rank import EXACT
from harness.report.accuracies import (
    common_notes,
    doubtful,
    indicator_fields,
    indicator_notes,
    model_text,
)
from harness.report.presentation import Field, Presentation, present
from harness.report.trials import trial_table, trial_title
from harness.report.values import finite, number, percent, shown

CONTROLS = {
    "holm": "by Holm: the chance that any difference found is false is at most 5%, and 95% that all"
    " models' ranks lie within their ranges",
    "bh": "by Benjamini and Hochberg: at most 5% of the differences found are false, on average;"
    " ranges of ranks are then no 95% ranges",
}


def presentation(found: Ranking) -> Presentation:
    """One row per model, the most robust first; robust accuracies in [0, 1].

    An infinite median is None.
    """
    trial = found.trial
    return present(
        _fields(found),
        found.rows,
        title=trial_title(trial, "ranks"),
        notes=footnotes(found),
        table=trial_table(
            "ranks",
            trial,
            found.common,
            selection={"control": found.control},
            more={"pairs": [_pair(each) for each in found.pairs]},
        ),
    )


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "images": pair.test.images,
        "differing": pair.test.differing,
        "p": pair.test.p,
        "p_adjusted": pair.p,
        "better": pair.better,
    }


def _fields(found: Ranking) -> list[Field[Ranked]]:
    fixed, norm = found.trial.attack.fixed, found.trial.attack.norm
    value: Field[Ranked] = Field(
        "robust_accuracy" if fixed else "distortion_median_all",
        "robust accuracy" if fixed else "median (failures = ∞)",
        "Share of all images that stay right."
        if fixed
        else f"Median {norm} distortion of the attacked images, failures as infinite.",
        value=lambda row: finite(row.value),
        text=lambda row: (percent if fixed else number)(row.value),
        numeric=True,
    )
    return [
        Field("rank", "rank", f"By {value.heading}; equals share it.", numeric=True, repeated=True),
        Field(
            "model",
            "model",
            "The model's name in the registry.",
            value=lambda row: row.entry.model,
            text=lambda row: model_text(row.entry),
            repeated=True,
        ),
        Field("family", "family", value=lambda row: row.entry.family),
        value,
        Field(
            "ranks",
            "ranks",
            "Those that the tests leave the model.",
            text=lambda row: f"{row.low}" if row.low == row.high else f"{row.low}–{row.high}",
            numeric=True,
            data=False,
        ),
        Field("rank_low", value=lambda row: row.low),
        Field("rank_high", value=lambda row: row.high),
        Field(
            "p_next",
            "p (next row)",
            "Adjusted p-value of the test against the next row.",
            value=lambda row: shown(row.next, lambda pair: pair.p),
            show="{:.2g}".format,
            numeric=True,
        ),
        Field(
            "next_differing", value=lambda row: shown(row.next, lambda pair: pair.test.differing)
        ),
        Field(
            "tied",
            "not told from",
            "How many models it is not told apart from; their names in JSON.",
            value=lambda row: list(row.tied),
            text=lambda row: str(len(row.tied)),
            numeric=True,
        ),
        Field("images", "images", value=lambda row: row.place.of, numeric=True),
        Field("complete", value=lambda row: row.entry.complete),
        *indicator_fields(lambda row: row.entry),
    ]


def footnotes(found: Ranking) -> list[str]:
    """What the columns do not say, one line each."""
    trial, fixed = found.trial, found.trial.attack.fixed
    what = (
        "whether an image stays right, over all images (McNemar's test)"
        if fixed
        else "distances, failures as infinite, over the images that both models were attacked on"
        f" (Wilcoxon's signed-rank test, exact up to {EXACT} images that differ)"
    )
    apart = sum(pair.better is not None for pair in found.pairs)
    lines = [
        f"attack {trial.attack.label}, goal {trial.goal}, seed {trial.seed}, dataset"
        f" {trial.dataset}; every pair of models on the same images by {what}",
        f"{apart} of {len(found.pairs)} pairs are told apart at {100 * LEVEL:.0f}%, p-values"
        f" adjusted {CONTROLS[found.control]}",
        "ranks: 1 + the models that are more robust by these tests, up to all less those that are"
        " less robust; which images were drawn is all that they allow for: not the attack, and not"
        " the training seed (`--seeds`)",
    ]
    if found.without:
        lines.append(f"no outcomes, so no rank: {', '.join(found.without)}")
    entries = [row.entry for row in found.rows]
    return [
        *lines,
        *common_notes(found.common),
        *indicator_notes(doubtful(entries)),
        *trial.notes,
    ]
