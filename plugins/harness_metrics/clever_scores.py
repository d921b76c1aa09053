"""Batch maxima into CLEVER scores: a pure function, so that stored maxima can be fitted again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from harness.api import MeasurementResult
from harness_metrics.fit import Fit, fits


@dataclass(frozen=True, slots=True)
class Asked:
    """One norm of an image: maxima float32 (batches, classes); no score exceeds ``cap``."""

    norm: str
    maxima: np.ndarray
    cap: float | None


def score(
    asked: Sequence[Asked],
    classes: Sequence[int],
    margins: Sequence[float],
    counts: Mapping[str, int],
) -> MeasurementResult:
    """The scores of one image; see `harness_metrics.clever.Clever` for the names.

    Args:
        margins: the true class's logit minus that of each of ``classes``.
        counts: the batches asked for, and the samples of each.
    """
    numbers: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    flat: list[str] = []
    every = _fitted(asked)
    for each in asked:
        rows: dict[int, dict[str, float]] = {}
        for place, (other, margin) in enumerate(zip(classes, margins, strict=True)):
            maxima = arrays[f"{each.norm}.{other}"] = np.ascontiguousarray(each.maxima[:, place])
            if maxima.max() == 0:
                flat.append(f"{each.norm} against class {other}")
                continue
            rows[other] = _numbers(every[each.norm][place], margin, each.cap)
        if not rows:
            continue
        least = min(rows, key=lambda other: rows[other]["score"])
        own = {**rows[least], "class": float(least)}
        own |= {
            "batches": float(len(each.maxima)),
            "saved_batches": float(counts["batches"] - len(each.maxima)),
            "samples": float(counts["samples"]),
        }
        numbers |= {f"{each.norm}.{name}": value for name, value in own.items()}
        if len(classes) > 1:
            for other, row in rows.items():
                numbers |= {f"{each.norm}.{other}.{name}": value for name, value in row.items()}
    return MeasurementResult(numbers, arrays, _problem(flat))


def _fitted(asked: Sequence[Asked]) -> dict[str, list[Fit]]:
    """The fits of each norm's columns; those with as many batches are made together."""
    found: dict[str, list[Fit]] = {}
    for count in {len(each.maxima) for each in asked}:
        alike = [each for each in asked if len(each.maxima) == count]
        every = iter(fits(np.concatenate([each.maxima.T for each in alike])))
        found |= {each.norm: list(islice(every, each.maxima.shape[1])) for each in alike}
    return found


def _numbers(found: Fit, margin: float, cap: float | None) -> dict[str, float]:
    value = margin / found.location
    numbers = {
        "score": value if cap is None else min(value, cap),
        "lipschitz": found.location,
        "fallback": float(found.fallback),
        "largest": found.largest,
        "margin": margin,
    }
    if found.scale is not None and found.shape is not None and found.p is not None:
        numbers |= {"scale": found.scale, "shape": found.shape, "p": found.p}
    return numbers


def _problem(flat: Sequence[str]) -> str | None:
    if not flat:
        return None
    more = f" and {len(flat) - 1} more" if len(flat) > 1 else ""
    return f"all sampled gradients are zero ({flat[0]}{more}): saturated or masked, no bound"
