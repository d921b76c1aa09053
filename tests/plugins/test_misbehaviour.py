"""Every place where a plugin's value enters the core, and every way to misbehave there.

The run goes on and ends with the documented code; one line names the plugin; what the other plugins
computed is what they compute without it.
"""

from __future__ import annotations

import importlib
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import ExitCode

HERE = Path(__file__).parent
REGISTRY = """\
models:
  toy:
    loader: rude-loader
    family: toy
    year: 2026
    classes: 3
    preprocessing: &size {{size: [4, 4]}}
  twin:
    loader: rude-loader
    family: toy
    year: 2026
    classes: 3
    preprocessing: *size
    options: {{number: 2}}
datasets:
  toy:
    reader: rude-data
    version: "1"
    classes: 3
suites:
  toy:
    dataset: toy
    models: [{models}]
    attacks:
{attacks}      - {{attack: fgsm, goals: [untargeted, random], parameters: {{epsilon: 0.3}}}}
    measurements:
{measurements}      - {{measurement: divergence, parameters: {{steps: 3}}}}
    metrics: [{metrics}accuracy, success]
"""
"""The plugin's own stand before the others, so that these see what it leaves behind."""

SETTINGS = ("sets the dtype", "stops gradients", "seeds", "moves", "silences")
RAISES = ("raises", "interrupts", "exits", "closes")
RETURNS = ("returns None", "returns a string", "wrong shape")

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
]
"""Misbehaviour that costs the component's own results alone, and is exit code 1."""
HARMLESS = [
    *((place, "modifies its inputs") for place in ("attack", "load", "observe", "metric")),
    *((place, "modifies its inputs") for place in ("measurement", "together")),
]
"""What spoils nothing, for everybody has a copy of his own."""


@pytest.fixture(autouse=True)
def installed_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin of ``rude.py``, installed."""
    from harness.plugins import installed

    site = tmp_path.with_name(f"{tmp_path.name}-site")
    info = site / "acme_rude-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-rude\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nrude = rude\n")
    shutil.copy(HERE / "rude.py", site)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    installed.cache_clear()
    yield
    installed.cache_clear()
    sys.modules.pop("rude", None)


def registry(path: Path, component: str | None, models: str = "toy") -> Path:
    """The suite ``toy`` with ``component`` of the plugin, if any."""
    kinds = {"attack": ("rude-whole", "rude-stepped"), "metric": ("rude-metric",)}
    attack = component if component in kinds["attack"] else None
    metric = component if component in kinds["metric"] else None
    measurement = component if component and not attack and not metric else None
    path.write_text(
        REGISTRY.format(
            models=models,
            attacks=f"      - {{attack: {attack}, goals: [random]}}\n" if attack else "",
            measurements=f"      - {{measurement: {measurement}}}\n" if measurement else "",
            metrics=f"{metric}, " if metric else "",
        )
    )
    return path


def rows_of_others(db: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that is stored of other plugins' attacks, measurements and metrics."""
    with sqlite3.connect(db) as connection:
        return {
            name: connection.execute(query).fetchall()
            for name, query in {
                "clean": "SELECT image_id, predicted, margin FROM clean ORDER BY 1",
                "outcomes": "SELECT cells.label, goal, image_id, status, outcomes.linf, l2, margin,"
                " predicted, forwards FROM outcomes JOIN cells ON cells.id = cell_id"
                " WHERE cells.label NOT LIKE 'rude%' ORDER BY 1, 2, 3",
                "numbers": "SELECT cells.label, image_id, measurements.name, value"
                " FROM measurements JOIN cells ON cells.id = cell_id"
                " WHERE cells.label NOT LIKE 'rude%' ORDER BY 1, 2, 3",
                "scores": "SELECT cells.label, goal, metric, value FROM scores"
                " JOIN cells ON cells.id = cell_id WHERE metric NOT LIKE 'rude%'"
                " AND cells.label NOT LIKE 'rude%' ORDER BY 1, 2, 3",
            }.items()
        }


_WITHOUT: dict[str, list[tuple[object, ...]]] = {}


@pytest.fixture
def without(harness, tmp_path) -> dict[str, list[tuple[object, ...]]]:
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
def test_the_plugin_itself_is_healthy(component, harness, tmp_path, without):
    path = registry(tmp_path / "toy.yaml", component)
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert done.code == 0, done.err
    assert rows_of_others(tmp_path / "toy.db") == without


@pytest.mark.parametrize(("place", "what"), [c for c in SWEEP if c not in ELSEWHERE])
def test_misbehaviour_costs_nobody_else(place, what, harness, tmp_path, monkeypatch, without):
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
    place, what, harness, tmp_path, monkeypatch
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


DATA = [
    *((place, what) for place in ("constructor", "samples", "digest") for what in RAISES),
    *((place, what) for place in ("samples", "digest", "read") for what in RETURNS),
    *(("read", what) for what in SETTINGS if what != "seeds"),
]
"""Misbehaviour of a data set for which no run can begin."""


@pytest.mark.parametrize(("place", "what"), DATA)
def test_a_data_set_that_cannot_be_used(place, what, harness, tmp_path, monkeypatch):
    path = registry(tmp_path / "toy.yaml", None)
    monkeypatch.setenv("RUDE", f"{place} {what}")
    before = ambient()
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert ambient() == before
    assert done.code == ExitCode.PLUGIN, done.err
    assert done.err.startswith("error: data set toy, plugin acme-rude:rude: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("what", RAISES)
def test_a_data_set_that_raises_at_its_pictures(what, harness, tmp_path, monkeypatch):
    path = registry(tmp_path / "toy.yaml", None)
    monkeypatch.setenv("RUDE", f"read {what}")
    done = harness("run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert done.code == ExitCode.CELLS_FAILED, done.err
    assert "data set toy, plugin acme-rude:rude, image image " in done.err
    assert "Traceback" not in done.err
    with sqlite3.connect(tmp_path / "toy.db") as connection:
        (stored,) = connection.execute("SELECT count(*) FROM clean WHERE error LIKE '%acme-rude%'")
    assert stored == (6,)
