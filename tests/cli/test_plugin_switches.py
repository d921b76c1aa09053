"""Plugins that hang or kill at import: found out, disabled and named without importing them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import harness

GOOD = """
from harness.api import hookimpl
HARNESS_API = 1

@hookimpl
def register_attacks(register):
    register("{name}-attack", "{name}:Nothing", version="1", summary="nothing")
"""
BAD = {
    "hangs": "import time\ntime.sleep(10_000)",
    "exits": "import os\nos._exit(3)",
    "dies": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "leaves": "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(10_000)'])" + GOOD,
    "raises": "raise OSError('no licence')",
}
SUITE = """
suites:
  mine:
    dataset: digits
    models: [digits-alexnet]
    images: 2
    attacks: [{attack: kills-attack, goals: [untargeted]}]
    metrics: [success]
"""

Done = subprocess.CompletedProcess[str]


class Site:
    """A folder of installed plugins, each of which notes its import, and a configuration folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.notes = folder, folder / "config", folder / "imported"
        self.notes.mkdir()

    def install(self, name: str, code: str, distribution: str | None = None) -> None:
        note = f"open({str(self.notes / name)!r}, 'w').close()\n"
        (self.folder / f"{name}.py").write_text(note + code.replace("{name}", name))
        info = self.folder / f"{(distribution or name).replace('-', '_')}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution or name}\nVersion: 1.0\n"
        )
        with info.joinpath("entry_points.txt").open("a") as points:
            points.write(f"[harness]\n{name} = {name}\n")

    def call(self, *arguments: object, **environment: str) -> Done:
        paths = os.pathsep.join([str(self.folder), os.environ.get("PYTHONPATH", "")])
        given = {"PYTHONPATH": paths, "XDG_CONFIG_HOME": str(self.config)}
        return subprocess.run(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=Path(harness.__file__).parents[1],
            env=os.environ | given | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def status(self, **environment: str) -> dict[str, str]:
        done = self.call("plugins", "list", "--format", "json", **environment)
        assert done.returncode == 0, done.stderr
        return {row["name"]: row["status"] for row in json.loads(done.stdout)}

    @property
    def imported(self) -> set[str]:
        """The plugins that were imported since this was asked last."""
        found = {path.name for path in self.notes.iterdir()}
        for name in found:
            (self.notes / name).unlink()
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_plugin_that_kills_is_disabled_without_importing_it(site: Site) -> None:
    site.install("kills", BAD["exits"], "acme-kills")
    site.install("fine", GOOD)
    assert site.call("attacks", "list").returncode == 3
    assert "kills" in site.imported

    done = site.call("plugins", "disable", "kills")

    assert done.returncode == 0
    path = site.config / "frontier-harness" / "disabled"
    assert done.stderr == f"plugin kills (acme-kills) is disabled: {path}\n"
    assert path.read_text().splitlines()[1:] == ["acme-kills:kills"]
    assert site.imported == set()
    assert site.status()["kills"] == "disabled (harness plugins enable kills)"
    assert site.status()["fine"] == "ok"
    assert site.imported == {"fine"}


def test_what_a_disabled_plugin_offers_names_it(site: Site, tmp_path: Path) -> None:
    site.install("kills", GOOD, "acme-kills")
    site.call("plugins", "disable", "acme_kills:kills")
    (tmp_path / "mine.yaml").write_text(SUITE)

    asked = site.call("attacks", "show", "kills-attack")
    planned = site.call(
        "plan", "--registry", tmp_path / "mine.yaml", "--suite", "mine", "--db", tmp_path / "h.db"
    )

    assert asked.stderr.endswith("(disabled plugins: kills)\n")
    assert asked.returncode == 2
    lacking = "'kills-attack' is not provided by any installed plugin (disabled plugins: kills)"
    assert lacking in planned.stdout + planned.stderr
    assert site.call("plugins", "enable", "kills").returncode == 0
    assert "kills-attack" in site.call("attacks", "list").stdout


def test_several_at_once_and_the_bundled_ones_too(site: Site) -> None:
    site.install("one", GOOD)
    site.install("two", GOOD)
    assert site.call("plugins", "disable", "one", "two", "ray").returncode == 0
    off = {name for name, status in site.status().items() if status.startswith("disabled")}
    assert off == {"one", "two", "ray"}
    assert site.call("plugins", "enable", "two").returncode == 0
    assert site.status()["two"] == "ok"


def test_what_is_not_installed(site: Site) -> None:
    site.install("one", GOOD)
    wrong = site.call("plugins", "disable", "ones")
    assert wrong.returncode == 2
    assert wrong.stderr == "error: unknown plugin 'ones'; did you mean 'one'?\n"
    site.call("plugins", "disable", "one")
    for path in site.folder.glob("one*"):
        path.unlink() if path.is_file() else path.rename(site.folder / "gone")
    assert site.call("plugins", "enable", "one").returncode == 0
    assert site.call("plugins", "enable", "one").returncode == 2


def test_the_same_name_in_two_distributions(site: Site) -> None:
    site.install("one", GOOD, "acme")
    site.install("one", GOOD, "other")
    both = site.call("plugins", "disable", "one")
    assert both.returncode == 2
    assert both.stderr == ("error: several plugins are called 'one'; use acme:one or other:one\n")
    assert site.call("plugins", "disable", "other:one").returncode == 0
    assert "one-attack" in site.call("attacks", "list").stdout


@pytest.mark.parametrize(
    ("allowed", "loaded"),
    [("", set()), ("one", {"one"}), (" one, acme:two ", {"one", "two"}), ("attacks", set())],
)
def test_an_allow_list_names_what_is_loaded(allowed: str, loaded: set[str], site: Site) -> None:
    site.install("one", GOOD)
    site.install("two", GOOD, "acme")
    site.call("plugins", "disable", "one", "attacks")
    site.imported  # noqa: B018
    status = site.status(HARNESS_PLUGINS=allowed)
    assert {name for name in ("one", "two") if status[name] == "ok"} == loaded
    assert site.imported == loaded
    assert status["attacks"] == "ok"
    assert {status[name] for name in {"one", "two"} - loaded} <= {
        "disabled (not in HARNESS_PLUGINS)"
    }
    noted = site.call("plugins", "enable", "one", HARNESS_PLUGINS=allowed)
    assert "HARNESS_PLUGINS is set" in noted.stderr


def test_an_allow_list_that_names_nothing_is_an_error(site: Site) -> None:
    site.install("one", GOOD)
    done = site.call("attacks", "list", HARNESS_PLUGINS="one,oen")
    assert done.returncode == 2
    assert done.stderr.startswith("error: HARNESS_PLUGINS: plugin 'oen' is not installed; ")
    assert "one:one" in done.stderr


@pytest.mark.parametrize("spoil", ["bytes", "folder"])
def test_a_list_that_cannot_be_read_is_one_line(spoil: str, site: Site) -> None:
    path = site.config / "frontier-harness" / "disabled"
    path.parent.mkdir(parents=True)
    spoilt: dict[str, Callable[[], object]] = {
        "bytes": lambda: path.write_bytes(b"\xff\xfe\n"),
        "folder": path.mkdir,
    }
    spoilt[spoil]()
    done = site.call("attacks", "list")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {path}: the list of disabled plugins cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_list_that_cannot_be_written_is_one_line(site: Site) -> None:
    site.install("one", GOOD)
    site.config.mkdir()
    site.config.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = site.call("plugins", "disable", "one")
    assert done.returncode == 2
    assert "the list of disabled plugins cannot be written" in done.stderr


def test_the_doctor_survives_what_it_loads(site: Site) -> None:
    for name, code in BAD.items():
        if name != "hangs":
            site.install(name, code)
    site.install("fine", GOOD)
    site.install("twin", GOOD.replace("{name}-attack", "fine-attack"))
    site.install("off", BAD["exits"])
    site.call("plugins", "disable", "off")

    done = site.call("plugins", "doctor", "--format", "json")

    assert done.returncode == 4
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    found = {name: rows[name]["status"] for name in (*BAD, "fine", "twin", "off") if name in rows}
    assert found == {
        "exits": "ends the process that loads it (exit code 3)",
        "dies": "ends the process that loads it (SIGSEGV)",
        "leaves": "ok",
        "raises": "broken at import: OSError: no licence",
        "fine": "ok",
        "twin": "broken at hooks: attack 'fine-attack' is offered by fine:fine too",
        "off": "disabled (harness plugins enable off)",
    }
    assert rows["exits"]["todo"] == "harness plugins disable exits"
    assert rows["metrics"]["status"] == "ok"


def test_the_doctor_waits_no_longer_than_it_is_told(site: Site) -> None:
    site.install("hangs", BAD["hangs"])
    done = site.call("plugins", "doctor", "hangs", "--timeout", 2, "--format", "json")
    assert done.returncode == 4
    assert [row["status"] for row in json.loads(done.stdout)] == ["hangs: no answer within 2 s"]


def test_the_doctor_loads_a_disabled_plugin_if_it_is_named(site: Site) -> None:
    site.install("mended", GOOD)
    site.call("plugins", "disable", "mended")
    done = site.call("plugins", "doctor", "mended", "--format", "json")
    assert [row["status"] for row in json.loads(done.stdout)] == ["ok"]
    assert done.returncode == 0
