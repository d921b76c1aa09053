"""Train the embedded suite: `python -m harness_digits.train [--seed N] [--only NAME,...]`.

Every model gets the same recipe and the same number of epochs; the test half is read once, after
the last epoch. Each model has its own seed and its own single-threaded process, so the result
depends neither on the other models nor on the number of cores. Seed 0 gives the suite's models;
every other one gives them anew, with other initial weights, shifts and orders of the images, and
is rounded to half precision, in which each takes 1.7 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from harness_digits.architectures import ARCHITECTURES, build
from harness_digits.data import digits, split

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHTS = Path(__file__).parent / "weights"
TABLE = "training.json"
MEAN = STD = 0.5  # the networks see 2x - 1

SEED = 20180808
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2
CLIP = 1.0
SHIFT = 2  # pixels
PROCESSES = 2


@dataclass(frozen=True)
class Trained:
    """What the registry and the tests say about one trained model."""

    name: str
    sha256: str
    parameters: int
    layers: int  # convolutional and fully connected layers, on all branches
    correct: int  # test images classified correctly


def normalise(images: Tensor) -> Tensor:
    """Map pixels in [0, 1] to the inputs of the networks in [-1, 1]."""
    return (images - MEAN) / STD


def fit(name: str, epochs: int, seed: int = 0) -> nn.Module:
    """Return the architecture `name`, trained from its own seed and ready for evaluation."""
    drawn = hashlib.sha256(f"{SEED + seed} {name}".encode()).digest()
    torch.manual_seed(int.from_bytes(drawn[:4]))
    images, labels = load_split("train")
    model = build(name)
    model.apply(initialise)
    model.train().to(memory_format=torch.channels_last)
    steps = len(images) // BATCH
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, epochs * steps)
    for _ in range(epochs):
        # The incomplete last batch is left out: batch norm needs many images.
        for rows in torch.randperm(len(images))[: steps * BATCH].view(steps, BATCH):
            loss = functional.cross_entropy(model(normalise(shift(images[rows]))), labels[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            schedule.step()
    return model.eval()


def initialise(module: nn.Module) -> None:
    """Give a convolutional or linear layer He's initial weights and zero biases."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def shift(images: Tensor) -> Tensor:
    """Move each image by its own random whole number of pixels; black comes in at the edges."""
    count, _, height, width = images.shape
    windows = functional.pad(images, (SHIFT,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    down, right = torch.randint(2 * SHIFT + 1, (2, count))
    moved = windows[torch.arange(count), :, down, right]
    return moved.contiguous(memory_format=torch.channels_last)


def load_split(name: str) -> tuple[Tensor, Tensor]:
    """Return the images and labels of one half of the dataset."""
    images, labels = digits()
    rows = split(name)
    return torch.from_numpy(images[rows]), torch.from_numpy(labels[rows])


@torch.inference_mode()
def count_correct(model: nn.Module) -> int:
    """Return how many test images the model classifies correctly."""
    images, labels = load_split("test")
    logits = torch.cat([model(normalise(batch)) for batch in torch.split(images, BATCH)])
    return int((logits.argmax(dim=1) == labels).sum())


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the model's state without batch counters, which nothing reads after training."""
    state = model.state_dict().items()
    return {key: value.contiguous() for key, value in state if "num_batches_tracked" not in key}


def rounded(model: nn.Module) -> dict[str, Tensor]:
    """Round the model's state to half precision, and return it so."""
    state = {key: value.half() for key, value in weights(model).items()}
    model.load_state_dict(state, strict=False)
    return state


def count_layers(model: nn.Module) -> int:
    """Return the number of convolutional and fully connected layers, on all branches."""
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules())


def folder(seed: int) -> Path:
    """Return where the package keeps the weights of a training seed; they may not be there."""
    return WEIGHTS / f"s{seed}" if seed else WEIGHTS


def train(name: str, epochs: int, out: Path, seed: int = 0) -> Trained:
    """Train one model and write its weights into `out`."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = fit(name, epochs, seed)
    data = save(rounded(model) if seed else weights(model))
    (out / f"{name}.safetensors").write_bytes(data)
    return Trained(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        layers=count_layers(model),
        correct=count_correct(model),
    )


def read_table(folder: Path) -> dict[str, Trained]:
    """Return the table of a weights folder by model name; empty where none was written yet."""
    path = folder / TABLE
    rows = json.loads(path.read_text()) if path.exists() else []
    return {row["name"]: Trained(**row) for row in rows}


def write_table(folder: Path, rows: Sequence[Trained]) -> None:
    """Add the rows to the table of a weights folder, in the order of the suite."""
    table = read_table(folder) | {row.name: row for row in rows}
    ordered = [asdict(table[name]) for name in ARCHITECTURES if name in table]
    (folder / TABLE).write_text(json.dumps(ordered, indent=2) + "\n")


def fragment(rows: Sequence[Trained]) -> str:
    """Return the rows as YAML for the registry."""
    fields = ("sha256", "parameters", "layers")
    lines = []
    for row in rows:
        lines.append(f"- name: {row.name}")
        lines += [f"  {field}: {getattr(row, field)}" for field in fields]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the models that the command line names and print their part of the registry."""
    parser = argparse.ArgumentParser(prog="python -m harness_digits.train")
    parser.add_argument("--out", type=Path, help="folder for the weights; default: the package's")
    parser.add_argument("--seed", type=int, default=0, help="training seed; 0: the suite's models")
    parser.add_argument("--only", default=",".join(ARCHITECTURES), help="names, with commas")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := [name for name in names if name not in ARCHITECTURES]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(ARCHITECTURES)}")
    out = options.out or folder(options.seed)
    out.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context) as pool:
        training = partial(train, epochs=options.epochs, out=out, seed=options.seed)
        rows = list(pool.map(training, names))
    write_table(out, rows)
    print(fragment(rows))


if __name__ == "__main__":
    main()
