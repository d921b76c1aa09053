"""The pages of `benchmarks/foreign.py`: a table for each library, and the counts."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness_foreign.library import Library
from harness_foreign.tables import libraries

Found = Mapping[str, Any]
DOCS = Path(__file__).parents[1] / "docs"
MADE = "Made by `python benchmarks/foreign.py`, which says how."


def reason(found: Found) -> str | None:
    """Why an attack does not run; None: it does, for some goal and image."""
    if "failed" in found:
        return str(found["failed"])
    goals = found["goals"].values()
    if any(each["error"] + each["invalid"] < each["images"] for each in goals):
        return None
    return next((text for each in goals for text in each["reasons"]), "no image was attacked")


def verdict(found: Found) -> str:
    """One line, for who waits."""
    why = reason(found)
    if why is not None:
        return f"no: {why}"
    parts = [f"{goal} {_outcome(each)}" for goal, each in found["goals"].items()]
    return f"yes: {'; '.join(parts)}"


def write(kept: Mapping[str, Mapping[str, Found]], models: Sequence[str], images: int) -> None:
    """The pages of the libraries in ``kept``, and the table of counts."""
    folder = DOCS / "adapters"
    folder.mkdir(exist_ok=True)
    for library in libraries():
        if library.prefix in kept:
            text = _page(library, kept[library.prefix], models, images)
            (folder / f"{library.prefix}.md").write_text(text, "utf-8")
    page = DOCS / "adapters.md"
    text = page.read_text("utf-8")
    table = _counts(kept)
    begin, end = "<!-- counts -->\n", "<!-- end of counts -->"
    text = re.sub(f"{begin}.*{end}", lambda found: f"{begin}\n{table}\n{end}", text, flags=re.S)
    page.write_text(text, "utf-8")


def _counts(kept: Mapping[str, Mapping[str, Found]]) -> str:
    rows = ["| library | version | names | attacks | run | do not |", "|---|---|---|---|---|---|"]
    sums = [0, 0, 0, 0]
    for library in libraries():
        if library.prefix not in kept:
            continue
        found = kept[library.prefix]
        table = library.table()
        different = {(each.call, tuple(each.fixed.items())) for each in table.entries}
        ran = sum(reason(each) is None for each in found.values())
        numbers = [len(found), len(different), ran, len(found) - ran]
        sums = [one + other for one, other in zip(sums, numbers, strict=True)]
        link = f"[{library.prefix}](adapters/{library.prefix}.md)"
        rows.append(f"| {link} | {table.version} | {' | '.join(map(str, numbers))} |")
    return "\n".join([*rows, f"| all | | {' | '.join(map(str, sums))} |\n"])


def _page(library: Library, found: Mapping[str, Found], models: Sequence[str], images: int) -> str:
    ran = {name: each for name, each in found.items() if reason(each) is None}
    other = {name: each for name, each in found.items() if name not in ran}
    lines = [
        f"# {library.distribution} {library.table().version}",
        "",
        f"{MADE} {images} images on each of",
        f"{' and '.join(models)}, with few steps: what runs, not how well. Passes are",
        "an image's mean, forward + backward. A dash: the attack does not know the goal.",
        "",
        f"## {len(ran)} attacks run",
        "",
        "| attack | norm | access | untargeted | random target | settings |",
        "|---|---|---|---|---|---|",
        *(_row(name, each) for name, each in ran.items()),
    ]
    if other:
        lines += ["", f"## {len(other)} do not", "", "| attack | why |", "|---|---|"]
        lines += [f"| `{name}` | {_plain(str(reason(each)))} |" for name, each in other.items()]
    left = importlib.import_module(f"{library.adapter}.listing").LEFT_OUT
    if left:
        lines += ["", "## Not registered", "", "| attack | why |", "|---|---|"]
        lines += [f"| {name} | {why} |" for name, why in left.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, found: Found) -> str:
    goals = [found["goals"].get(goal) for goal in ("untargeted", "random")]
    cells = ["–" if each is None else _outcome(each) for each in goals]
    settings = ", ".join(f"{key} {value:g}" for key, value in found["settings"].items())
    return f"| `{name}` | {found['norm']} | {found['access']} | {' | '.join(cells)} | {settings} |"


def _outcome(goal: Found) -> str:
    """``3 of 4 broken, 10 + 10 passes``."""
    parts = [f"{goal['broken']} of {goal['images']} broken"]
    parts += [f"{goal[kind]} {kind}" for kind in ("invalid", "error") if goal[kind]]
    parts.append(f"{goal['forwards']:.0f} + {goal['backwards']:.0f} passes")
    if not goal["repeats"]:
        parts.append("another result with the same seed")
    if goal["reasons"]:
        parts.append(_plain(goal["reasons"][0]))
    return ", ".join(parts)


def _plain(text: str) -> str:
    """A library's message as a table's cell, without places on this machine."""
    text = re.sub(r"^the attack raised ", "", text)
    text = text.partition("Please check that")[0]
    return re.sub(r"\s+", " ", text.replace("|", "\\|").replace("<", "&lt;")).strip()
