"""Layers of TensorFlow alone on variables under TF-Slim's names, for reference networks.

A network is a function of `Layers` and images. The first images that pass through draw the
variables: He's normal weights, and moving statistics of the size of the layer's own inputs, so that
signals neither die nor explode. Later images meet the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
Kernel = int | tuple[int, int]


class Layers:
    """Attributes:
    variables: values by full name, such as ``InceptionV1/Conv2d_1a_7x7/weights``.
    gamma: whether batch norms have a factor.
    epsilon: of batch norms.

    What the images' type is, everything is computed in; variables are kept in float32.
    """

    def __init__(
        self, scope: str, *, gamma: bool = False, epsilon: float = 1e-3, seed: int = 0
    ) -> None:
        self.prefix = f"{scope}/" if scope else ""
        self.gamma, self.epsilon = gamma, epsilon
        self.rng = np.random.default_rng(seed)
        self.variables: dict[str, np.ndarray] = {}

    def conv(
        self,
        x: Any,
        scope: str,
        width: int,
        kernel: Kernel,
        *,
        stride: int = 1,
        padding: str = "SAME",
    ) -> Any:
        """Convolution, batch norm, relu."""
        x = self.linear(x, scope, width, kernel, stride=stride, padding=padding)
        return tf.nn.relu(self.norm(x, f"{scope}/BatchNorm"))

    def linear(
        self,
        x: Any,
        scope: str,
        width: int,
        kernel: Kernel = 1,
        *,
        stride: int = 1,
        padding: str = "SAME",
        biases: bool = False,
    ) -> Any:
        """A convolution, nothing after it."""
        rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        weights = self.weights(x, f"{scope}/weights", (rows, columns, x.shape[3], width))
        x = tf.nn.conv2d(x, weights, stride, padding)
        return x + self.drawn(x, f"{scope}/biases", width, 0.1) if biases else x

    def separable(
        self, x: Any, scope: str, width: int, kernel: int, *, stride: int = 1, multiplier: int = 1
    ) -> Any:
        """A convolution for each channel and one over the channels, nothing between or after."""
        inputs = x.shape[3]
        shape = (kernel, kernel, inputs, multiplier)
        depthwise = self.weights(x, f"{scope}/depthwise_weights", shape, fan=kernel * kernel)
        pointwise = self.weights(
            x, f"{scope}/pointwise_weights", (1, 1, inputs * multiplier, width)
        )
        x = tf.nn.depthwise_conv2d(x, depthwise, [1, stride, stride, 1], "SAME")
        return tf.nn.conv2d(x, pointwise, 1, "VALID")

    def dense(self, x: Any, scope: str, width: int) -> Any:
        weights = self.weights(x, f"{scope}/weights", (x.shape[1], width))
        return tf.matmul(x, weights) + self.drawn(x, f"{scope}/biases", width, 0.1)

    def norm(self, x: Any, scope: str) -> Any:
        """Batch norm with moving statistics that leave most of the mean: norms that centre all of
        it multiply rounding from layer to layer (Yang et al. 2019, arXiv 1902.08129)."""
        mean, variance = (value.numpy() for value in tf.nn.moments(x, [0, 1, 2]))
        width, square = len(mean), variance + mean**2
        shift = self.variable(
            x, f"{scope}/moving_mean", lambda: mean * self.rng.uniform(-0.25, 0.25, width)
        )
        spread = self.variable(
            x,
            f"{scope}/moving_variance",
            lambda: square * self.rng.uniform(1, 3, width) + 1e-3,
        )
        factor = None
        if self.gamma:
            factor = self.variable(x, f"{scope}/gamma", lambda: self.rng.uniform(0.5, 1.5, width))
        beta = self.drawn(x, f"{scope}/beta", width, 0.3)
        return tf.nn.batch_normalization(x, shift, spread, beta, factor, self.epsilon)

    def weights(self, x: Any, name: str, shape: tuple[int, ...], *, fan: int = 0) -> Any:
        """Normal, deviation sqrt(2 / fan); by default the fan is all of the axes but the last."""
        deviation = (2 / (fan or np.prod(shape[:-1]))) ** 0.5
        return self.variable(x, name, lambda: self.rng.normal(0, deviation, shape))

    def drawn(self, x: Any, name: str, width: int, deviation: float) -> Any:
        return self.variable(x, name, lambda: self.rng.normal(0, deviation, width))

    def variable(self, x: Any, name: str, draw: Callable[[], np.ndarray]) -> Any:
        """The variable in the type of ``x``; it is drawn where there is none of that name."""
        name = self.prefix + name
        if name not in self.variables:
            self.variables[name] = draw().astype(np.float32)
        return tf.constant(self.variables[name], x.dtype)

    def save(self, path: Path, *, old: bool, others: dict[str, np.ndarray]) -> str:
        """A checkpoint of the variables and ``others``: one file in the old format, an index and
        data in the new one; what TensorFlow calls it is returned."""
        version = tf1.train.SaverDef.V1 if old else tf1.train.SaverDef.V2
        with tf.Graph().as_default(), tf1.Session() as session:
            for name, value in (self.variables | others).items():
                tf1.get_variable(name, initializer=value, use_resource=False)
            session.run(tf1.global_variables_initializer())
            saver = tf1.train.Saver(write_version=version)
            return str(saver.save(session, str(path), write_meta_graph=False, write_state=False))


def max_pool(x: Any, kernel: int, stride: int, padding: str = "SAME") -> Any:
    return tf.nn.max_pool2d(x, kernel, stride, padding)


def avg_pool(x: Any, kernel: int, stride: int = 1, padding: str = "SAME") -> Any:
    return tf.nn.avg_pool2d(x, kernel, stride, padding)


def join(*parts: Any) -> Any:
    return tf.concat(parts, 3)


def mean(x: Any) -> Any:
    """Over rows and columns, which stay as axes of length one."""
    return tf.reduce_mean(x, [1, 2], keepdims=True)
