"""``harness show``: the cells, one cell, or one image of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import hexdigits
from typing import TYPE_CHECKING, Any

import click

from harness.analysis.place import attacked_of
from harness.analysis.security import SecurityCurve, security_curve
from harness.api import NORMS
from harness.api.attacked import Attacked
from harness.cli import printing
from harness.cli.extensible import called
from harness.cli.facts import Fact, counts, listed, number, pairs
from harness.cli.options import database, output_format
from harness.cli.verbs import verb
from harness.cli.warned import note_changed_code
from harness.errors import ConfigError
from harness.report.curve import Plot, glyphs_for
from harness.report.presentation import Field, Format, present
from harness.report.values import finite
from harness.terminal import output

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

    from harness.analysis.indicators import Indicator
    from harness.plugins import Registration

FIELDS: tuple[Field[Mapping[str, Any]], ...] = (
    Field("key", "cell", text=lambda row: row["key"][:8]),
    Field("model", "model"),
    Field("attack", "attack"),
    Field("goal", "goal"),
    Field("numerics", "numerics"),
    Field("dataset", "dataset"),
    Field("images", "images", numeric=True),
)

CURVES = ("linf", "l2", "l1")
"""The norms of the security curves; one of l0 is for attacks in that norm alone."""


class _Show(click.Command):
    """``show``, and plugins' commands behind it: ``curve`` calls that of ``show curve``."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        word = args[0] if args else ""
        if parent is not None and (offered := _offered_as(word)):
            command = called(parent, offered)
            return command.make_context(f"{info_name} {word}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if offered := _offered():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(word, each.summary) for word, each in offered.items()])


def _offered() -> dict[str, Registration]:
    """Plugins' commands behind ``show``, by the word that calls them."""
    from harness.plugins import Kind, installed

    names = {each.name: each for each in installed().all(Kind.COMMAND)}
    return {
        name.removeprefix("show "): each for name, each in names.items() if name.startswith("show ")
    }


def _offered_as(word: str) -> Registration | None:
    """The plugin's command that ``word`` calls; keys of cells load no plugins."""
    return None if set(word) <= set(hexdigits) else _offered().get(word)


@verb("show", _Show)
@click.argument("cell", required=False)
@click.argument("image", required=False)
@database()
@output_format()
def show(db: Path, cell: str | None, image: str | None, format: Format) -> None:
    """Without CELL, lists all cells. CELL is the beginning of a cell's key, IMAGE an image id.

    An attack's cell is shown with its security curve, the success rate within a budget of its norm;
    JSON has the curves of linf, l2 and l1. Each failure indicator of the cell is explained.
    """
    from harness.analysis.metrics import united
    from harness.analysis.results import Results
    from harness.plugins import installed
    from harness.store.database import snapshot
    from harness.store.read import details, rows

    if cell is not None and _offered_as(cell):
        raise ConfigError(f"{cell!r} comes first", hint=f"harness show {cell} [OPTIONS] ...")
    with snapshot(db) as connection:
        note_changed_code(connection)
        if cell is None:
            cells = details.cells(connection)
            printing.show(present(FIELDS, cells, document=cells), format)
            return
        found = details.find_cell(connection, cell)
        curves: list[SecurityCurve] = []
        if image is None:
            whole = details.cell_detail(connection, found)
            if scores := whole["scores"]:
                results = Results(connection.conn)
                whole["scores"] = united(results, found["id"], scores, installed())
            if whole["kind"] == "attack":
                outcomes = rows.outcomes(connection.conn, found["id"], replaced=False)
                attack = attacked_of(outcomes, {}, whole["norm"])
                whole |= attack_data(attack)
                curves = [
                    security_curve(norm, attack.in_norm(norm).distortions, attacked=attack.attacked)
                    for norm in NORMS
                    if norm in (*CURVES, attack.norm)
                ]
                whole["curves"] = {curve.norm: curve_data(curve) for curve in curves}
                whole["best_points"] = _best_points(connection.conn, found["id"], attack)
            signs = _indicators(connection.conn, found["id"])
            whole["indicators"] = [_sign_data(each) for each in signs]
            facts = [*cell_facts(whole, curves), *_sign_facts(signs)]
        else:
            whole = details.image_detail(connection, found, image)
            facts = image_facts(whole)
    own = next((curve for curve in curves if curve.norm == whole["norm"]), None)
    parts = [Plot(own, glyphs_for(output().encoding))] if own and own.attacked else []
    printing.show(listed(facts, whole, title=_title(whole, image), parts=parts), format)


def _indicators(db: Connection, cell: int) -> Sequence[Indicator]:
    """Why a cell's numbers may not be what they seem, as the leaderboards of its suite have it."""
    from harness.analysis.indicated import of_cell
    from harness.analysis.results import Results

    results = Results(db)
    found = (of_cell(results.suite(name), cell) for name in results.suites)
    return next((each for each in found if each is not None), ())


def _sign_data(sign: Indicator) -> dict[str, Any]:
    """An indicator as JSON-like data."""
    return {
        "name": sign.name,
        "says": sign.says,
        "evidence": dict(sign.evidence),
        "rule": sign.rule.rule,
        "means": sign.rule.means,
        "advice": sign.rule.advice,
        "source": sign.rule.source,
    }


def _sign_facts(signs: Sequence[Indicator]) -> list[Fact]:
    """What was found, by which rule, what it means and what to do, for each indicator."""
    return [
        fact
        for each in signs
        for fact in (
            (f"indicator {each.name}", each.says),
            ("  raised where", each.rule.rule),
            ("  means", each.rule.means),
            ("  what to do", each.rule.advice),
            ("  source", each.rule.source),
        )
    ]


def _best_points(db: Connection, cell: int, returned: Attacked) -> dict[str, Any] | None:
    """The best points over every query of an attack's cell, in its own norm, as JSON-like data.

    None where no queries are stored; an infinite median is None.
    """
    from harness.analysis.progress import progress
    from harness.store.read import queries

    if not queries.are_kept(db, cell):
        return None
    outcomes = queries.best_outcomes(db, cell, replaced=False)
    best = attacked_of(outcomes, {}, returned.norm)
    most = max((row.forwards + row.backwards for row in best.judged.values()), default=1)
    kept = queries.traces(db, cell)
    traces = [(kept[image], None) for image in best.judged if image in kept]
    within = progress(traces, most)
    nearer = sum(best.judged[image] != row for image, row in returned.judged.items())
    return {
        "broken": best.broken,
        "attacked": best.attacked,
        "median_of_successes": best.median,
        "median_failures_infinite": finite(best.median_all),
        "nearer_than_returned": nearer,
        "median_within": {
            str(count): median and finite(median)
            for count, median in zip(within.passes, within.medians, strict=True)
        },
    }


def attack_data(attack: Attacked) -> dict[str, Any]:
    """The outcomes of an attack's cell as JSON-like data; an infinite median is None."""
    rounded = [row.rounded_status for row in attack.judged.values() if row.rounded_status]
    by_norm = {norm: attack.in_norm(norm) for norm in NORMS}
    return {
        "images": attack.images,
        "statuses": dict(attack.counts),
        "broken": attack.broken,
        "attacked": attack.attacked,
        "robust": attack.count("robust"),
        "outcomes": attack.outcomes,
        "rounded_broken": rounded.count("broken"),
        "rounded": len(rounded),
        "median_of_successes": {norm: each.median for norm, each in by_norm.items()},
        "median_failures_infinite": {
            norm: finite(each.median_all) for norm, each in by_norm.items()
        },
        "forwards_per_image": attack.forwards,
        "backwards_per_image": attack.backwards,
    }


def curve_data(curve: SecurityCurve) -> dict[str, list[float]]:
    """A curve as JSON-like data: where it rises, ascending, and the success from there on."""
    budgets, success = zip(*curve.steps, strict=True) if curve.steps else ((), ())
    return {"budgets": list(budgets), "success": list(success)}


def _title(whole: Mapping[str, Any], image: str | None) -> str:
    parts = [whole["model"], whole["attack"], whole["goal"], image and f"· {image}"]
    return " ".join(part for part in parts if part)


def cell_facts(cell: Mapping[str, Any], curves: Sequence[SecurityCurve]) -> list[Fact]:
    """The lines of ``harness show CELL``."""
    facts: list[Fact] = [
        ("key", cell["key"]),
        ("model", cell["model"]),
        ("dataset", cell["dataset"]),
        ("numerics", pairs(cell["policy"])),
    ]
    if cell["kind"] == "measurement":
        facts += _measurement_facts(cell)
    elif cell["kind"] == "clean":
        facts += [("images", str(cell["images"])), ("statuses", counts(cell["statuses"]))]
        facts.append(("accuracy", rate(cell["correct"], cell["judged"])))
    else:
        facts += [*_attack_facts(cell), *_curve_facts(curves)]
    for score in cell["scores"]:
        of = f"of {score['images']} images, run {score['run']}"
        facts.append(
            (f"metric {score['metric']}", f"{_value(score['value'], score['unit'])} ({of})")
        )
    for attempt in cell["attempts"]:
        facts.append((f"attempt {attempt['attempt']}", _attempt(attempt)))
    return facts


def _attack_facts(cell: Mapping[str, Any]) -> list[Fact]:
    finite, infinite = cell["median_of_successes"], cell["median_failures_infinite"]
    return [
        ("attack", f"{cell['attack']} (version {cell['version']})"),
        *_parameters(cell["parameters"]),
        ("goal", cell["goal"]),
        ("seed", str(cell["seed"])),
        ("budget", f"{cell['norm']} {number(cell['budget']) or 'as small as possible'}"),
        ("images", str(cell["images"])),
        ("statuses", counts(cell["statuses"])),
        *(
            [("robust accuracy", rate(cell["robust"], cell["outcomes"]))]
            if cell["budget"] is not None
            else []
        ),
        ("success rate", rate(cell["broken"], cell["attacked"])),
        *_rounded(cell),
        *(
            (f"median {norm}", f"{number(finite[norm])} over successes, "
             f"{number(infinite[norm]) or 'infinite'} with failures as infinite")
            for norm in finite
            if finite[norm] is not None
        ),
        *_best_facts(cell),
        ("forward passes per image", number(cell["forwards_per_image"])),
        ("backward passes per image", number(cell["backwards_per_image"])),
    ]  # fmt: skip


def _best_facts(cell: Mapping[str, Any]) -> list[Fact]:
    """The best points over every query beside those that the attack returned."""
    best = cell["best_points"]
    if best is None:
        return []
    within = ", ".join(
        f"{int(count):,}: {number(median) or 'infinite'}"
        for count, median in best["median_within"].items()
    )
    return [
        (
            "best point over every query",
            f"success rate {rate(best['broken'], best['attacked'])}, median {cell['norm']}"
            f" {number(best['median_of_successes']) or 'none'} over successes,"
            f" {number(best['median_failures_infinite']) or 'infinite'} with failures as infinite;"
            f" nearer than the returned image of {best['nearer_than_returned']}",
        ),
        (f"median {cell['norm']} of the best query within passes", within),
    ]


def _parameters(parameters: Mapping[str, Any]) -> list[Fact]:
    """One line, of a suite's composite one for each member."""
    members = parameters.get("members", ())
    if not all(isinstance(each, Mapping) for each in members) or not members:
        return [("parameters", pairs(parameters) or "all default")]
    return [
        (f"member {place}", f"{each['name']} {pairs(each['parameters'])}".strip())
        for place, each in enumerate(members)
    ]


def _rounded(cell: Mapping[str, Any]) -> list[Fact]:
    if not cell["rounded"]:
        return []
    rounded = rate(cell["rounded_broken"], cell["rounded"])
    return [("success rate after rounding to 8 bits", rounded)]


def _measurement_facts(cell: Mapping[str, Any]) -> list[Fact]:
    return [
        ("measurement", f"{cell['attack']} (version {cell['version']})"),
        ("parameters", pairs(cell["parameters"]) or "all default"),
        ("goal", cell["goal"]),
        ("seed", str(cell["seed"])),
        ("images", str(cell["images"])),
        ("statuses", counts(cell["statuses"])),
        ("forward passes per image", number(cell["forwards_per_image"])),
        ("backward passes per image", number(cell["backwards_per_image"])),
    ]


def _curve_facts(curves: Sequence[SecurityCurve]) -> list[Fact]:
    """The budgets that break half and nearly all of the attacked images."""
    return [
        (
            f"budget for {100 * share:.0f}% success",
            ", ".join(
                f"{curve.norm} {number(curve.budget_for(share)) or 'none'}" for curve in curves
            ),
        )
        for share in (0.5, 0.9)
    ]


def image_facts(row: Mapping[str, Any]) -> list[Fact]:
    """The lines of ``harness show CELL IMAGE``: everything but what the title says."""
    facts: list[Fact] = []
    for name, value in row.items():
        if name in ("numbers", "arrays", "clean", "kept"):
            facts += [(f"{name} {part}", _text(item)) for part, item in (value or {}).items()]
        elif name == "brackets":
            facts += [(f"{part}, smallest known", _between(*of)) for part, of in value.items()]
        else:
            facts.append((name, _text(value)))
    return facts


def _between(low: float, high: float | None) -> str:
    return f"{number(low)} to {number(high) or 'nothing found'}"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def rate(part: int, whole: int) -> str:
    """``55 of 60 (91.7%)``."""
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f}%)" if whole else "")


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f}%" if unit == "%" else f"{value:.4g} {unit}".strip()


def _attempt(attempt: Mapping[str, Any]) -> str:
    parts = [
        f"run {attempt['run']}: {attempt['status']} on {attempt['device']}",
        f"batch {attempt['batch_size']}",
        f"halved {attempt['halvings']} time(s)" if attempt["halvings"] else "",
        "" if attempt["seconds"] is None else f"{attempt['seconds']:.1f} s",
        attempt["error"] or "",
    ]
    return ", ".join(part for part in parts if part)
