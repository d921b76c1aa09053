"""``harness models import``: from graphs and checkpoints to files, an overlay and a report."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import ConfigError, DataError, HarnessError, ModelError
from harness_su2018.importing import overlay
from harness_su2018.importing.archive import GraphFile, graphs
from harness_su2018.importing.child import Request
from harness_su2018.importing.known import SYMMETRIC, Known, find
from harness_su2018.importing.outcome import Options, Outcome
from harness_su2018.importing.process import require


def import_files(
    sources: Sequence[Path],
    folder: Path,
    options: Options,
    *,
    begun: Callable[[str], None],
) -> Iterator[Outcome]:
    """Import every graph and checkpoint of ``sources`` into ``folder``; a failure stops no other.

    An archive that a network of TF-Slim's is named after, or any with ``options.network``, is
    searched for a checkpoint first, and for graphs where it has none.

    Raises:
        MissingError: TensorFlow or tf2onnx is not installed.
        ConfigError: the folder cannot be written, or holds another ``models.yaml``.
        ModelError: ``options.network`` is none.
    """
    require()
    path = _prepared(folder) / overlay.FILE
    overlay.read(path)
    taken: dict[str, str] = {}
    for source in sources:
        with tempfile.TemporaryDirectory(prefix="harness-import-") as scratch:
            task = _Task(source, Path(scratch), path, options, taken, begun)
            yield from _checkpoint(task) or _graphs(task)


@dataclass(frozen=True, slots=True)
class _Task:
    """One source.

    Attributes:
        path: of the overlay.
        taken: the names of models before this one, and where they are from.
    """

    source: Path
    scratch: Path
    path: Path
    options: Options
    taken: dict[str, str]
    begun: Callable[[str], None]

    def taken_before(self, name: str, where: str) -> Outcome | None:
        """The refusal of a name's second file."""
        if name not in self.taken:
            self.taken[name] = where
            return None
        first = self.taken[name]
        told = DataError(f"{first} is called {name!r} too", where=where, hint="rename one")
        return Outcome(name, error=str(told))


def _graphs(task: _Task) -> Iterator[Outcome]:
    for graph in graphs(task.source, task.scratch):
        if isinstance(graph, DataError):
            yield Outcome(task.source.name, error=str(graph))
            continue
        known = find(graph.name)
        name = known.name if known else _clean(graph.name)
        refused = task.taken_before(name, graph.where)
        if refused is not None:
            yield refused
            continue
        task.begun(name)
        yield _import(graph, name, known, task.scratch, task.path, task.options)


def _checkpoint(task: _Task) -> list[Outcome]:
    """What became of the source's checkpoint; empty where it has none."""
    from harness_su2018.importing.slim import files
    from harness_su2018.importing.slim.run import import_checkpoint, network_of

    name = network_of(task.source, task.options.network)
    try:
        if files.looks_like_one(task.source):
            found: files.Checkpoint | None = files.on_disk(task.source)
        elif task.source.suffix == ".pb" or name is None:
            return []
        else:
            found = files.in_archive(task.source, task.scratch)
        if found is None:
            return []
        if name is None:
            raise ModelError(
                "is a checkpoint of a network that its name does not say",
                where=found.where,
                hint="say which with --network NAME",
            )
    except HarnessError as error:
        return [Outcome(name or task.source.name, error=str(error))]
    refused = task.taken_before(name, found.where)
    if refused is not None:
        return [refused]
    rest = f"; not the graph {found.graphs[0]!r} beside it" if found.graphs else ""
    task.begun(f"{name} from {found.form}{rest}")
    return [import_checkpoint(found, name, task.scratch, task.path, task.options)]


def _import(
    graph: GraphFile, name: str, known: Known | None, scratch: Path, path: Path, options: Options
) -> Outcome:
    from harness_su2018.importing.check import TOLERANCE, check
    from harness_su2018.importing.convert import convert

    start, outcome = time.perf_counter(), Outcome(name, form="frozen graph")
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
        sha256 = hashlib.sha256(content).hexdigest()
        entry = overlay.entry(known, found, file=file, sha256=sha256)
        options.check({"models": {name: entry}}, str(path))
        overlay.write(path.with_name(file), content)
        overlay.add(path, name, entry)
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


def _clean(name: str) -> str:
    """A file's name as a registry's name."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", name).lstrip("._+-") or "graph"
