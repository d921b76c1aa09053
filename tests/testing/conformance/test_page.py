"""The documentation of the rules, against the rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.testing.conformance.cases import MODULES, rules_for
from harness.testing.conformance.page import kinds, with_tables

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "conformance.md"


def test_the_page_has_every_rule():
    text = PAGE.read_text()
    refresh = "python -m harness.testing.conformance.page docs/conformance.md"
    assert text == with_tables(text), f"run {refresh}"
    assert kinds(text) == list(MODULES)


@pytest.mark.parametrize("kind", MODULES)
def test_a_rule_is_a_sentence_and_says_where_it_is_documented(kind):
    for rule in rules_for(kind):
        assert rule.statement.endswith("."), rule.name
        page, _, section = rule.see.partition(": ")
        headings = re.findall(r"^#+ (.*)", (ROOT / page).read_text(), re.M)
        assert section in headings, f"{rule.name}: {rule.see}"
