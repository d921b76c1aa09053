"""Five packages of third parties, built as wheels, installed; they import `harness.api` alone."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGES = {
    "acme-cluster": HERE / "executor",
    "acme-ledger": HERE / "observer",
    "acme-pages": HERE / "section",
    "acme-corners": HERE / "attacks",
    "acme-claims": HERE / "claims",
}
SUITE = "acme-corners"


@pytest.fixture(scope="module")
def environment(new_environment):
    environment = new_environment("packages")
    for source in PACKAGES.values():
        environment.install(source)
    return environment


@pytest.fixture(scope="module")
def run(environment):
    """A run of the packaged suite by the packaged executor, told to the packaged observer."""
    ledger = environment.folder / "ledger.csv"
    done = environment.harness(
        "run", "--suite", SUITE, "--executor", "acme-cluster", "--devices", "cpu:2",
        "--observe", f"acme-ledger:path={ledger}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return ledger


@pytest.mark.parametrize("source", PACKAGES.values(), ids=PACKAGES)
def test_nothing_but_the_api_is_imported(source):
    imported = [
        name
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else
                     [each.name for each in node.names])
        if name.partition(".")[0] == "harness"
    ]  # fmt: skip
    assert imported
    assert all(name == "harness.api" or name.startswith("harness.api.") for name in imported)


def test_they_are_all_found(environment):
    listed = json.loads(environment.harness("plugins", "list", "--format", "json").stdout)
    found = {row["distribution"]: row["status"] for row in listed}
    assert {name: found.get(name) for name in PACKAGES} == dict.fromkeys(PACKAGES, "ok")


def test_the_suite_of_a_package_is_run_by_the_executor_of_another(environment, run):
    status = environment.harness("status", "--workers", "--format", "json")
    assert status.returncode == 0, status.stderr
    board = environment.harness("leaderboard", "--suite", SUITE, "--format", "json")
    assert board.returncode == 0, board.stderr
    assert len(json.loads(board.stdout)["rows"]) == 2


def test_the_observer_has_a_line_for_each_model_and_the_end(run):
    with run.open() as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["model", "model", "run"]
    assert {row[1] for row in rows[:2]} == {"digits-vgg16", "digits-mobilenet_v1_025"}
    assert rows[-1][1:3] == ["done", "0"]


def test_the_finding_is_among_those_of_others(environment, run):
    done = environment.harness("findings", "--suite", SUITE, "--format", "json")
    assert done.returncode == 0, done.stderr
    (mine,) = [
        row for row in json.loads(done.stdout)["rows"] if row["name"] == "acme-small-is-weak"
    ]
    assert mine["verdict"] == "not enough data"


def test_the_command_is_a_verb(environment, run):
    assert "Name the model that is easiest to break." in environment.harness("--help").stdout
    done = environment.harness("weakest", "--suite", SUITE, "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["model"].startswith("digits-")


@pytest.mark.parametrize("name", PACKAGES)
def test_they_keep_what_every_plugin_keeps(environment, name):
    done = environment.harness("plugins", "check", name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_section_is_on_the_page(environment, run):
    done = environment.harness("report", "--suite", SUITE, "--output", "page", "--images", 0)
    assert done.returncode == 0, done.stderr
    (page,) = (environment.folder / "page").glob("*.html")
    assert "2 models were attacked." in page.read_text()
