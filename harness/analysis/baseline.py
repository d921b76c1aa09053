"""A baseline from a file of JSON: a run's summary, or a leaderboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.analysis.standing import Number, Standing
from harness.api.statistics import Range, wilson
from harness.errors import ConfigError

HINT = (
    "give a file of `harness run --summary` or `harness leaderboard --format json`, or a database"
)


class Row(BaseModel):
    """A leaderboard's row, as far as it is a baseline; what else it holds is not looked at."""

    model_config = ConfigDict(allow_inf_nan=False)

    suite: str
    attack: str
    goal: str
    norm: str
    model: str
    status: str
    top1_measured: float | None = Field(ge=0, le=1)
    top1_images: int = Field(ge=0)
    robust_accuracy: float | None = Field(ge=0, le=1)
    robust_accuracy_low: float | None = None
    robust_accuracy_high: float | None = None
    distortion_mean: float | None = Field(ge=0)
    distortion_mean_low: float | None = None
    distortion_mean_high: float | None = None
    images: int
    missing: int
    broken: int
    common_images: int | None
    cell_key: str | None = None
    clean_key: str | None = None

    def standing(self) -> Standing:
        return Standing(
            suite=self.suite,
            attack=self.attack,
            goal=self.goal,
            norm=self.norm,
            model=self.model,
            accuracy=self._accuracy(),
            robustness=self._robustness(),
            cell_key=self.cell_key,
            clean_key=self.clean_key,
        )

    def _accuracy(self) -> Number | None:
        if self.top1_measured is None:
            return None
        right = round(self.top1_measured * self.top1_images)
        interval = wilson(right, self.top1_images)
        return Number("accuracy", self.top1_measured, interval, self.top1_images)

    def _robustness(self) -> Number | None:
        if self.robust_accuracy is not None:
            interval = _range(self.robust_accuracy_low, self.robust_accuracy_high)
            outcomes = self.images - self.missing
            return Number("robust accuracy", self.robust_accuracy, interval, outcomes)
        if self.distortion_mean is None:
            return None
        interval = _range(self.distortion_mean_low, self.distortion_mean_high)
        return Number("distortion", self.distortion_mean, interval, self.broken)


def _range(low: float | None, high: float | None) -> Range | None:
    return None if low is None or high is None else (low, high)


def from_json(path: Path) -> list[Standing]:
    """The models of a summary, or of a leaderboard, that ran.

    Raises:
        ConfigError: the file cannot be read, is neither, or has no such row.
    """
    try:
        rows = _rows(json.loads(path.read_text("utf-8")))
        found = [Row.model_validate(row) for row in rows]
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"is no baseline: {where}: {first['msg']}"
        raise ConfigError(what, where=str(path), hint=HINT) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError("is no baseline", where=str(path), hint=HINT) from error
    if any(row.common_images is not None for row in found):
        raise ConfigError("was made with --images common", where=str(path), hint="leave that out")
    ran = [row.standing() for row in found if row.status != "not run"]
    if not ran:
        raise ConfigError("has no results", where=str(path), hint=HINT)
    return ran


def _rows(document: Any) -> list[Any]:
    if "leaderboards" in document:
        return [row for table in document["leaderboards"] for row in table["rows"]]
    if document["table"] != "leaderboard":
        raise ValueError(document["table"])
    rows: list[Any] = document["rows"]
    return rows
