"""The ONNX loader on tiny graphs: what works, what is refused, and in what words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx2torch import convert

from harness.api import (
    Classifier,
    ConfigError,
    HarnessError,
    MissingError,
    ModelError,
    ModelSpec,
    Preprocessing,
)
from harness_models import onnx as loader_module
from harness_models.onnx import OnnxLoader

SIZE, CLASSES = 6, 4
Shape = list[int | str]


def tiny(
    *,
    batch: int | str = "batch",
    shape: Shape | None = None,
    classes: int = CLASSES,
    flat: list[int] | None = None,
    tail: list[onnx.NodeProto] | None = None,
    outputs: tuple[str, ...] = ("logits",),
    inputs: tuple[str, ...] = ("image",),
    extra: dict[str, np.ndarray] | None = None,
) -> ModelProto:
    """conv 3x3 -> relu -> flatten (or reshape to ``flat``) -> gemm, with random fixed weights."""
    rng = np.random.default_rng(7)
    width = 5 * SIZE * SIZE
    weights = {
        "kernel": rng.normal(size=(5, 3, 3, 3)).astype(np.float32),
        "matrix": (rng.normal(size=(width, classes)) / 8).astype(np.float32),
        "bias": rng.normal(size=classes).astype(np.float32),
        **(extra or {}),
    }
    if flat is not None:
        weights["flat_shape"] = np.array(flat, np.int64)
    flatten = (
        helper.make_node("Flatten", ["relu"], ["flat"])
        if flat is None
        else helper.make_node("Reshape", ["relu", "flat_shape"], ["flat"])
    )
    nodes = [
        helper.make_node("Conv", [inputs[0], "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        flatten,
        helper.make_node("Gemm", ["flat", "matrix", "bias"], ["logits"]),
        *(tail or []),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape or [batch, 3, SIZE, SIZE])
            for name in inputs
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def save(model: ModelProto, folder: Path) -> Path:
    path = folder / "tiny.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def load(
    model: ModelProto | Path,
    folder: Path,
    *,
    size: int = SIZE,
    classes: int = CLASSES,
    background: int | None = None,
    **options: object,
) -> Classifier:
    path = model if isinstance(model, Path) else save(model, folder)
    preprocessing = Preprocessing((size, size), background=background)
    spec = ModelSpec("tiny", "tiny", path, preprocessing, classes, options)
    return OnnxLoader().load(spec, "cpu")


def forward(classifier: Classifier, images: torch.Tensor) -> torch.Tensor:
    assert classifier.forward is not None
    return classifier.forward(images)


def module(classifier: Classifier) -> torch.nn.Module:
    assert classifier.module is not None
    return classifier.module


def oracle(model: ModelProto, images: torch.Tensor) -> torch.Tensor:
    """The same network by torch's own functions, in float64."""
    weights = {
        t.name: torch.tensor(numpy_helper.to_array(t)).double() for t in model.graph.initializer
    }
    hidden = torch.nn.functional.conv2d(images.double(), weights["kernel"], padding=1).relu()
    return hidden.flatten(1) @ weights["matrix"] + weights["bias"]


