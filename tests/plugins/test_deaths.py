"""What kills the process inside a plugin is named by the next run; two deaths are enough."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.execute.journal import Call, Journal

pytestmark = pytest.mark.usefixtures("rude")
IMAGES = "image 0,image 1,image 2"
"""The third one is deadly."""


Deadly = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def zygote() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).parent / "zygote.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def run(zygote, tmp_path, registry) -> Deadly:
    """Runs the suite with a component of the plugin in a process of its own.

    Returns its exit code, or the signal's negative number, and its stderr.
    """

    def run(
        component: str,
        rude: str = "",
        *more: str,
        models: str = "toy",
        workers: int = 1,
        executor: str = "inline",
        images: str = IMAGES,
    ):
        path, log = registry(tmp_path / "toy.yaml", component, models=models), tmp_path / "stderr"
        arguments = ["run", "--registry", path, "--suite", "toy", "--images", images, *more]
        arguments += ["--db", "toy.db", "--devices", f"cpu:{workers}", "--executor", executor]
        order = [str(tmp_path.with_name(f"{tmp_path.name}-site"))]
        order = [str(tmp_path), str(log), rude, [str(each) for each in arguments], *order]
        print(json.dumps(order), file=zygote.stdin, flush=True)
        return os.waitstatus_to_exitcode(int(zygote.stdout.readline())), log.read_text()

    return run


def errors(path: Path) -> dict[str, str | None]:
    """What is stored of the plugin's images: the error, None where there is a result."""
    with sqlite3.connect(path) as db:
        rows = db.execute(
            "SELECT images.name, error FROM outcomes JOIN images ON images.id = image_id"
            " JOIN cells ON cells.id = cell_id WHERE cells.label LIKE 'rude%' UNION"
            " SELECT images.name, error FROM measured JOIN images ON images.id = image_id"
            " JOIN cells ON cells.id = cell_id WHERE cells.label LIKE 'rude%' ORDER BY 1"
        )
        return dict(rows.fetchall())


DEATHS = {"dies": (3, "os._exit(3)"), "crashes": (-signal.SIGSEGV, "Segmentation fault")}
WAYS = [("dies", "rude-whole"), ("crashes", "rude-one")]


@pytest.mark.parametrize(("what", "component"), WAYS)
def test_a_deadly_image_is_left_out_after_two_deaths(what, component, run, tmp_path):
    code, end = DEATHS[what]
    assert run(component, f"deadly {what}")[0] == code
    died, said = run(component, f"deadly {what}")
    assert died == code
    assert f"the last run died ({end}) in toy {component}" in said
    assert "(plugin acme-rude:rude), image " in said
    ended, said = run(component, f"deadly {what}")
    assert ended == 1, said
    assert "image 2" in said
    assert "left out, for 2 processes died on it" in said
    found = errors(tmp_path / "toy.db")
    assert list(found) == ["image 0", "image 1", "image 2"]
    assert [name for name, error in found.items() if error] == ["image 2"]
    assert not list(tmp_path.glob("toy.db.calls"))


def test_a_killed_process_blames_no_image(run):
    for _ in range(2):
        assert run("rude-whole", "deadly is killed")[0] == -signal.SIGKILL
    code, said = run("rude-whole")
    assert code == 0, said
    assert "the last run ended without a word in toy rude-whole" in said


def test_a_journal_survives_nonsense(tmp_path):
    path = tmp_path / "db.calls"
    for nonsense in ("", "{", "[]", '{"call": 3, "deaths": []}', '{"call": null, "deaths": [[1]]}'):
        path.write_text(nonsense)
        with Journal(path) as journal:
            assert journal.last is None
            journal.call("a", [("cell", "image")])
            journal.call("b")
        assert not path.exists()
    assert str(Call("a", [("c", str(n)) for n in range(5)])) == "a, image 0, 1, 2 and 2 more"


IN_TIME = ("--image-timeout", "1")
TWO = "image 1,image 2"


@pytest.mark.parametrize("component", ["rude-whole", "rude-one"])
def test_what_hangs_in_python_is_stopped_and_costs_its_image_alone(component, run, tmp_path):
    code, said = run(component, "deadly hangs", *IN_TIME, images=TWO)
    assert code == 1, said
    assert "image 2" in said
    assert "made no progress for 1 s in " in said
    assert "(rude.py:" in said
    found = errors(tmp_path / "toy.db")
    assert list(found) == ["image 1", "image 2"]
    assert found["image 1"] is None
    assert "made no progress for 1 s in " in found["image 2"]


@pytest.mark.parametrize("what", ["swallows", "waits"])
def test_what_cannot_be_stopped_ends_the_process_and_is_left_out_by_the_next(what, run, tmp_path):
    code, said = run("rude-one", f"deadly {what}", *IN_TIME, images=TWO)
    assert code == 4, said
    (line,) = [line for line in said.splitlines() if "cannot be stopped" in line]
    assert line.startswith("error: toy rude-one untargeted (plugin acme-rude:rude) made no")
    ended, said = run("rude-one", f"deadly {what}", *IN_TIME, images=TWO)
    assert ended == 1, said
    assert "image 2: left out: " in said
    found = errors(tmp_path / "toy.db")
    assert [name for name, error in found.items() if error] == ["image 2"]


@pytest.mark.slow  # processes that import torch, one after the other
@pytest.mark.parametrize("what", ["dies", "crashes", "waits"])
def test_a_plugin_of_a_third_party_cannot_end_the_run(what, run, tmp_path):
    code, said = run("rude-whole", f"deadly {what}", *IN_TIME, images=TWO, executor="auto")
    assert code == 1, said
    assert "plugin acme-rude:rude" in said
    found = errors(tmp_path / "toy.db")
    assert list(found) == ["image 1", "image 2"]
    assert [name for name, error in found.items() if error] == ["image 2"]


@pytest.mark.slow  # four processes that import torch
def test_a_process_of_the_crew_says_what_it_died_in(run):
    code, said = run("rude-whole", "deadly dies", models="toy, twin", workers=2, executor="auto")
    assert code == 1, said
    for model in ("toy", "twin"):
        where = f"(exit code 3 in {model} rude-whole random (plugin acme-rude:rude), image "
        assert where in said
