"""Shortest paths between WordNet's nouns, out of the file that WordNet itself comes as.

ImageNet's ids of classes are the offsets of synsets in ``data.noun`` of WordNet 3.0
(`wndb(5WN)`, "Data File Format"). Edges are its hypernyms, of instances too (``@``, ``@i``).
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.api import MissingError

FILE = "data.noun"
HYPERNYMS = ("@", "@i")
HOW = (
    "put WordNet 3.0's file data.noun in a folder that WNSEARCHDIR names, or install it:"
    " `apt install wordnet-base`, or `pip install nltk` and `python -m nltk.downloader wordnet`"
)


def are_synsets(classes: Sequence[str]) -> bool:
    """Whether ``classes`` are ids such as ``n01440764``."""
    return bool(classes) and all(re.fullmatch(r"n\d{8}", each) for each in classes)


def places() -> Iterator[Path]:
    """Where WordNet's own programs, Debian and NLTK keep the file."""
    if named := os.environ.get("WNSEARCHDIR"):
        yield Path(named) / FILE
    if home := os.environ.get("WNHOME"):
        yield Path(home) / "dict" / FILE
    yield Path("/usr/share/wordnet") / FILE
    roots = [Path(each) for each in os.environ.get("NLTK_DATA", "").split(os.pathsep) if each]
    for root in (*roots, Path.home() / "nltk_data", *map(Path, NLTK)):
        yield root / "corpora" / "wordnet" / FILE
        yield root / "corpora" / "wordnet.zip"


NLTK = ("/usr/share/nltk_data", "/usr/local/share/nltk_data", "/usr/lib/nltk_data")


def find() -> Path:
    """The first of `places` that is there.

    Raises:
        MissingError: none is.
    """
    found = next((place for place in places() if place.is_file()), None)
    if found is None:
        raise MissingError(f"WordNet's file {FILE} is not there", hint=HOW)
    return found


@dataclass(frozen=True, slots=True)
class Nouns:
    """WordNet's noun synsets.

    Attributes:
        above: the hypernyms of each, by its offset.
    """

    above: Mapping[int, tuple[int, ...]]
    _up: dict[int, Mapping[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> Nouns:
        """Those of a ``data.noun``, or of NLTK's archive that holds one.

        Raises:
            MissingError: it cannot be read, or is no such file.
        """
        try:
            lines = _lines(path)
            above = dict(_synset(line) for line in lines if line and not line.startswith(" "))
        except (OSError, KeyError, ValueError, IndexError, zipfile.BadZipFile) as error:
            what = f"{path} is no WordNet file {FILE}: {type(error).__name__}: {error}"
            raise MissingError(what, hint=HOW) from error
        return cls(above)

    def distance(self, one: str, other: str) -> int:
        """The number of edges between two synsets, ids such as ``n01440764``, by an ancestor.

        Raises:
            MissingError: the file has no such synset, or no ancestor of both.
        """
        up, down = self._ancestors(one), self._ancestors(other)
        lengths = [up[each] + down[each] for each in up.keys() & down.keys()]
        if not lengths:
            raise MissingError(f"WordNet has no path from {one} to {other}", hint=HOW)
        return min(lengths)

    def _ancestors(self, name: str) -> Mapping[int, int]:
        """How far each ancestor is from a synset; it is its own."""
        start = int(name[1:])
        if start not in self.above:
            what = f"WordNet's file has no synset {name}, which version 3.0 has"
            raise MissingError(what, hint=HOW)
        if start not in self._up:
            found, edge = {start: 0}, [start]
            while edge:
                nearer = {each: found[each] + 1 for each in edge}
                edge = []
                for each, length in nearer.items():
                    for parent in self.above.get(each, ()):
                        if parent not in found:
                            found[parent] = length
                            edge.append(parent)
            self._up[start] = found
        return self._up[start]


def _lines(path: Path) -> Iterable[str]:
    if path.suffix != ".zip":
        return path.read_text(encoding="utf-8").splitlines()
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"wordnet/{FILE}").decode().splitlines()


def _synset(line: str) -> tuple[int, tuple[int, ...]]:
    """The offset of a line's synset and those of its hypernyms.

    ``offset lex_filenum ss_type w_cnt word lex_id... p_cnt [symbol offset pos source/target]...``
    """
    fields = line.split("|", 1)[0].split()
    at = 4 + 2 * int(fields[3], 16)
    pointers = (fields[at + 1 + 4 * each : at + 5 + 4 * each] for each in range(int(fields[at])))
    above = tuple(int(offset) for symbol, offset, *_ in pointers if symbol in HYPERNYMS)
    return int(fields[0]), above
