"""The variables of a checkpoint by name, in the child process: TensorFlow's, or Keras's HDF5 file.

Keras's MobileNets are TF-Slim's network under other names (``conv_dw_1_bn/.../gamma:0``) and
without a background class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from harness.api import ModelError
from harness_su2018.importing.process import one_line

Array = np.ndarray[Any, Any]
_DATASET = re.compile(
    r"(?P<layer>conv1|conv_preds|conv_(?P<kind>dw|pw)_(?P<number>\d+))(?P<norm>_bn)?"
    r"/(?:.+/)?(?P<last>[a-z_]+)(?::0)?"
)
_KERAS = {"conv1": "Conv2d_0", "conv_preds": "Logits/Conv2d_1c_1x1"}
_KINDS = {"dw": "depthwise", "pw": "pointwise"}
_KERNELS = {"kernel": "weights", "depthwise_kernel": "depthwise_weights", "bias": "biases"}


@dataclass(frozen=True, slots=True)
class Variables:
    """Attributes:
    shapes: by name.
    read: the values of a variable.
    """

    shapes: dict[str, tuple[int, ...]]
    read: Callable[[str], Array]


@contextmanager
def opened(path: str, version: str) -> Iterator[Variables]:
    """The variables of the checkpoint at ``path``; see `files.Checkpoint`.

    Raises:
        ModelError: it cannot be read, or a variable holds no real or no finite numbers.
    """
    tf = import_module("tensorflow")
    try:
        with (keras_variables if version == "h5" else _tensorflow)(path) as found:
            yield Variables(found.shapes, lambda name: _real(name, found.read(name)))
    except (tf.errors.OpError, OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise ModelError(f"cannot be read: {one_line(error)}", hint="fetch it again") from error


def slim_name(dataset: str) -> str:
    """TF-Slim's variable of a Keras MobileNet's dataset; any other's name stays.

    >>> slim_name("conv_dw_1_bn/conv_dw_1_bn/gamma:0")
    'MobilenetV1/Conv2d_1_depthwise/BatchNorm/gamma'
    """
    found = _DATASET.fullmatch(dataset)
    if found is None:
        return dataset
    scope = _KERAS.get(found["layer"]) or f"Conv2d_{found['number']}_{_KINDS[found['kind']]}"
    last = f"BatchNorm/{found['last']}" if found["norm"] else _KERNELS.get(found["last"])
    return dataset if last is None else f"MobilenetV1/{scope}/{last}"


@contextmanager
def _tensorflow(path: str) -> Iterator[Variables]:
    reader = import_module("tensorflow").train.load_checkpoint(path)
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    yield Variables(shapes, reader.get_tensor)


@contextmanager
def keras_variables(path: str) -> Iterator[Variables]:
    """Those whose numbers lie in the file itself."""
    h5py = import_module("h5py")
    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {}

        def note(name: str, item: Any) -> None:
            # Links are not followed, but a dataset may name any file as the place of its numbers.
            if isinstance(item, h5py.Dataset) and not item.is_virtual and item.external is None:
                found[slim_name(name)] = item

        file.visititems(note)
        shapes = {name: tuple(item.shape) for name, item in found.items()}
        yield Variables(shapes, lambda name: np.asarray(found[name]))


def _real(name: str, values: Array) -> Array:
    if values.dtype.kind != "f":
        raise ModelError(f"variable {name} is {values.dtype}, not float32")
    if not np.isfinite(values).all():
        raise ModelError(f"variable {name} is not finite")
    return values
