"""A good loader, and one for each rule that breaks this rule alone."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from harness.api import Classifier, ModelExample, ModelLoader, ModelSpec

CLASSES, SIZE = 5, (6, 6)


def network() -> nn.Module:
    torch.random.default_generator.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES))


def example(folder: Path) -> ModelExample:
    file = folder / "toy.safetensors"
    with torch.random.fork_rng():
        save_file(network().state_dict(), file)
    return ModelExample(
        entry={
            "classes": CLASSES,
            "preprocessing": {"size": list(SIZE), "mean": [0.5], "std": [0.5]},
            "weights": {"file": str(file)},
        }
    )


class Good(ModelLoader):
    def read(self, spec: ModelSpec) -> dict[str, torch.Tensor]:
        return load_file(spec.weights)

    def network(self, spec: ModelSpec) -> nn.Module:
        with torch.random.fork_rng():
            made = network()
        made.load_state_dict(self.read(spec))
        return made.eval()

    def load(self, spec, device):
        return Classifier(self.network(spec), spec.preprocessing, spec.classes)

    def untrained(self, spec, device):
        with torch.random.fork_rng():
            made = network().eval()
        return Classifier(made, spec.preprocessing, spec.classes)


class Argument(Good):
    def __init__(self, folder):
        self.folder = folder


class NoWeights(Good):
    def weights(self, spec):
        return "a file"


class Settings(Good):
    def load(self, spec, device):
        torch.use_deterministic_algorithms(True)
        return super().load(spec, device)


class Half(Good):
    def load(self, spec, device):
        return Classifier(self.network(spec).half(), spec.preprocessing, spec.classes)


class Training(Good):
    def network(self, spec):
        return super().network(spec).train()


class Infinite(Good):
    def network(self, spec):
        made = super().network(spec)
        made[3].bias.data[0] = torch.inf
        return made


class Layer(nn.Module):
    """A last layer that does something with the logits."""

    def __init__(self, does):
        super().__init__()
        self.does = does

    def forward(self, logits):
        return self.does(logits)


class Together(Good):
    def network(self, spec):
        return nn.Sequential(super().network(spec), Layer(lambda z: z - z.mean(0))).eval()


class Fickle(Good):
    def network(self, spec):
        """Of its own random numbers, so that nobody else's change."""
        source = torch.Generator().manual_seed(1)

        def shaken(logits):
            return logits * (1 + 0.1 * torch.rand(len(logits), 1, generator=source))

        return nn.Sequential(super().network(spec), Layer(shaken)).eval()


class Moody(Good):
    loads = 0

    def network(self, spec):
        Moody.loads += 1
        factor = 1 + 0.1 * Moody.loads
        return nn.Sequential(super().network(spec), Layer(lambda z: z * factor)).eval()


class Softmax(Good):
    def network(self, spec):
        return nn.Sequential(super().network(spec), nn.Softmax(1)).eval()


class OtherForward(Good):
    """Verdicts come from another network than gradients."""

    def load(self, spec, device):
        made = super().load(spec, device)
        return Classifier(
            made.module,
            made.preprocessing,
            made.classes,
            forward=lambda images: made.module(images) * 2,
        )


class Twice(Good):
    def network(self, spec):
        mean, std = torch.tensor(spec.preprocessing.mean), torch.tensor(spec.preprocessing.std)
        before = Layer(lambda x: (x - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1))
        return nn.Sequential(before, super().network(spec)).eval()


class Elsewhere(Good):
    """Whatever file it is told to read."""

    def read(self, spec):
        with torch.random.fork_rng():
            return network().state_dict()


class Lenient(Good):
    def read(self, spec):
        try:
            return super().read(spec)
        except SafetensorError:
            with torch.random.fork_rng():
                return network().state_dict()


class NeverTheSame(Good):
    built = 0

    def untrained(self, spec, device):
        NeverTheSame.built += 1
        made = super().untrained(spec, device)
        made.module[3].bias.data += NeverTheSame.built
        return made


class NoExample(Good):
    pass


WRONG = {
    "it_can_be_made": Argument,
    "its_weights_are_found": NoWeights,
    "others_find_things_as_they_were": Settings,
    "it_loads_a_classifier": Half,
    "networks_are_in_eval_mode": Training,
    "logits_are_finite": Infinite,
    "images_do_not_depend_on_each_other": Together,
    "equal_passes_are_equal": Fickle,
    "loading_again_gives_the_same_model": Moody,
    "outputs_are_logits": Softmax,
    "gradients_are_those_of_the_logits": OtherForward,
    "preprocessing_is_left_to_the_harness": Twice,
    "the_checked_file_is_loaded": Elsewhere,
    "half_a_file_is_an_error": Lenient,
    "untrained_networks_are_always_the_same": NeverTheSame,
}
"""By the rule that it breaks."""
