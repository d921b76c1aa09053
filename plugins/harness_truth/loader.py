"""The model loader ``truth``: files of networks whose smallest adversarial distances are known."""

from __future__ import annotations

from pathlib import Path

from harness.api import Classifier, ModelError, ModelLoader, ModelSpec, WeightsFile
from harness_models.network import finished, refuse_options

NETWORKS = Path(__file__).parent / "networks"


class TruthLoader(ModelLoader):
    """A file of `harness.testing.truth.save`; without one, the package's own of that architecture.

    It takes no option.
    """

    def weights(self, spec: ModelSpec) -> WeightsFile:
        path = NETWORKS / f"{spec.architecture}.safetensors"
        return WeightsFile(path if path.is_file() else None, how="name a file in weights.file")

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        from harness.testing import truth

        refuse_options(spec)
        path = spec.weights or NETWORKS / f"{spec.architecture}.safetensors"
        network = truth.read(path)
        if (network.classes, network.shape) != (spec.classes, spec.preprocessing.shape):
            raise ModelError(
                f"has {network.classes} classes and images of {network.shape}, not {spec.classes}"
                f" and {spec.preprocessing.shape}",
                where=f"model {spec.name}",
                hint="correct classes and preprocessing",
            )
        return finished(network.module, spec, device)
