"""Surfaces as an image, models side by side, and as a JSON document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.api import ConfigError, MeasuredImage, MissingError
from harness_metrics.surface_groups import levels, signed_levels

COUNT = 12
"""Colours of the loss, and of the margin on either side of 0."""

INK, PAPER = "#1a1a1a", "#ffffff"
LOSS_COLOURS, MARGIN_COLOURS = "viridis", "PuOr"
"""Told apart by people with any kind of colour blindness, and in print."""

DPI = 160


@dataclass(frozen=True, slots=True)
class Drawn:
    """A surface with its arrays: ``a`` and ``b``, and ``loss`` and ``margin`` row by row of b."""

    about: MeasuredImage
    grids: Mapping[str, Sequence[float]]
    provenance: Mapping[str, Any]

    def rows(self, name: str) -> list[list[float]]:
        """``loss`` or ``margin`` as rows of b."""
        width = len(self.grids["a"])
        values = self.grids[name]
        return [list(values[start : start + width]) for start in range(0, len(values), width)]


def stem(group: Sequence[MeasuredImage]) -> str:
    """The name of the group's files: image, models, first digits of the first cell's key."""
    words = [group[0].image.name, *(each.model for each in group), group[0].cell[:8]]
    return "_".join("".join(c if c.isalnum() or c in "-+." else "_" for c in w) for w in words)


def write(group: Sequence[Drawn], folder: Path) -> dict[str, str]:
    """Write the image and the document of a group into ``folder``; the paths of both.

    Raises:
        MissingError: matplotlib is not installed. ConfigError: the files cannot be written.
    """
    name = stem([each.about for each in group])
    paths = {kind: folder / f"{name}.{kind}" for kind in ("png", "json")}
    figure = draw(group)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        title = f"surfaces {', '.join(each.about.cell for each in group)}"
        figure.savefig(paths["png"], dpi=DPI, metadata={"Title": title})
        text = json.dumps(document(group), indent=1, allow_nan=False)
        paths["json"].write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be written ({error.strerror or error})",
            where=str(folder),
            hint="make room, or name another folder",
        ) from error
    return {kind: str(path) for kind, path in paths.items()}


def document(group: Sequence[Drawn]) -> dict[str, Any]:
    """All of the group, JSON-like: what a colleague needs to draw it again."""
    first = group[0].about
    surfaces = []
    for each in group:
        about = asdict(each.about)
        for name in ("dataset", "image"):
            del about[name]
        axes = {name: list(each.grids[name]) for name in ("a", "b")}
        grids = {name: each.rows(name) for name in ("loss", "margin")}
        surfaces.append({**about, **axes, **grids, "provenance": each.provenance})
    return {
        "dataset": first.dataset,
        "image": first.image.name,
        "digest": first.image.digest,
        "label": first.image.label,
        "axes": "loss[row][column] and margin[row][column] are at b[row], a[column]",
        "surfaces": surfaces,
    }


def draw(group: Sequence[Drawn]) -> Any:
    """The group as a matplotlib figure: the losses above, the margins below, a column a model.

    The colours of a row mean the same for all models. The line where S = 0 is bold in both rows.

    Raises:
        MissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.colors import FuncNorm
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise MissingError(
            "the image needs matplotlib, which is not installed",
            where="harness show surface",
            hint="pip install 'frontier-harness[report]'",
        ) from error
    import numpy as np

    # No pyplot: a figure of its own needs neither a display nor a global backend.
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(1.5 + 3.6 * len(group), 8.2), layout=layout, facecolor=PAPER)
    alike = len({tuple(each.grids["a"]) for each in group}) == 1
    axes = figure.subplots(2, len(group), squeeze=False, sharex="col", sharey=alike or "col")
    for place, (name, caption, colours, scale) in enumerate(
        (
            ("loss", "cross-entropy of the true class (nats)", LOSS_COLOURS, levels),
            ("margin", "decision margin S (logits)", MARGIN_COLOURS, signed_levels),
        )
    ):
        steps = scale([each.grids[name] for each in group], COUNT)
        # The levels are closer near 0; so are the colours.
        norm = FuncNorm(
            (lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: np.sign(x) * x**2),
            vmin=steps[0],
            vmax=steps[-1],
        )
        filled: Any = None
        for column, each in enumerate(group):
            ax = axes[place, column]
            grid = (each.grids["a"], each.grids["b"])
            filled = ax.contourf(*grid, each.rows(name), levels=steps, cmap=colours, norm=norm)
            filled.set_edgecolor("face")  # no seams between the colours
            ax.contour(
                *grid,
                each.rows(name),
                levels=[step for step in steps if step],
                colors=INK,
                linewidths=0.3,
                linestyles="solid",
                alpha=0.4,
            )
            _mark(ax, each)
            ax.set_aspect("equal")
            ax.locator_params(nbins=6)
        bar = figure.colorbar(filled, ax=axes[place], pad=0.02, fraction=0.05, ticks=steps[::2])
        bar.ax.set_yticklabels([f"{step:.4g}".replace("-", "−") for step in steps[::2]])
        bar.set_label(caption)
        bar.outline.set_linewidth(0.5)
    for column, each in enumerate(group):
        axes[0, column].set_title(each.about.model, fontsize=11, fontweight="bold")
        axes[1, column].set_xlabel(_unit(each.about))
    for ax in axes[:, 0]:
        ax.set_ylabel("b  (random, orthogonal to a)")
    _explain(figure, group)
    return figure


