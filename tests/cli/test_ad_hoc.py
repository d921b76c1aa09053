"""Attacks that no suite names: ``--attacks NAME[:parameter=value]...``."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import harness as library
from harness.plugins import installed
from harness.resolve import adhoc

ATTACKS = {
    "own": "- {attack: fgsm, goals: [untargeted, random], parameters: {epsilon: 0.1}}",
    "minimal": "- {attack: ifgsm, goals: [random], parameters: {steps: 4, attempts: 5}}",
    "named": "- {attack: ifgsm, goals: [untargeted, random],"
    " parameters: {epsilon: 0.1, steps: 3}, keep: true}",
}


def suite(*names: str) -> str:
    attacks = "\n      ".join(ATTACKS[name] for name in names)
    return f"""\
suites:
  toy:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025]
    images: 6
    accuracy_images: 12
    attacks:
      {attacks}
    transfer: {{border: white}}
    metrics: [success]
"""


@pytest.fixture
def toy(harness: Any, tmp_path: Path) -> Any:
    """A command on the suite ``toy``, which has the attacks ``own`` and ``minimal``."""
    text = suite("own", "minimal").replace("    transfer: {border: white}\n", "")
    (tmp_path / "toy.yaml").write_text(text)

    def command(verb: str, *options: object) -> Any:
        return harness(verb, "--registry", "toy.yaml", "--suite", "toy", *options)

    return command


def cells(db: str) -> dict[str, tuple[Any, ...]]:
    """Each attack cell's key with all its outcomes."""
    with sqlite3.connect(db) as connection:
        rows = connection.execute(
            "SELECT cell_key, group_concat(image_id || status || linf || predicted) FROM"
            " (SELECT * FROM samples ORDER BY cell_key, image_id) GROUP BY cell_key"
        )
        return {key: tuple(rest) for key, *rest in rows}


def test_the_same_cells_as_if_the_suite_named_it(toy: Any, harness: Any, tmp_path: Path) -> None:
    done = toy("run", "--attacks", "ifgsm:epsilon=.1:steps=3:keep", "--db", "adhoc.db")
    assert done.code == 0, done.err
    (tmp_path / "named.yaml").write_text(suite("named"))
    named = harness("run", "--registry", "named.yaml", "--suite", "toy", "--db", "named.db")
    assert named.code == 0, named.err
    assert len(cells("adhoc.db")) == 4  # two models, two goals
    assert cells("adhoc.db") == cells("named.db")
    again = toy("run", "--attacks", "ifgsm:epsilon=.1:steps=3:keep", "--db", "adhoc.db")
    assert "nothing to do" in again.err


def boards(harness: Any, *options: str) -> list[str]:
    commands = ("leaderboard", "leaderboard --joint", "leaderboard --attack fgsm", "findings")
    return [harness(*command.split(), *options).out for command in commands]


def test_every_board_shows_it_and_the_suites_own_stay(toy: Any, harness: Any) -> None:
    assert toy("run").code == 0
    before = boards(harness)
    compared = json.loads(harness("leaderboard", "--attacks", "--format", "json").out)["rows"]
    label = "ifgsm epsilon=0.2 attempts=9 steps=3"
    item = "ifgsm:epsilon=.2:steps=3"
    assert f" {label} " in toy("plan", "--attacks", item, "--no-calibration").out
    assert toy("run", "--attacks", item).code == 0

    def check() -> None:
        now = boards(harness)
        assert [board.splitlines()[0] for board in now] == [b.splitlines()[0] for b in before]
        assert now[0] == before[0]
        assert now[2:] == before[2:]
        assert json.loads(harness("leaderboard", "--attack", label, "--format", "json").out)["rows"]
        rows = json.loads(harness("leaderboard", "--attacks", "--format", "json").out)["rows"]
        found = {(row["attack"], row["goal"]) for row in rows}
        assert found - {(row["attack"], row["goal"]) for row in compared} == {
            (label, "untargeted"), (label, "random")
        }  # fmt: skip
        assert label in harness("compare", "digits-alexnet", "digits-mobilenet_v1_025").out

    check()
    assert label in harness("status", "--cells").out
    assert toy("run").code == 0  # the suite as it is: its latest run knows nothing of the attack
    check()
    assert label not in harness("status", "--cells").out


def test_a_minimal_one_is_no_metric_of_the_suite(toy: Any, harness: Any) -> None:
    assert toy("run", "--attacks", "fgsm").code == 0
    assert (
        toy("run", "--attacks", "cw:fast:search_steps=1:iterations=5", "--goals", "random").code
        == 0
    )
    label = "cw preset=fast iterations=5 search_steps=1"
    board = harness("leaderboard")
    assert board.out.startswith("toy: fgsm epsilon=0.1, goal random")
    joint = harness("leaderboard", "--joint")
    assert "cw l2" not in joint.out
    assert f"not metrics of the suite, so left out: {label}" in " ".join(joint.out.split())
    one = json.loads(harness("leaderboard", "--attack", "cw", "--format", "json").out)
    assert one["attack"] == label
    assert harness("leaderboard", "--attack", "cw", "--goal", "untargeted").code == 2


