"""Commands of plugins: real distributions on disk, called through ``python -m harness``."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness

COMMANDS = '''
import os, sys, time
import click
from harness.api import (
    Column, ConfigError, ExitCode, database_option, format_option, pass_harness,
)

@click.command()
@database_option
@format_option
@pass_harness
def worst(harness, db, format):
    """The model that loses most."""
    harness.say("reading")
    suite = harness.results(db).suite()
    rows = [{"model": name, "share": 1 / 3, "cells": 1234, "note": None} for name in suite.models]
    harness.show(rows, [Column("model"), Column("share", "lost", format=".1%"),
                        Column("cells", format=",d"), Column("note")], format=format,
                 title="Worst", notes=["one note"])

@click.command()
@database_option
@format_option
@pass_harness
def board(harness, db, format):
    harness.show(harness.results(db).suite().leaderboard(), format=format)

@click.command()
@click.argument("how")
@pass_harness
def fails(harness, how):
    print("data \\033[31m")
    click.echo("more")
    print("message", file=sys.stderr)
    if how == "raise": raise RuntimeError("no\\nluck")
    if how == "config": raise ConfigError("a wrong name", where="here", hint="correct it")
    if how == "usage": raise click.UsageError("not like this")
    if how == "exit": sys.exit(7)
    if how == "shout": sys.exit("out")
    if how == "interrupt": raise KeyboardInterrupt
    if how == "nan": harness.show([{"a": 1.0}, {"a": float("nan")}])
    if how == "format": harness.show([{"a": "x"}], [Column("a", format=".2f")])
    if how == "rows": harness.show([3])
    if how == "code": return ExitCode.MISSING
    if how == "number": return 9
    if how == "truth": return True
    if how == "abort": raise click.Abort

@click.group()
def tools():
    """Several."""

@tools.command()
def one():
    """The first."""
    click.echo("first")

not_a_command = 3
'''
PLUGIN = """
from harness.api import hookimpl
HARNESS_API = 1

@hookimpl
def register_commands(register):
    for name, target in {names}.items():
        register(name, "{module}_impl:" + target, version="1", summary="does " + name)
"""
GOOD = {
    name: name.rpartition(" ")[2] for name in ("worst", "board", "fails", "tools", "models worst")
} | {"odd": "not_a_command", "gone": "nothing"}

SUITE = """
suites:
  small:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 4
    attacks: [{attack: fgsm, goals: [random], parameters: {epsilon: 0.1}}]
    metrics: [success]
