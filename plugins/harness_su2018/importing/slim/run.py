"""One checkpoint to a safetensors file for the loader ``slim``, checked against TensorFlow."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from harness.api import HarnessError, ModelError, did_you_mean
from harness_models import tensors
from harness_slim.networks import NETWORKS, Network, called_so
from harness_su2018.importing import overlay
from harness_su2018.importing.check import TOLERANCE, relative_error
from harness_su2018.importing.known import MODELS
from harness_su2018.importing.outcome import Options, Outcome
from harness_su2018.importing.process import ask
from harness_su2018.importing.slim.child import ARRAYS, REQUEST, RESULT, WEIGHTS, Request
from harness_su2018.importing.slim.plan import plan

if TYPE_CHECKING:
    from harness_su2018.importing.slim.files import Checkpoint

KNOWN = {known.name: known for known in MODELS}
CLASSES = 1000


def network_of(source: Path, asked: str | None) -> str | None:
    """The network that ``source`` holds: as ``asked``, or by the file's name; None: neither says.

    Raises:
        ModelError: there is no such network.
    """
    if asked is None:
        return called_so(source.name)
    if asked not in NETWORKS:
        raise ModelError(
            f"no network {asked!r}",
            where="--network",
            hint=did_you_mean(asked, NETWORKS, f"choose from {', '.join(NETWORKS)}"),
        )
    return asked


def import_checkpoint(
    checkpoint: Checkpoint, name: str, scratch: Path, path: Path, options: Options
) -> Outcome:
    """Write ``NAME-slim.safetensors`` beside the overlay at ``path``, and its entry into it.

    Of Keras's weights, which have no background, it is ``NAME-keras.safetensors``.
    """
    start, outcome = time.perf_counter(), Outcome(name, form=checkpoint.form)
    network, by_keras = NETWORKS[name], checkpoint.version == "h5"
    outputs = CLASSES if by_keras else network.outputs
    try:
        with torch.random.fork_rng(devices=[]):
            module = network.build(outputs).eval().requires_grad_(False)
        left_out = _read(checkpoint, name, network, module, scratch)
        parameters = sum(each.numel() for each in module.parameters())
        outcome = replace(outcome, parameters=parameters, left_out=left_out)
        error = _error(module, scratch)
        outcome = replace(outcome, error_torch=error)
        if not error <= TOLERANCE:
            raise ModelError(f"torch's logits are off by {error:.2g}, more than {TOLERANCE:g}")
        facts = overlay.Facts((network.size, network.size), outputs, parameters)
        _write(name, facts, scratch, path, options, by_keras=by_keras)
    except HarnessError as fault:
        told = type(fault)(fault.what, where=fault.where or checkpoint.where, hint=fault.hint)
        outcome = replace(outcome, error=str(told))
    return replace(outcome, seconds=time.perf_counter() - start)


def _read(
    checkpoint: Checkpoint, name: str, network: Network, module: nn.Module, scratch: Path
) -> int:
    """The checkpoint's weights to ``module``, and TensorFlow's logits to ``scratch``.

    Returns how many variables were left out.
    """
    normalisation = KNOWN[name].normalisation
    request = Request(
        prefix=str(checkpoint.prefix.absolute()),
        version=checkpoint.version,
        network=name,
        places={tensor: asdict(each) for tensor, each in network.places(module).items()},
        operations=[asdict(each) for each in plan(module)],
        sizes=[network.size, network.size + 1],
        mean=normalisation.mean,
        std=normalisation.std,
    )
    for file in (WEIGHTS, ARRAYS):
        (scratch / file).unlink(missing_ok=True)
    (scratch / REQUEST).write_text(json.dumps(asdict(request)))
    found = ask(f"{__package__}.child", str(scratch), scratch / RESULT, torch.get_num_threads())
    path = scratch / WEIGHTS
    tensors.fill(module, tensors.read(path), path, name)
    return int(found["left_out"])


def _error(module: nn.Module, scratch: Path) -> float:
    """Of the logits, at an even and an odd size; see `harness_su2018.importing.check.TOLERANCE`.

    The gradient is not compared: it is torch's own, of its own operations.
    """
    errors = []
    with np.load(scratch / ARRAYS) as arrays:
        for number in range(len(arrays.files) // 2):
            images, reference = arrays[f"images{number}"], arrays[f"logits{number}"]
            with torch.no_grad():
                logits = module(torch.from_numpy(images)).numpy()
            errors.append(relative_error(logits, reference))
    return max(errors)


def _write(
    name: str,
    facts: overlay.Facts,
    scratch: Path,
    path: Path,
    options: Options,
    *,
    by_keras: bool,
) -> None:
    content = (scratch / WEIGHTS).read_bytes()
    file = f"{name}-{'keras' if by_keras else 'slim'}.safetensors"
    origin = overlay.Origin(
        {"loader": "slim", "architecture": name},
        "Keras's weights" if by_keras else "TF-Slim's checkpoint",
    )
    sha256 = hashlib.sha256(content).hexdigest()
    entry = overlay.entry(KNOWN[name], facts, file=file, sha256=sha256, origin=origin)
    options.check({"models": {name: entry}}, str(path))
    overlay.write(path.with_name(file), content)
    overlay.add(path, name, entry)
