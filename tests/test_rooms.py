"""The rooms: what each may load, seen in a fresh interpreter."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import harness

LIGHT = (
    "api",
    "hookspecs",
    "registry",
    "planning",
    "identity",
    "errors",
    "plugins",
    "store",
    "analysis",
)


def modules(room: str) -> list[str]:
    found = [
        info.name
        for info in pkgutil.walk_packages(harness.__path__, "harness.")
        if info.name == f"harness.{room}" or info.name.startswith(f"harness.{room}.")
    ]
    assert found
    return found


@pytest.mark.parametrize("room", LIGHT)
def test_light_rooms_load_no_torch(room):
    program = (
        "import importlib, sys\n"
        f"for name in {modules(room)!r}: importlib.import_module(name)\n"
        "sys.exit(str({'torch', 'onnxruntime', 'timm', 'scipy'} & set(sys.modules) or ''))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "", done.stderr


def test_plugins_load_no_torch_before_they_are_used():
    program = (
        "import sys\nfrom harness.plugins import installed\n"
        "assert not installed().broken, installed().broken\n"
        "heavy = {'torch', 'onnxruntime', 'timm', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(str(heavy or ''))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "", done.stderr
