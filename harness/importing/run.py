"""``harness models import``: from archives and graphs to ONNX files, an overlay and a report."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ConfigError, DataError, HarnessError, ModelError
from harness.importing import overlay
from harness.importing.archive import GraphFile, graphs
from harness.importing.child import Request
from harness.importing.known import SYMMETRIC, Known, find


@dataclass(frozen=True, slots=True)
class Options:
    """The user's choices, for every graph of the command.

    Attributes:
        input, logits: tensors; None: found.
        size: (height, width) of graphs that leave it open; None: the known model's.
    """

    input: str | None = None
    logits: str | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the report; what was not reached is None.

    Attributes:
        nodes: between input and logits, in TensorFlow.
        batch: the batch size that the ONNX file insists on; None: any.
        error_runtime, error_torch, error_gradient: see `harness.importing.check.Checked`.
        error: why there is no ONNX file.
    """

    name: str
    input: str | None = None
    logits: str | None = None
    nodes: int | None = None
    parameters: int | None = None
    batch: int | None = None
    error_runtime: float | None = None
    error_torch: float | None = None
    error_gradient: float | None = None
    seconds: float | None = None
    error: str | None = None

    @property
    def status(self) -> str:
        return "ok" if self.error is None else "failed"


def import_graphs(
    sources: Sequence[Path],
    folder: Path,
    options: Options,
    *,
    begun: Callable[[str], None],
) -> Iterator[Outcome]:
    """Import every graph of ``sources`` into ``folder``; one that fails stops no other.

    Raises:
        MissingError: TensorFlow or tf2onnx is not installed.
        ConfigError: the folder cannot be written, or holds another ``models.yaml``.
    """
    from harness.importing.convert import require

    require()
    path = _prepared(folder) / overlay.FILE
    overlay.read(path)
    taken: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="harness-import-") as scratch:
        for source in sources:
            for graph in graphs(source, Path(scratch)):
                if isinstance(graph, DataError):
                    yield Outcome(source.name, error=str(graph))
                    continue
                known = find(graph.name)
                name = known.name if known else _clean(graph.name)
                if name in taken:
                    yield Outcome(name, error=_twice(name, graph, taken[name]))
                    continue
                taken[name] = graph.where
                begun(name)
                yield _import(graph, name, known, Path(scratch), path, options)


def _import(
    graph: GraphFile, name: str, known: Known | None, scratch: Path, path: Path, options: Options
) -> Outcome:
    from harness.importing.check import TOLERANCE, check
    from harness.importing.convert import convert

    start, outcome = time.perf_counter(), Outcome(name)
    try:
        converted = convert(_request(graph, known, scratch, options))
        found = converted.found
        outcome = replace(
            outcome,
            input=found.input,
            logits=found.logits,
            nodes=found.nodes,
            parameters=found.parameters,
        )
        checked = check(converted)
        outcome = replace(
            outcome,
            batch=checked.batch,
            error_runtime=checked.runtime,
            error_torch=checked.torch,
            error_gradient=checked.gradient,
        )
        for what, error in (
            ("ONNX Runtime's logits are", checked.runtime),
            ("onnx2torch's logits are", checked.torch),
            ("torch's gradient is", checked.gradient),
        ):
            if not error <= TOLERANCE:
                raise ModelError(f"{what} off by {error:.2g}, more than {TOLERANCE:g}")
        content = checked.model.SerializeToString()
        file = f"{name}.onnx"
        overlay.write(path.with_name(file), content)
        sha256 = hashlib.sha256(content).hexdigest()
        overlay.add(path, name, overlay.entry(known, found, file=file, sha256=sha256))
    except HarnessError as error:
        told = type(error)(error.what, where=error.where or graph.where, hint=error.hint)
        outcome = replace(outcome, error=str(told))
    return replace(outcome, seconds=time.perf_counter() - start)


def _request(graph: GraphFile, known: Known | None, scratch: Path, options: Options) -> Request:
    import torch

    normalisation = SYMMETRIC if known is None else known.normalisation
    return Request(
        path=str(graph.path.absolute()),
        folder=str(scratch),
        input=options.input,
        logits=options.logits,
        known_input=known.input if known else None,
        known_logits=known.logits if known else None,
        size=options.size or ((known.size, known.size) if known else None),
        mean=normalisation.mean,
        std=normalisation.std,
        threads=torch.get_num_threads(),
    )


def _prepared(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ConfigError(
            f"cannot write here: {error.strerror}", where=str(folder), hint="choose another -o"
        ) from error


def _twice(name: str, graph: GraphFile, first: str) -> str:
    return str(DataError(f"{first} is called {name!r} too", where=graph.where, hint="rename one"))


def _clean(name: str) -> str:
    """A file's name as a registry's name."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", name).lstrip("._+-") or "graph"
