"""The core names no component and no suite of a bundled plugin, and no study.

Code, comments and docstrings of ``harness/`` count; its toys in ``harness/testing`` do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.plugins import BUNDLED, Kind, installed
from harness.registry import builtin, load

CORE = Path(__file__).parent.parent / "harness"
SUFFIXES = {".py", ".sql", ".j2", ".js", ".css"}
KINDS = (Kind.ATTACK, Kind.MEASUREMENT, Kind.METRIC, Kind.FINDING, Kind.REFERENCE_FIT)

OWN_WORDS = {
    "accuracy", "success", "forwards", "backwards",
    "linf", "l2", "l1",
    "depth", "law", "regimes",
}  # fmt: skip
"""The core's own: what it counts, its norms, and words of English."""

PROSE = {
    r"I-FGSM", r"C&W", r"Carlini", r"EAD-L1", r"elastic.net", r"paper", r"survey",
    r"the study", r"study's", r"Su et al", r"psi", r"log10_psi",
}  # fmt: skip
"""Names that people write, as regular expressions."""

CITED = r"Su et al\. 2018, section \d|Carlini (?:et al\.|and Wagner) \(?\d{4}"
"""A docstring may say whose formula or definition it is."""

DENOMINATOR = {"paper"}, "a value of --denominator, which scripts and JSON have"
EXCEPTIONS: dict[str, tuple[set[str], str]] = {
    "store/schema/003_measured.sql": ({"clever"}, "a migration is never edited"),
    **dict.fromkeys(
        (
            "analysis/transfer/matrix.py",
            "api/results.py",
            "api/transfers.py",
            "cli/transfer.py",
            "library/results.py",
            "report/html/figures/transfer.py",
            "report/html/content.py",
            "report/transfer.py",
        ),
        DENOMINATOR,
    ),
}
"""The words that a file may have, and why."""


def names() -> set[str]:
    """What bundled plugins call their components, and the suites that are a plugin's."""
    offered = {
        each.name
        for kind in KINDS
        for each in installed().all(kind)
        if each.distribution == BUNDLED
    }
    suites = {name for name, suite in load().suites.items() if suite.file != builtin()}
    return (offered | suites) - OWN_WORDS


def pattern() -> re.Pattern[str]:
    words = [*(re.escape(name) + "s?" for name in names()), *PROSE]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(words))})(?![\w-])", re.I)


def found(text: str, words: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Line and word, in the singular, of each name in ``text``."""
    text = re.sub(CITED, lambda match: " " * len(match.group()), text)
    for match in words.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group().lower().removesuffix("s")


FILES = sorted(
    path
    for path in CORE.rglob("*")
    if path.suffix in SUFFIXES and path.relative_to(CORE).parts[0] != "testing"
)


def test_the_core_names_nobody() -> None:
    words = pattern()
    problems = []
    for path in FILES:
        own = str(path.relative_to(CORE))
        allowed, _ = EXCEPTIONS.get(own, (set(), ""))
        problems += [
            f"harness/{own}:{line}: {word!r}"
            for line, word in found(path.read_text(), words)
            if word not in allowed
        ]
    assert not problems, "\n".join(problems)


def test_every_exception_is_needed() -> None:
    words = pattern()
    for own, (allowed, reason) in EXCEPTIONS.items():
        there = {word for _, word in found((CORE / own).read_text(), words)}
        assert allowed <= there, own
        assert reason


@pytest.mark.parametrize(
    "line",
    ["if name == 'ifgsm':", "# as CLEVER's maxima", "surfaces = []", '"""Of C&W."""',
     "as the study counts them", "Su et al. 2018"],
)  # fmt: skip
def test_a_name_is_found(line: str) -> None:
    assert list(found(line, pattern()))


def test_a_citation_of_a_formula_is_none() -> None:
    assert not list(found("a + b*ln(1 - accuracy) (Su et al. 2018, section 4.2)", pattern()))
