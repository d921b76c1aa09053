"""A third party's plugin of every kind, healthy but for the one place that RUDE names.

RUDE is ``PLACE MISBEHAVIOUR``; a place is where a value of the plugin enters the core. Everything
else is small and exact: six images of 4 x 4, a linear model of three classes.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np

from harness.api import (
    Attack,
    Candidates,
    Classifier,
    Dataset,
    Later,
    Measurement,
    MeasurementResult,
    Metric,
    ModelLoader,
    Norm,
    Point,
    Preprocessing,
    Register,
    Sample,
    Score,
    SteppedAttack,
    Stepper,
    WeightsFile,
    hookimpl,
)

HARNESS_API = 1
IMAGES, SIZE, CLASSES = 6, (4, 4), 3


@hookimpl
def register_attacks(register: Register) -> None:
    for name in ("Whole", "Stepped"):
        register(f"rude-{name.lower()}", f"rude:{name}", version="1", summary="")


@hookimpl
def register_measurements(register: Register) -> None:
    for name in ("One", "Together", "Later_"):
        register(f"rude-{name.strip('_').lower()}", f"rude:{name}", version="1", summary="")


@hookimpl
def register_metrics(register: Register) -> None:
    register("rude-metric", "rude:Rate", version="1", summary="")


@hookimpl
def register_model_loaders(register: Register) -> None:
    register("rude-loader", "rude:Loader", version="1", summary="")


@hookimpl
def register_datasets(register: Register) -> None:
    register("rude-data", "rude:Data", version="1", summary="")


def act(place: str, good: Callable[[], Any], *inputs: Any, wrong: Any = None) -> Any:
    """``good()``, and where RUDE says so something else before, after or instead.

    ``inputs`` are what the place was given; ``wrong`` maps a good value to one of a wrong shape.
    """
    there, _, what = os.environ.get("RUDE", "").partition(" ")
    if there != place:
        return good()
    if what in RAISED:
        raise RAISED[what]
    if what in INSTEAD:
        return INSTEAD[what]
    if what == "wrong shape":
        return wrong(good())
    if what == "modifies its inputs":
        for each in inputs:
            spoil(each)
        return good()
    value = good()
    AFTER[what]()
    return value


RAISED = {
    "raises": RuntimeError("lost\nits way"),
    "interrupts": KeyboardInterrupt(),
    "exits": SystemExit(0),
    "closes": GeneratorExit(),
}
INSTEAD = {"returns None": None, "returns a string": "nonsense", "returns a huge int": 10**400}


def spoil(given: Any) -> None:
    import torch

    if isinstance(given, torch.Tensor):
        given.zero_()
    elif isinstance(given, list | dict):
        given.clear()
    elif isinstance(given, tuple):
        for each in given:
            with suppress(AttributeError):  # none of them can be written into
                each.numbers.clear()


def print_() -> None:
    print("a plugin's noise")


def set_dtype() -> None:
    import torch

    torch.set_default_dtype(torch.float64)


def stop_gradients() -> None:
    import torch

    torch.set_grad_enabled(False)


def draw() -> None:
    import torch

    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)


def move() -> None:
    os.chdir("/")


def silence() -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123


def crash() -> None:
    ctypes.string_at(0)


def hang() -> None:
    while True:
        sum(range(1000))


def swallow() -> None:
    """Hang, whatever is raised into it."""
    while True:
        with suppress(BaseException):
            sum(range(1000))


def wait() -> None:
    """Hang in C, where nothing can be raised."""
    threading.Lock().acquire() and threading.Event().wait()


def print_in_c() -> None:
    libc = ctypes.CDLL(None)
    libc.puts(b"a plugin's noise")
    libc.fflush(None)
    os.write(1, b"more of it\n")


def print_elsewhere() -> None:
    thread = threading.Thread(target=print_)
    thread.start()
    thread.join()
    subprocess.run(["echo", "a child's noise"], check=True)


def patch_torch() -> None:
    import torch

    torch.argmax = lambda images, *_: torch.zeros(len(images), dtype=torch.int64)


def patch_tensors() -> None:
    """`argmax` and `sub` are a base class's: these hide them."""
    import torch

    torch.Tensor.argmax = lambda self, *_: torch.zeros(len(self), dtype=torch.int64)
    torch.Tensor.__sub__ = lambda self, other: self * 0


