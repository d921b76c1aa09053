"""Where a loader's classifier enters: what is wrong with it is one line, whatever it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.api import Classifier, HarnessError, ModelError, ModelSpec, Preprocessing
from harness.engine.opening import opened

CPU = torch.device("cpu")
HOW = Preprocessing((2, 2))
SPEC = ModelSpec("odd", "odd", None, HOW, 3, {})


def network(dtype=torch.float32, classes=3) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, classes)).to(dtype)


def of(dtype) -> nn.Module:
    module = network()
    values = torch.zeros(3, 12, dtype=dtype)
    module[1].weight = nn.Parameter(values, requires_grad=False)
    return module


GOOD = Classifier(network(), HOW, 3)


def test_a_sound_classifier_passes():
    assert opened(lambda spec, device: GOOD, SPEC, CPU, fold_batch_norm=True).classifier is GOOD
    both = replace(GOOD, module=None, forward=network())
    assert opened(lambda spec, device: both, SPEC, CPU, fold_batch_norm=True).classifier is both


def test_buffers_may_be_integers():
    normed = nn.Sequential(nn.BatchNorm2d(3), network())  # counts its batches
    made = replace(GOOD, module=normed)
    assert opened(lambda spec, device: made, SPEC, CPU, fold_batch_norm=True).classifier is made


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (None, "the loader returned nothing; a harness.api.Classifier is expected"),
        (network(), "the loader returned a Sequential; a harness.api.Classifier is expected"),
        (Classifier(None, HOW, 3), "the loader returned neither a module nor a forward pass"),
        (Classifier({}, HOW, 3), "the classifier's module is a dict; a torch.nn.Module"),
        (Classifier(None, HOW, 3, "forward"), "the classifier's forward is a str; a function"),
        (Classifier(network(), HOW, 4), "the registry says 3 classes, the loader 4"),
        (Classifier(network(), HOW, 3.0), "the registry says 3 classes, the loader 3.0"),
        (Classifier(network(), None, 3), "the preprocessing is nothing; a harness.api.Prepr"),
        (Classifier(network(torch.float16), HOW, 3), "parameter 1.weight is float16; float32"),
        (Classifier(network(torch.bfloat16), HOW, 3), "parameter 1.weight is bfloat16; float32"),
        (Classifier(network(torch.float64), HOW, 3), "parameter 1.weight is float64; float32"),
        (Classifier(of(torch.complex64), HOW, 3), "parameter 1.weight is complex64; float32"),
        (Classifier(of(torch.int32), HOW, 3), "parameter 1.weight is int32; float32 is expected"),
        (Classifier(network().to("meta"), HOW, 3), "parameter 1.weight has no values"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(made, what):
    with pytest.raises(ModelError) as caught:
        opened(lambda spec, device: made, SPEC, CPU, fold_batch_norm=True)
    line = str(caught.value)
    assert line.startswith(f"model odd: {what}"), line
    assert "\n" not in line
    assert len(line) < 200


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"size": (2, 3)}, "the registry's size is (2, 2), the loader's (2, 3)"),
        ({"size": 2}, "the registry's size is (2, 2), the loader's 2"),
        ({"std": (1.0, 0.0, 1.0)}, "preprocessing.std must lie within 1e-06 and 1e+06"),
        ({"std": (1.0, -0.2, 1.0)}, "preprocessing.std must lie within 1e-06 and 1e+06"),
        ({"std": (1.0, 1.0, 1e30)}, "preprocessing.std must lie within 1e-06 and 1e+06"),
        ({"std": (1.0, 1.0, float("nan"))}, "preprocessing.std must be three finite numbers"),
        ({"std": (1.0, 1.0)}, "preprocessing.std must be three finite numbers"),
        ({"std": 1.0}, "preprocessing.std must be three finite numbers"),
        ({"mean": (0.0, float("inf"), 0.0)}, "preprocessing.mean must be three finite numbers"),
        ({"mean": ("0", "0", "0")}, "preprocessing.mean must be three finite numbers"),
        ({"mean": (0.0, 1e30, 0.0)}, "preprocessing.mean must lie within -1e+06 and 1e+06"),
        ({"channels": "gbr"}, "preprocessing.channels must be 'rgb', 'bgr', 'grey' or a"),
        ({"channels": 0}, "preprocessing.channels must be 'rgb', 'bgr', 'grey' or a number: 0"),
        ({"channels": "grey"}, "the registry says three channels, the loader one channel"),
        ({"background": 4}, "preprocessing.background must be an output from 0 to 3, it is 4"),
        ({"background": -1}, "preprocessing.background must be an output from 0 to 3, it is -1"),
        ({"background": True}, "preprocessing.background must be an output from 0 to 3"),
        ({"cut": 0.875}, "preprocessing.cut must be a harness.api.Cut, it is a float"),
    ],
)  # fmt: skip
def test_so_is_what_is_wrong_with_its_preprocessing(given, what):
    made = replace(GOOD, preprocessing=replace(HOW, **given))
    with pytest.raises(ModelError) as caught:
        opened(lambda spec, device: made, SPEC, CPU, fold_batch_norm=True)
    assert str(caught.value).startswith(f"model odd: {what}")


def test_whatever_the_loader_raises_is_named():
    class Loader:
        def load(self, spec, device):
            raise ZeroDivisionError("by zero")

    with pytest.raises(ModelError, match="model odd: loader Loader raised ZeroDivisionError: by z"):
        opened(Loader().load, SPEC, CPU, fold_batch_norm=True)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_loader_cannot_end_the_run(kind):
    class Loader:
        def load(self, spec, device):
            raise kind("now")

    with pytest.raises(HarnessError, match=f"loader Loader raised {kind.__name__}: now"):
        opened(Loader().load, SPEC, CPU, fold_batch_norm=True)


def test_what_a_loader_changes_for_others_is_its_error():
    class Loader:
        def load(self, spec, device):
            torch.set_default_dtype(torch.float64)
            return GOOD

    with pytest.raises(HarnessError, match="loader Loader changed"):
        opened(Loader().load, SPEC, CPU, fold_batch_norm=True)
    assert torch.get_default_dtype() is torch.float32
