"""Fixtures of the store's tests: children to refuse or kill, and folders to close."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))  # for store_toy


class Children:
    """Processes that run an action of ``store_toy``; all are gone when the test ends."""

    def __init__(self, unprivileged):
        self._started = []
        self._unprivileged = unprivileged

    def start(self, *arguments, unprivileged=False):
        """Start an action and wait until it is ready."""
        child = subprocess.Popen(
            self._command(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
            **self._user(unprivileged),
        )
        self._started.append(child)
        assert child.stdout.readline() == "ready\n", child.stderr.read()
        return child

    def run(self, *arguments, unprivileged=False):
        """Run an action to its end."""
        return self.python(*self._command(arguments)[1:], unprivileged=unprivileged)

    def python(self, *arguments, unprivileged=False):
        """Run Python to its end."""
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            env=self._environment(),
            check=False,
            **self._user(unprivileged),
        )

    def end(self):
        for child in self._started:
            child.kill()
            child.communicate()

    def _command(self, arguments):
        return [sys.executable, str(HERE / "store_toy.py"), *map(str, arguments)]

    def _environment(self):
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def _user(self, unprivileged):
        return self._unprivileged if unprivileged else {}


@pytest.fixture
def children(unprivileged):
    processes = Children(unprivileged)
    yield processes
    processes.end()


@pytest.fixture
def locked(tmp_path):
    """A folder whose permissions a test takes away; they are given back for the clean-up."""
    yield tmp_path
    tmp_path.chmod(0o755)
