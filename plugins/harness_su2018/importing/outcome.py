"""What the command asks of every file, and what it tells of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """What is the same for every file of the command.

    Attributes:
        check: refuses a registry's sections that are not valid; see `Harness.check_registry`.
        input, logits: a graph's tensors; None: found.
        size: (height, width) of graphs that leave it open; None: the known model's.
        network: which network a checkpoint holds; None: its file's name says so.
    """

    check: Callable[[Mapping[str, Any], str], None]
    input: str | None = None
    logits: str | None = None
    size: tuple[int, int] | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the report; what was not reached is None.

    Attributes:
        form: a frozen graph, or a checkpoint of V1 or V2.
        nodes: between input and logits, in TensorFlow.
        left_out: variables of training that have no tensor.
        batch: the batch size that the ONNX file insists on; None: any.
        error_runtime, error_torch, error_gradient: see `harness_su2018.importing.check.Checked`.
        error: why there is no file.
    """

    name: str
    form: str | None = None
    input: str | None = None
    logits: str | None = None
    nodes: int | None = None
    parameters: int | None = None
    left_out: int | None = None
    batch: int | None = None
    error_runtime: float | None = None
    error_torch: float | None = None
    error_gradient: float | None = None
    seconds: float | None = None
    error: str | None = None

    @property
    def status(self) -> str:
        return "ok" if self.error is None else "failed"
