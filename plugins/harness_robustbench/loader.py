"""The model loader ``robustbench``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import (
    Classifier,
    ConfigError,
    Described,
    MissingError,
    ModelError,
    ModelLoader,
    ModelSpec,
    Preprocessing,
    WeightsFile,
)
from harness_robustbench import zoo

if TYPE_CHECKING:
    from torch import nn

    from harness.api import Progress


class RobustBenchLoader(ModelLoader):
    """RobustBench's models; a network takes pixels in [0, 1]. No option."""

    def weights(self, spec: ModelSpec) -> WeightsFile:
        wanted = _reference(spec)
        path = _folder() / wanted.file
        put = f"put RobustBench's {wanted.name}.pt at {path}"
        if path.is_file():
            return WeightsFile(path)
        if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
            return WeightsFile(None, how=f"unset HF_HUB_OFFLINE, or {put}")
        drive = wanted.entry(f"model {spec.name}", ModelError)["gdrive_id"]
        return WeightsFile(None, url=f"https://drive.google.com/uc?id={drive}", how=put)

    def fetch(self, spec: ModelSpec, progress: Progress) -> Path:
        found = self.weights(spec)
        if found.path is not None:
            return found.path
        if found.url is None:
            raise MissingError(
                "downloads are switched off", where=f"model {spec.name}", hint=found.how
            )
        wanted = _reference(spec)
        path = _folder() / wanted.file
        path.parent.mkdir(parents=True, exist_ok=True)
        drive = wanted.entry(f"model {spec.name}", ModelError)["gdrive_id"]
        partial = path.with_suffix(".part")
        try:
            zoo.library("utils").download_gdrive_new(drive, str(partial))
            partial.replace(path)
        except Exception as error:  # whatever gdown makes of the network and of Google's answers
            raise MissingError(
                f"cannot be downloaded: {type(error).__name__}", where=found.url, hint=found.how
            ) from error
        return path

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        import torch

        entry = _reference(spec).entry(f"model {spec.name}", ModelError)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return _finished(zoo.built(entry), spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        wanted = _reference(spec)
        wanted.entry(f"model {spec.name}", ModelError)
        if spec.weights is None:
            raise ModelError(
                "needs a weight file", where=f"model {spec.name}", hint="set weights.file"
            )
        try:
            network = zoo.loaded(wanted, spec.weights)
        except Exception as error:  # pickles, other files, other architectures
            said = " ".join(str(error).split())[:200]
            raise ModelError(
                f"RobustBench cannot load it as {wanted.name}: {type(error).__name__}: {said}",
                where=str(spec.weights),
                hint="use the file that RobustBench publishes for it",
            ) from error
        return _finished(network, spec, device)

    def describe(self, reference: str) -> Described:
        wanted = zoo.reference(reference, "--models", ConfigError)
        entry = wanted.entry("--models", ConfigError)
        size, cut = zoo.CUTS.get(str(entry.get("preprocessing")), (32, None))
        return Described(
            name=f"{wanted.dataset}-{wanted.threat}-{wanted.name}",
            architecture="/".join((wanted.dataset, wanted.threat, wanted.name)),
            family=wanted.name,
            parameters=None,
            classes=zoo.CLASSES[wanted.dataset],
            preprocessing=Preprocessing((size, size), cut=cut),
            training=wanted.training,
        )


def _reference(spec: ModelSpec) -> zoo.Reference:
    if spec.options:
        raise ModelError(
            f"unknown option {next(iter(spec.options))!r}",
            where=f"model {spec.name}",
            hint="the loader takes none",
        )
    return zoo.reference(spec.architecture, f"model {spec.name}", ModelError)


def _folder() -> Path:
    """Where the weights are: ``ROBUSTBENCH_MODELS``, by default beside torch's own."""
    import torch

    named = os.environ.get("ROBUSTBENCH_MODELS")
    return Path(named) if named else Path(torch.hub.get_dir()).parent / "robustbench"


def _finished(network: nn.Module, spec: ModelSpec, device: str) -> Classifier:
    network.eval().requires_grad_(False).to(device)
    return Classifier(network, spec.preprocessing, spec.classes)
