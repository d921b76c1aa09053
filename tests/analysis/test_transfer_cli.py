from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transfer_toy import Toy, attack, by_loops, clean_cells, panel, suite_of

from harness.report import heatmap
from harness.report.heatmap import HeatMap

FORBIDDEN = ("torch", "onnxruntime", "timm", "scipy", "pandas", "altair", "matplotlib")
LABEL = "ifgsm epsilon=0.1 steps=10"
MODELS = ("alpha", "beta", "gamma", "delta")


@pytest.fixture
def toy() -> Toy:
    """Two families, a border between them, one pair missing and one NaN."""
    toy = Toy({"alpha": "F", "beta": "G", "gamma": "F", "delta": "[red]G"})
    for number, source in enumerate(MODELS):
        toy.clean[source] = [True] * 6 + [False] * 2
        toy.statuses[source] = ["b"] * 4 + ["r"] * 2 + ["w"] * 2
        for place, target in enumerate(MODELS):
            toy.borders[source, target] = "none" if number == place else "white"
            toy.ranks[source, target] = {i: (i * (number + 1) + place) % 4 for i in range(6)}
            toy.adapted[source, target] = {i: i != place for i in range(6)}
    toy.ranks["alpha", "beta"] = {0: None, 1: 0, 2: 1, 3: 2, 4: 0, 5: 0}
    del toy.borders["beta", "alpha"]
    return toy


@pytest.fixture
def filled(bench: Any, toy: Toy) -> Any:
    bench.run(suite_of(MODELS, [attack(LABEL, "untargeted", "random", budget=0.1)]), 8)
    clean = clean_cells(bench, toy)
    for goal in ("untargeted", "random"):
        panel(bench, toy, clean, attack="ifgsm", label=LABEL, goal=goal, budget=0.1)
    return bench


def transfer(bench: Any, harness: Any, *arguments: object) -> Any:
    return harness("transfer", "--db", bench.path, *arguments)


@pytest.mark.parametrize("denominator", ["paper", "code"])
@pytest.mark.parametrize(("goal", "k"), [("untargeted", 1), ("random", 1), ("random", 2)])
def test_json_is_one_record_a_pair_equal_to_plain_loops(
    filled: Any, harness: Any, toy: Toy, goal: str, k: int, denominator: str
) -> None:
    chosen = ("--attack", "ifgsm", "--goal", goal, "--epsilon", 0.1, "--k", k, "--border", "white")
    done = transfer(filled, harness, *chosen, "--denominator", denominator, "--format", "json")
    assert done.code == 0, done.err
    records = json.loads(done.out)["rows"]
    assert [(row["source"], row["target"]) for row in records] == [
        (source, target)
        for source in ("alpha", "gamma", "beta", "delta")
        for target in ("alpha", "gamma", "beta", "delta")
    ]
    for row in records:
        expected = by_loops(toy, row["source"], row["target"], targeted=goal != "untargeted", k=k,
                            denominator=denominator, border="white")  # fmt: skip
        rate = (row["hits"], row["images"], row["missing"])
        clean = (row["clean_wrong"], row["clean_images"], row["clean_missing"])
        assert (rate, clean) == (expected or ((None,) * 3, (None,) * 3))
        if row["images"]:
            assert row["rate"] == row["hits"] / row["images"]
            assert row["rate_low"] <= row["rate"] <= row["rate_high"]
    assert "missing pairs (1): beta → alpha" in done.err
    assert "alpha → beta (" in done.err


def test_csv_is_the_json(filled: Any, harness: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(transfer(filled, harness, "--format", "csv").out)))
    records = json.loads(transfer(filled, harness, "--format", "json").out)["rows"]
    assert [{key: "" if value is None else str(value) for key, value in record.items()}
            for record in records] == rows  # fmt: skip


@pytest.mark.parametrize("format", ["table", "md"])
def test_people_see_maps_summary_and_notes(filled: Any, harness: Any, format: str) -> None:
    done = transfer(filled, harness, "--format", format, "--goal", "random", "--k", 2)
    assert (done.code, done.err) == (0, "")
    for text in (*MODELS, "top-2 matching rate", "resized clean originals", "mean rate by family",
                 "strongest sources", "most asymmetric pairs", "[red]G", "k = 2", "failed attacks",
                 "white padding", "diagonal", "missing pairs (1): beta → alpha", "15 of 16",
                 "within families"):  # fmt: skip
        assert text in done.out
    assert "95%" not in done.out
    assert "95% intervals: Wilson" in transfer(filled, harness, "--intervals").out


