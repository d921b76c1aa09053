"""Suites that extend others: what is added, what is replaced, what is said where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import harness as library
from harness.api import ConfigError, Goal
from harness.registry import Registry, load


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    """Overlays, written and loaded on top of the registry."""

    def load_all(*texts: str) -> Registry:
        files = []
        for number, text in enumerate(texts):
            file = tmp_path / f"{number}.yaml"
            file.write_text(text)
            files.append(file)
        return load(files)

    return load_all


BASE = """\
suites:
  base:
    dataset: digits
    models: [digits-alexnet, digits-vgg16]
    images: 20
    seed: 3
    attacks:
      - {attack: fgsm, goals: [random], keep: true}
      - {attack: ifgsm}
    transfer: {border: grey}
    measurements:
      - {measurement: divergence, images: 5}
    metrics: [success]
"""


def test_lists_are_added_and_fields_replaced(loaded: Any) -> None:
    suite = loaded(
        BASE
        + """\
  more:
    extends: base
    summary: mine
    models: [digits-vgg19, digits-vgg16]
    images: 8
    attacks:
      - {attack: cw, goals: [untargeted]}
    measurements:
      - {measurement: clever, goals: [random]}
    metrics: [success, linf]
"""
    ).suites["more"]
    assert (suite.dataset, suite.images, suite.seed, suite.summary) == ("digits", 8, 3, "mine")
    assert suite.models == ("digits-alexnet", "digits-vgg16", "digits-vgg19")
    assert [each.attack for each in suite.attacks] == ["fgsm", "ifgsm", "cw"]
    assert [each.measurement for each in suite.measurements] == ["divergence", "clever"]
    assert suite.metrics == ("success", "linf")
    assert suite.transfer is not None
    assert suite.transfer.border == "grey"
    assert (suite.extends, suite.name) == ("base", "more")


def test_what_is_null_is_replaced_by_nothing(loaded: Any) -> None:
    suite = loaded(BASE + "  all:\n    extends: base\n    images: null\n    transfer: null\n")
    assert suite.suites["all"].images is None
    assert suite.suites["all"].transfer is None


def test_named_lists_replace_the_others(loaded: Any) -> None:
    suite = loaded(
        BASE
        + """\
  other:
    extends: base
    replaces: [attacks, models, metrics]
    models: [digits-vgg19]
    attacks: [{attack: cw}]
    metrics: [l2]
"""
    ).suites["other"]
    assert (suite.models, suite.metrics) == (("digits-vgg19",), ("l2",))
    assert [each.attack for each in suite.attacks] == ["cw"]
    # what hung on the attacks has gone with them
    assert (suite.measurements, suite.transfer) == ((), None)


def goals(tmp_path: Path, text: str, suite: str) -> dict[str, list[str]]:
    """The goals of each attack of a plan."""
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    table = library.plan(suite, registry=[path], models=["digits-alexnet"], limit=1)
    found: dict[str, list[str]] = {}
    for row in table:
        if row["goal"]:
            found.setdefault(row["task"].split()[0], []).append(row["goal"])
    return found


MORE = "  more:\n    extends: base\n    goals: [least-likely]\n    attacks: [{attack: cw}]\n"


def test_goals_are_added_to_what_is_inherited(tmp_path: Path) -> None:
    assert goals(tmp_path, BASE, "base") == {
        "fgsm": ["random"], "ifgsm": ["untargeted", "random"], "divergence": ["untargeted"]
    }  # fmt: skip
    assert goals(tmp_path, BASE + MORE, "more") == {
        "fgsm": ["random", "least-likely"],
        "ifgsm": ["untargeted", "random", "least-likely"],
        "cw": ["least-likely"],
        "divergence": ["untargeted"],
    }


def test_goals_may_replace_those_of_the_other(tmp_path: Path) -> None:
    text = BASE + MORE.replace("goals:", "replaces: [goals]\n    goals:")
    found = goals(tmp_path, text, "more")
    assert {found[name][0] for name in ("fgsm", "ifgsm", "cw")} == {"least-likely"}
    assert all(len(each) == 1 for each in found.values())


def test_a_suite_of_five_lines(tmp_path: Path) -> None:
    text = """\
suites:
  acme:
    dataset: digits
    models: ["digits-*"]
    attacks: [{attack: fgsm, parameters: {epsilon: [.1, .2, .3]}}]
"""
    path = tmp_path / "acme.yaml"
    path.write_text(text)
    suite = load([path]).suites["acme"]
    assert suite.metrics == load().suites["digits18"].metrics
    table = library.plan("acme", registry=[path], models=["digits-alexnet"], limit=2)
    assert {(row["task"], row["goal"]) for row in table} == {
        ("clean", None),
        *((f"fgsm epsilon=0.{n}", goal) for n in (1, 2, 3) for goal in ("untargeted", "random")),
    }


def test_every_field_of_a_sweep_meets_every_other(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(
        """\
suites:
  acme:
    dataset: digits
    models: [digits-alexnet]
    goals: [random]
    attacks:
      - {attack: ifgsm, parameters: {epsilon: [.1, .2], steps: [5, 10]}}
    measurements:
      - {measurement: clever, parameters: {norms: [l2, linf], batches: [5, 6], samples: 4}}