def _mark(ax: Any, drawn: Drawn) -> None:
    """The line S = 0, the image, the adversarial image, and where the line is crossed."""
    from matplotlib.patheffects import withStroke

    margin = drawn.rows("margin")
    if min(map(min, margin)) < 0 < max(map(max, margin)):
        line = ax.contour(
            drawn.grids["a"], drawn.grids["b"], margin, levels=[0], colors=INK, linewidths=2.2
        )
        line.set_path_effects([withStroke(linewidth=4.4, foreground=PAPER)])
    for style, place in _points(drawn.about.numbers):
        ax.plot(*place, **style)


_IMAGE = {
    "marker": "o",
    "markersize": 8,
    "color": PAPER,
    "markeredgecolor": INK,
    "markeredgewidth": 1.4,
    "linestyle": "none",
    "zorder": 5,
    "label": "the image",
}
_CROSSING = _IMAGE | {"marker": "D", "markersize": 6, "label": "first S = 0 along a"}
_ATTACK = _IMAGE | {"marker": "X", "markersize": 10, "label": "the adversarial image"}


def _points(numbers: Mapping[str, float]) -> list[tuple[dict[str, Any], tuple[float, float]]]:
    points = [(_IMAGE, (0.0, 0.0))]
    if "attack_distance" in numbers:
        points.append((_ATTACK, (1.0, 0.0)))
    elif "crossing" in numbers:
        # Next to an adversarial image the two would hide each other.
        points.append((_CROSSING, (numbers["crossing"], 0.0)))
    return points


def _unit(surface: MeasuredImage) -> str:
    distance = surface.numbers.get("attack_distance")
    if distance is None:
        return "a  (linf, along the gradient's sign)"
    return f"a  (1: the adversarial image, l2 {distance:.3g})"


def _explain(figure: Any, group: Sequence[Drawn]) -> None:
    """The title, and what lines and marks mean."""
    from matplotlib.lines import Line2D

    first = group[0].about
    goal = first.goal if first.target is None else f"{first.goal} (class {first.target})"
    subjects = dict.fromkeys(each.about.measurement for each in group)
    figure.suptitle(
        f"image {first.image.name} of {first.dataset}, class {first.image.label}\n"
        f"{' / '.join(subjects)}, goal {goal}, seed {first.seed}",
        fontsize=10,
    )
    styles = {style["label"]: style for each in group for style, _ in _points(each.about.numbers)}
    handles = [
        Line2D([], [], color=INK, linewidth=2.2, label="S = 0: the decision changes"),
        *(Line2D([], [], **style) for style in styles.values()),
    ]
    ncols = len(handles) if len(group) > 1 else 1
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols, frameon=False)
