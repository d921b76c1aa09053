"""A fingerprint as text or data: the families ranked, and how far to trust the ranking."""

from __future__ import annotations

from typing import Any

from harness.analysis.transfer.fingerprint import FamilyScore, Fingerprint
from harness.report.tables import Column

COLUMNS = (
    Column("rank", "#", right=True),
    Column("family", "family"),
    Column("members", "members", right=True),
    Column("log_likelihood", "Δ log-lik.", lambda value: f"{value:.2f}", right=True),
    Column("probability", "probability", lambda value: f"{100 * value:.1f} %", right=True),
)
"""What people see; `records` has these keys too."""


def title(found: Fingerprint) -> str:
    return f"{found.suite}: families by how {found.model} is fooled, labels only"


def records(found: Fingerprint) -> list[dict[str, Any]]:
    """One record a family, likeliest first, each with the accuracy over the suite."""
    return [_record(found, place, score) for place, score in enumerate(found.ranking, 1)]


def _record(found: Fingerprint, place: int, score: FamilyScore) -> dict[str, Any]:
    return {
        "suite": found.suite,
        "model": found.model,
        "model_family": found.family,
        "rank": place,
        "family": score.family,
        "members": score.members,
        "log_likelihood": score.log_likelihood,
        "probability": score.probability,
        "temper": found.temperature,
        "entries": found.entries,
        "leave_one_out_right": found.accuracy.right,
        "leave_one_out_models": found.accuracy.models,
        "leave_one_out_ceiling": found.accuracy.ceiling,
    }


def csv_columns() -> list[Column]:
    """A column for each value of the records."""
    keys = FamilyScore.__dataclass_fields__
    about = ("suite", "model", "model_family", "rank")
    rest = ("temper", "entries", "leave_one_out_right", "leave_one_out_models")
    return [Column(key, key) for key in (*about, *keys, *rest, "leave_one_out_ceiling")]


def footnotes(found: Fingerprint) -> list[str]:
    """The accuracy first, then what was looked at and how."""
    accuracy = found.accuracy
    known = {score.family for score in found.ranking}
    notes = [
        f"leave-one-out accuracy over the suite: {accuracy.right} of {accuracy.models}; ceiling"
        f" {accuracy.ceiling} of {accuracy.models}, the models whose family has another member",
    ]
    if accuracy.wrong:
        wrong = ", ".join(f"{model} (taken for {first})" for model, first in accuracy.wrong.items())
        notes.append(f"not recognised: {wrong}")
    if found.family is not None:
        alone = "" if found.family in known else ", of which no other member has transfers"
        notes.append(f"the suite's own entry says {found.family}{alone}")
    notes += [
        f"profile: {found.entries} rates, of {len(found.panels)} panels ({'; '.join(found.panels)})"
        f" and all sources but the model itself; top-1, {found.border} border",
        "log-likelihood: binomial, its mean over these rates, which share their images; the"
        " model itself is never among a family's members",
        f"probability: from equal odds, the log-likelihoods times {found.temperature:g}, at which"
        " the other models' own families are most probable, and one more is taken to be mistaken",
        "a model of a family that the suite lacks is given to one of these too",
    ]
    return notes
