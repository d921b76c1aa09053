"""Does an attack work on a GPU, and does it keep it busy? Asked on a machine without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch

import torch
from torch import nn

from harness.api import Attack, AttackParameters, Goal
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job, Judged
from harness.engine.slots import SlotEngine
from harness.testing.conformance.rule import Broken
from harness.testing.fake_gpu import Wait, fake_gpu
from harness.testing.fakes import attack_all, jobs_for, pixel_model

_ROUND = "SlotEngine._round"


@dataclass(frozen=True, slots=True)
class AttackOnGPU:
    """What an attack did on a `fake_gpu`.

    Attributes:
        judged: a verdict for each job.
        waits: whenever the host would have waited for the GPU.
        looks_per_round: for each round of a stepped attack, how often it did within it.
    """

    judged: list[Judged]
    waits: list[Wait]
    looks_per_round: list[int]

    @property
    def rounds(self) -> int:
        return len(self.looks_per_round)

    @property
    def hidden(self) -> list[Wait]:
        """Reads of the GPU elsewhere than through `harness.api.look`: each fails an attack."""
        return [wait for wait in self.waits if wait.kind == "hidden look"]


def attack_on_gpu(
    attack: AttackParameters,
    model: PixelClassifier,
    jobs: Sequence[Job],
    *,
    batch_size: int = 4,
    eight_bit: bool = False,
) -> AttackOnGPU:
    """Attack ``jobs`` on a fake GPU, to which ``model`` is moved for good."""
    rounds: list[int] = []
    original = SlotEngine._round

    def one_round(engine: SlotEngine) -> None:
        before = len(gpu.waits)
        original(engine)
        rounds.append(sum(wait.kind == "look" for wait in gpu.waits[before:]))

    with fake_gpu() as gpu, patch.object(SlotEngine, "_round", one_round):
        gpu.hold(model)
        judged = attack_all(attack, model, jobs, batch_size=batch_size, eight_bit=eight_bit)
    return AttackOnGPU(judged, gpu.waits, rounds)


def check_on_gpu(attack: AttackParameters, *, looks_per_round: int = 0) -> AttackOnGPU:
    """That ``attack`` works on a GPU without making the host wait for it; for tests of plugins.

    A few images of noise are attacked, for every goal that the attack declares, on a network of
    one convolution. Allowed are ``looks_per_round`` calls of `harness.api.look` in each round of a
    stepped attack, or in each call of a whole-batch one.

    Raises:
        Broken: (an AssertionError) it mixes devices; it reads values without `harness.api.look`,
            as ``item()``, ``tolist()``, ``cpu()``, ``nonzero()``, ``bool(tensor)`` and masks as
            indices do; it looks more often; or it copies to the GPU without ``non_blocking``. It
            says where.
    """
    torch_state = torch.get_rng_state()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    torch.set_rng_state(torch_state)
    model = pixel_model(network, classes=5, size=(8, 8))
    images = torch.rand((6, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    labels = model.predict(images).argmax(1).tolist()
    free = Goal.UNTARGETED in attack.goals
    aimed = attack.goals != {Goal.UNTARGETED}
    targets = [
        None if free and (row % 2 or not aimed) else (label + 1 + row % 4) % 5
        for row, label in enumerate(labels)
    ]
    found = attack_on_gpu(attack, model, jobs_for(model, images, targets))
    inner = type(attack).perturb.__qualname__ if isinstance(attack, Attack) else _ROUND
    _refuse(found, inner, looks_per_round)
    return found


def _refuse(found: AttackOnGPU, inner: str, allowed: int) -> None:
    if found.hidden:
        raise Broken(f"{found.hidden[0].reason} at {found.hidden[0].where}")
    for each in found.judged:
        if each.outcome.error is not None:
            raise Broken(each.outcome.error)
    inside = [wait for wait in found.waits if inner in wait.within and wait.kind != "glance"]
    for wait in inside:
        if wait.kind == "waiting upload":
            raise Broken(f"waiting upload at {wait.where}: copy with non_blocking=True")
    looks = [wait for wait in inside if wait.kind == "look"]
    most = max(found.looks_per_round, default=len(looks))
    if most > allowed:
        places = ", ".join(sorted({wait.where for wait in inside}))
        raise Broken(f"{most} looks within a round, at {places}; {allowed} are allowed")
