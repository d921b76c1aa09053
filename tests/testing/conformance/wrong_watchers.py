"""Good observers, findings, fits, sections and commands, and wrong ones for each rule."""

from __future__ import annotations

import itertools
import os
import random
from typing import ClassVar

import click

from harness.api import (
    Conclusion,
    Finding,
    FittedLine,
    ModelRow,
    Observer,
    ReferenceFit,
    ReportSection,
    RunFinished,
    RunStarted,
    Section,
)


class Watcher(Observer):
    """Counts the rows."""

    path: str = "rows"

    def observe(self, event):
        if isinstance(event, ModelRow):
            with open(self.path, "a") as file:  # noqa: PTH123
                file.write(event.model)


class NeedsOption(Watcher):
    place: str


class Seeds(Watcher):
    def observe(self, event):
        random.seed(3)


class Sums(Watcher):
    """A row may have no success."""

    def observe(self, event):
        if isinstance(event, ModelRow):
            assert event.median < 1


class Remembers(Watcher):
    runs: ClassVar[list] = []

    def observe(self, event):
        if isinstance(event, RunStarted):
            Remembers.runs.append(event.run)
        if isinstance(event, RunFinished):
            Remembers.runs.pop()


class Strict(Watcher):
    def observe(self, event):
        known = {"run", "start", "cell", "progress", "say", "model", "summary"}
        if event.event not in known:
            raise ValueError(event.event)


class Claim(Finding):
    title, claim = "a toy", "Two models are two."
    source, rule = "the tests", "their number"

    def check(self, evidence):
        if not evidence.models:
            return Conclusion("not enough data", "no models")
        return Conclusion("holds", f"{len(evidence.models)} models")


class Untitled(Claim):
    title = ""


class Wanders(Claim):
    def check(self, evidence):
        os.chdir("/")
        return super().check(evidence)


class Knows(Claim):
    """It takes its own attack for granted."""

    def check(self, evidence):
        if evidence.models:
            return next(trial for trial in evidence.trials if trial.attack.name == "acme")
        return super().check(evidence)


class Certain(Claim):
    def check(self, evidence):
        return Conclusion("holds", f"{len(evidence.models)} models")


class Doubts(Claim):
    count = itertools.count()

    def check(self, evidence):
        if not evidence.models:
            return super().check(evidence)
        return Conclusion("holds", f"{next(Doubts.count)} models")


class Empties(Claim):
    """What the evidence lets it change."""

    def check(self, evidence):
        for trial in evidence.trials:
            object.__setattr__(trial, "goal", "none")
        return super().check(evidence)


class Fit(ReferenceFit):
    source = "published by nobody"
    fits: ClassVar = {"linf": FittedLine(1.0, 0.2, 0.5, 0.9)}


class NoFit:
    source, fits = Fit.source, Fit.fits


class NoLine(Fit):
    fits: ClassVar = {"linf": (1.0, 0.2)}


class OtherSign(Fit):
    fits: ClassVar = {"linf": FittedLine(-1.0, 0.2, 0.5, 0.9)}


class Part(ReportSection):
    title, absent = "A toy", "There is no toy."

    def section(self, reported):
        return Section(paragraphs=[f"{len(reported.suite.models)} models"])


class NoTitle(Part):
    title = ""


class Strays(Part):
    def section(self, reported):
        os.chdir("/")
        return super().section(reported)


class Words(Part):
    def section(self, reported):
        return "two models"


class Counts(Part):
    count = itertools.count()

    def section(self, reported):
        return Section(paragraphs=[str(next(Counts.count))])


@click.command(help="Count.")
@click.option("--upto", default=3, help="How far.")
def count(upto):
    pass


def no_command():
    pass


class Shy(click.Command):
    def get_help(self, ctx):
        raise RuntimeError("no help")


shy = Shy("shy", help="Count.")


@click.group(help="Count.")
def silent():
    pass


@silent.command(help="Up.")
@click.option("--upto", default=3)
def up(upto):
    pass


@click.command(help="Count.", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1)
def tolerant(words):
    pass


WRONG = {
    "observer": {
        "it_can_be_made": NeedsOption,
        "others_find_things_as_they_were": Seeds,
        "every_event_is_taken": Sums,
        "a_run_that_never_began_is_survived": Remembers,
        "events_that_it_does_not_know_are_passed_over": Strict,
    },
    "finding": {
        "it_says_what_it_claims": Untitled,
        "others_find_things_as_they_were": Wanders,
        "evidence_becomes_a_verdict": Knows,
        "without_results_nothing_is_decided": Certain,
        "the_same_evidence_has_the_same_verdict": Doubts,
        "the_evidence_is_not_changed": Empties,
    },
    "reference_fit": {
        "it_can_be_made": NoFit,
        "its_fits_are_lines": NoLine,
        "robustness_falls_with_accuracy": OtherSign,
    },
    "report_section": {
        "it_has_its_texts": NoTitle,
        "others_find_things_as_they_were": Strays,
        "any_suite_has_a_section_or_none": Words,
        "the_same_results_make_the_same_section": Counts,
    },
    "command": {
        "it_is_a_click_command": no_command,
        "its_help_is_printed": shy,
        "options_have_help": silent,
        "wrong_options_are_usage_errors": tolerant,
    },
}
"""By kind, and by the rule that it breaks."""

GOOD = {
    "observer": Watcher,
    "finding": Claim,
    "reference_fit": Fit,
    "report_section": Part,
    "command": count,
}
