"""Every hook of the harness. A plugin implements those it needs; each is called once at start-up.

Registration is cheap: a name and a lazy ``"module:Object"`` target. The target is imported when the
thing is used, so a plugin module itself must not import torch.
"""

from __future__ import annotations

import pluggy

from harness.api import Register

hookspec = pluggy.HookspecMarker("harness")


@hookspec
def register_attacks(register: Register) -> None:
    """Offer attacks: subclasses of `harness.api.Attack` or `harness.api.SteppedAttack`."""


@hookspec
def register_model_loaders(register: Register) -> None:
    """Offer model loaders: subclasses of `harness.api.ModelLoader`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Offer dataset readers: subclasses of `harness.api.Dataset`."""


@hookspec
def register_metrics(register: Register) -> None:
    """Offer metrics: subclasses of `harness.api.Metric`."""


@hookspec
def register_measurements(register: Register) -> None:
    """Offer measurements: subclasses of `harness.api.Measurement`."""


@hookspec
def register_executors(register: Register) -> None:
    """Offer executors: subclasses of `harness.api.Executor`."""


@hookspec
def register_commands(register: Register) -> None:
    """Offer verbs of ``harness``: click commands. The name is what a user types."""


@hookspec
def register_findings(register: Register) -> None:
    """Offer claims on stored results: subclasses of `harness.api.Finding`."""


@hookspec
def register_reference_fits(register: Register) -> None:
    """Offer published fits of frontiers: subclasses of `harness.api.ReferenceFit`."""


@hookspec
def register_report_sections(register: Register) -> None:
    """Offer sections of the HTML report: subclasses of `harness.api.ReportSection`."""


@hookspec
def register_observers(register: Register) -> None:
    """Offer observers of runs: subclasses of `harness.api.Observer`."""


@hookspec
def register_registries(register: Register) -> None:
    """Offer models, datasets and suites; the target is a file: ``"package:folder/file.yaml"``."""
