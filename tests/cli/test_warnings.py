"""Warnings on the command line: one line each, without path and source."""

from __future__ import annotations

import gc
import importlib
import io
import subprocess
import sys
import tarfile
import threading
import warnings
from pathlib import Path

import pytest
from PIL import Image

from harness.cli.warned import one_line_warnings

OVERLAY = """\
datasets:
  photos: {reader: imagenet, version: "1", classes: 1000, summary: s, licence: none, root: photos}
suites:
  shards:
    summary: a damaged shard among good ones
    dataset: photos
    models: [digits-alexnet]
    attacks: [{attack: fgsm, goals: [random], parameters: {epsilon: 0.1}}]
    metrics: [success]
"""


def shards(folder: Path) -> None:
    """Two shards, one of them no archive at all."""
    folder.mkdir()
    picture = io.BytesIO()
    Image.new("RGB", (40, 40)).save(picture, "JPEG")
    with tarfile.open(folder / "validation-00.tar", "w") as tar:
        for name, content in (("a.jpg", picture.getvalue()), ("a.cls", b"3")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (folder / "validation-01.tar").write_bytes(b"\x93" * 4000)


def test_a_readers_warning_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(OVERLAY)
    shards(tmp_path / "photos")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "plan", "--registry", "overlay.yaml", "--suite", "shards",
         "--format", "json"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "validation-01.tar" in line]
    assert line.startswith("warning: ")
    assert line.endswith("continuing without the rest")
    assert "UserWarning" not in done.stderr
    assert "warnings.warn" not in done.stderr


def warn(category: type[Warning], module: str) -> None:
    file = sys.modules[module].__file__
    assert file is not None
    warnings.warn_explicit("two\nlines", category, file, 7)


@pytest.mark.parametrize(
    ("category", "module", "ours"),
    [
        (UserWarning, "harness.errors", True),
        (UserWarning, "harness_datasets", True),
        (DeprecationWarning, "harness.errors", False),
        (UserWarning, "PIL.Image", False),
    ],
)
def test_other_libraries_warnings_are_left_as_they_are(
    capsys: pytest.CaptureFixture[str], category: type[Warning], module: str, ours: bool
) -> None:
    import harness_datasets

    assert harness_datasets.__name__ in sys.modules
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        with one_line_warnings():
            warn(category, module)
        assert capsys.readouterr().err == ("warning: two lines\n" if ours else "")
        assert len(left) == (not ours)
        warn(UserWarning, "harness.errors")  # and afterwards all is as before
        assert capsys.readouterr().err == ""


class Litter:
    """Garbage whose end lets another thread import a module."""

    def __init__(self, path: Path) -> None:
        self.itself, self.path = self, path

    def __del__(self) -> None:
        thread = threading.Thread(target=importlib.import_module, args=(self.path.stem,))
        thread.start()
        thread.join()


def test_a_warning_is_shown_while_another_thread_imports(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"imported_meanwhile_{number}.py" for number in range(50)]
    for path in paths:
        path.touch()
    monkeypatch.syspath_prepend(tmp_path)
    with one_line_warnings():
        before = gc.get_threshold()
        gc.disable()
        gc.collect()  # counts from 0
        for path in paths:
            Litter(path)
        try:
            gc.set_threshold(400)  # so that it is collected while the modules are looked through
            gc.enable()
            warn(UserWarning, "harness.errors")
        finally:
            gc.set_threshold(*before)
            gc.collect()
    assert capsys.readouterr().err == "warning: two lines\n"
    for path in paths:
        sys.modules.pop(path.stem, None)