"""
    )
    table = library.plan("acme", registry=[path], limit=1)
    assert [row["task"] for row in table][1:] == [
        "ifgsm epsilon=0.1 steps=5", "ifgsm epsilon=0.1 steps=10",
        "ifgsm epsilon=0.2 steps=5", "ifgsm epsilon=0.2 steps=10",
        "clever norms=l2+linf batches=5 samples=4", "clever norms=l2+linf batches=6 samples=4",
    ]  # fmt: skip


def test_a_file_has_metrics_of_its_own_for_its_suites(loaded: Any) -> None:
    small = "suites:\n  small: {dataset: digits, models: [digits-vgg16]}\n"
    found = loaded("defaults: {metrics: [success]}\n" + small, small.replace("small", "other"))
    assert found.suites["small"].metrics == ("success",)
    assert found.suites["other"].metrics == found.suites["digits18"].metrics


def test_extending_goes_across_files_in_any_order(loaded: Any) -> None:
    last = "suites:\n  c: {extends: b, seed: 7}\n"
    found = loaded(last, BASE.replace("base", "a"), "suites:\n  b: {extends: a, images: 4}\n")
    assert (found.suites["c"].seed, found.suites["c"].images) == (7, 4)
    assert len(found.suites["c"].attacks) == 2
    assert found.suites["c"].attacks[0].source.endswith("1.yaml:8")  # where it stands


def test_a_suite_of_an_earlier_file_under_its_own_name(loaded: Any) -> None:
    found = loaded(
        "suites:\n  digits18: {extends: digits18, images: 5}\n",
        "suites:\n  digits18: {extends: digits18, seed: 9}\n",
    ).suites["digits18"]
    assert (found.images, found.seed) == (5, 9)
    assert len(found.attacks) == len(load().suites["digits18"].attacks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  a: {extends: digits81}", r"0.yaml:2: suites.a.extends: unknown suite 'digits81'; did"
                                     r" you mean 'digits18'\?"),
        ("  a: {extends: a}", r"0.yaml:2: suites.a.extends: the suite extends itself; name"),
        ("  a: {extends: c}\n  b: {extends: a}\n  c:\n    seed: 1\n    extends: b",
         r"0.yaml:3: suites.b.extends: suites extend each other in a circle: a -> c -> b -> a;"),
        ("  a: {extends: digits18, replaces: [attacks]}", r"0.yaml:2: suites.a: replaces attacks,"
                                                          r" but has none: give them"),
        ("  a: {dataset: digits, replaces: [goals], goals: [random]}",
         r"0.yaml:2: suites.a: replaces something, but extends no suite: name one"),
        ("  a: {extends: digits18, replaces: [attack]}",
         r"0.yaml:2: suites.a.replaces\[0\]: .* it is 'attack'; did you mean 'attacks'\?"),
        ("  a: {extends: digits18, dataset: digit}",
         r"0.yaml:2: suites.a.dataset: unknown dataset 'digit'; did you mean 'digits'\?"),
        ("  a:\n    extends: digits18\n    models:\n      - digits-vgg61",
         r"0.yaml:5: suites.a.models\[0\]: unknown model 'digits-vgg61'"),
        ("  a: {models: [digits-vgg16]}", r"0.yaml:2: suites.a.dataset: the field is missing;"),
        ("  a: {extends: imagenet18-quick, transfer: {}}",
         r"0.yaml:2: suites.a: has transfer, but no attack keeps its images"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_line(loaded: Any, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        loaded(f"suites:\n{text}\n")


def test_a_goal_that_no_attack_of_the_suite_has(tmp_path: Path, monkeypatch: Any) -> None:
    from harness.plugins import Kind, installed

    kind = installed().get(Kind.ATTACK, "fgsm").load()
    monkeypatch.setattr(kind, "goals", frozenset({Goal.UNTARGETED}))
    path = tmp_path / "acme.yaml"
    text = "suites:\n  a:\n    dataset: digits\n    models: [digits-vgg16]\n    goals: [random]\n"
    path.write_text(text + "    attacks:\n      - {attack: fgsm}\n")
    with pytest.raises(ConfigError, match=r"acme.yaml:7: suites.a.attacks \(fgsm\): it can pursue"):
        library.plan("a", registry=[path])
    # one that is added to others passes by what cannot pursue it
    path.write_text(text.replace("random", "untargeted") + "    attacks: [{attack: fgsm}]\n"
                    "  b: {extends: a, goals: [random]}\n")  # fmt: skip
    assert {row["goal"] for row in library.plan("b", registry=[path], limit=1)} == {
        None, "untargeted"
    }  # fmt: skip


def test_a_stored_definition_is_that_of_a_suite_written_out(harness: Any, tmp_path: Path) -> None:
    import json
    import sqlite3

    short = (
        BASE.replace("    transfer: {border: grey}\n", "")
        + "  more: {extends: base, images: 2, accuracy_images: 2, replaces: [attacks],"
        " attacks: [{attack: fgsm, goals: [random], parameters: {epsilon: [.1, .2]}}]}\n"
    )
    full = """\
suites:
  more:
    dataset: digits
    models: [digits-alexnet, digits-vgg16]
    images: 2
    accuracy_images: 2
    seed: 3
    attacks:
      - {attack: fgsm, goals: [random], parameters: {epsilon: .1}}
      - {attack: fgsm, goals: [random], parameters: {epsilon: .2}}
    metrics: [success]
"""
    stored = []
    for number, text in enumerate((short, full)):
        (tmp_path / "s.yaml").write_text(text)
        run = ("run", "--registry", "s.yaml", "--suite", "more", "--models", "digits-alexnet")
        done = harness(*run, "--db", f"{number}.db")
        assert done.code == 0, done.err
        with sqlite3.connect(f"{number}.db") as db:
            (text,) = db.execute("SELECT definition FROM runs").fetchone()
            keys = db.execute("SELECT key, label FROM cells ORDER BY key").fetchall()
        stored.append((json.loads(text), keys))
    assert stored[0] == stored[1]
