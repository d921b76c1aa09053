"""Published leaderboards: what is read, what joins, and that nothing measured changes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.analysis.leaderboard import joint, leaderboard
from harness.analysis.published import PublishedModel, correlated, joined, read_published
from harness.analysis.results import Results
from harness.errors import ConfigError
from harness.report import joint as joint_report
from harness.report.leaderboard import presentation
from harness.report.published import MARK, with_published
from harness.report.text import render

ROBUSTBENCH = {
    "name": "A paper's title", "eps": "4/255", "clean_acc": "76.02", "autoattack_acc": "55.82",
}  # fmt: skip
TIMM = (
    "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation\n"
    'net.tag,224,80.5,19.5,95,5,"1,014.45",0.9,bicubic\n'
)


@pytest.fixture
def files(tmp_path: Any) -> Any:
    folder = tmp_path / "Linf"
    folder.mkdir()
    (folder / "Robust_A.json").write_text(json.dumps(ROBUSTBENCH))
    (folder / "Robust_B.json").write_text(json.dumps({**ROBUSTBENCH, "external": "50.5"}))
    (tmp_path / "results.csv").write_text(TIMM)
    (tmp_path / "plain.yaml").write_text("alpha: {top1: 90, robust: 12.5}\nomega: {top1: 60}\n")
    (tmp_path / "rows.json").write_text('[{"name": "beta", "top1": 70, "robust": 0}]')
    return tmp_path


def test_every_form(files: Any) -> None:
    names = ("Linf", "results.csv", "plain.yaml", "rows.json")
    found = {row.name: row for row in read_published([files / name for name in names])}
    numbers = {name: (row.top1, row.robust) for name, row in found.items()}
    assert numbers == {
        "Robust_A": (0.7602, 0.5582), "Robust_B": (0.7602, 0.505), "net.tag": (0.805, None),
        "alpha": (0.9, 0.125), "omega": (0.6, None), "beta": (0.7, 0.0),
    }  # fmt: skip
    assert found["Robust_B"].file == "Robust_B.json"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "model,top1\nx,high\n", r"row 1: top1 is 'high'; give a percentage"),
        ("a.yaml", "[{name: x, top1: 101}]", "top1 is 101"),
        ("a.json", "[{]", "cannot be read"),
        ("a.json", "[3]", "row 1: has no name"),
        ("a.csv", "model,top1\n", "has no rows"),
    ],
)
def test_what_is_refused(tmp_path: Any, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_published([tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="has no JSON files"):
        read_published([tmp_path / "empty"])


def test_names_go_before_architectures() -> None:
    rows = [PublishedModel(name, 0.5, None, "f") for name in ("a", "net.tag", "Robust_A", "other")]
    again = replace(rows[0], top1=0.9)
    models = {"a": "net.tag", "b": "net.tag", "c": "imagenet/Linf/Robust_A", "d": None, "e": "a/"}
    found = joined([*rows, again], models)
    assert {model: row.name for model, row in found.found.items()} == {
        "a": "a", "b": "net.tag", "c": "Robust_A"
    }  # fmt: skip
    assert found.found["a"].top1 == 0.5, "the first row of a name counts"
    assert [row.name for row in found.others] == ["other"]
    assert found.without == ("d", "e")


def published(pairs: Any, board: str = "Linf", eps: str | None = "4/255") -> list[PublishedModel]:
    return [
        PublishedModel(f"m{place}", top1, robust, "f", board, eps)
        for place, (top1, robust) in enumerate(pairs)
    ]


def test_clean_and_robust_accuracy_of_each_board_and_budget() -> None:
    rising = [(0.5, 0.2), (0.6, 0.3), (0.7, 0.5), (0.8, 0.4), (0.9, 0.6)]
    rows = [
        *published([*rising, (0.95, 0.0), (0.4, None), (None, 0.4)]),
        *published([(a, 1 - b) for a, b in rising], "L2", "0.5"),
        *published(rising[:3], "few"),
        *published([(0.5, 0.2)] * 5, "equal", None),
    ]
    # Threat models have rows of the same names; of a row that is there twice the first counts.
    again = replace(rows[0], robust=0.99)
    first, second = correlated(joined([*rows, again], {"one": "m0", "two": "m0"}).rows)
    assert (first.board, first.eps, first.models, first.undefended) == ("Linf", "4/255", 5, 1)
    # One pair of neighbours exchanged: 1 - 6 * 2 / (5 * 24).
    assert first.value == pytest.approx(0.9)
    assert first.interval[0] < 0.9 < first.interval[1]
    assert (second.board, second.models, second.undefended) == ("L2", 5, 0)
    assert second.value == pytest.approx(-0.9)


@pytest.fixture
def suite(bench: Any, define: Any) -> Any:
    bench.run(define(["alpha", "beta", "gamma"]), 4)
    for place, name in enumerate(("alpha", "beta", "gamma")):
        bench.clean(name, [True] * 3 + [False])
        bench.attack(name, [0.1 + place, 0.2, 0.3, "w"])
    return Results(bench.sql).suite()


@pytest.mark.parametrize("together", [False, True])
def test_measured_rows_stay_and_published_ones_are_marked(suite: Any, together: bool) -> None:
    plain = (
        joint_report.presentation(joint(suite)) if together else presentation(leaderboard(suite))
    )
    rows = [PublishedModel("alpha", 0.9, 0.1, "f.csv"), PublishedModel("far", 0.95, 0.7, "f.csv")]
    found = with_published(plain, joined(rows, suite.architectures))
    for before, after in zip(plain.records, found.records, strict=False):
        assert before.items() <= after.items()
    assert [row[: len(plain.columns)] for row in found.rows[:3]] == list(plain.rows)
    last = found.records[-1]
    assert (last["model"], last["status"], last["rank"]) == ("far", "published", None)
    assert (last["published_top1"], last["published_robust_accuracy"]) == (0.95, 0.7)
    by_name = {record["model"]: record for record in found.records}
    assert by_name["alpha"]["published_in"] == "f.csv"
    assert by_name["beta"]["published_top1"] is None
    assert f"far {MARK}" in render(found, "table")
    document = json.loads(render(found, "json"))
    assert [row["model"] for row in document["rows"]][-1] == "far"
    assert document["published_without"] == ["beta", "gamma"]
    assert "without a published row: beta, gamma" in document["notes"]
    assert render(found, "csv").count("published") >= 3


def test_the_command(harness: Any, files: Any, bench: Any, define: Any) -> None:
    bench.run(define(["alpha"]), 2)
    bench.clean("alpha", [True, True])
    bench.attack("alpha", [0.1, 0.2])
    shown = harness("leaderboard", "--db", bench.path, "--with", files / "plain.yaml",
                    "--with", files / "Linf", "--format", "json")  # fmt: skip
    rows = {row["model"]: row for row in json.loads(shown.out)["rows"]}
    assert set(rows) == {"alpha", "omega", "Robust_A", "Robust_B"}
    assert rows["alpha"]["published_robust_accuracy"] == 0.125
    assert json.loads(shown.out)["published_correlations"] == []
    rising = {f"m{i}": {"top1": 50 + i, "robust": 20 + i * i, "eps": "8/255"} for i in range(5)}
    (files / "rising.json").write_text(json.dumps(rising))
    shown = harness("leaderboard", "--db", bench.path, "--with", files / "rising.json")
    assert (
        f"published, {files / 'rising.json'}, eps 8/255: clean and robust accuracy of 5 models:"
        " Spearman +1.00 (95% CI"
    ) in " ".join(shown.out.split())
    wrong = harness("leaderboard", "--attacks", "--db", bench.path, "--with", files / "plain.yaml")
    assert (wrong.code, "--with" in wrong.err) == (2, True)