def patch_layers() -> None:
    import torch

    torch.nn.Linear.forward = lambda self, images: torch.zeros(len(images), CLASSES)
    torch.nn.functional.linear = lambda images, *_: torch.zeros(len(images), CLASSES)


def patch_python() -> None:
    builtins.zip = lambda *parts, strict=False: iter(())


def patch_numpy() -> None:
    np.asarray = lambda value, *_: np.zeros(3)


def patch_the_judge() -> None:
    import harness.engine.judge

    harness.engine.judge.BUDGET_TOLERANCE = 1000.0
    harness.engine.judge.succeeded = lambda logits, classes, targeted: classes > -1
    harness.engine.judge.float = str


def replace_a_module() -> None:
    sys.modules["harness.engine.judge"] = ModuleType("harness.engine.judge")


def leave_a_mode() -> None:
    import torch

    class Zeros(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), named=None):
            return function(*arguments, **(named or {})) * 0

    Zeros().__enter__()


def leave_inference_mode() -> None:
    import torch

    global _left
    _left = torch.inference_mode()
    _left.__enter__()


def hook_all_modules() -> None:
    import torch

    torch.nn.modules.module.register_module_forward_hook(lambda module, images, logits: logits * 0)


def raise_at_nothing() -> None:
    np.seterr(all="raise")


def more_threads() -> None:
    import torch

    torch.set_num_threads(torch.get_num_threads() + 1)


def be_deterministic() -> None:
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)


AFTER = {
    "dies": lambda: os._exit(3),
    "crashes": crash,
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hangs": hang,
    "swallows": swallow,
    "waits": wait,
    "prints": print_,
    "prints in C": print_in_c,
    "prints elsewhere": print_elsewhere,
    "patches torch": patch_torch,
    "patches tensors": patch_tensors,
    "patches layers": patch_layers,
    "patches Python": patch_python,
    "patches numpy": patch_numpy,
    "patches the judge": patch_the_judge,
    "replaces a module": replace_a_module,
    "leaves a mode": leave_a_mode,
    "leaves inference mode": leave_inference_mode,
    "hooks all modules": hook_all_modules,
    "sets numpy's errors": raise_at_nothing,
    "sets the threads": more_threads,
    "sets determinism": be_deterministic,
    "sets the dtype": set_dtype,
    "stops gradients": stop_gradients,
    "seeds": draw,
    "moves": move,
    "silences": silence,
}


if os.environ.get("RUDE", "").startswith("import"):
    print_()
    print_in_c()
    print_elsewhere()
    atexit.register(print_)


class Whole(Attack):
    """Everything a quarter darker."""

    norm = Norm.LINF

    def perturb(self, target, batch):
        def good():
            target.logits(batch.images)
            return Candidates(batch.images * 0.75, {"mark": batch.images[:, 0, 0, 0]})

        if (batch.labels == 2).any():
            act("deadly", lambda: None)
        parts = (batch.images, batch.labels, batch.classes, batch.targeted)
        return act("attack", good, *parts, wrong=lambda value: value.images[:, :, 1:])


class Stepped(SteppedAttack):
    """The same, in two rounds."""

    norm = Norm.LINF

    def stepper(self, slots):
        return act("stepper", lambda: _Stepper(slots), wrong=lambda value: object())


class _Stepper(Stepper):
    def __init__(self, slots) -> None:
        import torch

        self.images = torch.zeros(slots.count, *slots.shape)
        self.finished = torch.ones(slots.count, dtype=torch.bool)
        self.left = torch.zeros(slots.count)

    def load(self, rows, batch):
        def good():
            self.images[rows] = batch.images * 0.75
            self.finished[rows] = False
            self.left[rows] = 2

        act("load", good, batch.images, batch.labels)

    def point(self):
        def wrong(point):
            return Point(point.images[:, :, 1:])

        return act("point", lambda: Point(self.images), wrong=wrong)

    def observe(self, logits):
        return act("observe", lambda: logits * 0, logits, wrong=lambda value: value[:, 1:])

    def step(self, gradient):
        def good():
            self.left -= 1
            self.finished |= self.left <= 0

        act("step", good, gradient)

    def result(self, rows):
        def wrong(value):
            return Candidates(value.images, {"mark": value.images})

        return act("result", lambda: Candidates(self.images[rows]), wrong=wrong)


