"""A network of one's own in one line: what runs, its name, and what makes it another one."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness_digits import data

NET = """\
from torch import nn

from parts import block


def build_model(width=4, channels=3):
    \"\"\"A network of digits.\"\"\"
    return nn.Sequential(block(channels, width), nn.Flatten(), nn.Linear(width * 64, 10))


class Grey(nn.Module):
    preprocessing = {"size": [32, 32], "channels": "grey", "mean": 0.5, "std": 0.25}

    def __init__(self):
        super().__init__()
        self.body = build_model(channels=1)

    def forward(self, images):
        return self.body(images)
"""
PARTS = """\
from torch import nn


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2))
"""
SUITE = """\
suites:
  tiny:
    dataset: digits
    models: [digits-mobilenet_v1_025]
    images: 4
    accuracy_images: 20
    attacks: [{attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.3}}]
    metrics: [accuracy]
"""


def network(width: int = 4, channels: int = 3, seed: int = 1) -> nn.Module:
    """What ``build_model`` builds, with weights of ``seed``."""
    torch.manual_seed(seed)
    block = nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(block, nn.Flatten(), nn.Linear(width * 64, 10)).eval()


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[str, ...]:
    """The options of a small suite, beside a user's file and weights."""
    (tmp_path / "tiny.yaml").write_text(SUITE)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "net.py").write_text(NET)
    (tmp_path / "lib" / "parts.py").write_text(PARTS)
    save_file(network().state_dict(), tmp_path / "w.safetensors")
    torch.save(network().state_dict(), tmp_path / "w.pt")
    return "--registry", "tiny.yaml", "--suite", "tiny"


MINE = ("--models", "lib/net.py:build_model", "--weights", "w.safetensors")


def rows(query: str) -> list[tuple]:
    with sqlite3.connect("harness.db") as db:
        return db.execute(query).fetchall()


def predictions() -> dict[str, int]:
    return dict(rows("SELECT image_id, predicted FROM clean_predictions"))


def expected(module: nn.Module, *, grey: bool = False, mean: float = 0, std: float = 1) -> dict:
    images, _ = data.digits()
    test = data.split("test")
    pixels = torch.from_numpy(images[test])
    with torch.no_grad():
        found = module(((pixels[:, :1] if grey else pixels) - mean) / std).argmax(1).tolist()
    return {data.image_id(int(row)): each for row, each in zip(test, found, strict=True)}


@pytest.mark.parametrize("weights", ["w.safetensors", "w.pt", "lib/net.py:build_model=w.pt"])
def test_one_line_runs_it(harness, tiny, weights: str) -> None:
    result = harness("run", *tiny, "--models", "lib/net.py:build_model", "--weights", weights)
    assert result.code == 0, result.err
    assert "running lib/net.py, SHA-256 " in result.err
    assert "input 32 x 32, as the data; channels rgb, by its first layer; no normal" in result.err
    found = predictions()
    assert found.items() <= expected(network()).items()
    assert len(found) == 20
    assert rows("SELECT DISTINCT model FROM samples") == [("python:net.build_model",)]


def test_files_of_other_kinds_need_no_loader(harness, tiny, tmp_path: Path) -> None:
    inputs = torch.zeros(2, 3, 32, 32)
    torch.onnx.export(network(), (inputs,), tmp_path / "net.onnx", dynamo=False)
    torch.jit.script(network(channels=1)).save(tmp_path / "grey.pt")
    result = harness("run", *tiny, "--models", "net.onnx", "--preprocessing", "mean=0,std=1")
    assert result.code == 0, result.err
    assert predictions().items() <= expected(network()).items()
    result = harness("run", *tiny, "--models", "grey.pt", "--db", "grey.db")
    assert result.code == 0, result.err
    assert "running grey.pt, SHA-256" in result.err
    with sqlite3.connect("grey.db") as db:
        found = dict(db.execute("SELECT image_id, predicted FROM clean_predictions").fetchall())
        [(model,)] = db.execute("SELECT DISTINCT model FROM samples").fetchall()
    assert found.items() <= expected(network(channels=1), grey=True).items()
    assert model == "torchscript:grey"


def test_what_the_file_says_of_its_input_counts_and_the_user_last(harness, tiny, tmp_path) -> None:
    save_file({f"body.{name}": each for name, each in network(channels=1).state_dict().items()},
              tmp_path / "g.safetensors")  # fmt: skip
    mine = "--models", "lib/net.py:Grey", "--weights", "g.safetensors"
    assert harness("run", *tiny, *mine).code == 0
    module = network(channels=1)
    assert predictions().items() <= expected(module, grey=True, mean=0.5, std=0.25).items()
    said = "--preprocessing", "mean=.25,std=.5"
    assert harness("run", *tiny, *mine, *said, "--db", "said.db").code == 0
    with sqlite3.connect("said.db") as db:
        found = dict(db.execute("SELECT image_id, predicted FROM clean_predictions").fetchall())
    assert found.items() <= expected(module, grey=True, mean=0.25, std=0.5).items()