"""


def install(site: Path, distribution: str, names: dict[str, str], code: str = COMMANDS) -> None:
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(PLUGIN.format(names=names, module=module))
    (site / f"{module}_impl.py").write_text(code)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
    )
    info.joinpath("entry_points.txt").write_text(f"[harness]\n{module} = {module}\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed plugins, one with commands; and a database."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "acme-tools", GOOD)
    return folder


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("db")
    overlay = folder / "small.yaml"
    overlay.write_text(SUITE)
    harness.run("small", db=folder / "harness.db", registry=[overlay], progress="plain")
    return folder / "harness.db"


def call(site: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    old = os.environ.get("PYTHONPATH", "")
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=Path(harness.__file__).parents[1],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(site), old])} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_commands_without_importing_them(site: Path) -> None:
    done = call(site, "--help", PYTHONVERBOSE="1")
    assert "worst" in done.stdout
    assert "does worst" in done.stdout
    assert "acme_tools" in done.stderr
    assert "acme_tools_impl" not in done.stderr
    assert "does models worst" in call(site, "models", "--help").stdout


def test_a_verb_of_the_harness_loads_no_plugin_for_its_name(site: Path) -> None:
    done = call(site, "runs", "list", "--db", site / "none.db", PYTHONVERBOSE="1")
    assert "acme_tools" not in done.stderr


def test_a_table_through_the_harness(site: Path, db: Path) -> None:
    models = harness.results(db).suite().models
    done = call(site, "worst", "--db", db, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        {"model": name, "share": 1 / 3, "cells": 1234, "note": None} for name in models
    ]
    assert done.stderr.splitlines() == ["reading", "one note"]
    table = call(site, "models", "worst", HARNESS_DB=str(db)).stdout
    assert table.startswith("Worst\n")
    assert "33.3%" in table
    assert "1,234" in table
    rows = list(
        csv.DictReader(io.StringIO(call(site, "worst", "--db", db, "--format", "csv").stdout))
    )
    assert [row["cells"] for row in rows] == ["1234"] * len(models)
    assert "| 33.3% | 1,234 | – |" in call(site, "worst", "--db", db, "--format", "md").stdout


def test_stored_tables_print_as_the_harness_prints_them(site: Path, db: Path) -> None:
    done = call(site, "board", "--db", db, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == list(harness.results(db).suite().leaderboard())
    table = call(site, "board", "--db", db)
    assert "digits-alexnet" in table.stdout


WHO = "error: plugin acme_tools (acme-tools): command 'fails'"
HINT = "report it to the plugin's authors"
FAILURES = {
    "raise": (4, f"{WHO} raised RuntimeError: no luck"),
    "config": (2, "error: here: a wrong name; correct it"),
    "usage": (2, "error: not like this See `harness fails --help`."),
    "shout": (4, f"{WHO} raised SystemExit: out"),
    "interrupt": (4, f"{WHO} raised KeyboardInterrupt"),
    "nan": (4, f"{WHO}: 'a' of row 2 is nan, which JSON does not have; {HINT}"),
    "format": (
        4,
        f"{WHO}: 'a' of row 1 is 'x', not '.2f': Unknown format code 'f' for object of type 'str'; "
        f"{HINT}",
    ),
    "rows": (4, f"{WHO}: row 1 is int, not a mapping of texts; {HINT}"),
    "exit": (7, None),
    "code": (3, None),
    "number": (9, None),
    "truth": (0, None),
    "fine": (0, None),
}


@pytest.mark.parametrize("how", FAILURES)
def test_however_it_ends_it_is_one_line_and_a_code(how: str, site: Path) -> None:
    code, line = FAILURES[how]
    done = call(site, "fails", how)
    assert done.stderr.splitlines() == ["message", *([line] if line else [])]
    assert done.stdout == "data \\u001b[31m\nmore\n"
    assert done.returncode == code


def test_debug_shows_where(site: Path) -> None:
    done = call(site, "--debug", "fails", "raise")
    assert "Traceback" in done.stderr
    assert 'raise RuntimeError("no\\nluck")' in done.stderr


def test_help_and_usage_of_a_plugins_command(site: Path) -> None:
    assert (
        "Usage: harness worst [OPTIONS]\n\n  The model that loses most."
        in call(site, "worst", "--help").stdout
    )
    assert call(site, "worst", "--frmat", "md").stderr == (
        "error: No such option '--frmat'. Did you mean '--format'? See `harness worst --help`.\n"
    )
    assert call(site, "tools", "one").stdout == "first\n"
    assert "The first." in call(site, "tools", "one", "--help").stdout


def test_what_is_no_command(site: Path) -> None:
    odd = call(site, "odd")
    assert odd.returncode == 4
    assert odd.stderr == (
        "error: plugin acme_tools (acme-tools): acme_tools_impl:not_a_command is int, not a click "
        "command; reinstall or remove the plugin\n"
    )
    gone = call(site, "gone")
    assert gone.returncode == 4
    assert "command 'gone' cannot be imported from acme_tools_impl:nothing" in gone.stderr


def test_an_unknown_command_suggests_plugins_too(site: Path) -> None:
    assert call(site, "wrst").stderr == "error: unknown command 'wrst'; did you mean 'worst'?\n"
    assert call(site, "models", "wrst").stderr == (
        "error: unknown command 'models wrst'; did you mean 'models worst'?\n"
    )


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("run", "command 'run' is one of the harness itself (frontier-harness): rename it"),
        ("models list", "command 'models list' is one of the harness itself"),
        ("models import", "is offered by su2018 (frontier-harness) and by bad_one (bad-one)"),
        ("worst", "command 'worst' is offered by acme_tools (acme-tools) and by bad_one (bad-one)"),
        ("run twice", "command 'run twice' is not a word, nor one behind a group of the harness"),
        ("models list all", "is not a word, nor one behind a group"),
        ("--db", "command '--db' is not a word"),
    ],
)
def test_a_name_that_is_taken_breaks_the_plugin(name: str, cause: str, tmp_path: Path) -> None:
    install(tmp_path, "acme-tools", GOOD)
    install(tmp_path, "bad-one", {"fine": "worst", name: "worst"})
    rows = json.loads(call(tmp_path, "plugins", "list", "--format", "json").stdout)
    status = {row["name"]: row["status"] for row in rows}
    assert status["acme_tools"] == "ok"
    assert status["bad_one"].startswith("broken at hooks: ValueError: ")
    assert cause in status["bad_one"]
    unknown = call(tmp_path, "fine")
    assert unknown.returncode == 2
    assert "warning: plugin bad_one (bad-one 1.0) is broken" in unknown.stderr
    assert "fine" not in call(tmp_path, "--help").stdout


def test_the_table_of_verbs_names_each_groups_own() -> None:
    """A plugin's command could otherwise hide behind, or be hidden by, one of the harness."""
    import importlib

    import click

    from harness.verbs import VERBS

    for name, verb in VERBS.items():
        command = getattr(importlib.import_module(verb.module), name)
        if name == "show":  # of a cell; what goes behind it is plugins' alone
            assert verb.own == ()
        elif isinstance(command, click.Group):
            assert verb.own == tuple(command.commands)
        else:
            assert verb.own is None
