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

    def run(component: str, rude: str = "", *, models: str = "toy", workers: int = 1):
        path, log = registry(tmp_path / "toy.yaml", component, models=models), tmp_path / "stderr"
        arguments = ["run", "--registry", path, "--suite", "toy", "--images", IMAGES]
        arguments += ["--db", "toy.db", "--devices", f"cpu:{workers}"]
        order = [str(tmp_path.with_name(f"{tmp_path.name}-site"))]
        order = [str(tmp_path), str(log), rude, [str(each) for each in arguments], *order]
        print(json.dumps(order), file=zygote.stdin, flush=True)
        return os.waitstatus_to_exitcode(int(zygote.stdout.readline())), log.read_text()

    return run


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
    with sqlite3.connect(tmp_path / "toy.db") as db:
        rows = db.execute(
            "SELECT images.name, status FROM outcomes JOIN images ON images.id = image_id"
            " JOIN cells ON cells.id = cell_id WHERE cells.label LIKE 'rude%' UNION"
            " SELECT images.name, status FROM measured JOIN images ON images.id = image_id"
            " JOIN cells ON cells.id = cell_id WHERE cells.label LIKE 'rude%' ORDER BY 1"
        ).fetchall()
    assert [name for name, _ in rows] == ["image 0", "image 1", "image 2"]
    assert [status == "error" for _, status in rows] == [False, False, True]
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


@pytest.mark.slow  # four processes that import torch
def test_a_process_of_the_crew_says_what_it_died_in(run):
    code, said = run("rude-whole", "deadly dies", models="toy, twin", workers=2)
    assert code == 1, said
    for model in ("toy", "twin"):
        where = f"(exit code 3 in {model} rude-whole random (plugin acme-rude:rude), image "
        assert where in said
