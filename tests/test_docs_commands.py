"""Every command of the documentation: it parses, its names exist, and the quick ones are run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import click
import numpy as np
import pytest

from harness.cli.main import cli
from harness.verbs import VERBS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"sh", "python", "yaml", "toml", "sql", "text"}
SLOW = {"run", "bench", "models import"}
"""Verbs that compute for minutes, or need what no test has; all others are run."""

TOY = """\
suites:
  digits18:
    dataset: digits
    models: [digits-resnet_v2_50, digits-vgg16, digits-mobilenet_v1_025]
    images: 3
    accuracy_images: 3
    attacks:
      - attack: ifgsm
        goals: [random]
        parameters: {epsilon: search, attempts: 4, steps: 2}
      - attack: ifgsm
        goals: [untargeted, random]
        parameters: {epsilon: 0.3, steps: 2}
        keep: true
      - attack: cw
        goals: [random]
        preset: fast
        parameters: {iterations: 4, search_steps: 3}
        keep: true
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.3}}
    transfer: {border: white}
    measurements:
      - {measurement: surface, images: 1, parameters: {points: 5}}
    metrics: [accuracy, success, linf]
"""
"""What the commands read: the embedded suite's name, with less to compute."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.M | re.S)


def commands(page: Path) -> list[list[str]]:
    """The commands of the shell blocks, without comments."""
    shell = "".join(text for language, text in blocks(page) if language == "sh")
    lines = shell.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def inline(page: Path) -> list[list[str]]:
    """Commands in the running text, such as `harness show CELL`."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    found = re.findall(r"`(harness [^`]+)`", text)
    return [shlex.split(each.partition(" | ")[0]) for each in found if re.match(r"\w+ [a-z]", each)]


def leaf(words: list[str]) -> tuple[str, click.Context]:
    """The verb, and click's context of its parsed options; what is unknown is an error."""
    context, name = cli.make_context("harness", words), ""
    rest = words
    while isinstance(context.command, click.Group):
        verb, command, rest = context.command.resolve_command(context, rest)
        assert verb is not None
        assert command is not None
        name = f"{name} {verb}".strip()
        if not rest and isinstance(command, click.Group):
            return name, click.Context(command, parent=context, info_name=verb)
        try:
            context = command.make_context(verb, [*rest], parent=context)
        except click.BadParameter:  # a placeholder, or a text that mentions one option only
            return name, click.Context(command, parent=context, info_name=verb)
    return name, context


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the documentation's commands find: a database, overlays, a model."""
    folder = tmp_path_factory.mktemp("toy")
    folder.joinpath("toy.yaml").write_text(TOY)
    run = [sys.executable, "-m", "harness", "run", "--registry", "toy.yaml", "--suite", "digits18"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(run, cwd=folder, check=True, capture_output=True, env=environment)
    (folder / "examples").symlink_to(ROOT / "examples")
    write_graph(folder / "mine.onnx")
    write_own(folder)
    for page in PAGES:
        for language, text in blocks(page):
            if language == "yaml" and (named := re.match(r"# (\w+\.yaml)\n", text)):
                folder.joinpath(named[1]).write_text(text)
    return folder


def write_graph(path: Path) -> None:
    """A network of one layer and 1,000 classes."""
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["means"]),
        helper.make_node("Conv", ["means", "weight"], ["sums"]),
        helper.make_node("Flatten", ["sums"], ["logits"]),
    ]
    floats = TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", floats, ["n", 3, 32, 32])
    logits = helper.make_tensor_value_info("logits", floats, ["n", 1000])
    weight = helper.make_tensor("weight", floats, [1000, 3, 1, 1], [i / 3000 for i in range(3000)])
    graph = helper.make_graph(nodes, "one-layer", [image], [logits], [weight])
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


def write_own(folder: Path) -> None:
    """A network and images of one's own, as docs/models.md and docs/datasets.md name them."""
    import torch
    from safetensors.torch import save_file

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    save_file(network.state_dict(), folder / "net.safetensors")
    folder.joinpath("net.py").write_text(
        "from torch import nn\n\n\ndef build_model(width=1):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n"
    )
    torch.onnx.export(network, (torch.zeros(2, 3, 32, 32),), folder / "net.onnx", dynamo=False)
    images, labels = np.zeros((20, 32, 32), np.uint8), np.arange(20) % 10
    np.savez(folder / "mine.npz", images=images, labels=labels)


