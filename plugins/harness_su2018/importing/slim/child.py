"""The part that needs TensorFlow: ``python -m ... FOLDER``, which holds `REQUEST`.

Which variables are read, and how large they are, the network says: a file that claims others costs
nothing.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness_slim import names
from harness_su2018.importing.process import respond
from harness_su2018.importing.slim.operations import run
from harness_su2018.importing.slim.variables import opened

REQUEST, RESULT, ARRAYS, WEIGHTS = "request.json", "result.json", "arrays.npz", "model.safetensors"
IMAGES = 2
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is asked.

    Attributes:
        prefix, version: see `harness_su2018.importing.slim.files.Checkpoint`.
        network: for messages.
        places: of our tensors, by name; see `harness_slim.names.Place`.
        operations: see `harness_su2018.importing.slim.plan`.
        sizes: of the images, pixels on a side.
        mean, std: the normalisation of the random images, RGB.
    """

    prefix: str
    version: str
    network: str
    places: dict[str, dict[str, Any]]
    operations: list[dict[str, Any]]
    sizes: list[int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def main(request: Request, folder: Path) -> dict[str, Any]:
    """Write WEIGHTS and ARRAYS, ``images<i>`` (IMAGES, 3, size, size) of each of the sizes and
    TensorFlow's ``logits<i>`` of them. Return how many variables were ``left_out``.

    Raises:
        ModelError: the checkpoint cannot be read, or is another network's.
    """
    from safetensors.numpy import save_file

    places = {name: _place(each) for name, each in request.places.items()}
    variables, left = _read(request, {each.variable: each for each in places.values()})
    of = {name: variables[place.variable] for name, place in places.items()}
    made = {name: names.converted(place, of[name]) for name, place in places.items()}
    save_file(made, folder / WEIGHTS, {"format": "pt"})
    arrays: dict[str, Array] = {}
    for number, size in enumerate(request.sizes):
        pixels = np.random.default_rng(number).random((IMAGES, size, size, 3))
        images = ((pixels - request.mean) / request.std).astype(np.float32)
        logits = run(request.operations, images, lambda name: None if name is None else of[name])
        arrays |= {f"images{number}": images.transpose(0, 3, 1, 2), f"logits{number}": logits}
    np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]
    return {"left_out": left}


def _place(each: dict[str, Any]) -> names.Place:
    return names.Place(**{**each, "shape": tuple(each["shape"])})


def _read(request: Request, wanted: dict[str, names.Place]) -> tuple[dict[str, Array], int]:
    """The wanted variables by name, and the number of the others."""
    with opened(request.prefix, request.version) as variables:
        left = names.check(wanted, variables.shapes, request.network)
        return {name: variables.read(name) for name in wanted}, len(left)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    asked = Request(**json.loads((place / REQUEST).read_text()))
    respond(place / RESULT, lambda: main(asked, place))
