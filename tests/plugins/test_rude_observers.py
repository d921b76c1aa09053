"""Observers of a third party that print, raise and hang: a real run, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

PLUGIN = """
from harness.api import Observer, hookimpl

HARNESS_API = 1


@hookimpl
def register_observers(register):
    for name in ("Loud", "Raising", "Hanging"):
        register(name.lower(), f"rude_observers:{name}", version="1", summary=name)


class Loud(Observer):
    def observe(self, event):
        print("I was told", event.event)


class Raising(Observer):
    def observe(self, event):
        raise SystemExit("no more")


class Hanging(Observer):
    def close(self):
        import time

        time.sleep(600)

    def observe(self, event):
        pass
"""


def test_a_run_with_rude_observers(overlay, tmp_path):
    site = tmp_path / "site"
    info = site / "rude_observers-1.0.dist-info"
    info.mkdir(parents=True)
    site.joinpath("rude_observers.py").write_text(PLUGIN)
    info.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: rude-observers\nVersion: 1\n"
    )
    info.joinpath("entry_points.txt").write_text("[harness]\nrude = rude_observers\n")
    program = (
        "from harness.display import audience\naudience.PATIENCE = 0.3\n"
        "from harness.__main__ import run\nrun()\n"
    )
    command = [
        sys.executable, "-c", program, "run", "--registry", str(overlay), "--suite", "small",
        "--models", "digits-alexnet", "--attacks", "fgsm", "--limit", "2", "--summary", "s.json",
        *(part for name in ("loud", "raising", "hanging") for part in ("--observe", name)),
    ]  # fmt: skip
    outcomes = {}
    for progress in ("plain", "json"):
        done = subprocess.run(
            [*command, "--progress", progress], cwd=tmp_path, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(site)}, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        outcomes[progress] = done.stderr.splitlines()
        assert json.loads((tmp_path / "s.json").read_text())["status"] == "done"
    said = [event.get("text") for event in map(json.loads, outcomes["json"])]
    for lines in (outcomes["plain"], said):
        raised = "observer raising is told nothing more: it raised SystemExit: no more"
        assert lines.count(raised) == 1
        hung = "observer hanging is told nothing more: it does not come to its end"
        assert lines.count(hung) == 1
        assert "observer loud: I was told run" in lines
        assert lines.count("observer loud: I was told summary") == 1
