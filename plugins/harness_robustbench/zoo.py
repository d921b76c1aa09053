"""RobustBench's own code: its list of models, and how it loads one."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import ConfigError, Cut, ModelError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet": 1000}
CUTS = {
    "Res256Crop224": (224, Cut(224 / 256, "bilinear")),
    "BicubicRes256Crop224": (224, Cut(224 / 256, "bicubic")),
    "Res224": (224, Cut(1.0, "bilinear")),
    "Crop288": (288, Cut(1.0, "bilinear")),
}
"""What RobustBench does with ImageNet's images; Crop288 cuts without resizing, which no reader
here does: its images are resized to that."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One model of RobustBench."""

    dataset: str
    threat: str
    name: str

    @property
    def file(self) -> Path:
        """Where RobustBench keeps its weights, within its folder of models."""
        return Path(self.dataset, self.threat, f"{self.name}.pt")

    @property
    def training(self) -> str:
        """Its regime: RobustBench lists undefended models too, as ``Standard``."""
        if self.name.startswith("Standard"):
            return "standard"
        return "augmented" if self.threat == "corruptions" else "adversarial"

    def entry(self, where: str, error: type[ConfigError | ModelError]) -> Mapping[str, Any]:
        """What RobustBench's list says of it.

        Raises:
            error: it is not there, or its weights are not one file.
        """
        known = {
            (dataset.value, threat.value): models
            for dataset, threats in library("model_zoo").model_dicts.items()
            for threat, models in threats.items()
        }
        place = known.get((self.dataset, self.threat))
        if place is None:
            pairs = ", ".join("/".join(each) for each in known)
            raise error(
                f"RobustBench has no models for {self.dataset}/{self.threat}",
                where=where,
                hint=f"choose from {pairs}",
            )
        if self.name not in place:
            raise error(
                f"RobustBench has no model {self.name!r} for {self.dataset}/{self.threat}",
                where=where,
                hint=did_you_mean(self.name, place, "see robustbench.github.io"),
            )
        found: Mapping[str, Any] = place[self.name]
        if not isinstance(found.get("gdrive_id"), str):
            raise error(
                f"the weights of RobustBench's {self.name} are not one file",
                where=where,
                hint="choose a model that is no ensemble; timm's are loaded with timm:NAME",
            )
        return found


def reference(text: str, where: str, error: type[ConfigError | ModelError]) -> Reference:
    """``NAME`` (CIFAR-10, Linf), ``THREAT/NAME`` or ``DATASET/THREAT/NAME``."""
    parts = text.split("/")
    if not all(parts) or len(parts) > 3:
        raise error(f"{text!r} is no model", where=where, hint="say DATASET/THREAT/NAME")
    return Reference(*("cifar10", "Linf")[: 3 - len(parts)], *parts)


def library(module: str) -> Any:
    """``robustbench.MODULE`` without what the package itself imports, which is for its data and its
    benchmark: ``pkg_resources``, gone from newer setuptools, and AutoAttack under another name."""
    spec = importlib.util.find_spec("robustbench")
    assert spec is not None
    name = f"robustbench.{module}"
    if name not in sys.modules and "robustbench" not in sys.modules:
        bare = type(sys)("robustbench")
        bare.__path__ = list(spec.submodule_search_locations or ())
        sys.modules["robustbench"] = bare
        try:
            return importlib.import_module(name)
        finally:
            del sys.modules["robustbench"]
    return sys.modules.get(name) or importlib.import_module(name)


def built(entry: Mapping[str, Any]) -> nn.Module:
    """The architecture, with random weights."""
    network: nn.Module = entry["model"]()
    return network


def loaded(wanted: Reference, file: Path) -> nn.Module:
    """The network as RobustBench loads it from ``file``, which may be anywhere."""
    with _in_its_place(wanted, file) as folder:
        network: nn.Module = library("utils").load_model(
            wanted.name, model_dir=folder, dataset=wanted.dataset, threat_model=wanted.threat
        )
    return network


@contextmanager
def _in_its_place(wanted: Reference, file: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / wanted.file
        place.parent.mkdir(parents=True)
        place.symlink_to(file.resolve())
        yield folder
