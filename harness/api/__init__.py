"""The only part of the harness that a plugin imports.

A plugin is a module behind an entry point of group ``harness``. It declares ``HARNESS_API = 0`` and
implements hooks of `harness.hookspecs` with `hookimpl`. Importing this package loads no torch.
"""

from __future__ import annotations

import pluggy

from harness.api.attack import (
    Attack,
    AttackParameters,
    Batch,
    Candidates,
    Point,
    Slots,
    SteppedAttack,
    Stepper,
)
from harness.api.classifier import (
    Classifier,
    Described,
    ModelLoader,
    ModelSpec,
    Preprocessing,
    Progress,
    WeightsFile,
)
from harness.api.dataset import Cut, Dataset, DatasetSpec, Sample
from harness.api.devices import Devices
from harness.api.executor import (
    Alive,
    Call,
    Done,
    Executor,
    Joined,
    Lost,
    Placement,
    Program,
    Refused,
    Report,
    Source,
    Started,
    Watch,
    Work,
    Yielded,
)
from harness.api.goal import Access, Goal
from harness.api.host import look, looks
from harness.api.measurement import Later, Measurement, MeasurementResult, Pair, Probe, Subject
from harness.api.metric import ZERO_GRADIENT, CellRows, Metric, Score
from harness.api.records import (
    NORMS,
    CleanPrediction,
    ImageKey,
    Measured,
    Norm,
    Norms,
    Outcome,
    Passes,
    Status,
    Verdict,
)
from harness.api.registration import Register
from harness.api.success import margin, reached, rivals, succeeded
from harness.api.target import Target
from harness.cores import usable_cores
from harness.errors import (
    ConfigError,
    DataError,
    HarnessError,
    MissingError,
    ModelError,
    PluginError,
    did_you_mean,
)

API_VERSION = 0
"""The plugin API's version; unstable until 1 is announced."""

hookimpl = pluggy.HookimplMarker("harness")
"""Marks a plugin's functions that implement hooks."""

__all__ = [
    "API_VERSION",
    "NORMS",
    "ZERO_GRADIENT",
    "Access",
    "Alive",
    "Attack",
    "AttackParameters",
    "Batch",
    "Call",
    "Candidates",
    "CellRows",
    "Classifier",
    "CleanPrediction",
    "ConfigError",
    "Cut",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "Described",
    "Devices",
    "Done",
    "Executor",
    "Goal",
    "HarnessError",
    "ImageKey",
    "Joined",
    "Later",
    "Lost",
    "Measured",
    "Measurement",
    "MeasurementResult",
    "Metric",
    "MissingError",
    "ModelError",
    "ModelLoader",
    "ModelSpec",
    "Norm",
    "Norms",
    "Outcome",
    "Pair",
    "Passes",
    "Placement",
    "PluginError",
    "Point",
    "Preprocessing",
    "Probe",
    "Program",
    "Progress",
    "Refused",
    "Register",
    "Report",
    "Sample",
    "Score",
    "Slots",
    "Source",
    "Started",
    "Status",
    "SteppedAttack",
    "Stepper",
    "Subject",
    "Target",
    "Verdict",
    "Watch",
    "WeightsFile",
    "Work",
    "Yielded",
    "did_you_mean",
    "hookimpl",
    "look",
    "looks",
    "margin",
    "reached",
    "rivals",
    "succeeded",
    "usable_cores",
]