def test_transfer_shows_one_whose_images_are_kept(harness: Any, tmp_path: Path) -> None:
    (tmp_path / "named.yaml").write_text(suite("named"))
    run = ("run", "--registry", "named.yaml", "--suite", "toy")
    assert harness(*run, "--attacks", "fgsm:epsilon=.2:keep", "--goals", "untargeted").code == 0
    shown = json.loads(harness("transfer", "--attack", "fgsm", "--format", "json").out)
    assert shown["selection"]["attack"] == "fgsm epsilon=0.2"
    assert {row["images"] for row in shown["rows"]} > {None} or shown["rows"][0]["images"]


def test_the_suites_own_attack_by_its_parameters_is_that_attack(toy: Any) -> None:
    done = toy("plan", "--attacks", "fgsm:epsilon=.1", "--format", "json", "--no-calibration")
    rows = json.loads(done.out)["attacks"]
    assert [(row["attack"], row["goal"]) for row in rows[1:]] == [
        ("fgsm epsilon=0.1", "untargeted"), ("fgsm epsilon=0.1", "random")
    ]  # fmt: skip
    wanted = toy("plan", "--attacks", "fgsm:epsilon=.1", "--goals", "least-likely",
                 "--format", "json", "--no-calibration")  # fmt: skip
    assert [row["goal"] for row in json.loads(wanted.out)["attacks"][1:]] == ["least-likely"]


def test_a_measurement_may_be_named_too(toy: Any) -> None:
    item = "fgsm:epsilon=.3:keep,surface:direction=attack:attack=fgsm epsilon=0.3"
    done = toy("plan", "--attacks", item, "--goals", "random", "--format", "json",
               "--no-calibration")  # fmt: skip
    assert done.code == 0, done.err
    names = [row["attack"] for row in json.loads(done.out)["attacks"]]
    assert names[1] == "fgsm epsilon=0.3"
    assert names[2].startswith("surface ")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("ifgms:steps=3", "--attacks: unknown attack 'ifgms'; did you mean 'ifgsm'?"),
        ("ifgsm:stepz=3", "--attacks ifgsm:stepz=3: unknown parameter of ifgsm 'stepz'; did you"
                          " mean 'steps'?"),
        ("ifgsm:steps=0", "--attacks ifgsm:steps=0: steps: Input should be greater than or equal"
                          " to 1 (given: 0); see `harness attacks show ifgsm`"),
        ("cw:papr", "--attacks cw:papr: unknown preset of cw 'papr'; did you mean 'paper'?"),
        ("cw:paper:fast", "'fast' is no parameter=value"),
        ("ifgsm:steps=3:steps=4", "steps is given twice"),
        ("ifgsm:steps={3", "steps: '{3' is not valid YAML"),
        ("ifgsm:epsilon=2020-13-01", "epsilon"),
        ("ifgsm:epsilon=[]", "epsilon: the list is empty"),
        ("ifgsm:steps=3,ifgsm:steps=3", "it is listed twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(toy: Any, item: str, said: str) -> None:
    done = toy("plan", "--attacks", item)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert said in line


def test_a_name_may_hold_colons_and_the_longest_counts(monkeypatch: Any) -> None:
    catalog = installed()
    known = {"lib": "short", "lib:Deep": "long", "lib:Deep:er": "longer"}
    monkeypatch.setattr(
        type(catalog), "find",
        lambda self, kind, name: found(name) if name in known and kind == "attack" else None,
    )  # fmt: skip

    def found(name: str) -> Any:
        from harness.plugins import Kind, Registration

        return Registration(Kind.ATTACK, name, "x:Y", "1", "", "p", "d")

    for item, name, parameters in (
        ("lib:Deep:steps=20", "lib:Deep", {"steps": 20}),
        ("lib:Deep:er", "lib:Deep:er", {}),
        ("lib:eps=[.1,.2]", "lib", {"eps": [0.1, 0.2]}),
        ("lib:text='a:b'", "lib", {"text": "a:b"}),
    ):
        read = adhoc.read(item, catalog, ())
        assert read is not None
        assert (read.registration.name, read.entry.parameters) == (name, parameters)
    assert adhoc.read("bib:Deep:steps=2", catalog, ()) is None
    assert adhoc.named("lib:Depe:steps=20") == "lib:Depe"


def test_lists_are_split_outside_brackets_and_quotes() -> None:
    assert adhoc.split("a:x=[1,2],b:y={p: [1, 2]},c:z='d,e'", ",") == [
        "a:x=[1,2]", "b:y={p: [1, 2]}", "c:z='d,e'"
    ]  # fmt: skip


def test_from_python_and_sweeps(toy: Any, tmp_path: Path) -> None:
    table = library.plan(
        "toy", registry=["toy.yaml"], attacks=["fgsm:epsilon=[.2,.3]", "ifgsm*"], goals=["random"]
    )
    assert dict.fromkeys(row["task"] for row in table) == dict.fromkeys(
        ["clean", "ifgsm attempts=5 steps=4", "fgsm epsilon=0.2", "fgsm epsilon=0.3"]
    )
    summary = library.run(
        "toy", registry=["toy.yaml"], attacks=["fgsm:epsilon=.2"], goals=["random"],
        models=["digits-alexnet"], progress="plain",
    )  # fmt: skip
    assert not summary.failures
    assert "fgsm epsilon=0.2" in library.results().suite("toy").attacks
