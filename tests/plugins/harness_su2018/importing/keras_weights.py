"""Makes ``mobilenet_2_5_128_tf.h5`` with random weights: ``python keras_weights.py FOLDER``.

The network is keras.applications' own; the file is laid out as those that Keras published, which is
how Keras 2 wrote weights. ``mobilenet.npz`` has images of 2x - 1 and Keras's logits of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import h5py
import keras
import numpy as np
from frozen import random_statistics

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    keras.utils.set_random_seed(1)
    model = keras.applications.MobileNet(
        (128, 128, 3), alpha=0.25, weights=None, classifier_activation=None
    )
    images = (np.random.default_rng(2).random((3, 128, 128, 3)) * 2 - 1).astype(np.float32)
    random_statistics(model, images)
    with h5py.File(folder / "mobilenet_2_5_128_tf.h5", "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            for weight in layer.weights:
                deep = "_dw_" in layer.name and weight.name == "kernel"
                name = "depthwise_kernel" if deep else weight.name  # as in Keras 2
                group[f"{layer.name}/{name}:0"] = weight.numpy()
    logits = model(images, training=False).numpy()
    np.savez(folder / "mobilenet", images=images.transpose(0, 3, 1, 2), logits=logits)
