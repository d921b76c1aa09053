"""Registry files that cannot be read, or would explode: one short line, and soon."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from registry_toy import MODEL, SUITE, Overlay, complaint

from harness.registry import load


def laughs(levels: int, wide: int) -> str:
    """``levels`` of ``wide`` aliases each: wide ** levels values in a few hundred bytes."""
    lines = ["    options:", "      a0: &a0 [1]"]
    for level in range(1, levels + 1):
        aliases = ", ".join([f"*a{level - 1}"] * wide)
        lines.append(f"      a{level}: &a{level} [{aliases}]")
    return MODEL + "\n".join(lines) + "\n"


def merges(levels: int, wide: int) -> str:
    """The same of merge keys."""
    lines = ["    options:", "      a0: &a0 {b: 1}"]
    for level in range(1, levels + 1):
        aliases = ", ".join([f"*a{level - 1}"] * wide)
        lines.append(f"      a{level}: &a{level} {{c{level}: 1, <<: [{aliases}]}}")
    return MODEL + "\n".join(lines) + "\n"


BOMBS = {
    "aliases": (laughs(9, 9), r"overlay.yaml:15: holds more than 200,000 values with its aliases"),
    "merge keys": (merges(12, 9), r"overlay.yaml:14: holds more than 200,000 values"),
    "aliases below aliases": (laughs(60, 1), r"overlay.yaml:\d+: nested too deeply; write"),
    "merges below merges": (merges(60, 1), r"overlay.yaml:\d+: nested too deeply; write"),
    "brackets": ("models: " + "[" * 100_000, r"overlay.yaml:1: nested too deeply; write"),
    "braces": ("models: " + "{a: " * 100_000, r"overlay.yaml:1: nested too deeply; write"),
    "dashes": ("models:\n" + "- " * 100_000, r"overlay.yaml:2: nested too deeply; write"),
    "values": (
        "models: [" + "1, " * 300_000 + "]",
        r"overlay.yaml:1: holds more than 200,000 values",
    ),
    "long text": (
        MODEL.replace("classes: 10", "classes: " + "x" * 5_000_000),
        r"overlay.yaml:5: models.mine.classes: must be a whole number, it is 'xx.* \[\.\.\.\] xx",
    ),
    "long name": (
        MODEL.replace("mine:", "? " + "x" * 5_000_000 + "\n  :"),
        r"overlay.yaml:2: models.xx.* is not a name; use letters, digits, . _ \+ and - only",
    ),
    "long attack": (
        SUITE.replace("attack: fgsm", "attack: " + "x" * 900),
        r"overlay.yaml:7: suites.own.attacks\[0\].attack: string should have at most 200 character",
    ),
    "long field": (
        MODEL + "    ? " + "y" * 5_000_000 + "\n    : 1\n",
        r"overlay.yaml:8: models.mine.yyy.* unknown field 'yy.*yy'; known here: loader",
    ),
    "large file": ("#" * 17_000_000, r"overlay.yaml: the registry file has 17,000,000 bytes, more"),
    "large number": (
        MODEL.replace("classes: 10", "classes: " + "9" * 5_000),
        r"overlay.yaml:5: not valid YAML: '999.*999' is no int \(in quotes",
    ),
    "NUL": (MODEL + '    notes: "a\\0b"\n', r"overlay.yaml:8: the text holds a NUL; remove it"),
    "no bool": (MODEL + "    notes: !!bool maybe\n", r"overlay.yaml:8: .*'maybe' is no bool"),
    "no date": (MODEL + "    notes: !!timestamp x\n", r"overlay.yaml:8: .*'x' is no timestamp"),
    "no number": (MODEL + '    notes: !!int ""\n', r"overlay.yaml:8: .*'' is no int"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_what_would_explode_is_refused_in_one_short_line(case: str, overlay: Overlay) -> None:
    text, expected = BOMBS[case]
    started = process_time()
    line = complaint(overlay(text))
    assert re.match(expected, line), line
    assert len(line) < 2_500
    assert process_time() - started < 20  # it was minutes, or a segmentation fault


def test_ordinary_aliases_are_no_bomb(overlay: Overlay) -> None:
    assert load([overlay(laughs(4, 9))]).models["mine"].options["a1"] == [[1]] * 9
    merged = load([overlay(merges(3, 3))]).models["mine"].options["a3"]
    assert merged == {"b": 1, "c1": 1, "c2": 1, "c3": 1}


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_a_registry_that_is_no_file(kind: str, tmp_path: Path) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / "overlay.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    assert complaint(path) == (
        f"{path.name}: the registry file is a pipe, socket or device; name a readable YAML file"
    )


def test_a_missing_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "overlay.yaml") == (
        "overlay.yaml: no such registry file; check the path after --registry"
    )


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").mkdir()
    assert complaint(tmp_path / "overlay.yaml") == (
        "overlay.yaml: the registry file is a folder; name a readable YAML file"
    )


def test_a_file_without_read_permission(
    overlay: Overlay, unprivileged: dict[str, Any], tmp_path: Path
) -> None:
    path = overlay(MODEL)
    path.chmod(0)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "models", "list", "--registry", path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        **unprivileged,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot read the registry file: Permission denied" in done.stderr


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_bytes(b"models: {}\n# caf\xe9\n")
    assert complaint(path) == "overlay.yaml:2: not UTF-8 text; save the file as UTF-8"
    path.write_bytes(b"models: {}\n# \x00\n")
    assert "not valid YAML" in complaint(path)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MODEL.encode())
    assert "mine" in load([path]).models
