"""Options that say what a run is of, and what they mean: shared by run, plan, doctor and others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    data_places,
    database,
    decorated,
    numerics_option,
    option,
    preprocessing,
    registries,
)
from harness.cli.printing import show
from harness.errors import ConfigError
from harness.report.requirements import requirements_table

if TYPE_CHECKING:
    from harness.resolve.request import Request


def needs(command: Any) -> Any:
    """The options that select the models and data of a run."""
    return decorated(
        command,
        option("--suite", required=True, metavar="NAME", help="Suite to run."),
        option(
            "--models",
            metavar="GLOB,...",
            help="Only these models of the registry; LOADER:MODEL adds any other one (timm:TAG),"
            " and so does a file (net.onnx, net.py:FUNCTION).",
        ),
        option(
            "--weights",
            multiple=True,
            metavar="[GLOB=]SOURCE",
            help="Source of the weights, for all models that have this source or for those that the"
            " glob matches; a file for a model that no registry names. May be repeated.",
        ),
        preprocessing(),
        option(
            "--dataset",
            metavar="NAME",
            help="Dataset instead of the suite's; READER:PATH is one that no registry names"
            " (npz:FILE, folder:FOLDER).",
        ),
        data_places(
            "Path of a dataset; NAME@HOST=PATH on worker hosts whose name or address the glob HOST"
            " matches; may be repeated."
        ),
        registries(),
    )


def selection(command: Any) -> Any:
    """The options that select what to run; shared by ``run`` and ``plan``."""
    return needs(
        decorated(
            command,
            option(
                "--attacks",
                metavar="GLOB|NAME[:KEY=VALUE]...,...",
                help="Only these attacks and measurements of the suite, or any installed ones"
                " (NAME:PRESET, NAME:epsilon=0.1:steps=20).",
            ),
            option("--goals", metavar="GOAL,...", help="Only these goals."),
            option("--images", metavar="ID,...", help="Only these images; globs are allowed."),
            option(
                "--limit",
                type=click.IntRange(min=1),
                metavar="N",
                help="Maximum number of images per cell.",
            ),
            option(
                "--seed",
                type=click.IntRange(0, 2**63 - 1),
                metavar="N",
                help="Override the suite's seed.",
            ),
            numerics_option(),
            option(
                "--exact",
                type=int,
                is_flag=False,
                flag_value=32,
                metavar="[N]",
                help="Bitwise reproducible results: one thread, and N images (32) in every pass. N"
                " is part of the results' identity.",
            ),
            option(
                "--shard",
                metavar="I/N",
                help="Compute part I of N: every N-th image, for all cells. `harness merge` unites"
                " the parts.",
            ),
            database(),
        )
    )


def request(
    *,
    suite: str,
    models: str | None,
    preprocessing: str | None = None,
    weights: Sequence[str] = (),
    data: Sequence[str] = (),
    attacks: str | None = None,
    goals: str | None = None,
    images: str | None = None,
    shard: str | None = None,
    db: Path | None = None,
    **others: Any,
) -> Request:
    """The selection options as a request; ``others`` are fields of `Request`, as they are.

    ``db`` tells models given as files from stored ones of the same name.

    Raises:
        ConfigError: a goal, a NAME=PATH, a GLOB=SOURCE, --exact's number or --shard is malformed.
    """
    from harness.part import Part
    from harness.resolve.adhoc import split
    from harness.resolve.named import parsed_input
    from harness.resolve.places import split_places
    from harness.resolve.request import Request, named_goals, with_stored_names

    here, elsewhere = split_places(_places(data))
    asked = Request(
        suite=suite,
        models=[item.strip() for item in split(models or "", ",") if item.strip()],
        weights=[_source(item) for item in weights],
        preprocessing=parsed_input(preprocessing or ""),
        attacks=[item.strip() for item in split(attacks or "", ",") if item.strip()],
        goals=named_goals(listed(goals)),
        images=listed(images),
        data=here,
        data_on=elsewhere,
        shard=None if shard is None else Part.parse(shard),
        **others,
    )
    return asked if db is None else with_stored_names(asked, db)


def places(data: Sequence[str]) -> dict[str, Path]:
    """The paths of datasets that --data gives for this host.

    Raises:
        ConfigError: an item is malformed.
    """
    from harness.resolve.places import split_places

    return split_places(_places(data))[0]


def _places(data: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """NAME or NAME@HOST, and the path, of each item of --data."""
    from harness.resolve.places import PLACE

    for item in data:
        place, equals, path = item.partition("=")
        if not (equals and path):
            raise ConfigError(f"{item!r} gives no path", where="--data", hint=f"say {PLACE}")
        yield place, Path(path)


def _source(item: str) -> tuple[str | None, str]:
    """``[GLOB=]SOURCE`` as (glob, source)."""
    glob, equals, name = item.rpartition("=")
    if not name or (equals and not glob):
        raise ConfigError(f"{item!r} is not [GLOB=]SOURCE", where="--weights")
    return glob or None, name


def listed(text: str | None) -> list[str]:
    """The items of a comma-separated list."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def auto_or_number(text: str, option: str, what: str) -> int | None:
    """The number that such an option gives; None: auto.

    Raises:
        ConfigError: it is neither ``auto`` nor a number above 0.
    """
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"{text!r} is not a {what}", where=option, hint="auto, or N >= 1")
    return int(text)


@contextmanager
def missing_listed() -> Iterator[None]:
    """Print what is missing, where something is, as a table on stderr."""
    from harness.resolve.inventory import RequirementsMissing

    try:
        yield
    except RequirementsMissing as error:
        show(requirements_table(error.rows), "table", err=True)
        raise