ENTRY = """\
models:
  mine:
    loader: python
    code: lib/net.py
    architecture: build_model
    options: {width: 4}
    weights: {file: w.safetensors}
    classes: 10
    preprocessing: {size: [32, 32]}
"""


def test_an_entry_of_the_same_content_has_the_same_results(harness, tiny, tmp_path) -> None:
    assert harness("run", *tiny, "--models", f"{MINE[1]}:width=4", *MINE[2:]).code == 0
    keys = rows("SELECT key FROM cells ORDER BY key")
    (tmp_path / "mine.yaml").write_text(ENTRY)
    result = harness("run", *tiny, "--registry", "mine.yaml", "--models", "mine")
    assert "nothing to do" in result.err, result.err
    assert "running lib/net.py, SHA-256" in result.err
    assert rows("SELECT key FROM cells ORDER BY key") == keys


def test_a_registry_that_the_user_did_not_name_runs_nothing(harness, tiny, tmp_path, monkeypatch):
    from harness.registry import load as module

    builtin = Path(module.__globals__["builtin"]()) if hasattr(module, "__globals__") else None
    assert builtin is not None
    (tmp_path / "builtin.yaml").write_text(builtin.read_text().replace("models:\n", ENTRY, 1))
    monkeypatch.setitem(module.__globals__, "builtin", lambda: tmp_path / "builtin.yaml")
    result = harness("run", *tiny, "--models", "mine")
    assert result.code == 2
    assert "a registry that comes with a package cannot have files run" in result.err
    assert "running" not in result.err


def test_every_file_that_it_imports_is_part_of_its_key(harness, tiny, tmp_path: Path) -> None:
    assert harness("run", *tiny, *MINE).code == 0
    (tmp_path / "lib" / "other.py").write_text("x = 1\n")
    assert "nothing to do" in harness("run", *tiny, *MINE).err, "nobody imports it"
    for file in ("net.py", "parts.py"):
        path = tmp_path / "lib" / file
        path.write_text(path.read_text() + "\n# changed\n")
        result = harness("run", *tiny, *MINE)
        assert "24 images computed" in result.err, result.err
    names = [name for (name,) in rows("SELECT DISTINCT model FROM samples ORDER BY model")]
    assert len(names) == 3, "each version has a place of its own on the leaderboard"
    assert all(name.startswith("python:") and "net.build_model" in name for name in names)


def test_files_may_have_modules_of_the_same_name(harness, tiny, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "net.py").write_text(NET)
    (tmp_path / "two" / "parts.py").write_text(PARTS.replace("nn.ReLU()", "nn.Tanh()"))
    mine = "--models", "lib/net.py:build_model,two/net.py:build_model:width=4"
    files = "--weights", "lib/net.py:build_model=w.pt", "--weights", "two/net.py:*=w.pt"
    result = harness("run", *tiny, *mine, *files)
    assert result.code == 0, result.err
    found = rows("SELECT model, count(*), sum(margin) FROM clean_predictions GROUP BY model")
    assert len(found) == 2
    assert found[0][2] != found[1][2], "tanh is not ReLU"


@pytest.mark.parametrize("executor", [("--executor", "processes", "--devices", "cpu:2")])
def test_worker_processes_run_it_too(harness, tiny, executor) -> None:
    result = harness("run", *tiny, *MINE, *executor)
    assert result.code == 0, result.err
    assert result.err.count("running lib/net.py") == 1
    assert predictions().items() <= expected(network()).items()


WRONG = {
    "no function": ("x.py", "x.py names no function that makes the network; say x.py:make"),
    "other name": (
        "x.py:mak",
        "x.py: defines no function or class 'mak'; it defines make, number, fail",
    ),
    "no file": ("y.py:make", "no such file: y.py"),
    "argument": ("x.py:make:size=3", "x.py:6: make(width=1): got an unexpected keyword argument"),
    "no network": ("x.py:number", "number() returned int, not a torch module"),
    "raises": ("x.py:fails", "x.py:17: ValueError: too bad; correct the file; --debug shows"),
    "deeper": ("x.py:deeper", "x.py:17: ValueError: too bad"),
    "exits": ("x.py:leaves", "x.py:25: SystemExit: 3"),
    "syntax": ("syntax.py:f", "syntax.py:2: SyntaxError: "),
    "import": (
        "imports.py:f",
        "imports.py:1: ModuleNotFoundError: No module named 'nowhere'; inst",
    ),
    "shape": ("x.py:make:width=2", "cannot take images of 3 x 32 x 32: "),
    "weights": ("lib/net.py:build_model:width=5", "tensors do not fit the network of build_model"),
    "dtype": ("dtype.py:make", "torch's default dtype from torch.float32 to torch.float64"),
    "field": ("x.py:Net", "preprocessing has no field 'sise'; it has size, mean"),
}
X = """\
import sys

from torch import nn


def make(width=1):
    if width == 2:
        return nn.Sequential(nn.Flatten(), nn.Linear(7, 10))
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


def number():
    return 3


def fails():
    raise ValueError("too bad")


def deeper():
    return fails()


def leaves():
    sys.exit(3)


class Net(nn.Module):
    preprocessing = {"sise": 3}
"""


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(harness, tiny, tmp_path: Path, case: str) -> None:
    item, what = WRONG[case]
    (tmp_path / "x.py").write_text(X)
    (tmp_path / "syntax.py").write_text("def f():\n  return (\n")
    (tmp_path / "imports.py").write_text("import nowhere\n")
    (tmp_path / "dtype.py").write_text(
        f"import torch\n{X}\ntorch.set_default_dtype(torch.float64)\n"
    )
    weights = () if case in ("shape", "dtype") else ("--weights", "w.pt")
    result = harness("run", *tiny, "--models", item, *weights)
    assert result.code == 2, result.err
    (line,) = [line for line in result.err.splitlines() if line.startswith("error:")]
    assert what in line.replace(str(tmp_path) + "/", "")
    assert "Traceback" not in result.err
    assert not (tmp_path / "harness.db").exists()
    assert not list(tmp_path.rglob("__pycache__"))


