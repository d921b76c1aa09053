"""The model loader ``onnx``: a graph that two libraries compute, and that they must agree on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from onnx2torch import convert
from onnx2torch.node_converters import get_converter
from torch import Tensor, nn

from harness.api import (
    Classifier,
    ConfigError,
    Described,
    ModelError,
    ModelLoader,
    ModelSpec,
    Preprocessing,
    did_you_mean,
)
from harness.api.onnx import BoundSession
from harness_models import external, opsets
from harness_models import graph as graphs
from harness_models.files import cause_of
from harness_models.network import entry_name
from harness_models.session import Chunked, in_chunks, session_of

if TYPE_CHECKING:
    from onnx import ModelProto

    from harness_models.graph import Graph

TOLERANCE = 1e-3
"""Largest difference of logits between ONNX Runtime and torch, relative to the largest logit."""

_WITH_BACKGROUND = 1001
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NOTES = {
    True: "normalisation assumed: ImageNet's mean and standard deviation, as torch's exports want"
    " them; a registry entry (--registry) can set others",
    False: "no normalisation assumed; a registry entry (--registry) can set one",
}
"""What `_assumed` says, by whether the images are RGB."""

_OPTIONS: dict[str, type] = {"input": str, "output": str, "gradients": bool}


class OnnxLoader(ModelLoader):
    """ONNX files (float32, one image input, logits out) as classifiers.

    Predictions and verdicts come from ONNX Runtime, gradients from the graph converted to torch;
    both see the same two fixed images at load and must agree. A graph that only takes one batch
    size, or whose logits depend on the other images in the batch, is fed piece by piece.

    Tensors may lie in other files of the graph's folder (ONNX's external data).

    Options: ``input`` and ``output`` choose among several (``output`` may be any tensor of the
    graph); ``gradients: false`` takes a graph that torch cannot run, for attacks that need none.
    """

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        options = _options(spec)
        if spec.weights is None:
            raise ModelError(
                "an ONNX model needs a file", where=f"model {spec.name}", hint="set weights.file"
            )
        path, images = spec.weights, _images(spec)
        graph = graphs.select(
            graphs.read(path), path, input=options.get("input"), output=options.get("output")
        )
        graphs.check_input(graph, path, spec.preprocessing)
        runner = _runner(graph, path, device, images)
        _check_outputs(runner.outputs, spec, path)
        module = None
        if options.get("gradients", True):
            module = _module(runner, path)
            _check_agreement(runner.forward(images), module, images, path)
            module.to(device)
        return Classifier(module, spec.preprocessing, spec.classes, runner.forward)

    def files(self, spec: ModelSpec) -> tuple[Path, ...]:
        return () if spec.weights is None else external.beside(spec.weights)

    def describe(self, reference: str) -> Described:
        """A file with one input and one output of its own; what a graph cannot say is assumed."""
        path = Path(reference)
        if not path.is_file():
            raise ConfigError("no such file", where=f"--models onnx:{reference}", hint="check it")
        graph = graphs.select(graphs.read(path), path)
        size = graphs.input_size(graph)
        if size is None:
            raise ConfigError(
                "the graph does not say the size of its images",
                where=f"--models onnx:{reference}",
                hint="write a registry entry with preprocessing.size",
            )
        preprocessing = _assumed(size, graphs.input_channels(graph))
        graphs.check_input(graph, path, preprocessing)
        spec = ModelSpec(path.stem, path.stem, path, preprocessing, 2, {})
        outputs = _runner(graph, path, "cpu", _images(spec)).outputs
        background = 0 if outputs == _WITH_BACKGROUND else None
        if outputs < 2:
            raise _one_logit(f"--models onnx:{reference}")
        return Described(
            name=entry_name(path.stem),
            architecture=path.stem,
            family="unknown",
            parameters=graphs.parameters(graph),
            classes=outputs - (background is not None),
            preprocessing=replace(preprocessing, background=background),
            weights=path,
            notes=_NOTES[preprocessing.channels == "rgb"],
        )


def _assumed(size: tuple[int, int], channels: int) -> Preprocessing:
    if channels == 3:
        return Preprocessing(size, _MEAN, _STD)
    return Preprocessing(size, channels="grey" if channels == 1 else channels)


@dataclass(frozen=True, slots=True)
class _Runner:
    """A graph in ONNX Runtime; ``chunk`` is the batch size it takes, None for any."""

    graph: Graph
    session: BoundSession
    outputs: int
    chunk: int | None

    def forward(self, images: Tensor) -> Tensor:
        run = partial(self.session.run, outputs=self.outputs)
        return run(images) if self.chunk is None else in_chunks(run, images, self.chunk)


def _options(spec: ModelSpec) -> dict[str, Any]:
    for name, value in spec.options.items():
        where = f"model {spec.name}: options.{name}"
        if name not in _OPTIONS:
            hint = did_you_mean(name, _OPTIONS, f"choose from {', '.join(_OPTIONS)}")
            raise ModelError("unknown option", where=where, hint=hint)
        if not isinstance(value, _OPTIONS[name]):
            raise ModelError(f"must be {_OPTIONS[name].__name__}, not {value!r}", where=where)
    return dict(spec.options)


def _images(spec: ModelSpec) -> Tensor:
    """Two fixed pseudo-random images in the network's input space."""
    pixels = torch.rand((2, *spec.preprocessing.shape), generator=torch.Generator().manual_seed(0))
    mean, std = (
        torch.tensor(value).view(-1, 1, 1)
        for value in (spec.preprocessing.mean, spec.preprocessing.std)
    )
    return (pixels - mean) / std


