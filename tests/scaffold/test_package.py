"""`harness plugins new`: what it writes is Python, is all of it, and refuses what cannot be."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.api import API_VERSION, ConfigError
from harness.cli.plugins_new import new
from harness.scaffold.package import KINDS, LICENCES, Package


def written(folder: Path, **fields: str) -> Path:
    folder = folder / "package"
    Package(**({"name": "acme-thing", "kind": "attack"} | fields)).write(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_of_each_kind_is_complete(kind, tmp_path):
    folder = written(tmp_path, kind=kind)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files >= {
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/acme_thing/__init__.py",
        "tests/test_acme_thing.py",
        "tests/test_conformance.py",
    }
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "LICENSE":
            text = path.read_text().replace("${{ matrix.python }}", "")
            assert "$" not in text, path
            assert text.endswith("\n"), path
        if path.suffix == ".py":
            ast.parse(path.read_text())
    assert f"HARNESS_API = {API_VERSION}" in (folder / "src/acme_thing/__init__.py").read_text()
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["harness"] == {"acme-thing": "acme_thing"}


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_is_named_and_there(licence, tmp_path):
    folder = written(tmp_path, licence=licence, author="Jo Doe")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    if licence == "none":
        assert "license" not in project
        assert not (folder / "LICENSE").exists()
        return
    assert project["license"] == licence
    text = (folder / "LICENSE").read_text()
    assert "Jo Doe" in text or licence == "Apache-2.0"


@pytest.mark.parametrize("name", ["Acme", "acme_thing", "1st", "acme--x", "class", "json", "torch"])
def test_a_name_that_cannot_be_is_refused(name, tmp_path):
    with pytest.raises(ConfigError) as raised:
        written(tmp_path, name=name)
    assert raised.value.hint
    assert not (tmp_path / "package").exists()


def test_nothing_is_overwritten(tmp_path):
    folder = written(tmp_path)
    with pytest.raises(ConfigError, match="not an empty folder"):
        written(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        Package(name="acme-thing", kind="attack").write(tmp_path / "file")
    assert folder.is_dir()


def test_the_command_says_what_it_wrote_and_what_comes_next(tmp_path):
    folder = tmp_path / "mine"
    done = CliRunner().invoke(new, ["acme-thing", "--kind", "metric", "--folder", str(folder)])
    assert done.exit_code == 0, done.output
    listed = {Path(line) for line in done.stdout.splitlines()}
    assert listed == {path for path in folder.rglob("*") if path.is_file()}
    assert "pip install -e" in done.stderr
