"""Published leaderboards, read from files and joined by name: never stored, never fitted.

RobustBench's JSON (a file of its ``model_info``, or a folder of them), timm's CSV of results, and
plain CSV, YAML or JSON with ``name``, ``top1`` and ``robust``. Accuracies are percentages there.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from harness.api.statistics import Range, spearman, spearman_interval
from harness.errors import ConfigError

OPTION = "--with"
_NAMES, _ROBUST = ("model", "name"), ("robust", "robust_accuracy", "external", "autoattack_acc")
_TOP1 = ("top1", "clean_acc")
FEWEST = 5
"""Models whose clean and robust accuracies are correlated."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A row of a published leaderboard.

    Attributes:
        top1, robust: accuracies in [0, 1]; None where it has none.
        file: that it is from.
        board: the file or folder that was named.
        eps: the budget of ``robust``, as the file writes it.
    """

    name: str
    top1: float | None
    robust: float | None
    file: str
    board: str = ""
    eps: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """Published rows and the models of a leaderboard.

    Attributes:
        found: by model, its published row.
        others: the rows of no model here, as the files have them.
        without: the models without a published row.
        rows: all of them, those too whose name another leaderboard had before.
    """

    found: Mapping[str, PublishedModel]
    others: tuple[PublishedModel, ...]
    without: tuple[str, ...]
    rows: tuple[PublishedModel, ...]


@dataclass(frozen=True, slots=True)
class Correlated:
    """Clean and robust accuracy of a published leaderboard's models, at one budget.

    Attributes:
        undefended: the models with robust accuracy 0, left out: attacks leave nothing to rank.
        value: Spearman's rank correlation over the other ``models``, with its 95% interval.
    """

    board: str
    eps: str | None
    models: int
    undefended: int
    value: float
    interval: Range


def correlated(rows: Sequence[PublishedModel]) -> list[Correlated]:
    """Whether clean and robust accuracy rise together, of each leaderboard and budget.

    Those of fewer than `FEWEST` models, or of equal accuracies, are left out; of a name the first
    row of a leaderboard counts.
    """
    boards: dict[tuple[str, str | None], dict[str, tuple[float, float]]] = {}
    for row in rows:
        if row.top1 is not None and row.robust is not None:
            own = boards.setdefault((row.board, row.eps), {})
            own.setdefault(row.name, (row.top1, row.robust))
    found = []
    for (board, eps), models in boards.items():
        pairs = [pair for pair in models.values() if pair[1] > 0]
        rho = spearman(*zip(*pairs, strict=True)) if len(pairs) >= FEWEST else None
        if rho is not None:
            interval, left = spearman_interval(rho, len(pairs)), len(models) - len(pairs)
            found.append(Correlated(board, eps, len(pairs), left, rho, interval))
    return found


def joined(rows: Sequence[PublishedModel], models: Mapping[str, str | None]) -> Joined:
    """Rows with the models of their names, or else of their architectures.

    Args:
        models: the architecture of each model, in its loader's words; None: not known.
    """
    by_name: dict[str, PublishedModel] = {}
    for row in rows:
        by_name.setdefault(row.name, row)
    found = {}
    for model, architecture in models.items():
        tried = (model, architecture or "", (architecture or "").rpartition("/")[2])
        if name := next((name for name in tried if name in by_name), None):
            found[model] = by_name[name]
    taken = {row.name for row in found.values()}
    return Joined(
        found=found,
        others=tuple(row for name, row in by_name.items() if name not in taken),
        without=tuple(model for model in models if model not in found),
        rows=tuple(rows),
    )


def read_published(paths: Sequence[Path]) -> list[PublishedModel]:
    """The rows of all files, in their order; of a name the first row counts.

    Raises:
        ConfigError: a file cannot be read, or is no such leaderboard.
    """
    return [row for path in paths for file in _files(path) for row in _rows(file, str(path))]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.json"))
    if not found:
        raise ConfigError(
            f"{path} has no JSON files", where=OPTION, hint="name model_info/imagenet/Linf"
        )
    return found


def _rows(file: Path, board: str) -> Iterator[PublishedModel]:
    try:
        text = file.read_text("utf-8")
        if file.suffix == ".csv":
            data: Any = list(csv.DictReader(text.splitlines()))
        else:
            data = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"cannot be read: {said}", where=str(file), hint="see --help") from error
    if isinstance(data, dict) and "clean_acc" in data:
        data = [{**data, "name": file.stem}]  # its own `name` is a title
    elif isinstance(data, dict):
        data = [{"name": name, **row} for name, row in data.items() if isinstance(row, dict)]
    if not isinstance(data, list) or not data:
        raise ConfigError("has no rows", where=str(file), hint="rows with name, top1 and robust")
    for number, row in enumerate(data, 1):
        yield replace(_row(row, file, f"{file}: row {number}"), board=board)


def _row(row: Any, file: Path, where: str) -> PublishedModel:
    name = next((row[key] for key in _NAMES if row.get(key)), None) if _is_row(row) else None
    if not isinstance(name, str):
        raise ConfigError("has no name", where=where, hint="a row has name (or model) and top1")
    return PublishedModel(
        name=name,
        top1=_share(row, _TOP1, where),
        robust=_share(row, _ROBUST, where),
        file=file.name,
        eps=str(row["eps"]) if row.get("eps") else None,
    )


def _is_row(row: Any) -> bool:
    return isinstance(row, dict)


def _share(row: Mapping[str, Any], keys: Sequence[str], where: str) -> float | None:
    """The first of the fields that is there, a percentage, as a share."""
    for key in keys:
        value = row.get(key)
        if value is None or value == "":
            continue
        try:
            percent = float(value)
        except (TypeError, ValueError):
            percent = -1.0
        if not 0 <= percent <= 100:
            hint = "give a percentage, 0 to 100"
            raise ConfigError(f"{key} is {value!r}", where=where, hint=hint)
        return percent / 100
    return None
