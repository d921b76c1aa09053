"""A run as a run of MLflow: in a folder, in a database or on a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

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
    from mlflow import MlflowClient

ENDED = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
SWITCH = "MLFLOW_ALLOW_FILE_STORE"


class MLflow(Observer):
    """What was run becomes parameters, numbers become metrics, the summary an artifact."""

    uri: str = Field(
        default_factory=lambda: os.environ.get("MLFLOW_TRACKING_URI", "./mlruns"),
        description="server, database or folder; default: $MLFLOW_TRACKING_URI, or ./mlruns",
    )
    experiment: str = Field("frontier-harness", description="made where there is none")
    name: str | None = Field(None, description="of the run; default: suite and number")

    _client: MlflowClient = PrivateAttr()
    _run: str | None = PrivateAttr(default=None)
    _experiment: str = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingError(
                "MLflow is not installed", hint="pip install 'frontier-harness[mlflow]'"
            ) from error
        where = self.uri
        if "://" not in where:
            where = Path(where).resolve().as_uri()
            # MLflow keeps its folders working, but refuses them without this.
            os.environ.setdefault(SWITCH, "true")
        self._client = MlflowClient(tracking_uri=where)
        found = self._client.get_experiment_by_name(self.experiment)
        self._experiment = (
            found.experiment_id if found else self._client.create_experiment(self.experiment)
        )

    def observe(self, event: Event) -> None:
        match event:
            case RunStarted():
                name = self.name or f"{event.suite} {event.run}"
                made = self._client.create_run(self._experiment, run_name=name)
                self._run = made.info.run_id
                for key, value in numbers.settings(event).items():
                    self._client.log_param(self._run, key, value)
            case Progressed():
                self._log({"images_done": event.images_done}, step=round(event.elapsed))
            case ModelRow():
                self._log(numbers.of_model(event))
            case RunFinished() if self._run is not None:
                self._log(numbers.of_summary(event.summary))
                self._client.log_dict(self._run, event.summary, "summary.json")
                self._client.set_terminated(self._run, ENDED[event.status])

    def _log(self, found: dict[str, float], step: int = 0) -> None:
        if self._run is not None:
            for name, value in found.items():
                self._client.log_metric(self._run, name, value, step=step)
