"""What is printed: data alone on stdout, whatever plugins print, and nothing a terminal obeys."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from harness.plugins import installed
from harness.terminal import HARMFUL, visible

HOSTILE = "x\x1b[2J\x1b]0;owned\x07\u202egpj\x9b1m\x7f"

PLUGIN = """
import os
import re
from harness.api import hookimpl

HARNESS_API = 1
print("at import{hostile}")
os.write(1, b"from C at import\\n")

@hookimpl
def register_attacks(register):
    print("while registering")
    register("{name}", "hostile_parts:Loud", version="1", summary="{hostile}")
"""
PARTS = """
import os
import re
from typing import ClassVar
from pydantic import Field
from harness.api import Attack, Norm

print("its parts")

class Loud(Attack):
    norm = Norm.LINF
    presets: ClassVar = {{"{hostile}": {{}}}}
    size: float = Field(0.1, gt=0, description="{hostile}")

    @property
    def budget(self):
        return self.size

    def perturb(self, target, batch):
        print("at work{hostile}")
        print("and more", end="")
        os.system("echo a child at work")
        if batch.labels[0] == 0:
            raise ValueError("{hostile}")
        return batch.images
"""
OVERLAY = """\
models:
  renamed:
    loader: digits
    architecture: digits-mobilenet_v1_025
    family: "{hostile}"
    classes: 10
    preprocessing: {{size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
suites:
  hostile:
    summary: "{hostile}"
    dataset: digits
    models: [renamed, digits-alexnet]
    images: 3
    accuracy_images: 4
    attacks: [{{attack: "{name}", goals: [untargeted]}}]
    metrics: [success]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hostile plugin, installed; an overlay that uses it, in the current folder."""
    escaped = json.dumps(HOSTILE)[1:-1]
    site = tmp_path / "site"
    info = site / "hostile-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nhostile = hostile_plugin\n")
    (site / "hostile_plugin.py").write_text(PLUGIN.format(hostile=escaped, name="loud"))
    (site / "hostile_parts.py").write_text(PARTS.format(hostile=escaped))
    (tmp_path / "hostile.yaml").write_text(OVERLAY.format(hostile=escaped, name="loud"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, **options
    )


def harmless(text: str) -> None:
    found = {repr(c) for c in text if c != "\n" and unicodedata.category(c) in HARMFUL}
    assert not found


def test_what_is_shown_is_harmless_and_json_stays_exact() -> None:
    shown = visible(f"{HOSTILE}\n\té–😀")
    harmless(shown.replace("\t", ""))
    assert shown.endswith("\\u007f\n\té–😀")
    assert json.loads(visible(json.dumps(HOSTILE))) == HOSTILE
    assert visible("\udc80") == "\\udc80"


def test_what_plugins_print_is_no_data(site: Path) -> None:
    listed = run("attacks", "list", "--format", "json")
    assert listed.returncode == 0, listed.stderr
    (loud,) = [row for row in json.loads(listed.stdout) if row["name"] == "loud"]
    assert loud["summary"] == HOSTILE
    assert "plugin hostile: at importx\\u001b[2J" in listed.stderr
    assert "plugin hostile: while registering" in listed.stderr
    assert "from C at import" in listed.stderr
    shown = run("attacks", "show", "loud", "--format", "json")
    assert "plugin hostile: its parts" in shown.stderr
    assert json.loads(shown.stdout)
    assert run("--help").stdout.startswith("Usage: ")
    assert run("run", "--help").stdout.startswith("Usage: ")
    worked = run("run", "--suite", "hostile", "--registry", "hostile.yaml", "--progress", "plain")
    assert worked.stdout == ""
    assert "a child at work" in worked.stderr
    told = [
        line for line in worked.stderr.splitlines() if line.startswith("plugin hostile:hostile: ")
    ]
    assert any(": at workx\\u001b" in line for line in told)
    assert told[-1].endswith(": and more")
    harmless(worked.stderr)


RUN = ("run", "--suite", "hostile", "--registry", "hostile.yaml")
STORED = (
    *(("leaderboard", "--format", form) for form in ("table", "md", "csv")),
    *(("status", "--format", form) for form in ("table", "md", "csv")),
    ("leaderboard", "--by", "attacks"),
    ("compare", "renamed", "digits-alexnet"),
    ("runs", "list"),
    ("runs", "show", "1"),
    ("show",),
    ("verify",),
    ("transfer",),
    ("findings",),
    ("fingerprint",),
    ("export", "outcomes", "-o", f"{HOSTILE}.csv"),
    ("report", "-o", f"{HOSTILE}.html"),
    ("merge", f"{HOSTILE}.other"),
)
UNSTORED = (
    *(("attacks", "list", "--format", form) for form in ("table", "md", "csv")),
    ("attacks", "show", "loud"),
    ("attacks", "show", HOSTILE),
    ("plugins", "list"),
    ("plugins", "show", HOSTILE),
    ("models", "list", "--registry", "hostile.yaml"),
    ("models", "show", "renamed", "--registry", "hostile.yaml"),
    ("models", "list", "--registry", f"{HOSTILE}.yaml"),
    ("suites", "list", "--registry", "hostile.yaml"),
    ("suites", "show", "hostile", "--registry", "hostile.yaml"),
    ("doctor", "--suite", "hostile", "--registry", "hostile.yaml"),
    ("plan", "--suite", "hostile", "--registry", "hostile.yaml"),
    ("plan", "--suite", HOSTILE),
    ("leaderboard", f"--db={HOSTILE}.db"),
    (*RUN, "--models", f"onnx:{HOSTILE}"),
    (*RUN, "--data", HOSTILE),
    (*RUN, f"--{HOSTILE}"),
    (HOSTILE,),
)


def test_no_verb_prints_what_a_terminal_obeys(site: Path, harness, monkeypatch) -> None:
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    installed.cache_clear()
    try:
        done = harness(*RUN)
        assert done.code in (0, 1)
        harmless(done.err)
        for verb in (*UNSTORED, *STORED):
            found = harness(*verb)
            harmless(found.out + found.err)
            assert found.out + found.err, verb
        board = harness("leaderboard", "--format", "json")
        assert {row["family"] for row in json.loads(board.out)["rows"]} >= {HOSTILE}
        (row,) = [
            row
            for row in csv.DictReader(io.StringIO(harness("leaderboard", "--format", "csv").out))
            if row["model"] == "renamed"
        ]
        assert row["family"] == visible(HOSTILE)
    finally:
        installed.cache_clear()
        for name in ("hostile_plugin", "hostile_parts"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("verb", [("attacks", "list"), ("--help",), ("models", "list", "--help")])
def test_a_reader_that_has_gone_is_no_error(verb: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *verb], stdout=gone, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_messages_without_a_listener_do_not_end_a_run(overlay: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        command = ["run", "--registry", overlay.name, "--suite", "small", "--limit", "1"]
        command += ["--models", "digits-mobilenet_v1_025", "--attacks", "fgsm"]
        done = subprocess.run(
            [sys.executable, "-m", "harness", *command], stderr=gone, cwd=tmp_path
        )
    assert done.returncode == 0
    assert "complete" in run("status", "--db", str(tmp_path / "harness.db")).stdout


def test_there_is_one_way_to_the_terminal() -> None:
    """`echo` and what it is made of: displays write whole lines through it."""
    import harness

    core = Path(harness.__file__).parent
    found = {
        str(path.relative_to(core))
        for path in core.rglob("*.py")
        if re.search(r"click\.s?echo\(|(?<![\w.])print\(|stdout\.write", path.read_text())
    }
    assert found == {"terminal.py"}