def test_debug_shows_the_users_own_traceback(tmp_path: Path, tiny, monkeypatch) -> None:
    from harness.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text(X)
    with pytest.raises(Exception, match="too bad") as caught:
        main(["--debug", "run", *tiny, "--models", "x.py:fails"])
    assert isinstance(caught.value.__cause__, ValueError)


def test_weights_and_inputs_that_are_for_nobody(harness, tiny) -> None:
    for options, what in (
        (("--preprocessing", "size=32"), "no model is given that no registry names"),
        ((*MINE, "--preprocessing", "sise=32"), "'sise=32' is no field=value; did you mean 'size'"),
        ((*MINE, "--preprocessing", "std=0"), "std.0: Input should be greater than or equal to"),
        ((*MINE, "--preprocessing", "mean=[1, 2]"), "mean has 2 numbers for 3 channels"),
        ((*MINE[:2], "--weights", "gone.pt"), "gone.pt is no file"),
        ((*MINE[:1], f"{MINE[1]},lib/net.py:Grey", *MINE[2:]), "which of 2 models is it for?"),
        (("--models", "net.oxnn:x"), "unknown model loader 'net.oxnn'"),
    ):
        result = harness("plan", *tiny, *options)
        assert result.code == 2, result.err
        assert what in result.err


def test_other_verbs_know_it(harness, tiny) -> None:
    for verb in ("plan", "doctor"):
        result = harness(verb, *tiny, *MINE)
        assert result.code == 0, result.err
        assert "python:net.build_model" in result.out
    shown = json.loads(harness("models", "show", "lib/net.py:Grey", "--format", "json").out)
    assert shown["preprocessing"]["channels"] == "grey"
    assert shown["classes"] == 10
    measured = harness("bench", *tiny, *MINE[:2], "--preprocessing", "size=32", "--seconds", "0.01")
    assert measured.code == 0, measured.err
    assert "python:net.build_model" in measured.out


def test_the_library_takes_it(harness, tiny, monkeypatch) -> None:
    import harness as library

    summary = library.run(
        "tiny", registry=["tiny.yaml"], models=[MINE[1]], weights=[(None, MINE[3])],
        preprocessing={"size": (32, 32)}, progress="plain",
    )  # fmt: skip
    assert summary.exit_code == 0
    assert predictions().items() <= expected(network()).items()
    images, labels = data.digits()
    result = library.attack("lib/net.py:build_model", images[:3], labels[:3], "fgsm")
    assert len(result.status) == 3


def test_timm_and_torchvision_with_weights_of_ones_own(harness, tiny, tmp_path: Path) -> None:
    import timm
    import torchvision

    with torch.random.fork_rng():
        torch.manual_seed(0)
        mobile = timm.create_model("mobilenetv3_small_050", num_classes=10)
        squeeze = torchvision.models.squeezenet1_1(num_classes=10)
    save_file(mobile.state_dict(), tmp_path / "mobile.safetensors")
    torch.save(squeeze.state_dict(), tmp_path / "squeeze.pt")
    for item, file in (
        ("timm:mobilenetv3_small_050", "mobile.safetensors"),
        ("torchvision:squeezenet1_1", "squeeze.pt"),
    ):
        said = "--preprocessing", "size=32,mean=.5,std=.5"
        result = harness("run", *tiny, "--models", item, "--weights", file, *said, "--limit", "4")
        assert result.code == 0, result.err
    models = {name for (name,) in rows("SELECT DISTINCT model FROM clean_predictions")}
    assert models == {
        "timm:mobilenetv3_small_050.lamb_in1k",
        "torchvision:squeezenet1_1.IMAGENET1K_V1",
    }
    with torch.no_grad():
        images = torch.from_numpy(data.digits()[0][data.split("test")])
        wanted = mobile.eval()((images - 0.5) / 0.5).argmax(1).tolist()
    ids = [data.image_id(int(row)) for row in data.split("test")]
    found = dict(
        rows("SELECT image_id, predicted FROM clean_predictions WHERE model LIKE 'timm:%'")
    )
    assert found.items() <= dict(zip(ids, wanted, strict=True)).items()
    assert np.unique(list(found.values())).size >= 1
