"""Phrases that a native reader stumbles on, or that the field says otherwise: they stay away."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOTS = [
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md",
    "docs", "examples", "registry.yaml", "plugins", "harness",
]  # fmt: skip
"""Files, and folders with all their text files."""

PHRASES = {
    r"data sets?": "dataset",
    r"(?<!<)(?<!</)pictures?(?![\w>])": "image",
    r"\d %": "n%, without a space",
    r"per cents?|percents": "percent",
    r"(?:the|a|an|of|and|many|\d+) (?:forwards|backwards)(?= |[.,;:)])(?! only)": "forward passes",
    r"hears? of": "is called with",
    r"says? of (?:itself|themselves)": "declares",
    r"batch mates": "the other images in a batch",
    r"by a hair": "within tolerance",
    r"for (?:want|lack) of": "because there is no",
    r"go(?:es|ing)? on (?:where|with|without)": "resume, continue",
    r"kept (?:sets?|candidates?|images?)": "saved adversarial examples",
    r"boards?(?![\w:-])": "leaderboard",
    r"com(?:es|e|ing) to nothing": "fails",
    r"belongs into": "belongs in",
    r"from memory": "unverified",
    r"\[\?\]": "unverified",
    r"(?:row|line|seconds|images|passes) an? (?:model|image|cell|second|attack)": "per",
    r"one file a verb": "one file per verb",
    r"numeric polic(?:y|ies)": "numerics",
    r"flatters?": "overstates",
    r"told the bytes": "called with the bytes",
    r"stands? (?:twice|beside)": "is listed twice, is next to",
    r"(?:normal|minim|maxim|optim|recogn|random)iz|analyz|behavior": "British spelling",
}
FROZEN = re.compile(r"store/schema/\d+_")
"""Migrations are never edited."""
FSTRING = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)  # from Python 3.12 on


def texts() -> list[Path]:
    suffixes = {".md", ".yaml", ".py", ".sql", ".j2"}
    found = []
    for root in (ROOT / name for name in ROOTS):
        inside = sorted(root.rglob("*")) if root.is_dir() else [root]
        found += [
            path for path in inside if path.suffix in suffixes and not FROZEN.search(str(path))
        ]
    return found


def prose(path: Path) -> str:
    """The text with code blanked out, line by line where it was: its words are a program's."""
    text = path.read_text()
    if path.suffix == ".md":
        return re.sub(r"^```.*?^```$|`[^`]*`|https?://\S+", _blank, text, flags=re.M | re.S)
    if path.suffix == ".py":
        lines = [""] * (text.count("\n") + 2)
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in {tokenize.COMMENT, tokenize.STRING, FSTRING}:
                for offset, line in enumerate(token.string.splitlines()):
                    lines[token.start[0] - 1 + offset] += re.sub(r"`[^`]*`|\{[^}]*\}", "", line)
        return "\n".join(lines)
    if path.suffix == ".j2":
        return re.sub(r"\{[{%#].*?[}%#]\}|<[^>]*>", _blank, text, flags=re.S)
    return text


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_phrases_that_stay_away(path):
    text = prose(path)
    if path.parent.name == "decisions":
        text = re.sub(r"^# .*", _blank, text)  # titles stay: others cite them
    flat = text.replace("\n", " ")
    found = [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {match.group()!r}: write {better!r}"
        for phrase, better in PHRASES.items()
        for match in re.finditer(rf"(?<![\w-]){phrase}", flat, re.I)
    ]
    assert not found, "\n".join(found)
