"""``harness models import``: the authors' archive, or other frozen TensorFlow graphs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import option, output_format
from harness.cli.printing import show
from harness.errors import ExitCode
from harness.report.presentation import Field, Format, present
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.importing.run import Outcome

_FIELDS: list[Field[dict[str, Any]]] = [
    Field("name", "model"),
    Field("input", "input"),
    Field("logits", "logits"),
    Field("nodes", "nodes", show="{:,}".format, numeric=True),
    Field("parameters", "parameters", show="{:,}".format, numeric=True),
    Field("error_runtime", "TF-ORT", show="{:.1e}".format, numeric=True),
    Field("error_torch", "TF-torch", show="{:.1e}".format, numeric=True),
    Field("error_gradient", "gradient", show="{:.1e}".format, numeric=True),
    Field("batch", "batch", numeric=True),
    Field("seconds", "seconds", show="{:.1f}".format, numeric=True),
    Field("status", "status"),
]
_DATA = [*_FIELDS, Field("error", "error")]


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
    metavar="ARCHIVE_OR_PB...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@option(
    "--output",
    "-o",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("imported"),
    metavar="DIR",
    help="Folder for the ONNX files and models.yaml.",
)
@option("--input", "input", metavar="TENSOR", help="Image tensor, if not the only placeholder.")
@option("--logits", metavar="TENSOR", help="Logits tensor, if it is not the input of the softmax.")
@option(
    "--size",
    type=_Size(),
    metavar="N|HxW",
    help="Input size, where the graph leaves it open.",
)
@output_format()
def import_models(
    sources: Sequence[Path],
    folder: Path,
    input: str | None,
    logits: str | None,
    size: tuple[int, int] | None,
    format: Format,
) -> int:
    """Convert frozen TensorFlow graphs to ONNX and check them; write a registry overlay.

    Takes the study's archive (frozen_imagenet_models_v1.1.tar.gz), other tar files, and single
    .pb files. Each graph is evaluated by TensorFlow, ONNX Runtime and torch on random images, and
    written if they agree within 1e-4 of the largest logit. Then: harness run --registry
    DIR/models.yaml. Needs the extra "paper".
    """
    from harness.importing.run import Options, import_graphs

    outcomes = []
    for outcome in import_graphs(
        sources,
        folder,
        Options(input, logits, size),
        begun=lambda name: echo(f"importing {name}", err=True),
    ):
        outcomes.append(outcome)
        if outcome.error is not None:
            echo(f"error: {outcome.error}", err=True)
    rows = [_row(outcome) for outcome in outcomes]
    show(present(_fields(format, outcomes), rows, document=rows), format)
    failed = any(outcome.error is not None for outcome in outcomes)
    return ExitCode.CELLS_FAILED if failed else ExitCode.OK


def _row(outcome: Outcome) -> dict[str, Any]:
    numbers = {key: _finite(value) for key, value in asdict(outcome).items()}
    return {**numbers, "status": outcome.status}


def _finite(value: Any) -> Any:
    """JSON has no infinity: an infinite error becomes null, and ``error`` says why."""
    return None if value == float("inf") else value


def _fields(format: Format, outcomes: Sequence[Outcome]) -> list[Field[dict[str, Any]]]:
    """The columns that say something; people read the errors above the table."""
    fields = _FIELDS if format == "table" else _DATA
    fixed = any(outcome.batch is not None for outcome in outcomes)
    return [field for field in fields if fixed or format != "table" or field.key != "batch"]
