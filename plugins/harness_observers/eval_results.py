"""``harness models eval-results``: results as files for model repositories on Hugging Face.

The format is that of https://huggingface.co/docs/hub/eval-results, as huggingface_hub 2.4 reads it:
YAML files in the folder ``.eval_results`` of a model's repository, each a list of results with
``dataset`` (``id`` and ``task_id`` of a benchmark), ``value``, maybe ``source`` and ``notes``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import yaml

from harness.api import ConfigError, Harness, database_option, option, pass_harness

VALUES = ("robust_accuracy", "distortion_mean", "top1", "success", "distortion_median_all",
          "frontier_distance")  # fmt: skip
"""Of a leaderboard's row; by default the first of the first two that it has."""

Row = Mapping[str, Any]


@click.command("eval-results")
@option("--benchmark", required=True, metavar="ORG/NAME", help="Benchmark dataset on the Hub.")
@option("--task", required=True, metavar="ID", help="Task of the benchmark's eval.yaml.")
@option(
    "--output", "-o", required=True, type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR", help="Folder to write to; each model has one in it.",
)  # fmt: skip
@database_option
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option("--attack", metavar="NAME", help="Attack of the suite; default: as the leaderboard's.")
@option("--goal", metavar="GOAL", help="Adversary's goal; default: as the leaderboard's.")
@option(
    "--at", metavar="BUDGET|NORM=BUDGET,...",
    help="Robust accuracy at this budget, as the leaderboard's.",
)  # fmt: skip
@click.option("--models", default="*", metavar="GLOB", help="Only these models.")
@option(
    "--value", type=click.Choice(VALUES),
    help="Number to write; default: robust accuracy, or mean distortion where there is none.",
)  # fmt: skip
@option("--source-url", metavar="URL", help="Link to where the result comes from.")
@option("--source-name", metavar="TEXT", help="What the link is called.")
@pass_harness
def eval_results(
    harness: Harness,
    output: Path,
    db: Path,
    models: str,
    value: str | None,
    **about: str | None,
) -> None:
    """Write DIR/MODEL/.eval_results/FILE.yaml for every model of a leaderboard that is complete, to
    be added to the model's repository on the Hugging Face Hub. Nothing is sent.
    """
    benchmark, task = str(about["benchmark"]), str(about["task"])
    source = _source(about["source_url"], about["source_name"])
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", benchmark):
        raise ConfigError(f"{benchmark!r} is no ORG/NAME", where="--benchmark")
    suite = harness.results(db).suite(about["suite"])
    written = 0
    table = suite.leaderboard(about["attack"], about["goal"], intervals=True, at=about["at"])
    for row in table:
        if not fnmatchcase(row["model"], models):
            continue
        key = value or next((name for name in VALUES[:2] if row[name] is not None), VALUES[1])
        if not row["complete"] or row[key] is None:
            why = "is not complete" if not row["complete"] else f"has no {key}"
            harness.say(f"{row['model']} is left out: it {why}")
            continue
        result = entry(row, key, benchmark, task, source)
        _write(output / _name(row["model"]) / ".eval_results" / f"{_name(task)}.yaml", result)
        written += 1
    if not written:
        raise ConfigError("no model has a result to write", where=str(db))
    harness.say(f"{written} files in {output}")


def _source(url: str | None, name: str | None) -> dict[str, str]:
    if name and not url:
        raise ConfigError("needs a --source-url", where="--source-name")
    return ({"url": url} if url else {}) | ({"name": name} if name else {})


def entry(
    row: Row, key: str, benchmark: str, task: str, source: Mapping[str, str]
) -> dict[str, Any]:
    """One result as the Hub reads it."""
    found: dict[str, Any] = {
        "dataset": {"id": benchmark, "task_id": task},
        "value": row[key],
        "notes": notes(row, key),
    }
    if source:
        found["source"] = dict(source)
    return found


def notes(row: Row, key: str) -> str:
    """How the number was made, in one line."""
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    interval = "" if low is None else f" (95% CI {low:.4g} to {high:.4g})"
    images = row["top1_images"] if key == "top1" else row["images"]
    return (
        f"{key.replace('_', ' ')}{interval}: attack {row['attack']}, goal {row['goal']},"
        f" norm {row['norm'] or 'each'}, seed {row['seed']}, {images} images of {row['dataset']};"
        f" frontier-harness {version('frontier-harness')}"
    )


def _write(path: Path, result: Mapping[str, Any]) -> None:
    text = yaml.safe_dump([result], sort_keys=False, allow_unicode=True, width=1000)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", where=str(path)) from error


def _name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text)
