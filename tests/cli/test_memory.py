"""A run on a device that has no memory for its batches."""

from __future__ import annotations

import re
import sqlite3

import torch

from harness.engine.classifier import PixelClassifier


def test_a_halved_batch_size_is_where_the_models_next_attack_begins(harness, overlay, monkeypatch):
    run, sizes = PixelClassifier._run, []

    def narrow(self, module, images, *more):
        sizes.append(len(images))
        if len(images) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self, module, images, *more)

    monkeypatch.setattr(PixelClassifier, "_run", narrow)
    only = ("--suite", "small", "--models", "digits-alexnet", "--attacks", "fgsm*", "--limit", 16)
    done = harness("run", "--registry", overlay, *only, "--batch-size", 16)
    assert done.code == 0, done.err
    said = re.findall(r"retrying with batch size (\d+)", done.err)
    assert said == ["8", "4"], "once for the model, not once for each attack"
    assert [size for size in sizes if size > 4] == [16, 8]
    with sqlite3.connect("harness.db") as connection:
        found = connection.execute("SELECT batch_size, halvings FROM attempts").fetchall()
    assert found[0] == (16, 2)
    assert set(found[1:]) == {(4, 0)}
