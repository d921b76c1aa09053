"""``harness models import``: frozen TensorFlow graphs, and TF-Slim's checkpoints."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.api import Column, ExitCode, Format, Harness, format_option, option, pass_harness

if TYPE_CHECKING:
    from harness_su2018.importing.outcome import Outcome

_COLUMNS = (
    Column("name", "model"),
    Column("form", "from"),
    Column("input"),
    Column("logits"),
    Column("nodes", format=","),
    Column("parameters", format=","),
    Column("left_out", "left out"),
    Column("error_runtime", "TF-ORT", format=".1e"),
    Column("error_torch", "TF-torch", format=".1e"),
    Column("error_gradient", "gradient", format=".1e"),
    Column("batch"),
    Column("seconds", format=".1f"),
    Column("status"),
)
_DATA = (*_COLUMNS, Column("error"))
_ALWAYS = ("name", "status")


class _Size(click.ParamType[tuple[int, int]]):
    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if not re.fullmatch(r"[1-9][0-9]{0,4}(x[1-9][0-9]{0,4})?", str(value)):
            self.fail(f"{value!r} is not a size: use 224, or 240x320 (height x width)", param, ctx)
        height, _, width = str(value).partition("x")
        return int(height), int(width or height)


@click.command("import")
@click.argument(
    "sources",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@option(
    "--output",
    "-o",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: os.environ.get("HARNESS_IMPORTED") or "imported",
    show_default="$HARNESS_IMPORTED, or imported",
    metavar="DIR",
    help="Folder for the files and models.yaml.",
)
@option("--input", "input", metavar="TENSOR", help="Image tensor, if not the only placeholder.")
@option("--logits", metavar="TENSOR", help="Logits tensor, if it is not the input of the softmax.")
@option(
    "--size",
    type=_Size(),
    metavar="N|HxW",
    help="Input size, where the graph leaves it open.",
)
@option(
    "--network", metavar="NAME", help="What a checkpoint holds, if its file's name does not say."
)
@format_option
@pass_harness
def import_models(
    harness: Harness,
    sources: Sequence[Path],
    folder: Path,
    input: str | None,
    logits: str | None,
    size: tuple[int, int] | None,
    network: str | None,
    format: Format,
) -> int:
    """Convert TensorFlow's graphs and checkpoints, check them, and write a registry overlay.

    Takes the study's archive (frozen_imagenet_models_v1.1.tar.gz), other tar files, and single
    .pb files, which become ONNX files; and TF-Slim's archives and checkpoints (.tar.gz, .tgz,
    .ckpt, or the .index beside its data), which become safetensors for the loader slim. Each is
    evaluated by TensorFlow and by what it became, on random images, and written if they agree
    within 1e-4 of the largest logit. Then: harness run --registry DIR/models.yaml. Needs the extra
    "paper".
    """
    from harness_su2018.importing.outcome import Options
    from harness_su2018.importing.run import import_files

    outcomes = []
    for outcome in import_files(
        sources,
        folder,
        Options(harness.check_registry, input, logits, size, network),
        begun=lambda name: harness.say(f"importing {name}"),
    ):
        outcomes.append(outcome)
        if outcome.error is not None:
            harness.say(f"error: {outcome.error}")
    rows = [_row(outcome) for outcome in outcomes]
    harness.show(rows, _columns(format, outcomes), format=format)
    failed = any(outcome.error is not None for outcome in outcomes)
    return ExitCode.CELLS_FAILED if failed else ExitCode.OK


def _row(outcome: Outcome) -> dict[str, Any]:
    numbers = {key: _finite(value) for key, value in asdict(outcome).items()}
    return {**numbers, "status": outcome.status}


def _finite(value: Any) -> Any:
    """JSON has no infinity: an infinite error becomes null, and ``error`` says why."""
    return None if value == float("inf") else value


def _columns(format: Format, outcomes: Sequence[Outcome]) -> list[Column]:
    """For people the columns that say something; they read the errors above the table."""
    if format != "table":
        return list(_DATA)
    told = {
        key for outcome in outcomes for key, value in asdict(outcome).items() if value is not None
    }
    return [each for each in _COLUMNS if each.key in told or each.key in _ALWAYS]
