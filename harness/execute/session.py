"""What the parts of one run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from harness.api import Devices, Placement
from harness.execute.images import Images
from harness.execute.journal import Journal
from harness.execute.progress import RunProgress
from harness.resolve.prepare import Resolved
from harness.store.write.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run does its work; none of it changes results.

    Attributes:
        device: of this process.
        batch_size: None: a default for the device and the image size.
        executor: its name, or ``auto``; ``placement``: where it is to work.
    """

    device: torch.device
    batch_size: int | None
    executor: str = "auto"
    placement: Placement = field(default_factory=lambda: Placement(devices=Devices()))
    retry_errors: bool = False
    fresh: bool = False
    fail_fast: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run: what it computes, where its results go, and who watches.

    Attributes:
        images: those of the plan, identified.
        run: its number in the database.
        codes: of the cells' plugins, by key; see `harness.resolve.code`.
        tried: the models whose trial is stored.
    """

    resolved: Resolved
    images: Images
    writer: Writer
    progress: RunProgress
    journal: Journal
    settings: Settings
    run: int
    codes: Mapping[str, str] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)
