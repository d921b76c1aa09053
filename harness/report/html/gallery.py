"""Clean images, their adversarial examples, and the differences, as PNG data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.report.html.shown import number
from harness.store import artifacts
from harness.store.read import examples
from harness.store.read.classes import class_names, named
from harness.store.read.examples import SavedExample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlite_utils import Database

    Pixels = NDArray[np.float32]

Reader = Callable[[SavedExample], "Pixels"]
"""Reads an example's clean image, float32 in its model's shape; raises HarnessError."""

BUDGET = 3_500_000
"""Characters of data URIs: images beyond are left out, and the page says so."""

SMALL = 96
"""Images lower than this are enlarged without smoothing."""


@dataclass(frozen=True, slots=True)
class Adversarial:
    """A saved adversarial example as data URIs; ``difference`` is None without a clean image."""

    attack: str
    goal: str
    status: str
    predicted: str | None
    distances: str
    image: str
    difference: str | None
    gain: str


@dataclass(frozen=True, slots=True)
class Card:
    """An image with its adversarial examples against one model.

    Attributes:
        clean: a data URI; None where it is not available, and ``why`` is the reason.
        pixelated: small images are shown with hard edges.
    """

    image: str
    label: str
    model: str
    clean: str | None
    why: str | None
    pixelated: bool
    examples: tuple[Adversarial, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The cards that fit, and how many more there would be."""

    cards: tuple[Card, ...]
    left_out: int
    problems: tuple[str, ...]


def gallery(db: Database, suite: str, *, images: int, reader: Reader) -> Gallery:
    """The first ``images`` that have saved examples, each with another model if possible."""
    chosen = examples.saved_images(db.conn, suite, images)
    cards: list[Card] = []
    problems: dict[str, None] = {}
    size = 0
    for turn, image in enumerate(chosen):
        try:
            card = _card(db, _of_one_model(db.conn, suite, image, turn), reader)
        except HarnessError as error:  # an artifact folder that did not come along
            problems[str(error)] = None
            continue
        size += _size(card)
        if size > BUDGET:
            break
        cards.append(card)
    return Gallery(tuple(cards), len(chosen) - len(cards) - len(problems), tuple(problems))


def _of_one_model(db: Connection, suite: str, image: int, turn: int) -> Sequence[SavedExample]:
    """The image's examples against one model: another model each turn, one of the broken."""
    rows = examples.saved_examples(db, suite, image)
    models = list(dict.fromkeys(row.model for row in rows if row.outcome.status == "broken"))
    # Neighbours in the suite's order are often of one family: walk in steps of 5.
    model = models[5 * turn % len(models)]
    return [row for row in rows if row.model == model]


def _card(db: Database, rows: Sequence[SavedExample], reader: Reader) -> Card:
    first = rows[0]
    clean, why = None, None
    try:
        clean = reader(first)
    except HarnessError as error:
        why = error.what
    names = class_names(db.conn, first.dataset)
    images = [artifacts.load(db, row.place.artifact, row.place.row) for row in rows]
    return Card(
        image=first.outcome.image_id,
        label=named(first.outcome.label, names),
        model=first.model,
        clean=None if clean is None else _png(clean),
        why=why,
        pixelated=images[0].shape[1] < SMALL,
        examples=tuple(
            _adversarial(row, image, clean, names) for row, image in zip(rows, images, strict=True)
        ),
    )


def _adversarial(
    row: SavedExample, image: Pixels, clean: Pixels | None, names: Sequence[str]
) -> Adversarial:
    difference, gain = None, ""
    predicted = row.outcome.verdict.predicted
    norms = row.outcome.norms
    if clean is not None and clean.shape == image.shape:
        delta = image - clean
        largest = float(abs(delta).max())
        difference = _png(0.5 + delta * (0.5 / largest if largest else 1.0))
        gain = f"× {0.5 / largest:.3g}" if largest else "none"
    return Adversarial(
        attack=row.attack,
        goal=row.goal,
        status=row.outcome.status,
        predicted=None if predicted is None else named(predicted, names),
        distances=f"linf {number(norms.linf)}, l2 {number(norms.l2)}",
        image=_png(image),
        difference=difference,
        gain=gain,
    )


def _png(image: Pixels) -> str:
    """The image (channels, height, width) in [0, 1], rounded to 8 bits.

    Grey and RGB as they are; of other numbers of channels their mean.
    """
    import numpy as np
    from PIL import Image

    if len(image) not in (1, 3):
        image = image.mean(0, keepdims=True)
    pixels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _size(card: Card) -> int:
    images: Iterator[str | None] = (
        image for each in card.examples for image in (each.image, each.difference)
    )
    return len(card.clean or "") + sum(len(image or "") for image in images)


def cut_of(identity: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The crop that a stored model was run with; None where it has none."""
    cut: Mapping[str, Any] | None = identity.get("preprocessing", {}).get("cut")
    return cut
