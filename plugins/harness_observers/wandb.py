"""A run as a run of Weights & Biases; offline unless it is asked for otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PrivateAttr

from harness.api import (
    Event,
    MissingError,
    ModelRow,
    Observer,
    Progressed,
    RunFinished,
    RunStarted,
)
from harness_observers import numbers

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run


class Wandb(Observer):
    """What was run becomes the config, numbers the run's summary, the progress its history."""

    project: str = Field("frontier-harness", description="of the run")
    mode: Literal["offline", "online"] = Field(
        "offline", description="offline: files for `wandb sync`; nothing is sent"
    )
    folder: Path = Field(Path(), description="its folder `wandb` is made here")
    name: str | None = Field(None, description="of the run; default: suite and number")

    _run: Run | None = PrivateAttr(default=None)

    def model_post_init(self, context: object) -> None:
        try:
            import wandb  # noqa: F401
        except ImportError as error:
            raise MissingError(
                "Weights & Biases is not installed", hint="pip install 'frontier-harness[wandb]'"
            ) from error

    def observe(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._run = self._begun(event)
        if self._run is None:
            return
        match event:
            case Progressed():
                self._run.log({"images_done": event.images_done, "forwards": event.forwards})
            case ModelRow():
                self._run.summary.update(numbers.of_model(event))
            case RunFinished():
                self._run.summary.update(numbers.of_summary(event.summary))
                self._run.summary["status"] = event.status
                Path(self._run.dir, "summary.json").write_text(event.document, "utf-8")
                self._run.finish(exit_code=event.exit_code)

    def _begun(self, event: RunStarted) -> Run:
        import wandb

        with _exits_untouched():
            return wandb.init(
                project=self.project,
                mode=self.mode,
                dir=self.folder,
                name=self.name or f"{event.suite} {event.run}",
                config=numbers.settings(event),
                # It neither takes over this process's output nor talks.
                settings=wandb.Settings(console="off", silent=True),
            )


@contextmanager
def _exits_untouched() -> Iterator[None]:
    """Put back `sys.exit` and the exception hook, which wandb replaces for good.

    It learns from them how the process ends; here `RunFinished` says how the run did.
    """
    leave, hook = sys.exit, sys.excepthook
    try:
        yield
    finally:
        sys.exit, sys.excepthook = leave, hook
