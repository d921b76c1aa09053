"""Fits to measure residuals from instead of a leaderboard's own: a plugin's, or a file's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import FittedLine, ReferenceFit
from harness.api.frontier import Fit, Point
from harness.contained import cause
from harness.errors import ConfigError, PluginError
from harness.plugins import Catalog, Kind, Registration, at_work, unknown

OPTION = "--frontier"
OWN = "fitted"
"""The leaderboard's own fit."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A fit y = a + b ln(1 - accuracy) that was made elsewhere.

    Attributes:
        low, high: the accuracies that it was fitted between; None where that is not known.
        per_pixel: y is divided by the height times the width of the model's input.
        caveat: what to know before relying on it.
    """

    source: str
    fit: Fit
    low: float | None = None
    high: float | None = None
    per_pixel: bool = False
    caveat: str | None = None

    def fitted(self, point: Point) -> float:
        """The fit's value at the point's accuracy."""
        return self.fit.at(point.error)

    def extrapolated(self, point: Point) -> bool:
        """Whether the point is outside the fitted accuracies, or the fit is 0 or less there."""
        below = self.low is not None and point.accuracy < self.low
        above = self.high is not None and point.accuracy > self.high
        return below or above or self.fitted(point) <= 0


@dataclass(frozen=True, slots=True)
class Metric:
    """What the y axis of a leaderboard's frontier is.

    Attributes:
        title: the attack's label, or measurement and score.
        name: of the attack or the measurement.
        norm: None where y is not a distance.
        attack: whether it is an attack's distortion.
        common: whether only images count that all models classify correctly.
    """

    title: str
    name: str
    norm: str | None
    goal: str
    attack: bool
    common: bool

    @property
    def exact(self) -> str:
        """Metric, goal and images, as the published fits are named."""
        if self.norm is None:
            return self.title
        parts = (self.name, self.norm, self.goal, "common" if self.common else "")
        return " ".join(part for part in parts if part)

    @property
    def keys(self) -> tuple[str, ...]:
        """What a fit of it may be called, the most exact first."""
        loose = (self.title, self.name, self.norm or "") if self.attack else (self.title,)
        return (self.exact, *(key for key in loose if key))


@dataclass(frozen=True, slots=True)
class References:
    """Fits by the name of what they are of; ``where`` they come from."""

    where: str
    fits: Mapping[str, Reference]

    def find(self, metric: Metric) -> Reference | None:
        return next((self.fits[key] for key in metric.keys if key in self.fits), None)

    def get(self, metric: Metric) -> Reference:
        """The fit of ``metric``.

        Raises:
            ConfigError: there is none.
        """
        found = self.find(metric)
        if found is None:
            raise self.lacking(metric.exact)
        return found

    def lacking(self, what: str) -> ConfigError:
        """The error that there is no fit for ``what``."""
        return ConfigError(
            f"no fit for {what!r}", where=self.where, hint=f"there are: {', '.join(self.fits)}"
        )


def references(asked: str, catalog: Catalog) -> References | None:
    """What ``--frontier`` asks for: a plugin's fits, a file's, or None for ``fitted``.

    Raises:
        ConfigError: there is no such name or file, or the file is not a mapping of fits.
        PluginError: the plugin's fits cannot be used.
    """
    if asked == OWN:
        return None
    offer = catalog.find(Kind.REFERENCE_FIT, asked)
    if offer is not None:
        return from_plugin(offer)
    path = Path(asked)
    if path.name == asked and not path.suffix and not path.exists():
        names = [OWN, *(each.name for each in catalog.all(Kind.REFERENCE_FIT))]
        raise unknown("fit", asked, names, where=OPTION, listed=True)
    return from_file(path)


def from_plugin(offer: Registration) -> References:
    """The fits that a plugin registers.

    Raises:
        PluginError: it has none, or they are not lines of finite numbers.
    """
    where = f"plugin {offer.plugin} ({offer.distribution})"
    try:
        with at_work(offer):
            found = offer.load()()
            if not isinstance(found, ReferenceFit):
                raise PluginError("it is not a ReferenceFit")
            source, lines = found.source, dict(found.fits)
        if not isinstance(source, str) or not lines:
            raise PluginError("it has no source, or no fits")
        return References(
            f"{OPTION} {offer.name}",
            {str(name): _taken(str(name), source, line) for name, line in lines.items()},
        )
    except Exception as error:
        said = f"the reference fit {offer.name!r} cannot be used: {cause('it', error)}"
        raise PluginError(said, where=where) from error


def _taken(name: str, source: str, line: object) -> Reference:
    if not isinstance(line, FittedLine):
        raise PluginError(f"{name}: {type(line).__name__} is not a FittedLine")
    given = {"a": line.a, "b": line.b, "low": line.low, "high": line.high}
    made = _reference(name, source, {key: it for key, it in given.items() if it is not None})
    caveat = None if line.caveat is None else str(line.caveat)
    return replace(made, per_pixel=bool(line.per_pixel), caveat=caveat)


def from_file(path: Path) -> References:
    """The fits of a YAML or JSON file: ``{metric: {a, b, low, high}}``.

    A metric is an attack's label, its name or its norm, a measurement and its score, or all of
    name, norm and goal as in `ReferenceFit.fits`; ``low`` and ``high``, in [0, 1], may be left out.

    Raises:
        ConfigError: it cannot be read, or a field is wrong.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"cannot be read: {reason}",
            where=f"{OPTION} {path}",
            hint="name a file, a plugin's fit, or fitted",
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"is not valid YAML: {error}", where=str(path)) from error
    if not isinstance(content, dict) or not content:
        raise ConfigError(
            "contains no fits", where=str(path), hint="write lines like `linf: {a: 0.06, b: 0.03}`"
        )
    fits = {str(name): _given(path, str(name), fields) for name, fields in content.items()}
    return References(str(path), fits)


def _given(path: Path, name: str, fields: object) -> Reference:
    where = f"{path}: {name}"
    if not isinstance(fields, dict):
        raise ConfigError("is not a mapping", where=where, hint="it needs a and b")
    strange = [str(field) for field in fields if field not in ("a", "b", "low", "high")]
    if strange:
        raise ConfigError(
            f"unknown field {strange[0]!r}", where=where, hint="there are: a, b, low, high"
        )
    missing = [field for field in ("a", "b") if field not in fields]
    if missing:
        raise ConfigError("is missing", where=f"{where}.{missing[0]}")
    return _reference(where, f"from {path}", fields)


def _reference(where: str, source: str, fields: Mapping[str, object]) -> Reference:
    numbers = {field: _number(f"{where}.{field}", value) for field, value in fields.items()}
    low, high = numbers.get("low"), numbers.get("high")
    for field, value in (("low", low), ("high", high)):
        if value is not None and not 0 <= value <= 1:
            raise ConfigError("must lie in [0, 1]", where=f"{where}.{field}")
    if low is not None and high is not None and low > high:
        raise ConfigError("is above high", where=f"{where}.low")
    return Reference(source, Fit(numbers["a"], numbers["b"], None), low, high)


def _number(where: str, value: object) -> float:
    """``value`` as a finite float; YAML reads 1e-5, without a dot, as text."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError("is not a finite number", where=where)
    return number
