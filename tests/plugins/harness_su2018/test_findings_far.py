"""Paths in WordNet, on a tiny one in its own file format."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from findings_toy import Score, evidence, outcomes, trial

from harness.api import Attacked, Evidence
from harness_datasets.tree import class_numbers
from harness_su2018.findings.far import LeastLikelyFar
from harness_su2018.findings.wordnet import FILE, Nouns, are_synsets, find

# entity > thing > animal > dog > pug, and cat under animal and pet, which is under thing;
# entity > idea > plan > scheme > plot: pug to plot is 8. rex is an instance of pug.
TREE = {
    "entity": (), "thing": ("entity",), "animal": ("thing",), "pet": ("thing",),
    "dog": ("animal", "pet"), "pug": ("dog",), "cat": ("animal", "pet"), "idea": ("entity",),
    "plan": ("idea",),
    "scheme": ("plan",), "plot": ("scheme",),
}  # fmt: skip
NAMES = [*TREE, "rex", "orphan"]
IDS = {name: f"n{place:08d}" for place, name in enumerate(NAMES, 1740)}


def line(name: str, pointers: list[tuple[str, str]], words: int = 11) -> str:
    """A synset with eleven words, whose number is hexadecimal, and other pointers between."""
    said = " ".join(f"{name}_{place} 0" for place in range(words))
    given = [f"{symbol} {IDS[other][1:]} n 0000" for symbol, other in pointers]
    given.insert(len(given) // 2, "+ 00692347 v 0101")
    joined = " ".join(given)
    return f"{IDS[name][1:]} 03 n {words:02x} {said} {len(given):03d} {joined} | what {name} @ is  "


def data() -> str:
    rows = [line(name, [("@", each) for each in above]) for name, above in TREE.items()]
    rows += [line("rex", [("@i", "pug"), ("#m", "plot")]), line("orphan", [])]
    return "  1 This software and database is licensed  \n" + "\n".join(rows) + "\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("WNHOME", "NLTK_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    (tmp_path / FILE).write_text(data())
    return tmp_path / FILE


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [
        ("dog", "dog", 0),
        ("pug", "dog", 1),
        ("dog", "cat", 2),
        ("rex", "cat", 4),
        ("pug", "plot", 8),
    ],
)
def test_a_path(file: Path, one: str, other: str, length: int) -> None:
    nouns = Nouns.of(file)
    assert nouns.distance(IDS[one], IDS[other]) == nouns.distance(IDS[other], IDS[one]) == length


def test_nltks_archive(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WNSEARCHDIR")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    place = tmp_path / "corpora" / "wordnet.zip"
    place.parent.mkdir()
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(f"wordnet/{FILE}", data())
    if not str(find()).startswith("/usr"):
        assert find() == place
    assert Nouns.of(place).above == Nouns.of(file).above


def least_likely(far: int, near: int, classes: tuple[str, ...] = tuple(IDS.values())) -> Evidence:
    """Images of pug whose least likely class is plot (8 away), or cat (3 away)."""
    found = outcomes(dict.fromkeys(range(far + near), 0.1))
    target = {"plot": NAMES.index("plot"), "cat": NAMES.index("cat")}
    judged = {
        image: row._replace(target=target["plot" if image < far else "cat"])
        for image, row in found.judged.items()
    }
    found = Attacked("linf", found.counts, 0, judged)
    scores = {"a": Score(dict.fromkeys(judged, True), found)}
    labels = dict.fromkeys(judged, NAMES.index("pug"))
    given = evidence(trial("ifgsm", scores, "least-likely"))
    return replace(given, labels=labels, classes=classes)


@pytest.mark.parametrize(
    ("far", "near", "verdict"),
    [(297, 3, "holds"), (200, 100, "does not hold"), (9, 0, "not enough data")],
)
def test_the_verdict(file: Path, far: int, near: int, verdict: str) -> None:
    found = LeastLikelyFar().check(least_likely(far, near))
    assert found.verdict == verdict
    assert f"{far} of {far + near} images, median path 8" in found.figure


def test_what_is_missing_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = LeastLikelyFar().check(least_likely(9, 0, classes=("cat", "dog")))
    assert others.figure == (
        "no results: least-likely targets of a dataset whose classes are WordNet's synsets"
    )
    file.write_text("no WordNet\n")
    assert f"{file} is no WordNet file" in LeastLikelyFar().check(least_likely(9, 0)).figure
    file.write_text(line("pug", []))
    assert "no synset n00001750" in LeastLikelyFar().check(least_likely(9, 0)).figure
    monkeypatch.setattr("harness_su2018.findings.wordnet.places", lambda: iter(()))
    missing = LeastLikelyFar().check(least_likely(9, 0))
    assert missing.verdict == "not enough data"
    assert "data.noun is not there; put WordNet 3.0's file" in missing.figure
    assert "\n" not in missing.figure


def test_imagenets_classes_are_synsets() -> None:
    assert are_synsets(tuple(class_numbers()))
    assert not are_synsets(())