def test_wrong_names_are_one_line_and_exit_code_2(filled: Any, harness: Any) -> None:
    done = transfer(filled, harness, "--attack", "igfsm")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: --attack: unknown attack with transfers 'igfsm'; did you mean 'ifgsm'?\n"
    )
    assert transfer(filled, harness, "--k", 0).code == 2


def test_a_suite_without_transfers_says_so(bench: Any, harness: Any) -> None:
    bench.run(suite_of(["a"], [attack("fgsm", "untargeted")]), 1)
    done = transfer(bench, harness)
    assert done.code == 2
    assert "suite 'toy' has no transfers; " in done.err


@pytest.mark.parametrize("verb", [("transfer",), ("fingerprint", "alpha")])
def test_heavy_packages_stay_unloaded(filled: Any, verb: tuple[str, ...]) -> None:
    program = (
        "import sys\n"
        "from harness.cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        f"print([name for name in {FORBIDDEN!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *verb, "--db", str(filled.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines() == ["[]"]


def eighteen() -> HeatMap:
    sizes = (1, 2, 5, 3, 3, 3, 1)
    groups = tuple(f"family {n}" for n, size in enumerate(sizes) for _ in range(size))
    labels = tuple(f"digits-a_name_of_26_chars_{n:02}"[:26] + f"{n:02}" for n in range(18))
    values = {(a, b): (i * j) / 289 for i, a in enumerate(labels) for j, b in enumerate(labels)}
    return HeatMap("a title", labels, groups, values)


def test_eighteen_models_fit_120_columns_with_their_names() -> None:
    shown = heatmap.lines(eighteen(), 120)
    assert max(len(line) for line in shown) <= 120
    body = [line.plain for line in shown if "digits-" in line.plain]
    assert [line.split()[:2] for line in body] == [
        [str(n), label] for n, label in enumerate(eighteen().labels, 1)
    ]
    assert body[-1].replace("│", " ").split()[2:] == [
        heatmap.percent(17 * column / 289) for column in range(18)
    ]


def test_a_narrow_terminal_gets_numbers_and_the_names_below() -> None:
    shown = [line.plain for line in heatmap.lines(eighteen(), 80)]
    assert max(map(len, shown)) <= 80
    assert shown[-18:] == [f"{n:>2} {label}" for n, label in enumerate(eighteen().labels, 1)]
    assert not any("digits-" in line for line in shown[:-18])


def test_a_line_stands_between_families_alone() -> None:
    heat = HeatMap("", ("a", "b", "c"), ("F", "F", "G"), {})
    assert [line.plain for line in heatmap.lines(heat, 80)] == [
        "", "      1   2│  3", "───────────┼───", "1 a   –   –│  –", "2 b   –   –│  –",
        "───────────┼───", "3 c   –   –│  –"
    ]  # fmt: skip


def test_colours_are_only_where_the_terminal_has_them(filled: Any, harness: Any) -> None:
    from rich.console import Console

    def ansi(**settings: Any) -> str:
        console = Console(width=120, file=io.StringIO(), **settings)
        for line in heatmap.lines(eighteen(), 120):
            console.print(line)
        return str(console.file.getvalue())  # type: ignore[attr-defined]

    assert "\x1b[" in ansi(force_terminal=True, color_system="truecolor")
    assert "\x1b[" not in ansi(force_terminal=False)
    assert "\x1b[" not in transfer(filled, harness).out


@given(st.floats(0, 1))
def test_letters_stand_out_from_every_colour(value: float) -> None:
    """WCAG's contrast for text, level AA."""
    style = heatmap._style(value)
    assert style.bgcolor is not None
    assert style.color is not None
    triplet = style.bgcolor.get_truecolor()
    light = heatmap._luminance(*triplet)
    contrast = (light + 0.05) / 0.05 if style.color.name == "black" else 1.05 / (light + 0.05)
    assert contrast >= 4.5


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_only_exact_rates_are_shown_as_0_or_100(hits: int, images: int) -> None:
    share = min(hits, images) / images
    assert (heatmap.percent(share) == "0") == (share == 0)
    assert (heatmap.percent(share) == "100") == (share == 1)
