"""Where a leaderboard's columns come from: attacks, measurements' scores, metrics of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.analysis.columns import Models, Unplaced
from harness.analysis.metrics import Metrics
from harness.analysis.place import Entry, Place
from harness.analysis.reference import Metric
from harness.analysis.scores import Scored, scored
from harness.api.attacked import Attacked


def of_attack(models: Models) -> Unplaced:
    """The distortion of an attack, or under a fixed budget the robust accuracy."""
    trial, places = models.trial, models.places
    if trial.attack.fixed:
        places = {model: _robust_place(place) for model, place in places.items()}
    metric = Metric(
        title=trial.attack.label,
        name=trial.attack.name,
        norm=trial.attack.norm,
        goal=trial.goal,
        attack=True,
        common=models.common is not None,
    )
    values = {
        model: _values(place.attack, fixed=trial.attack.fixed) if place.attack else {}
        for model, place in places.items()
    }
    return Unplaced(metric=metric, attack=trial.attack, models=models, places=places, values=values)


def _robust_place(place: Place) -> Place:
    """A place whose robustness is the robust accuracy."""
    if place.attack is None:
        return place
    attack = place.attack
    return replace(place, images=attack.outcomes, robustness=attack.robust_accuracy)


def _values(attack: Attacked, *, fixed: bool) -> Mapping[int, float]:
    """What the robustness is the mean of."""
    return attack.robust if fixed else attack.by_image


def of_scores(models: Models) -> tuple[list[Unplaced], tuple[str, ...]]:
    """The scores that are larger for more robust models, one configuration per measurement.

    Also a note on the configurations that are not shown.
    """
    found = scored(models.trial)
    every = [each for scores in found.values() for each in scores]
    latest: dict[str, str] = {}
    for each in sorted(every, key=lambda each: (-each.cell.latest[0], each.cell.id)):
        latest.setdefault(each.measurement, each.label)
    others = sorted({each.label for each in every} - set(latest.values()))
    columns = []
    for name, label in latest.items():
        for score in dict.fromkeys(each.score for each in every if each.label == label):
            mine = {
                model: each
                for model, scores in found.items()
                for each in scores
                if (each.label, each.score) == (label, score)
            }
            one = next(iter(mine.values()))
            if one.shown.is_on("joint"):
                columns.append(_of_score(f"{name} {score}", name, one.norm, mine, models))
    if not others:
        return columns, ()
    return columns, (
        f"of each measurement the latest configuration is shown, not {', '.join(others)}",
    )


def _of_score(
    title: str, name: str, norm: str | None, scores: Mapping[str, Scored], models: Models
) -> Unplaced:
    metric = Metric(
        title=title, name=name, norm=norm, goal=models.trial.goal, attack=False, common=False
    )
    places = {
        model: _score_place(scores.get(model), entry) for model, entry in models.entries.items()
    }
    values = {model: each.values for model, each in scores.items()}
    return Unplaced(
        metric=metric,
        attack=None,
        models=models,
        places=places,
        values=values,
        shown=next(iter(scores.values())).shown,
    )


def of_metrics(models: Models, metrics: Metrics) -> list[Unplaced]:
    """The metrics of an attack's cells; they have no number per image, and so no intervals."""
    trial, found = models.trial, []
    for name in dict.fromkeys(name for mine in metrics.values.values() for name in mine):
        metric = Metric(
            title=f"{name}: {trial.attack.label}",
            name=name,
            norm=None,
            goal=trial.goal,
            attack=False,
            common=models.common is not None,
        )
        places = {
            model: replace(place, robustness=metrics.values.get(model, {}).get(name), attack=None)
            for model, place in models.places.items()
        }
        behind = {
            model: dict.fromkeys(place.attack.judged, 0.0) if place.attack else {}
            for model, place in models.places.items()
        }
        found.append(
            Unplaced(
                metric=metric,
                attack=None,
                models=models,
                places=places,
                values=behind,
                shown=metrics.shown[name],
                resampled=False,
            )
        )
    return found


def _score_place(score: Scored | None, entry: Entry) -> Place:
    if score is None:
        return Place("not run")
    return Place(
        status="incomplete" if score.without or entry.accuracy.missing else "complete",
        images=len(score.values),
        of=score.images,
        without=score.without,
        robustness=score.mean,
        bound=score.bound,
    )
