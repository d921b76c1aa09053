"""What is read as weights, and in what words all else is refused; code in files never runs."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from harness.api import HarnessError, MissingError, ModelError
from harness_models import tensors

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SLOW = ("1 GB of zeros, compressed",)


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("fuzz_weights")
    sys.path.remove(str(BENCHMARKS))


def test_every_odd_file_is_one_line(fuzz: ModuleType, tmp_path: Path) -> None:
    """All kinds of them and some damaged ones; the benchmark makes hundreds, each in a process."""
    for number, case in enumerate(fuzz.cases(seed=7, count=230)):
        if case.name in SLOW:
            continue
        path = tmp_path / str(number) / f"w{case.suffix}"
        path.parent.mkdir()
        case.write(path)
        said = fuzz.outcome(path)
        assert said.startswith(("one line", "loaded")), (case.name, case.suffix, said)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ""])
@pytest.mark.parametrize("form", ["safetensors", "torch", "torch before 1.6"])
def test_the_content_counts_and_not_the_suffix(tmp_path: Path, form: str, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    content = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(3)}
    if form == "safetensors":
        save_file(content, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    found = tensors.read(path)
    assert found.keys() == content.keys()
    assert all(torch.equal(found[name], content[name]) for name in content)


def test_checksums_count_where_there_are_any(tmp_path: Path) -> None:
    content = {"weight": torch.arange(100.0)}
    torch.save(content, tmp_path / "with")
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(content, tmp_path / "without")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(tensors.read(tmp_path / "without")["weight"], content["weight"])
    whole = (tmp_path / "with").read_bytes()
    place = whole.index(content["weight"].numpy().tobytes())
    flipped = bytes([whole[place] ^ 1])
    (tmp_path / "with").write_bytes(whole[:place] + flipped + whole[place + 1 :])
    with pytest.raises(ModelError, match=r"the checksum of with/data/0 is wrong"):
        tensors.read(tmp_path / "with")


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        (torch.float16, "float16; the network takes them as float32$"),
        (torch.bfloat16, "bfloat16; the network takes them as float32$"),
        (torch.float64, "float64; the network takes them as float32, rounded"),
    ],
)
def test_other_floats_are_converted_and_told(
    tmp_path: Path, dtype: torch.dtype, words: str
) -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    values = {name: tensor.to(dtype) for name, tensor in network.state_dict().items()}
    save_file(values, tmp_path / "w")
    with pytest.warns(UserWarning, match=f"w: 2 of 2 tensors are {words}"):
        found = tensors.read(tmp_path / "w")
    tensors.fill(network, found, tmp_path / "w", "linear")
    assert all(torch.equal(own, values[name].float()) for name, own in network.state_dict().items())
    save_file({name: tensor.float() for name, tensor in values.items()}, tmp_path / "f")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensors.read(tmp_path / "f")


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.bool, torch.complex64])
def test_integers_and_complex_numbers_are_no_weights(tmp_path: Path, dtype: torch.dtype) -> None:
    network = torch.nn.BatchNorm2d(3)
    state = {**network.state_dict(), "weight": torch.ones(3).to(dtype)}
    save_file(state, tmp_path / "w")
    with pytest.raises(ModelError, match=rf"tensor 'weight' is {str(dtype)[6:]}, "):
        tensors.fill(network, tensors.read(tmp_path / "w"), tmp_path / "w", "norm")
    older = {"features.norm.1.weight": torch.ones(3).to(torch.int32)}  # before timm renames it
    with pytest.raises(ModelError, match=r"'features.norm.1.weight' is int32"):
        tensors.refuse_integers(network, older, tmp_path)
    tensors.refuse_integers(network, {"num_batches_tracked": torch.tensor(3)}, tmp_path)


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingError, match=r"pipe: is a pipe, not a file; check weights.file"):
        tensors.read(tmp_path / "pipe")
    with pytest.raises(MissingError, match="is a folder"):
        tensors.read(tmp_path)
    with pytest.raises(MissingError, match="cannot be read: No such file"):
        tensors.read(tmp_path / "none")


class Evil:
    """Unpickling it would leave a trace."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import harness_models; harness_models.ran = True",)


@pytest.mark.parametrize("form", ["archive", "old archive", "pickle"])
def test_code_in_a_file_is_never_run(tmp_path: Path, form: str) -> None:
    import harness_models

    path = tmp_path / "w.pth"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"weight": Evil()}, protocol=2))
    else:
        torch.save({"weight": Evil()}, path, _use_new_zipfile_serialization=form == "archive")
    with pytest.raises(ModelError, match=r"\(exec\): reading it could run|reading one can run any"):
        tensors.read(path)
    assert not hasattr(harness_models, "ran")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty", "is empty: only safetensors and torch.save"),
        ("web page", "is a web page: .*download it again"),
        ("Git LFS pointer", "is a Git LFS pointer, not the file itself: .*git lfs pull"),
        ("HDF5", "is an HDF5 file"),
        ("header of 9223372036854775808", "header of 9,223,372,036,854,775,808 bytes in 77"),
        ("twice", "the name 'a' is listed twice"),
        ("overlap", "damaged safetensors file: invalid offset"),
        ("torch.save of module", r"more than tensors \(torch.nn.modules.linear.Linear\)"),
        ("torch.save of list", "holds a list, not a state dict"),
        ("torch.save of checkpoint", "is a checkpoint of training.*save what is in 'state_dict'"),
        ("torch.save of quantised", r"is quantised \(qint8\)"),
        ("torch.save of sparse", "is sparse or nested"),
        ("torch.save of meta", "has a shape but no numbers"),
        ("torch.save of expanded", "claims 1,000,000,000,000 numbers in a file of"),
        ("TorchScript", "is a TorchScript program, which brings code of its own; .*jit.load"),
        ("exported program", r"is an exported program \(torch.export\)"),
        ("compressed", "its entries are compressed"),
    ],
)
def test_a_file_is_told_what_it_is(fuzz: ModuleType, tmp_path: Path, name: str, words: str) -> None:
    case = next(case for case in fuzz.cases(0, 400) if case.name == name and case.suffix != ".onnx")
    case.write(tmp_path / "w")
    with pytest.raises(HarnessError, match=words):
        tensors.read(tmp_path / "w")
