"""What many tests share: the command line in this process, and small overlays."""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is not a failure
settings.load_profile("patient")

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HARNESS_NO_CALIBRATION"] = "1"
os.environ["XDG_CONFIG_HOME"] = "/nonexistent"  # the user's list of disabled plugins is not ours
os.environ.pop("HARNESS_PLUGINS", None)
os.environ["HARNESS_DEVICES"] = "cpu:1"  # other processes only where a test asks for them

# A job of a script or of `nohup` ignores them, and what it starts would do so too.
signal.signal(signal.SIGINT, signal.default_int_handler)
for ignored in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_DFL)

Harness = Callable[..., "Result"]


@pytest.fixture(autouse=True, scope="module")
def _light_collections() -> None:
    """Collections pass over what earlier files left: a run's own take a second each otherwise."""
    gc.collect()
    gc.freeze()


MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3


def pytest_configure() -> None:
    """Databases wait for the disk at every commit: where there is room, files lie in memory."""
    if MEMORY.is_dir() and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        about = os.statvfs(MEMORY)
        if about.f_bavail * about.f_frsize >= ROOM and not about.f_flag & os.ST_NOEXEC:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


LONG = (
    "execute/test_faults.py",
    "report/test_browser.py",
    "testing/conformance/test_bundled.py",
    "execute/test_workers.py",
    "cli/test_interrupts.py",
    "plugins/test_deaths.py",
    "plugins/test_misbehaviour.py",
    "execute/test_resume.py",
    "engine/test_fake_gpu.py",
    "thirdparty/test_*.py",
    "report/test_page.py",
    "test_docs_python.py",
    "store/test_merge_parts.py",
    "plugins/harness_ray/test_conformance.py",
    "plugins/harness_ray/test_hosts.py",
    "execute/test_trials.py",
)
"""Files of a minute or more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: two processes share the files, and end together."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: next((places[each] for each in LONG if item.path.match(each)), 99))


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # libraries look for leaks when the process ends


SUITE = """\
suites:
  small:
    summary: two models, two attacks
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 20
    accuracy_images: 20
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}}
      - {attack: ifgsm, goals: [random, least-likely], parameters: {steps: 4, attempts: 5}}
    metrics: [accuracy, success, linf]
"""


KEPT = """\
suites:
  kept:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 8
    accuracy_images: 12
    attacks:
      - attack: ifgsm
        goals: [untargeted, random]
        parameters: {steps: 4, attempts: 5}
        keep: true
        eight_bit: true
      - {attack: fgsm, goals: [random], parameters: {epsilon: 0.1}}
    measurements:
      - measurement: clever
        goals: [random, untargeted]
        images: 4
        parameters: {norms: [l2, linf], batches: 8, samples: 8, radius_l2: 1.0, radius_linf: 0.1}
      - {measurement: divergence, images: 3, parameters: {steps: 3}}
    metrics: [success]
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _no_columns(monkeypatch):
    """Neither pytest-xdist nor readline hands on the terminal's width, which tables would keep to.

    Readline sets it for child processes alone, past ``os.environ``: deleted is what was set there.
    """
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("COLUMNS")


@pytest.fixture
def harness(capsys, monkeypatch, tmp_path) -> Harness:
    """The command line, run in this process with ``tmp_path`` as the current folder."""
    from harness.cli.main import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(int(exit_.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def overlay(tmp_path) -> Path:
    """An overlay with the suite ``small``."""
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def gone() -> Callable[[str], bool]:
    """Whether the process of this number ends; one that was killed takes a moment."""

    def ends(pid: str) -> bool:
        for _ in range(200):
            try:
                if Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return True
            except (FileNotFoundError, ProcessLookupError):
                return True
            time.sleep(0.05)
        return False

    return ends


PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def _obey_permissions() -> None:
    """Between fork and exec: root too is refused what a file's permissions refuse.

    Another user could not run an interpreter that lies in root's home.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "root keeps its rights here")


@pytest.fixture
def unprivileged() -> dict[str, Any]:
    """What `subprocess.run` needs for a child that permissions bind, whoever runs the tests."""
    return {"preexec_fn": _obey_permissions} if os.geteuid() == 0 else {}


@pytest.fixture(scope="session")
def _kept_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the suite ``kept``, whose first attack's images are kept."""
    folder = tmp_path_factory.mktemp("kept")
    folder.joinpath("kept.yaml").write_text(KEPT)
    command = [sys.executable, "-m", "harness", "run", "--registry", "kept.yaml", "--suite", "kept"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def kept_run(_kept_run: Path, tmp_path: Path) -> Path:
    """A copy of that database, in ``tmp_path``, beside its registry ``kept.yaml``."""
    shutil.copytree(_kept_run, tmp_path, dirs_exist_ok=True)
    return tmp_path / "harness.db"
