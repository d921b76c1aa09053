"""Files broken by chance: each is taken, or refused in one line. All 300: the benchmark."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "fuzz_registry.py"


@pytest.fixture(scope="module")
def fuzz() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(BENCHMARK), run_name="fuzz_registry"))


def test_what_chance_breaks_is_refused_in_one_line(
    fuzz: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mutated.yaml"
    path.write_text(fuzz.BASE)
    assert [fuzz.judged(path, verb).code for verb in fuzz.VERBS] == [0] * len(fuzz.VERBS)
    for content in fuzz.mutations(45, seed=1):
        path.write_bytes(content)
        for verb in fuzz.VERBS:
            found = fuzz.judged(path, verb)
            assert not found.harm, f"{content!r}: {verb}: {found}"


def test_the_same_seed_gives_the_same_files(fuzz: SimpleNamespace) -> None:
    assert list(fuzz.mutations(30, seed=2)) == list(fuzz.mutations(30, seed=2))
    assert list(fuzz.mutations(30, seed=2)) != list(fuzz.mutations(30, seed=3))
