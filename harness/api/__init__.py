"""The only part of the harness that a plugin imports.

A plugin is a module behind an entry point of group ``harness``. It declares ``HARNESS_API = 1`` and
implements hooks of `harness.hookspecs` with `hookimpl`. Importing this package loads no torch.
"""

from __future__ import annotations

import pluggy

from harness.api.attack import (
    Again,
    Attack,
    AttackParameters,
    Batch,
    Candidates,
    CompositeAttack,
    Point,
    Slots,
    SteppedAttack,
    Stepper,
)
from harness.api.attacked import Attacked, OutcomeRow
from harness.api.classifier import (
    Classifier,
    Described,
    ModelLoader,
    ModelSpec,
    Preprocessing,
    Progress,
    WeightsFile,
)
from harness.api.columns import LeaderboardColumn
from harness.api.command import Harness, database_option, format_option, option, pass_harness
from harness.api.dataset import Cut, Dataset, DatasetSpec, ImageList, Sample
from harness.api.devices import Devices
from harness.api.evidence import Evidence, ScoreOutcomes, TrialOutcomes, gaps
from harness.api.examples import (
    AttackExample,
    DatasetExample,
    Example,
    Examples,
    ExecutorExample,
    MeasurementExample,
    ModelExample,
    ObserverExample,
)
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
from harness.api.facts import ModelFacts, SuiteAttack
from harness.api.finding import (
    FEWEST_MODELS,
    Conclusion,
    Finding,
    FindingVerdict,
    Part,
    below,
    beyond,
    conclude,
    together,
    too_few,
)
from harness.api.goal import Access, Goal
from harness.api.host import look, looks
from harness.api.measured import MeasuredImage
from harness.api.measurement import Later, Measurement, MeasurementResult, Pair, Probe, Subject
from harness.api.metric import NOT_FINITE, ZERO_GRADIENT, CellRows, Metric, Score
from harness.api.model_reference import ModelReference
from harness.api.observer import (
    CellStarted,
    Event,
    ModelRow,
    Observer,
    PlannedCell,
    Progressed,
    RunFinished,
    RunStarted,
    Said,
    WorkPending,
)
from harness.api.records import (
    NORMS,
    TRACE_PASSES,
    BestQuery,
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
from harness.api.reference_fit import FittedLine, ReferenceFit
from harness.api.registration import Register
from harness.api.report_section import Reported, ReportSection, Section
from harness.api.results import StoredResults, StoredSuite
from harness.api.success import margin, reached, rivals, succeeded
from harness.api.table import Column, Format, Table
from harness.api.target import Target
from harness.api.transfers import Rate, TransferCell, TransferMatrix
from harness.cores import usable_cores
from harness.errors import (
    ConfigError,
    DataError,
    ExitCode,
    HarnessError,
    MissingError,
    ModelError,
    PluginError,
    StoreError,
    did_you_mean,
)

API_VERSION = 1
"""The plugin API's version; ``docs/versioning.md`` says what it promises."""

hookimpl = pluggy.HookimplMarker("harness")
"""Marks a plugin's functions that implement hooks."""

__all__ = [
    "API_VERSION",
    "FEWEST_MODELS",
    "NORMS",
    "NOT_FINITE",
    "TRACE_PASSES",
    "ZERO_GRADIENT",
    "Access",
    "Again",
    "Alive",
    "Attack",
    "AttackExample",
    "AttackParameters",
    "Attacked",
    "Batch",
    "BestQuery",
    "Call",
    "Candidates",
    "CellRows",
    "CellStarted",
    "Classifier",
    "CleanPrediction",
    "Column",
    "CompositeAttack",
    "Conclusion",
    "ConfigError",
    "Cut",
    "DataError",
    "Dataset",
    "DatasetExample",
    "DatasetSpec",
    "Described",
    "Devices",
    "Done",
    "Event",
    "Evidence",
    "Example",
    "Examples",
    "Executor",
    "ExecutorExample",
    "ExitCode",
    "Finding",
    "FindingVerdict",
    "FittedLine",
    "Format",
    "Goal",
    "Harness",
    "HarnessError",
    "ImageKey",
    "ImageList",
    "Joined",
    "Later",
    "LeaderboardColumn",
    "Lost",
    "Measured",
    "MeasuredImage",
    "Measurement",
    "MeasurementExample",
    "MeasurementResult",
    "Metric",
    "MissingError",
    "ModelError",
    "ModelExample",
    "ModelFacts",
    "ModelLoader",
    "ModelReference",
    "ModelRow",
    "ModelSpec",
    "Norm",
    "Norms",
    "Observer",
    "ObserverExample",
    "Outcome",
    "OutcomeRow",
    "Pair",
    "Part",
    "Passes",
    "Placement",
    "PlannedCell",
    "PluginError",
    "Point",
    "Preprocessing",
    "Probe",
    "Program",
    "Progress",
    "Progressed",
    "Rate",
    "ReferenceFit",
    "Refused",
    "Register",
    "Report",
    "ReportSection",
    "Reported",
    "RunFinished",
    "RunStarted",
    "Said",
    "Sample",
    "Score",
    "ScoreOutcomes",
    "Section",
    "Slots",
    "Source",
    "Started",
    "Status",
    "SteppedAttack",
    "Stepper",
    "StoreError",
    "StoredResults",
    "StoredSuite",
    "Subject",
    "SuiteAttack",
    "Table",
    "Target",
    "TransferCell",
    "TransferMatrix",
    "TrialOutcomes",
    "Verdict",
    "Watch",
    "WeightsFile",
    "Work",
    "WorkPending",
    "Yielded",
    "below",
    "beyond",
    "conclude",
    "database_option",
    "did_you_mean",
    "format_option",
    "gaps",
    "hookimpl",
    "look",
    "looks",
    "margin",
    "option",
    "pass_harness",
    "reached",
    "rivals",
    "succeeded",
    "together",
    "too_few",
    "usable_cores",
]