class One(Measurement):
    """The mean of an image."""

    @property
    def scores(self):
        return {"mean": ""}

    def measure(self, probe, subject):
        if subject.label == 2:
            act("deadly", lambda: None)

        def good():
            probe.logits(subject.image[None])
            return MeasurementResult(
                {"mean": float(subject.image.mean())}, {"row": np.zeros(2, np.float32)}
            )

        def wrong(value):
            return MeasurementResult(value.numbers, {"row": np.zeros((2, 2))})

        return act("measurement", good, subject.image, wrong=wrong)


class Together(One):
    @property
    def rows(self):
        return 1

    def measure(self, probe, subject):
        return self.measure_together(probe, [subject])[0]

    def measure_together(self, probe, subjects):
        def good():
            return [MeasurementResult({"mean": float(each.image.mean())}) for each in subjects]

        images = [subject.image for subject in subjects]
        return act("together", good, *images, wrong=lambda value: [[], *value])


class Later_(One):
    def measure(self, probe, subject):
        return Later(later, (float(subject.image.mean()),))


def later(mean):
    def wrong(value):
        return MeasurementResult({"mean": "nonsense"})

    return act("later", lambda: MeasurementResult({"mean": mean}), wrong=wrong)


class Rate(Metric):
    """How many images there are."""

    def score(self, cell):
        def good():
            return Score(float(len(cell.outcomes)), len(cell.outcomes))

        def wrong(value):
            return Score(10**400, 1)

        return act("metric", good, cell.outcomes, cell.clean, wrong=wrong)


class Loader(ModelLoader):
    """The class of an image is the channel that is brightest; only the model ``toy`` is rude."""

    def weights(self, spec):
        from pathlib import Path

        # Any file but this one, which may be edited.
        other = Path(__file__).with_name("acme_rude-1.0.dist-info") / "METADATA"
        return act("weights", lambda: WeightsFile(other))

    def load(self, spec, device):
        import torch
        from torch import nn

        rude = spec.name == "toy"

        class Network(nn.Linear):
            def forward(self, images):
                def good():
                    return super(Network, self).forward(images.flatten(1))

                def wrong(logits):
                    """NaN for images without a bright pixel, such as the attack's."""
                    dark = images.flatten(1).amax(1) < 0.7
                    return logits.masked_fill(dark[:, None], torch.nan)

                return act("network", good, wrong=wrong) if rude else good()

        def good():
            layer = Network(3 * SIZE[0] * SIZE[1], CLASSES, bias=False)
            layer.weight.data = torch.eye(CLASSES).repeat_interleave(SIZE[0] * SIZE[1], dim=1)
            return Classifier(layer, Preprocessing(SIZE), CLASSES)

        return act("loader", good, wrong=lambda value: value.module) if rude else good()


class Data(Dataset):
    """Six images, one channel of each brighter than the others."""

    classes = CLASSES

    def __init__(self, spec) -> None:
        act("constructor", lambda: super(Data, self).__init__(spec))

    def samples(self):
        def good():
            return [Sample(f"image {number}", number % CLASSES) for number in range(IMAGES)]

        return act("samples", good, wrong=lambda value: [*value, "nonsense"])

    def digest(self, sample):
        def good():
            return hashlib.sha256(sample.id.encode()).hexdigest()

        return act("digest", good, wrong=lambda value: value[1:])

    def read(self, sample, size, cut=None):
        def good():
            image = np.random.default_rng(int(sample.id[6:])).random((3, *size), np.float32) * 0.4
            image[sample.label] += 0.5
            return image

        return act("read", good, wrong=lambda value: value[:, 1:])
