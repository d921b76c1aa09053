"""A third party's plugin: the digits' AlexNet, plain and behind each faulty defence of the zoo."""

from __future__ import annotations

import torch

from harness.api import Classifier, ModelLoader, ModelSpec, Register, WeightsFile, hookimpl
from harness.testing.zoo import defended
from harness_digits.data import digits, split
from harness_digits.loader import DigitsLoader

HARNESS_API = 1


@hookimpl
def register_model_loaders(register: Register) -> None:
    register("zoo", "zoo_loader:Loader", version="1", summary="")


class Loader(ModelLoader):
    """The option ``fault`` names the defence."""

    def weights(self, spec: ModelSpec) -> WeightsFile:
        return DigitsLoader().weights(spec)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        plain = ModelSpec(
            spec.name, spec.architecture, spec.weights, spec.preprocessing, spec.classes, {}
        )
        network = DigitsLoader().load(plain, device)
        fault = spec.options.get("fault")
        return defended(fault, network, known()) if fault else network


def known() -> torch.Tensor:
    """The images that the defence that leaks labels has seen: the whole test half."""
    images = torch.as_tensor(digits()[0][split("test")])
    return images.expand(-1, 3, -1, -1)
