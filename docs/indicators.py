"""Writes the tables of docs/indicators.md, from the rules and the zoo: python docs/indicators.py"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from harness.analysis.indicators import RULES
from harness.testing.zoo import FAULTS

PAGE = Path(__file__).parent / "indicators.md"


def rules() -> str:
    """A section for each indicator."""
    return "\n\n".join(
        f"### {name}\n\n"
        f"Raised where {each.rule}.\n\n"
        f"- It means: {each.means}.\n"
        f"- What to do: {each.advice}.\n"
        f"- Source: {each.source}."
        for name, each in RULES.items()
    )


def zoo() -> str:
    """A row for each faulty defence."""
    rows = ["| defence | what it does | caught by |", "|---|---|---|"]
    for name, kind in FAULTS.items():
        text = " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())
        caught = ", ".join(f"[{sign}](#{sign})" for sign in kind.caught)
        rows.append(f"| `{name}` | {text} | {caught} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """``text`` with its tables as they are now."""
    for mark, made in (("rules", rules()), ("zoo", zoo())):
        begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
        pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
        found = f"{begin}\n\n{made}\n\n{end}"
        text = re.sub(pattern, lambda _, found=found: found, text, flags=re.S)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
