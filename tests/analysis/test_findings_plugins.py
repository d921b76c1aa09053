"""Findings of third parties: the documentation's, and one for each thing that goes wrong."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from board_toy import Bench
from transfer_toy import attack

from harness.plugins import installed

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"

INIT = """\
from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_findings(register):
    for name in {names}:
        register(name, f"acme_claims.findings:{{name}}", version="1", summary="of Acme")
"""

WRONG = '''\
import os
import sys

import numpy as np

from harness.api import Conclusion, Finding, conclude


class Claim(Finding):
    title, claim, source, rule = "t", "c", "s", "r"

    def check(self, evidence):
        return Conclusion("holds", "1 of 1", (np.float64(0.5), 1))


class first(Claim):
    """Healthy, before all the others."""


class raises(Claim):
    def check(self, evidence):
        raise ValueError("two\\nlines")


class exits(Claim):
    def check(self, evidence):
        sys.exit(3)


class interrupts(Claim):
    def check(self, evidence):
        raise KeyboardInterrupt


class returns_nothing(Claim):
    def check(self, evidence):
        pass


class returns_text(Claim):
    def check(self, evidence):
        return "holds"


class wrong_verdict(Claim):
    def check(self, evidence):
        return Conclusion("true", "")


class not_a_number(Claim):
    def check(self, evidence):
        return Conclusion("holds", "", (float("nan"), 1.0))


class backwards(Claim):
    def check(self, evidence):
        return Conclusion("holds", "", (2.0, 1.0))


class no_text(Claim):
    def check(self, evidence):
        return Conclusion("holds", 0.5)


class twice(Claim):
    def check(self, evidence):
        return [Conclusion("holds", "", of="a"), Conclusion("holds", "", of="a")]


class changes_models(Claim):
    def check(self, evidence):
        evidence.models.clear()


class changes_images(Claim):
    def check(self, evidence):
        next(iter(evidence.trials[0].outcomes.values())).judged.clear()


class changes_parameters(Claim):
    def check(self, evidence):
        evidence.trials[0].attack.parameters["epsilon"] = 9


class untitled(Claim):
    title = ""


class unfinished(Finding):
    title, claim, source, rule = "t", "c", "s", "r"


class no_finding:
    pass


class prints(Claim):
    def check(self, evidence):
        print("loud")
        os.system("echo louder")
        return super().check(evidence)


class last(Claim):
    """Healthy, after all the others, and still sees everything."""

    def check(self, evidence):
        images = sum(len(each.judged) for each in evidence.trials[0].outcomes.values())
        return [conclude([], lacking=f"{len(evidence.models)} models, {images} images")]
'''

REASONS = {
    "raises": "ValueError: two lines",
    "exits": "SystemExit: 3",
    "interrupts": "KeyboardInterrupt",
    "returns_nothing": "it returned NoneType, not a Conclusion",
    "returns_text": "it returned str, not a Conclusion",
    "wrong_verdict": "its verdict is 'true'; there are: holds, does not hold, not enough data",
    "not_a_number": "its interval is nan to 1",
    "backwards": "its interval is 2 to 1",
    "no_text": "is not text",
    "twice": "'twice-a' is the name of another row",
    "changes_models": "AttributeError",
    "changes_images": "AttributeError",
    "changes_parameters": "TypeError",
    "untitled": "its title is missing",
    "unfinished": "abstract",
    "no_finding": "it is not a Finding",
    "absent": "cannot be imported",
}

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution of one package: its files by name."""
    site = tmp_path / "site"

    def install(package: str, **files: str) -> None:
        folder = site / package
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        info = site / f"{package}-1.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n"
        )
        info.joinpath("entry_points.txt").write_text(f"[harness]\nacme = {package}\n")
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        installed.cache_clear()

    yield install
    installed.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0].startswith("acme_")]:
        del sys.modules[name]


@pytest.fixture
def noisy(bench: Bench, define: Any) -> Bench:
    """Six models that acme-noise breaks on one image of twenty."""
    models = [f"m{number}" for number in range(6)]
    bench.run(define(models, [attack("acme-noise", "untargeted", budget=0.1)]), 20)
    for model in models:
        bench.clean(model, [True] * 20)
        bench.attack(model, [0.1] + ["r"] * 19, attack="acme-noise", goal="untargeted", budget=0.1)
    bench.commit()
    return bench


def rows(harness: Any, bench: Bench) -> dict[str, Any]:
    done = harness("findings", "--db", bench.path, "--format", "json")
    assert done.code == 0, done.err
    return {row["name"]: row for row in json.loads(done.out)["rows"]}


def test_the_finding_of_the_documentation(harness: Any, noisy: Bench, install: Install) -> None:
    section = PAGE.read_text().split("\n## Findings\n")[1].split("\n## ")[0]
    finding, init = re.findall(r"^```python\n(.*?)^```", section, re.M | re.S)
    assert len(re.findall(r"^    def check.*", finding, re.M | re.S)[0].splitlines()) <= 20
    before = rows(harness, noisy)
    install("acme_robustness", findings=finding, __init__=init)
    found = rows(harness, noisy)
    row = found.pop("noise-is-harmless")
    assert found == before
    assert (row["verdict"], row["plugin"], row["distribution"]) == (
        "holds", "acme", "acme_robustness",
    )  # fmt: skip
    assert row["figure"] == "acme-noise, untargeted: mean success 5.0% of 6 models"
    assert (row["low"], row["high"]) == pytest.approx((0.05, 0.05))
    shown = harness("findings", "--db", noisy.path)
    assert "noise is harmless" in shown.out
    assert "(the Acme handbook, chapter 2)" in shown.out


def test_a_wrong_finding_costs_itself_alone(harness: Any, noisy: Bench, install: Install) -> None:
    before = rows(harness, noisy)
    names = ["first", *REASONS, "prints", "last"]
    install("acme_claims", findings=WRONG, __init__=INIT.format(names=names))
    found = rows(harness, noisy)
    assert {name: found[name] for name in before} == before
    assert list(found)[len(before) :] == names
    for name, reason in REASONS.items():
        row = found[name]
        assert (row["verdict"], row["low"], row["plugin"]) == ("error", None, "acme"), row
        assert row["figure"].startswith("plugin acme (acme_claims): "), row
        assert reason in row["figure"], row
        assert "\n" not in row["figure"]
    for name in ("first", "prints"):
        values = [found[name][key] for key in ("verdict", "low", "high")]
        assert values == ["holds", 0.5, 1.0]
    assert found["last"]["figure"] == "no results: 6 models, 120 images"
    shown = harness("findings", "--db", noisy.path)
    assert shown.code == 0
    assert "! error" in shown.out
    assert "loud" not in shown.out
    assert "plugin acme: loud" in shown.err


def test_no_plugin_makes_a_claim(
    harness: Any, noisy: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.plugins import Catalog

    monkeypatch.setattr("harness.plugins.installed", lambda: Catalog([]))
    assert rows(harness, noisy) == {}
    assert "no installed plugin makes a claim" in harness("findings", "--db", noisy.path).out
