"""A fingerprint: the families ranked, and how far to trust the ranking."""

from __future__ import annotations

from harness.analysis.transfer.fingerprint import FamilyScore, Fingerprint
from harness.report.presentation import Field, Presentation, ResultTable, present
from harness.report.values import percent

Ranked = tuple[int, FamilyScore]


def presentation(found: Fingerprint) -> Presentation:
    """One row per family, likeliest first, each with the accuracy over the suite."""
    return present(
        _fields(found),
        enumerate(found.ranking, 1),
        title=f"{found.suite}: families by how {found.model} is fooled, from labels alone",
        notes=footnotes(found),
        table=ResultTable(
            "fingerprint", found.suite, {"model": found.model, "border": found.border}
        ),
    )


def _fields(found: Fingerprint) -> list[Field[Ranked]]:
    accuracy = found.accuracy
    return [
        Field("suite", value=lambda _: found.suite),
        Field("model", value=lambda _: found.model),
        Field("model_family", value=lambda _: found.family),
        Field("rank", "rank", value=lambda ranked: ranked[0], numeric=True),
        Field("family", "family", value=lambda ranked: ranked[1].family),
        Field("members", "members", value=lambda ranked: ranked[1].members, numeric=True),
        Field(
            "log_likelihood",
            "Δ log-likelihood",
            value=lambda ranked: ranked[1].log_likelihood,
            show="{:.2f}".format,
            numeric=True,
        ),
        Field(
            "probability",
            "probability",
            value=lambda ranked: ranked[1].probability,
            show=percent,
            numeric=True,
        ),
        Field("temper", value=lambda _: found.temperature),
        Field("entries", value=lambda _: found.entries),
        Field("leave_one_out_right", value=lambda _: accuracy.right),
        Field("leave_one_out_models", value=lambda _: accuracy.models),
        Field("leave_one_out_ceiling", value=lambda _: accuracy.ceiling),
    ]


def footnotes(found: Fingerprint) -> list[str]:
    """The accuracy first, then what was looked at and how."""
    accuracy = found.accuracy
    known = {score.family for score in found.ranking}
    notes = [
        f"leave-one-out accuracy over the suite: {accuracy.right} of {accuracy.models}; ceiling"
        f" {accuracy.ceiling} of {accuracy.models}, the models whose family has another member",
    ]
    if accuracy.wrong:
        wrong = ", ".join(
            f"{model} (mistaken for {first})" for model, first in accuracy.wrong.items()
        )
        notes.append(f"not recognised: {wrong}")
    if found.family is not None:
        alone = "" if found.family in known else ", of which no other member has transfers"
        notes.append(f"family in the registry: {found.family}{alone}")
    notes += [
        f"profile: {found.entries} rates, of {len(found.panels)} panels ({'; '.join(found.panels)})"
        f" and all sources but the model itself; top-1, {found.border} padding",
        "log-likelihood: binomial, averaged over these rates, which share their images; the model"
        " itself is never among a family's members",
        f"probability: from equal odds, with the log-likelihoods times {found.temperature:g}, which"
        " makes the other models' own families most probable, one more error assumed",
        "a model of a family that the suite lacks is assigned to one of these too",
    ]
    return notes