@pytest.fixture
def here(toy: Path, tmp_path: Path) -> Path:
    shutil.copytree(toy, tmp_path, dirs_exist_ok=True, symlinks=True)
    shutil.copy(tmp_path / "harness.db", tmp_path / "OTHER.db")
    return tmp_path


def fill(words: list[str], folder: Path) -> list[str]:
    """The command with real things in the place of CELL, [IMAGE] and the like."""
    with closing(sqlite3.connect(folder / "harness.db")) as db:
        (cell,) = db.execute("SELECT cell_key FROM samples LIMIT 1").fetchone()
        (image,) = db.execute("SELECT image_id FROM samples LIMIT 1").fetchone()
    real = {"CELL": cell[:12], "[IMAGE]": image, "RUN": "1", "MODEL": "digits-vgg16"}
    real["part-*.db"] = "OTHER.db"
    return [real.get(word, word) for word in words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_names_its_language(page):
    assert {language for language, _ in blocks(page)} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_parse(page):
    for words in inline(page):
        leaf([word for word in words[1:] if word != "..."])


FOLLOWED = {"tutorial.md"}
"""Pages whose commands follow one another: `tests/thirdparty/test_tutorial.py` runs them."""
ALL = [
    pytest.param(words, id=f"{page.stem}: {shlex.join(words)[:70]}")
    for page in PAGES
    if page.name not in FOLLOWED
    for words in commands(page)
]


@pytest.mark.parametrize("words", [case for case in ALL if case.values[0][0] == "harness"])
def test_harness_commands(words, here, harness, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    arguments = fill(words[1:], here)
    verb, context = leaf(arguments)
    if verb == "run":
        known = {option.name for option in cli.get_command(context, "doctor").params}
        names = [
            part
            for option in context.command.params
            if option.name in known and context.get_parameter_source(option.name) == COMMAND_LINE
            for part in given(arguments, option)
        ]
        done = harness("doctor", *names)
        assert done.code in {0, 3}, done.err  # 3: weights or data are not here
    if verb in SLOW:
        pytest.skip("computes for minutes: parsed, and its names looked up")
    done = harness(*arguments)
    assert done.code == 0 or (verb == "doctor" and done.code == 3), done.err


COMMAND_LINE = click.core.ParameterSource.COMMANDLINE


def given(arguments: list[str], option: click.Parameter) -> list[str]:
    """An option and its value as they stand in the command."""
    return [
        part
        for word, value in zip(arguments, [*arguments[1:], ""], strict=True)
        if word in option.opts
        for part in (word, value)
    ]


@pytest.mark.parametrize("words", [case for case in ALL if case.values[0][0] != "harness"])
def test_other_commands(words):
    while "=" in words[0]:  # OMP_NUM_THREADS=1 python ...
        words = words[1:]
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert {word for word in words[1:] if "=" not in word} <= set(targets)
    elif words[0] == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = {each for word in words for group in re.findall(r"\[(.*)\]", word)
                  for each in group.split(",")}  # fmt: skip
        assert extras <= project["optional-dependencies"].keys()
    elif words[0] == "python":
        assert (ROOT / next(word for word in words if word.endswith(".py"))).is_file()
    elif words[0] == "ray":
        ray = pytest.importorskip("ray.scripts.scripts", reason="Ray is not installed")
        assert words[1] in {"job", *ray.cli.commands}  # the former needs ray[default]
    else:
        assert words[0] in {".venv/bin/pre-commit", "cat", "datasette", "sbatch", "sqlite3"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_queries(page, toy):
    with closing(sqlite3.connect(toy / "harness.db")) as db:
        for language, text in blocks(page):
            if language == "sql":
                db.execute(text).fetchall()


def test_verbs_are_all_documented():
    named = {words[1] for page in PAGES for words in [*commands(page), *inline(page)]
             if words[0] == "harness" and len(words) > 1}  # fmt: skip
    assert VERBS.keys() <= named
