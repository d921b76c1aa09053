"""Every place where a plugin's value enters the core, and every way to misbehave there.

The run goes on and ends with the documented code; one line names the plugin; what the other plugins
computed is what they compute without it.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from harness.errors import ExitCode

pytestmark = pytest.mark.usefixtures("rude", "inline")
SETTINGS = ("sets the dtype", "stops gradients", "seeds", "moves", "silences")
PATCHES = (
    "patches torch",
    "patches tensors",
    "patches layers",
    "patches Python",
    "patches numpy",
    "patches the judge",
    "replaces a module",
    "leaves a mode",
    "leaves inference mode",
    "hooks all modules",
    "sets numpy's errors",
    "sets the threads",
    "sets determinism",
)
RAISES = ("raises", "interrupts", "exits", "closes")
RETURNS = ("returns None", "returns a string", "wrong shape")


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it in this process, where it does the most harm."""
    monkeypatch.setenv("HARNESS_EXECUTOR", "inline")


WHERE = {
    "attack": "rude-whole",
    "stepper": "rude-stepped",
    "measurement": "rude-one",
    "together": "rude-together",
    "later": "rude-later",
    "metric": "rude-metric",
}
STEPS = dict.fromkeys(("load", "point", "observe", "step", "result"), "rude-stepped")
"""The component that has the place; those of the data set and the model are always there."""

FEW = ("raises", "exits", "sets the dtype")
ELSEWHERE = [("later", "sets the dtype"), ("later", "stops gradients")]
"""The rest of a measurement runs in a process of its kind, where nobody has torch."""
SWEEP = [
    *((place, what) for place in WHERE for what in (*RAISES, *RETURNS, *SETTINGS)),
    *((place, what) for place in ("load", "step") for what in FEW),
    *((place, what) for place in ("point", "observe", "result") for what in (*FEW, *RETURNS)),
    ("metric", "returns a huge int"),
    *((place, what) for place in ("attack", "measurement") for what in PATCHES),
]
"""Misbehaviour that costs the component's own results alone, and is exit code 1."""
MODEL = [
    *(("loader", what) for what in (*RAISES, *RETURNS, *SETTINGS) if what != "seeds"),
    *(("network", what) for what in (*RAISES, "returns None", "returns a string")),
]
"""Misbehaviour of one model's loader or network; a loader may draw random weights."""
HARMLESS = [
    *((place, "modifies its inputs") for place in ("attack", "load", "observe", "metric")),
    *((place, "modifies its inputs") for place in ("measurement", "together")),
]
"""What spoils nothing, for everybody has a copy of his own."""


def rows_of_others(db: Path, model: str = "toy") -> dict[str, list[tuple[object, ...]]]:
    """All that is stored of other plugins' attacks, measurements and metrics on one model."""
    own = (
        "JOIN cells ON cells.id = cell_id JOIN components ON components.id = cells.model_id"
        " WHERE components.name = ? AND cells.label NOT LIKE 'rude%'"
    )
    with sqlite3.connect(db) as connection:
        return {
            name: sorted(connection.execute(query, [model]).fetchall(), key=str)
            for name, query in {
                "clean": f"SELECT image_id, predicted, margin FROM clean {own}",
                "outcomes": "SELECT cells.label, goal, image_id, status, outcomes.linf, l2, margin,"
                f" predicted, forwards FROM outcomes {own}",
                "numbers": "SELECT cells.label, image_id, measurements.name, value"
                f" FROM measurements {own}",
                "scores": f"SELECT cells.label, goal, metric, value FROM scores {own}"
                " AND metric NOT LIKE 'rude%'",
            }.items()
        }


_WITHOUT: dict[str, list[tuple[object, ...]]] = {}


@pytest.fixture
def without(harness, tmp_path, registry) -> dict[str, list[tuple[object, ...]]]:
    """What the others compute without the plugin's tasks; once for all tests."""
    if not _WITHOUT:
        path = registry(tmp_path / "toy.yaml", None)
        done = harness("run", "--registry", path, "--suite", "toy", "--db", "without.db")
        assert done.code == 0, done.err
        _WITHOUT.update(rows_of_others(tmp_path / "without.db"))
        assert all(_WITHOUT.values())
    return _WITHOUT


def ambient() -> tuple[object, ...]:
    import torch

    return (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        Path.cwd(),
        sys.stderr,
        signal.getsignal(signal.SIGINT),
        torch.initial_seed(),
    )


@pytest.mark.parametrize("component", sorted(set(WHERE.values())))
def test_the_plugin_itself_is_healthy(component, harness, tmp_path, without, registry):
    path = registry(tmp_path / "toy.yaml", component)
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert done.code == 0, done.err
    assert rows_of_others(tmp_path / "toy.db") == without


@pytest.mark.parametrize(("place", "what"), [c for c in SWEEP if c not in ELSEWHERE])
def test_misbehaviour_costs_nobody_else(
    place, what, harness, tmp_path, monkeypatch, without, registry
):
    path = registry(tmp_path / "toy.yaml", (WHERE | STEPS)[place])
    monkeypatch.setenv("RUDE", f"{place} {what}")
    before = ambient()
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert ambient() == before
    assert done.code == ExitCode.CELLS_FAILED, done.err
    assert "Traceback" not in done.err
    named = [line for line in done.err.splitlines() if "plugin acme-rude:rude" in line]
    assert len(named) == 1, done.err
    assert rows_of_others(tmp_path / "toy.db") == without
    assert done.out == ""


