"""The tables of ``docs/conformance.md``, from the rules; run as a module, it rewrites them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from harness.testing.conformance.cases import rules_for

BLOCK = re.compile(r"(<!-- rules: (\w+) -->\n).*?(<!-- end -->)", re.S)


def table(kind: str) -> str:
    """The rules of a kind, in Markdown."""
    lines = [
        f"| `{rule.name}` | {rule.statement} | {_linked(rule.see)} |" for rule in rules_for(kind)
    ]
    return "\n".join(["| rule | what is kept | where it is said |", "|---|---|---|", *lines, ""])


def with_tables(text: str) -> str:
    """``text`` of the page with its tables as the rules are now."""
    return BLOCK.sub(lambda found: found[1] + table(found[2]) + found[3], text)


def kinds(text: str) -> list[str]:
    """The kinds that the page has a table of."""
    return [found[2] for found in BLOCK.finditer(text)]


def _linked(see: str) -> str:
    """``docs/plugins.md: On a GPU`` as a link to the section."""
    page, _, section = see.partition(": ")
    anchor = re.sub(r"[^\w\- ]", "", section.lower()).replace(" ", "-")
    return f"[{section}]({Path(page).name}#{anchor})"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_tables(file.read_text()))
