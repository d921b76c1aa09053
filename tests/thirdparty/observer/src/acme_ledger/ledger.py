import csv
from pathlib import Path

from pydantic import Field

from harness.api import ModelRow, Observer, RunFinished


class Ledger(Observer):
    """A line for each model as it is done, and one for the end of the run."""

    path: Path = Field(Path("ledger.csv"), description="the CSV file; lines are added to it")

    def observe(self, event):
        if isinstance(event, ModelRow):
            self._add("model", event.model, event.attack, event.success)
        elif isinstance(event, RunFinished):
            self._add("run", event.status, event.exit_code, len(event.summary))

    def _add(self, *values):
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(values)
