"""Warnings on the command line: one line each, without path and source."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
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
    assert line.endswith("going on without the rest")
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
