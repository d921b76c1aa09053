"""``harness bench``: how fast models and attacks run on this machine, without weights or data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    numerics_option,
    option,
    output_format,
    preprocessing,
    registries,
)
from harness.cli.printing import show
from harness.cli.selection import auto_or_number, request
from harness.cli.verbs import verb
from harness.cli.workers import devices, one_device
from harness.definition import Numerics
from harness.errors import ExitCode
from harness.report.presentation import Field, Format, Presentation, present
from harness.report.quantities import si
from harness.report.quantities import size as in_bytes
from harness.terminal import echo

if TYPE_CHECKING:
    import torch

    from harness.estimate.bench import Speed

_Row = Mapping[str, Any]

_MODEL: tuple[Field[_Row], ...] = (
    Field("model", "model"),
    Field("source", "source"),
    Field("loader"),
    Field("architecture"),
    Field("weights"),
    Field("parameters", "params", show=si, numeric=True),
    Field("size", "size", numeric=True),
    Field("batch_size", "batch", numeric=True),
    Field("forward", "forward", show=si, numeric=True),
    Field("gradient", "forward + backward", show=si, numeric=True),
)
_MACHINE: tuple[Field[_Row], ...] = (
    Field("device"),
    Field("processor"),
    Field("cores"),
    Field("threads"),
    Field("torch"),
    Field("numerics"),
    Field("seconds"),
    Field("problem"),
)


@verb("bench")
@option("--models", metavar="GLOB,...", help="Only these models; LOADER:MODEL adds any other one.")
@option(
    "--suite",
    metavar="NAME",
    help="Suite whose models and attacks to measure, each attack in its first configuration;"
    " default: the registry's with the most attacks.",
)
@preprocessing()
@devices()
@option("--batch-size", default="auto", metavar="auto|N", help="Images per pass.")
@option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    metavar="S",
    help="Approximate duration of each measurement; at least five passes.",
)
@numerics_option("fp32")
@registries()
@output_format()
def bench(
    models: str | None,
    suite: str | None,
    preprocessing: str | None,
    devices: str,
    batch_size: str,
    seconds: float,
    numerics: Numerics,
    registry_files: Sequence[Path],
    format: Format,
) -> int:
    """Measures images per second with random weights on noise.

    Needs neither weights nor data, and stores nothing. The exit code is 3 if no model could be
    built, 1 if one failed while it was measured.
    """
    size = auto_or_number(batch_size, "--batch-size", "batch size")
    device = one_device(devices, "bench")

    from harness.engine.device import must_compute_in, resolve_device
    from harness.estimate.bench import Bench, bench_model, stepped_attacks
    from harness.plugins import installed
    from harness.registry import load
    from harness.resolve.models import choose_models

    catalog, registry = installed(), load(registry_files)
    largest = max(registry.suites.values(), key=lambda each: len(each.attacks))
    entry = largest if suite is None else registry.get_suite(suite)
    choice = choose_models(
        request(suite=entry.name, models=models, preprocessing=preprocessing),
        entry,
        registry,
        catalog,
    )
    chosen = [registry.models.get(each.name, each) for each in choice.models]
    place = resolve_device(device)
    must_compute_in(numerics, place)
    plan = Bench(
        device=place,
        attacks=stepped_attacks(entry, catalog),
        batch_size=size,
        seconds=seconds,
        numerics=numerics,
    )
    found: list[Speed] = []
    interrupted = False
    for number, each in enumerate(chosen, start=1):
        echo(f"measuring {each.name} ({number} of {len(chosen)})", err=True)
        try:
            found.append(bench_model(each, catalog, plan))
        except KeyboardInterrupt:  # print what is known so far
            interrupted = True
            break
    if found:
        facts = {**_facts(place), "numerics": numerics, "seconds": seconds}
        show(_presented(found, list(plan.attacks), facts), format)
    if interrupted:
        echo(f"interrupted after {len(found)} of {len(chosen)} models", err=True)
        return ExitCode.INTERRUPTED
    return _exit_code(found)


def _facts(device: torch.device) -> dict[str, Any]:
    """Where the speeds are measured."""
    import torch

    from harness.engine.device import describe
    from harness.estimate.machine import machine

    known = machine()
    return {
        "device": describe(device),
        **{name: known[name] for name in ("processor", "cores", "torch")},
        "threads": torch.get_num_threads(),
    }


def _presented(
    found: Sequence[Speed], attacks: Sequence[str], facts: Mapping[str, Any]
) -> Presentation:
    rows = [_row(speed, attacks, facts) for speed in found]
    fields: list[Field[_Row]] = [
        *_MODEL,
        *(Field(f"{name}_steps", name, show=si, numeric=True) for name in attacks),
        Field("memory", "memory", show=in_bytes, numeric=True),
        *_MACHINE,
    ]
    return present(fields, rows, notes=_notes(found, facts), document=rows)


def _row(speed: Speed, attacks: Sequence[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    row = asdict(speed)
    steps = row.pop("steps")
    row["size"] = speed.size and "x".join(map(str, speed.size))
    return {**row, **{f"{name}_steps": steps.get(name) for name in attacks}, **facts}


def _notes(found: Sequence[Speed], facts: Mapping[str, Any]) -> list[str]:
    on = facts["device"]
    if on.startswith("cpu"):
        on += f", {facts['processor']}, {facts['cores']} cores"
    lines = [
        f"{on}, torch {facts['torch']}, gradients in {facts['numerics']},"
        f" {facts['seconds']:g} s per measurement: medians of images per second; attacks: images"
        " times rounds per second",
    ]
    lines += [
        f"{speed.model}: not measured, {speed.problem}"
        if speed.missing
        else f"{speed.model}: {speed.problem}"
        for speed in found
        if speed.problem
    ]
    if loaded := [speed.model for speed in found if speed.weights == "loaded"]:
        lines.append(
            f"with their own weights, because no source builds them without: {', '.join(loaded)}"
        )
    return lines


def _exit_code(found: Sequence[Speed]) -> ExitCode:
    if any(speed.problem and not speed.missing for speed in found):
        return ExitCode.CELLS_FAILED
    return ExitCode.MISSING if all(speed.missing for speed in found) else ExitCode.OK