def _runner(graph: Graph, path: Path, device: str, images: Tensor) -> _Runner:
    """The graph for whole batches if it computes them right, else piece by piece."""
    whole = _whole(graph if graph.batch is None else graph.with_any_batch(), device, images)
    if whole is not None:
        return whole
    chunk = graph.batch or 1
    try:
        session = session_of(graph, device)
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime cannot run it: {_cause(error)}", where=str(path), hint="export it again"
        ) from error
    try:
        shape = session.shape(images[:1].expand(chunk, -1, -1, -1).contiguous())
    except Exception as error:
        height, width = images.shape[2:]
        raise ModelError(
            f"does not work on images of {height} x {width}, the registry's size: {_cause(error)}",
            where=str(path),
            hint="set preprocessing.size to what it was exported for",
        ) from error
    if len(shape) != 2 or shape[0] != chunk:
        raise ModelError(
            f"output {graph.output!r} has shape {shape} for {chunk} images, not (images, classes)",
            where=str(path),
            hint="choose another tensor with options.output, or export a graph that returns logits",
        )
    return _Runner(graph, session, shape[1], chunk)


def _whole(graph: Graph, device: str, images: Tensor) -> _Runner | None:
    """The graph on whole batches; None if it takes one image only, or mixes a batch's images."""
    try:
        session = session_of(graph, device)
        shape = session.shape(images)
        if len(shape) != 2 or shape[0] != len(images):
            return None
        runner = _Runner(graph, session, shape[1], None)
        apart = torch.cat([runner.forward(image) for image in torch.split(images, 1)])
        return runner if _difference(runner.forward(images), apart) <= TOLERANCE else None
    except Exception:  # the same graph piece by piece says what is wrong, if anything is
        return None


def _check_outputs(outputs: int, spec: ModelSpec, path: Path) -> None:
    background = spec.preprocessing.background is not None
    if outputs == spec.classes + background:
        return
    if outputs == 1:
        raise _one_logit(str(path))
    if outputs == spec.classes + 1:
        hint = "set preprocessing.background to the background's output, or correct classes"
    elif outputs == spec.classes and background:
        hint = "remove preprocessing.background"
    else:
        hint = f"set classes: {outputs - background}"
    also = " and background" if background else ""
    raise ModelError(
        f"has {outputs} outputs, the registry says {spec.classes} classes{also}",
        where=str(path),
        hint=hint,
    )


def _one_logit(where: str) -> ModelError:
    return ModelError(
        "has one output; a classifier has a logit for each class",
        where=where,
        hint="for two classes, export torch.cat([torch.zeros_like(z), z], 1) of its logit z",
    )


def _module(runner: _Runner, path: Path) -> nn.Module:
    """The graph as a torch module on the CPU, in eval mode, weights frozen."""
    model = opsets.lowered(runner.graph.model)
    hint = (
        f"export it with opset {opsets.KNOWN} or other operators, or set options.gradients: false "
        "for attacks that need none"
    )
    unknown = _unknown_operators(model)
    if unknown:
        raise ModelError(
            f"onnx2torch does not know {', '.join(unknown)}", where=str(path), hint=hint
        )
    try:
        module: nn.Module = convert(model)
    except Exception as error:
        raise ModelError(
            f"onnx2torch cannot convert it: {cause_of(error)}", where=str(path), hint=hint
        ) from error
    module.eval().requires_grad_(False)
    return module if runner.chunk is None else Chunked(module, runner.chunk).eval()


def _unknown_operators(model: ModelProto) -> list[str]:
    versions = {opset.domain: opset.version for opset in model.opset_import}
    unknown = set()
    for node in model.graph.node:
        try:
            get_converter(node.op_type, versions.get(node.domain, 1), node.domain)
        except NotImplementedError:
            unknown.add(f"{node.domain}.{node.op_type}" if node.domain else node.op_type)
    return sorted(unknown)


def _check_agreement(logits: Tensor, module: nn.Module, images: Tensor, path: Path) -> None:
    try:
        with torch.no_grad():
            difference = _difference(logits, module(images))
    except Exception as error:
        raise ModelError(
            f"fails in torch after conversion: {cause_of(error)}",
            where=str(path),
            hint="set options.gradients: false for attacks that need none",
        ) from error
    if not difference <= TOLERANCE:
        raise ModelError(
            f"ONNX Runtime and torch differ by {difference:.2g} of the largest logit, more than "
            f"{TOLERANCE:g}",
            where=str(path),
            hint="export it with other operators, or set options.gradients: false",
        )


def _difference(logits: Tensor, others: Tensor) -> float:
    """Largest difference over the largest logit; NaN equals NaN: the engine reports it."""
    if logits.shape != others.shape:
        return float("inf")
    same = (logits == others) | (logits.isnan() & others.isnan())
    gap = torch.where(same, 0.0, (logits - others).abs()).max()
    scale = logits.abs().nan_to_num(0.0).max().clamp(min=torch.finfo(torch.float32).tiny)
    return float(gap / scale)


def _cause(error: Exception) -> str:
    """What ONNX Runtime says, without its codes and the places in its sources."""
    noise = r"\[ONNXRuntimeError\] : \d+ : \w+ : |/\S+\.\w+:\d+ "
    return cause_of(Exception(re.sub(noise, "", str(error))))