@pytest.mark.parametrize(("place", "what"), HARMLESS)
def test_what_a_plugin_does_to_its_own_copies_is_nobodys_affair(
    place, what, harness, tmp_path, monkeypatch, registry
):
    """The second model comes after the plugin; all that its attacks got is what the first's got."""
    found = []
    for number, rude in enumerate((f"{place} {what}", "")):
        path = registry(tmp_path / "toy.yaml", (WHERE | STEPS)[place], models="toy, twin")
        monkeypatch.setenv("RUDE", rude)
        done = harness("run", "--registry", path, "--suite", "toy", "--db", f"{number}.db")
        assert done.code == 0, done.err
        assert done.out == ""
        found.append(rows_of_others(tmp_path / f"{number}.db"))
    assert found[0] == found[1]


@pytest.mark.parametrize("place", ["attack", "observe", "measurement", "metric", "read"])
def test_debug_shows_once_where_a_plugin_raised(place, harness, tmp_path, monkeypatch, registry):
    path = registry(tmp_path / "toy.yaml", (WHERE | STEPS).get(place))
    monkeypatch.setenv("RUDE", f"{place} raises")
    given = ("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    done = harness("--debug", *given)
    assert done.code == ExitCode.CELLS_FAILED, done.err
    assert done.err.count("Traceback") == 1
    assert 'rude.py", line' in done.err
    assert done.out == ""
    again = harness(*given, "--retry-errors")
    assert "Traceback" not in again.err


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("constructor", ExitCode.PLUGIN, "plugin acme-rude:rude: the constructor made no progress"),
        ("samples", ExitCode.PLUGIN, "plugin acme-rude:rude: samples() made no progress"),
        ("digest", ExitCode.PLUGIN, "plugin acme-rude:rude: digest() made no progress"),
        ("loader", ExitCode.CELLS_FAILED, "(plugin acme-rude:rude)"),
        ("network", ExitCode.CELLS_FAILED, "(plugin acme-rude:rude)"),
        ("metric", ExitCode.CELLS_FAILED, "(plugin acme-rude:rude)"),
    ],
)
def test_what_hangs_is_stopped_and_named(
    place, code, said, harness, tmp_path, monkeypatch, registry
):
    path = registry(tmp_path / "toy.yaml", WHERE.get(place))
    how = "waits" if place == "digest" else "hangs"  # its thread stays behind
    monkeypatch.setenv("RUDE", f"{place} {how}")
    monkeypatch.setattr("harness.overdue.PATIENCE", 0.1)
    given = ("--registry", path, "--suite", "toy", "--db", "toy.db", "--image-timeout", "0.4")
    done = harness("run", *given, "--images", "image 0")
    assert done.code == code, done.err
    assert "no progress for " in done.err
    assert said in done.err
    assert "Traceback" not in done.err


DATA = [
    *((place, what) for place in ("constructor", "samples", "digest") for what in RAISES),
    *((place, what) for place in ("samples", "digest", "read") for what in RETURNS),
    *(("read", what) for what in SETTINGS if what != "seeds"),
]
"""Misbehaviour of a data set for which no run can begin."""


@pytest.mark.parametrize(("place", "what"), DATA)
def test_a_data_set_that_cannot_be_used(place, what, harness, tmp_path, monkeypatch, registry):
    path = registry(tmp_path / "toy.yaml", None)
    monkeypatch.setenv("RUDE", f"{place} {what}")
    before = ambient()
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert ambient() == before
    assert done.code == ExitCode.PLUGIN, done.err
    assert done.err.startswith("error: dataset toy, plugin acme-rude:rude: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("what", RAISES)
def test_a_data_set_that_raises_at_its_pictures(what, harness, tmp_path, monkeypatch, registry):
    path = registry(tmp_path / "toy.yaml", None)
    monkeypatch.setenv("RUDE", f"read {what}")
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert done.code == ExitCode.CELLS_FAILED, done.err
    assert "dataset toy, plugin acme-rude:rude, image image " in done.err
    assert "Traceback" not in done.err
    with sqlite3.connect(tmp_path / "toy.db") as connection:
        (stored,) = connection.execute("SELECT count(*) FROM clean WHERE error LIKE '%acme-rude%'")
    assert stored == (6,)


@pytest.mark.parametrize(("place", "what"), MODEL)
def test_a_model_that_cannot_be_used_costs_no_other_model(
    place, what, harness, tmp_path, monkeypatch, registry
):
    path = registry(tmp_path / "toy.yaml", None, models="toy, twin")
    found = []
    for number, rude in enumerate((f"{place} {what}", "")):
        monkeypatch.setenv("RUDE", rude)
        before = ambient()
        done = harness("run", "--registry", path, "--suite", "toy", "--db", f"{number}.db")
        assert ambient() == before
        assert done.code == (ExitCode.CELLS_FAILED if rude else ExitCode.OK), done.err
        assert "Traceback" not in done.err
        assert done.out == ""
        found.append(rows_of_others(tmp_path / f"{number}.db", model="twin"))
        if rude:
            (line,) = [line for line in done.err.splitlines() if "(plugin acme-rude:rude)" in line]
            assert line.startswith("toy: ")
    assert found[0] == found[1]
    assert found[0]["outcomes"]


def test_where_the_model_fails_no_healthy_plugin_is_blamed(
    harness, tmp_path, monkeypatch, registry
):
    path = registry(tmp_path / "toy.yaml", "rude-whole")
    monkeypatch.setenv("RUDE", "network wrong shape")
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert done.code == ExitCode.CELLS_FAILED
    (line,) = [line for line in done.err.splitlines() if line.startswith("toy rude-whole")]
    assert "the model returned NaN or infinity for the candidate" in line
    assert "plugin" not in line
    board = harness("leaderboard", "--db", "toy.db", "--suite", "toy", "--format", "json")
    assert "(plugin" not in board.out
