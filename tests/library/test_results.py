"""``harness.run``, ``plan`` and ``results``: the same keys and numbers as on the command line."""

from __future__ import annotations

import json

import pytest

import harness as library
from harness.errors import ConfigError, StoreError

SUITE = """\
suites:
  small:
    summary: two models, two attacks
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 8
    accuracy_images: 20
    attacks:
      - {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}}
      - {attack: ifgsm, goals: [random, least-likely], parameters: {steps: 4, attempts: 5}}
    metrics: [accuracy, success, linf]
"""
MODELS = ["digits-alexnet", "digits-mobilenet_v1_025"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A database that Python made, its overlay, and the summary."""
    folder = tmp_path_factory.mktemp("library")
    overlay = folder / "small.yaml"
    overlay.write_text(SUITE)
    db = folder / "harness.db"
    summary = library.run("small", db=db, registry=[overlay], progress="plain")
    return db, overlay, summary


def test_a_run_and_its_plan(run):
    db, overlay, summary = run
    assert not summary.failures
    assert summary.computed > 0
    plan = library.plan("small", db=db, registry=[str(overlay)])
    assert {row["model"] for row in plan} == set(MODELS)
    assert all(row["pending"] == 0 for row in plan)
    left = library.plan("small", db=db.with_name("none.db"), registry=[overlay], limit=3)
    assert sum(row["pending"] for row in left) == sum(row["images"] for row in left) > 0
    assert "attack or measurement" in repr(left)
    again = library.run("small", db=db, registry=[overlay], progress="plain")
    assert again.computed == 0


def test_the_same_cells_and_numbers_as_the_command_line(run, harness):
    db, overlay, _ = run
    done = harness("run", "--registry", overlay, "--suite", "small", "--db", "cli.db")
    assert done.code == 0
    for options in ([], ["--attack", "ifgsm", "--goal", "least-likely"]):
        printed = json.loads(
            harness("leaderboard", "--db", "cli.db", "--format", "json", *options).out
        )["rows"]
        given = dict(zip(("attack", "goal"), options[1::2], strict=False))
        table = library.results(db).suite("small").leaderboard(**given)
        assert json.loads(json.dumps(list(table))) == printed
    printed = json.loads(harness("compare", *MODELS, "--db", "cli.db", "--format", "json").out)[
        "rows"
    ]
    assert json.loads(json.dumps(list(library.results(db).suite().compare(*MODELS)))) == printed
    printed = json.loads(harness("findings", "--db", "cli.db", "--format", "json").out)["rows"]
    assert json.loads(json.dumps(list(library.results(db).suite().findings()))) == printed


def test_outcomes_are_the_samples(run):
    db, _, _ = run
    suite = library.results(db).suite("small")
    assert suite.models == tuple(MODELS)
    every = suite.outcomes()
    one = suite.outcomes(attack="fgsm", goal="random", model=MODELS[0])
    assert 0 < len(one) < len(every)
    assert {row["goal"] for row in one} == {"random"}
    assert {row["model"] for row in one} == {MODELS[0]}
    assert one.to_pandas().shape == (len(one), len(one[0]))


def test_tables_in_a_notebook_and_in_a_terminal(run):
    table = library.results(run[0]).suite().leaderboard()
    assert "\x1b" not in repr(table)
    assert all(model in repr(table) for model in MODELS)
    assert table._repr_html_().count("<tr>") == 1 + len(MODELS)
    assert "small" in repr(library.results(run[0]))
    assert "ifgsm" in repr(library.results(run[0]).suite())


def test_regimes_are_the_command_lines(run, harness):
    options = ["--attack", "ifgsm", "--goal", "least-likely", "--images", "common"]
    done = harness("leaderboard", "--db", run[0], "--regimes", *options, "--format", "json")
    printed = json.loads(done.out)["rows"]
    found = library.results(run[0]).suite().regimes("ifgsm", "least-likely", images="common")
    assert json.loads(json.dumps(list(found))) == printed
    assert all("regime_distance" in row for row in printed)


def test_joint(run):
    assert {row["model"] for row in library.results(run[0]).suite().joint()} == set(MODELS)


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda suite: suite.leaderboard(attack="fgsn"), ConfigError, "fgsm"),
        (lambda suite: suite.leaderboard(goal="randon"), ConfigError, "random"),
        (lambda suite: suite.outcomes(model="digits-alexnot"), ConfigError, "digits-alexnet"),
        (lambda suite: suite.compare("digits-alexnet", "x"), ConfigError, "unknown model 'x'"),
        (lambda suite: suite.transfer(), ConfigError, "transfer"),
        (lambda suite: library.run("digits81"), ConfigError, "digits18"),
        (lambda suite: library.plan("small"), ConfigError, "unknown suite"),
        (lambda suite: library.results("none.db"), StoreError, "none.db"),
    ],
)
def test_errors_are_the_command_lines_own(run, call, kind, said):
    with pytest.raises(kind) as raised:
        call(library.results(run[0]).suite())
    assert said in str(raised.value)
    with pytest.raises(ConfigError, match="no run of suite"):
        library.results(run[0]).suite("other")
