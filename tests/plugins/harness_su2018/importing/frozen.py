"""Makes frozen TensorFlow graphs: ``python frozen.py FOLDER NAME...``, in a process of its own.

The networks are those of keras.applications with random weights and random batch-norm statistics,
frozen TensorFlow 2's way; beside each ``NAME.pb`` lies ``NAME.npz``: pixels in [0, 1] and keras's
own probabilities of them, behind the preprocessing of that name in the study. The small graphs
are made TensorFlow 1's way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1

MEAN = np.array([123.68, 116.78, 103.94])
PREPROCESSING = {
    "symmetric": lambda x: 2 * x - 1,
    "vgg": lambda x: x * 255 - MEAN,
    "densenet": lambda x: (x * 255 - MEAN) * 0.017,
}
# Class, input (small where the architecture allows it), options, preprocessing.
NETWORKS: dict[str, tuple[str, int, dict[str, Any], str]] = {
    "mobilenet_v1_025": ("MobileNet", 128, {"alpha": 0.25}, "symmetric"),
    "resnet_v2_50": ("ResNet50V2", 64, {}, "symmetric"),
    "inception_v3": ("InceptionV3", 107, {}, "symmetric"),
    "densenet121_k32": ("DenseNet121", 64, {}, "densenet"),
    "vgg16": ("VGG16", 32, {}, "vgg"),
    "inception_resnet_v2": ("InceptionResNetV2", 107, {}, "symmetric"),
    "nasnet_large": ("NASNetLarge", 96, {}, "symmetric"),
}


def network(name: str, folder: Path) -> Any:
    import keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    build, size, options, preprocessing = NETWORKS[name]
    keras.utils.set_random_seed(1)
    shape = (size, size, 3)
    model = getattr(keras.applications, build)(weights=None, input_shape=shape, **options)
    pixels = np.random.default_rng(4).random((3, *shape))
    inputs = PREPROCESSING[preprocessing](pixels).astype(np.float32)
    random_statistics(model, inputs)
    np.savez(
        folder / name,
        pixels=pixels.transpose(0, 3, 1, 2).astype(np.float32),
        probabilities=model(inputs, training=False).numpy(),
        parameters=model.count_params(),
    )
    spec = tf.TensorSpec([None, *shape], tf.float32)
    concrete = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    return convert_variables_to_constants_v2(concrete).graph.as_graph_def()


def random_statistics(model: Any, inputs: np.ndarray) -> None:
    """Random, but near the statistics of each layer's inputs, so that signals neither die nor
    explode."""
    import keras

    rng = np.random.default_rng(2)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    model(inputs, training=True)
    for norm in norms:
        shape = norm.moving_mean.shape
        norm.moving_mean.assign_add(rng.normal(0, 0.1, shape))
        norm.moving_variance.assign(norm.moving_variance * rng.uniform(0.5, 2, shape) + 1e-3)
        if norm.gamma is not None:
            norm.gamma.assign(rng.uniform(0.5, 1.5, shape))
        norm.beta.assign(rng.normal(0, 0.3, shape))


def small(name: str, folder: Path) -> Any:
    """A convolution, a flattening for the batch, a matrix; what else there is, ``name`` says."""
    rng = np.random.default_rng(3)
    known = name == "frozen_vgg_16"
    alone = name in ("fixed_batch", "stubborn_batch")
    side = None if name == "open_size" else 8
    with tf.Graph().as_default() as graph:
        shape = [1 if alone else None, side, side, 3]
        image = tf1.placeholder(tf.float32, shape, "input" if known else "image")
        hidden = tf.nn.relu(tf.nn.conv2d(image, constant(rng, 3, 3, 3, 4), 2, "SAME"))
        if name == "stubborn_batch":
            hidden = tf.concat([hidden, constant(rng, 1, 4, 4, 4)], 3)
        if name == "open_size":
            hidden = tf.reduce_mean(hidden, [1, 2], keepdims=True)
        width = {"stubborn_batch": 128, "open_size": 4}.get(name, 64)
        flat = tf.reshape(hidden, [1 if alone else -1, width])
        if name == "random":
            flat = tf.nn.dropout(flat, 0.5)
        logits = tf.matmul(flat, constant(rng, width, 7), name="first/logits")
        if name == "fixed_batch":
            logits = tf.reshape(logits, [1, 7], name="first/Reshape")
        if name == "text":
            logits = tf.strings.to_number(tf1.as_string(logits))
        if name == "bomb":
            logits += tf.reduce_sum(tf.fill([1 << 20, 1 << 20], tf.reduce_sum(image)))
        if name == "writes":
            with tf.control_dependencies([tf.io.write_file(str(folder / "written"), "text")]):
                logits = tf.identity(logits)
        if known:
            logits = tf.identity(logits, name="vgg_16/fc8/squeezed")
        if name != "no_softmax":
            tf.nn.softmax(logits, name="first/softmax")
        if name == "two_softmaxes" or known:
            other = tf.matmul(flat, constant(rng, width, 7), name="second/logits")
            tf.nn.softmax(other, name="second/softmax")
    return graph.as_graph_def()


def constant(rng: np.random.Generator, *shape: int) -> tf.Tensor:
    return tf.constant(rng.normal(size=shape).astype(np.float32))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for wanted in sys.argv[2:]:
        frozen = (network if wanted in NETWORKS else small)(wanted, place)
        (place / f"{wanted}.pb").write_bytes(frozen.SerializeToString())