def images(count: int) -> torch.Tensor:
    return torch.rand((count, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("count", [1, 3, 8])
def test_both_ways_compute_the_network(tmp_path: Path, count: int) -> None:
    model = tiny()
    classifier = load(model, tmp_path)
    expected = oracle(model, images(count)).float()
    torch.testing.assert_close(forward(classifier, images(count)), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(module(classifier)(images(count)), expected, rtol=1e-4, atol=1e-5)


def test_strided_and_channels_last_images_give_the_same_logits(tmp_path: Path) -> None:
    classifier = load(tiny(), tmp_path)
    plain = forward(classifier, images(4))
    channels_last = images(4).contiguous(memory_format=torch.channels_last)
    assert torch.equal(forward(classifier, channels_last), plain)
    spread = images(4).repeat_interleave(2, dim=0)[::2]
    assert torch.equal(forward(classifier, spread), plain)


def test_the_module_is_frozen_and_its_gradient_is_the_networks(tmp_path: Path) -> None:
    model = tiny()
    network = module(load(model, tmp_path))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    pixels = images(2).requires_grad_()
    network(pixels)[:, 1].sum().backward()
    assert pixels.grad is not None
    step = 1e-6
    for place in [(0, 0, 0, 0), (0, 2, 3, 1), (1, 1, 5, 5)]:
        up, down = images(2).double(), images(2).double()
        up[place] += step
        down[place] -= step
        slope = (oracle(model, up) - oracle(model, down))[:, 1].sum() / (2 * step)
        assert pixels.grad[place].item() == pytest.approx(slope.item(), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("insists", [False, True], ids=["header only", "inner reshape too"])
def test_a_fixed_batch_dimension_works(tmp_path: Path, batch: int, insists: bool) -> None:
    model = tiny(batch=batch, flat=[batch, 5 * SIZE * SIZE] if insists else None)
    classifier = load(model, tmp_path)
    for count in (1, 2, 3, 7):
        expected = oracle(model, images(count)).float()
        found = forward(classifier, images(count))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        pixels = images(count).requires_grad_()
        logits = module(classifier)(pixels)
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
        logits.sum().backward()
        assert pixels.grad is not None
        assert (pixels.grad.flatten(1).abs().sum(1) > 0).all()


def test_a_graph_that_mixes_its_batch_is_fed_one_image_at_a_time(tmp_path: Path) -> None:
    mixing = [
        helper.make_node("ReduceMean", ["logits"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Mul", ["mean", "logits"], ["mixed"]),
    ]
    classifier = load(tiny(tail=mixing, outputs=("mixed",)), tmp_path)
    apart = torch.cat([forward(classifier, image[None]) for image in images(3)])
    assert torch.equal(forward(classifier, images(3)), apart)
    torch.testing.assert_close(module(classifier)(images(3)), apart, rtol=1e-4, atol=1e-5)


def test_a_background_output_is_counted(tmp_path: Path) -> None:
    classifier = load(tiny(classes=CLASSES + 1), tmp_path, background=0)
    assert forward(classifier, images(2)).shape == (2, CLASSES + 1)
    with pytest.raises(ModelError, match=r"5 outputs.*4 classes.*background"):
        load(tiny(classes=CLASSES + 1), tmp_path)
    with pytest.raises(ModelError, match="remove preprocessing"):
        load(tiny(), tmp_path, background=0)


def test_the_wrong_number_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny.onnx: has 4 outputs.*9 classes; set classes: 4"):
        load(tiny(), tmp_path, classes=9)


def test_two_inputs_are_named_and_refused(tmp_path: Path) -> None:
    both = [helper.make_node("ReduceSum", ["mask", "axes"], ["m"], keepdims=0)]
    both.append(helper.make_node("Add", ["logits", "m"], ["sum"]))
    axes = {"axes": np.array([0, 1, 2, 3])}
    model = tiny(inputs=("image", "mask"), tail=both, outputs=("sum",), extra=axes)
    with pytest.raises(ModelError, match=r"tiny.onnx: has 2 inputs \(image, mask\), not one"):
        load(model, tmp_path)
    with pytest.raises(ModelError, match="needs more inputs than 'image': mask"):
        load(model, tmp_path, input="image")
    # The logits alone do not read the mask.
    assert load(model, tmp_path, input="image", output="logits").module is not None
    with pytest.raises(ModelError, match="has no input 'imag'; did you mean 'image'"):
        load(model, tmp_path, input="imag")


def test_two_outputs_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    model = tiny(
        tail=[helper.make_node("Neg", ["logits"], ["negated"])], outputs=("logits", "negated")
    )
    with pytest.raises(ModelError, match=r"has 2 outputs \(logits, negated\).*options.output"):
        load(model, tmp_path)
    found = forward(load(model, tmp_path, output="negated"), images(2))
    torch.testing.assert_close(found, -oracle(model, images(2)).float(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelError, match="has no output 'negatd'; did you mean 'negated'"):
        load(model, tmp_path, output="negatd")


def test_probabilities_are_refused_and_the_remedy_works(tmp_path: Path) -> None:
    model = tiny(
        tail=[
            helper.make_node("Softmax", ["logits"], ["softmax"], axis=1),
            helper.make_node("Identity", ["softmax"], ["probabilities"]),
        ],
        outputs=("probabilities",),
    )
    with pytest.raises(ModelError, match=r"probabilities, not logits; set options.output: logits"):
        load(model, tmp_path)
    found = forward(load(model, tmp_path, output="logits"), images(2))
    torch.testing.assert_close(found, oracle(model, images(2)).float(), rtol=1e-4, atol=1e-5)


def test_a_single_logit_is_no_classifier_of_two_classes(tmp_path: Path) -> None:
    sigmoid = [helper.make_node("Sigmoid", ["logits"], ["p"])]
    with pytest.raises(ModelError, match=r"is a Sigmoid's: probabilities.*options.output: logits"):
        load(tiny(classes=1, tail=sigmoid, outputs=("p",)), tmp_path, classes=2)
    with pytest.raises(
        ModelError, match=r"has one output; a classifier has a logit for each class"
    ):
        load(tiny(classes=1), tmp_path, classes=2)


def test_a_graph_for_another_size_says_so_without_the_runtimes_own_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match=r"not work on images of 9 x 9, the registry's") as caught:
        load(tiny(shape=["n", 3, "h", "w"]), tmp_path, size=9)
    assert "ONNXRuntimeError" not in str(caught.value)
    assert "onnxruntime_src" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert load(tiny(shape=["n", 3, "h", "w"]), tmp_path).module is not None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (["n", 3 * SIZE * SIZE], r"shape \(n, 108\) has 2 axes, not 4"),
        (["n", SIZE, SIZE, 3], r"shape \(n, 6, 6, 3\) has its channels last; .*channels second"),
        (["n", "h", "w", 3], r"shape \(n, h, w, 3\) has its channels last; .*channels second"),
        (["n", 1, SIZE, SIZE], r"has 1 channels on its second axis, .* 3; .*channels: grey"),
        (["n", 7, SIZE, SIZE], r"has 7 channels on its second axis, .* 3; .*channels: 7"),
        (["n", 3, "h", 8], r"takes images of h x 8, the registry says 6 x 6; .*size: \[6, 8\]"),
        (["n", 3, 9, 8], r"takes images of 9 x 8, the registry says 6 x 6; .*size: \[9, 8\]"),
    ],
)
def test_an_input_of_the_wrong_shape_is_refused(tmp_path: Path, shape: Shape, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(tiny(shape=shape), tmp_path)


def test_an_output_that_is_no_list_of_logits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"output 'relu' has shape \(1, 5, 6, 6\) for 1 images"):
        load(tiny(), tmp_path, output="relu")


def test_half_precision_is_refused(tmp_path: Path) -> None:
    model = tiny()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    with pytest.raises(ModelError, match="'image' is FLOAT16, not FLOAT; convert the graph"):
        load(model, tmp_path)


def test_disagreement_is_refused_with_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = 0.0

    def tampered(model: ModelProto) -> torch.nn.Module:
        network: torch.nn.Module = convert(model)
        bias = next(value for value in network.parameters() if value.shape == (CLASSES,))
        with torch.no_grad():
            bias.add_(offset)
        return network

    monkeypatch.setattr(loader_module, "convert", tampered)
    largest = forward(load(tiny(), tmp_path, gradients=False), loader_images()).abs().max().item()
    offset = 5e-4 * largest
    assert load(tiny(), tmp_path).module is not None
    offset = 2e-3 * largest
    with pytest.raises(ModelError, match=r"differ by 0.002 of the largest logit, more than 0.001"):
        load(tiny(), tmp_path)


def loader_images() -> torch.Tensor:
    spec = ModelSpec("tiny", "tiny", None, Preprocessing((SIZE, SIZE)), CLASSES, {})
    return loader_module._images(spec)


def test_operators_that_torch_cannot_run_are_named(tmp_path: Path) -> None:
    # onnx2torch has no Hardmax
    model = tiny(tail=[helper.make_node("Hardmax", ["logits"], ["hard"])], outputs=("hard",))
    with pytest.raises(ModelError, match=r"onnx2torch does not know Hardmax; .*gradients: false"):
        load(model, tmp_path)
    classifier = load(model, tmp_path, gradients=False)
    assert classifier.module is None
    assert torch.equal(forward(classifier, images(3)).sum(1), torch.ones(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outptu": "logits"}, "options.outptu: unknown option; did you mean 'output'"),
        ({"gradients": "no"}, "options.gradients: must be bool, not 'no'"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(tiny(), tmp_path, **options)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty, not an ONNX graph; download it again"),
        (b"not a graph", "is text, not"),
        (
            b"PK\x03\x04 pickled",
            "is a zip archive, not an ONNX graph; export the network",
        ),
        (b"\x08\x08", "of no known form"),
        (b"\x08\x08\x12\x01", "is a damaged ONNX graph; download it again"),
    ],
    ids=repr,
)
def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "wrong.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"wrong.onnx: .*{what}"):
        load(path, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"none.onnx: weights cannot be read: No such file"):
        load(tmp_path / "none.onnx", tmp_path)
    with pytest.raises(MissingError, match="is a folder, not a file"):
        load(tmp_path, tmp_path)


def test_a_graph_that_onnx_runtime_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    model = tiny(tail=[helper.make_node("Invented", ["logits"], ["out"])], outputs=("out",))
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot run it: .*Invented"):
        load(model, tmp_path)


def test_not_a_number_is_left_to_the_engine(tmp_path: Path) -> None:
    model = tiny()
    bias = np.array([0, np.nan, 0, 0], np.float32)
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(bias, "bias"))
    logits = forward(load(model, tmp_path), images(2))
    assert logits.isnan().sum() == 2


def test_lack_of_memory_is_torchs_error(tmp_path: Path) -> None:
    """The engine halves the batch on it. This graph needs the batch's sixth power of memory."""
    model = tiny(
        tail=[
            helper.make_node("Shape", ["image"], ["shape"]),
            helper.make_node("Gather", ["shape", "zero"], ["batch"]),
            helper.make_node("Pow", ["batch", "six"], ["many"]),
            helper.make_node("ConstantOfShape", ["many"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["none"], keepdims=0),
            helper.make_node("Add", ["logits", "none"], ["out"]),
        ],
        outputs=("out",),
        extra={"zero": np.array([0]), "six": np.array([6])},
    )
    classifier = load(model, tmp_path, gradients=False)
    assert forward(classifier, images(3)).shape == (3, CLASSES)
    with pytest.raises(torch.OutOfMemoryError):
        forward(classifier, images(500))


def test_a_file_describes_itself(tmp_path: Path) -> None:
    path = save(tiny(), tmp_path)
    found = OnnxLoader().describe(str(path))
    assert (found.name, found.architecture, found.family) == ("tiny", "tiny", "unknown")
    assert (found.classes, found.weights) == (CLASSES, path)
    assert found.preprocessing.size == (SIZE, SIZE)
    assert found.preprocessing.background is None
    assert found.preprocessing.mean == (0.485, 0.456, 0.406)
    assert "assumed" in found.notes
    weights = onnx.load(path).graph.initializer
    assert found.parameters == sum(numpy_helper.to_array(tensor).size for tensor in weights)
    spec = ModelSpec(found.name, found.architecture, path, found.preprocessing, found.classes, {})
    assert OnnxLoader().load(spec, "cpu").classes == CLASSES


def test_1001_outputs_are_imagenets_with_background_first(tmp_path: Path) -> None:
    odd = save(tiny(classes=1001, batch=1), tmp_path).rename(tmp_path / "my net (v1).onnx")
    found = OnnxLoader().describe(str(odd))
    assert (found.name, found.classes) == ("my-net-v1-", 1000)
    assert found.preprocessing.background == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (tiny(shape=["n", 3, "h", "w"]), "does not say the size"),
        (tiny(shape=["n", SIZE, SIZE, 3]), "has its channels last"),
        (tiny(classes=1), r"onnx:.*has one output; a classifier has a logit for each class"),
    ],
)
def test_what_a_file_cannot_say_is_asked_for(
    tmp_path: Path, model: ModelProto, message: str
) -> None:
    with pytest.raises(HarnessError, match=message):
        OnnxLoader().describe(str(save(model, tmp_path)))
    with pytest.raises(ConfigError, match="no such file"):
        OnnxLoader().describe(str(tmp_path / "none.onnx"))
