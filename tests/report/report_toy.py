"""A synthetic suite in a real database: 18 models, attacks, transfers, measurements, pictures.

Numbers come from closed forms and a fixed generator; the images are the embedded digits, so that
clean pictures can be read. Run as a program it writes such a database: ``report_toy.py FILE``.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlite_utils
from safetensors.numpy import save_file

from harness.api import DatasetSpec
from harness.identity import file_sha256
from harness.store.artifacts import folder_of
from harness.store.schema.views import bring_up_to_date

SUITE = "toy18"
POLICY = '{"fold_batch_norm":true,"generator":"torch-cpu","precision":"fp32"}'
HOSTILE = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Model:
    """``accuracy`` in [0, 1]; ``hard``: how much farther its images have to be moved."""

    name: str
    family: str
    accuracy: float
    hard: float


def _models() -> list[Model]:
    table = {
        "AlexNet": [("alexnet", 0.82, 1.45)],
        "VGG": [("vgg16", 0.885, 1.15), ("vgg19", 0.89, 1.12)],
        "Inception": [("inception_v1", 0.90, 0.86), ("inception_v2", 0.915, 0.8),
                      ("inception_v3", 0.935, 0.84), ("inception_v4", 0.95, 0.72),
                      ("inception_resnet_v2", 0.955, 0.78)],
        "ResNet": [("resnet_v2_50", 0.92, 0.82), ("resnet_v2_101", 0.94, 0.76),
                   ("resnet_v2_152", 0.95, 0.79)],
        "DenseNet": [("densenet121_k32", 0.925, 0.62), ("densenet169_k32", 0.935, 0.65),
                     ("densenet161_k48", 0.945, 0.67)],
        "MobileNet": [("mobilenet_v1_025", 0.79, 0.7), ("mobilenet_v1_050", 0.86, 0.74),
                      ("mobilenet_v1_100", 0.905, 0.72)],
        "NASNet": [("nasnet_large", 0.97, 0.6)],
    }  # fmt: skip
    return [
        Model(f"digits-{name}", family, accuracy, hard)
        for family, members in table.items()
        for name, accuracy, hard in members
    ]


MODELS = _models()


@dataclass(frozen=True)
class Attacking:
    """An attack of the suite; ``strength`` scales its distances, ``keep`` has it transferred."""

    name: str
    parameters: Mapping[str, float]
    norm: str
    budget: float | None
    goals: Sequence[str]
    strength: float = 1.0
    keep: bool = False

    @property
    def label(self) -> str:
        return " ".join(
            [self.name, *(f"{key}={value:g}" for key, value in self.parameters.items())]
        )

    @property
    def entry(self) -> dict[str, Any]:
        return {"name": self.name, "label": self.label, "norm": self.norm, "budget": self.budget,
                "goals": list(self.goals), "parameters": dict(self.parameters)}  # fmt: skip


ATTACKS = [
    *(Attacking("fgsm", {"epsilon": eps}, "linf", eps, ("untargeted", "random"), 2.2,
                keep=eps == 0.2) for eps in (0.1, 0.2, 0.3)),
    *(Attacking("ifgsm", {"epsilon": eps, "steps": 10}, "linf", eps, ("untargeted", "random"),
                0.9, keep=True) for eps in (0.1, 0.2, 0.3)),
    *(Attacking("ifgsm", {"epsilon": 0.1, "steps": steps}, "linf", 0.1, ("random",),
                0.75 + 2 / steps) for steps in (5, 30, 50)),
    Attacking("ifgsm", {"steps": 20}, "linf", None, ("random", "least-likely")),
    *(Attacking("cw", {"confidence": kappa}, "l2", None, ("random",), 1 + kappa / 40,
                keep=not kappa) for kappa in (0, 10, 20, 40)),
    Attacking("ead", {"iterations": 1000}, "l1", None, ("random",), keep=True),
]  # fmt: skip
MEASUREMENTS = {"clever": ("random", ("linf.score", "l2.score", "l1.score")),
                "divergence": ("untargeted", ("psi",))}  # fmt: skip
REACH = {"linf": 0.07, "l2": 1.4, "l1": 28.0}
"""A typical smallest distance of each norm."""


class Toy:
    """Writes the database: `fill` does nearly all of it, `close` ends."""

    def __init__(
        self,
        path: Path,
        *,
        models: Sequence[Model] = MODELS,
        attacks: Sequence[Attacking] = ATTACKS,
        images: int = 40,
        clean_images: int = 240,
        skip: Callable[[str, str, str], bool] = lambda model, label, goal: False,
    ) -> None:
        from harness_digits.dataset import DigitsDataset

        self.path, self.models, self.attacks = path, models, attacks
        self.images, self.clean_images, self.skip = images, clean_images, skip
        self.db = sqlite_utils.Database(path)
        bring_up_to_date(self.db)
        self.sql = self.db.conn
        self.random = np.random.default_rng(18)
        self.digits = DigitsDataset(DatasetSpec("digits", None, {}))
        self.samples = self.digits.samples()[:clean_images]

    def fill(self, *, measure: bool = True, transfer: bool = True, pictures: bool = True) -> None:
        self._run(measure)
        cleans = {model.name: self._clean(model) for model in self.models}
        sources = {}
        for model in self.models:
            for attack in self.attacks:
                for goal in attack.goals:
                    cell = self._attack(model, attack, goal, keep=pictures)
                    if cell and attack.keep:
                        sources[model.name, attack.label, goal] = (cell, model, attack, goal)
            if measure:
                self._measure(model)
        if transfer:
            for source in sources.values():
                for target in self.models:
                    if cleans[target.name]:
                        self._transfer(*source, target, cleans[target.name])

    def close(self) -> Path:
        self.sql.commit()
        self.db.close()
        return self.path

    def _insert(self, table: str, **values: Any) -> int:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        query = f"INSERT INTO {table} ({names}) VALUES ({marks})"
        return int(self.sql.execute(query, list(values.values())).lastrowid or 0)

    def _component(self, kind: str, name: str, identity: Any, about: Any) -> int:
        digest = hashlib.sha256(f"{kind} {name} {json.dumps(identity)}".encode()).hexdigest()
        found = self.sql.execute("SELECT id FROM components WHERE digest = ?", [digest]).fetchone()
        return found[0] if found else self._insert(
            "components", kind=kind, name=name, digest=digest, identity=json.dumps(identity),
            about=json.dumps(about))  # fmt: skip

    def _run(self, measure: bool) -> None:
        facts = {
            "harness": "0.1.0",
            "python": "3.11.7",
            "platform": "Linux",
            "packages": {"torch": "2.8.0", "numpy": "2.4.6"},
            "plugins": {"frontier-harness:attacks": "0.1.0"},
        }
        self._insert("environments", id=1, digest="e", facts=json.dumps(facts))
        self.dataset = self._component("dataset", "digits", {"name": "digits"}, {})
        definition = {
            "name": SUITE, "dataset": "digits", "models": [model.name for model in self.models],
            "attacks": [attack.entry for attack in self.attacks],
            "measurements": [
                {"name": name, "label": name, "goals": [goal], "parameters": {}}
                for name, (goal, _) in MEASUREMENTS.items()
            ] if measure else [],
            "transfer": {"border": "white", "keep_sets": True}, "seed": 0,
        }  # fmt: skip
        self.run = self._insert(
            "runs", suite=SUITE, definition=json.dumps(definition),
            command=json.dumps(["harness", "run", "--suite", SUITE, "--data", "a b=</script>"]),
            seed=0, environment_id=1, started="2026-01-01T08:00:00+00:00",
            finished="2026-01-01T08:09:30+00:00", status="done", exit_code=0)  # fmt: skip
        self.places = []
        for position, sample in enumerate(self.samples):
            image = self._insert("images", dataset_id=self.dataset, name=sample.id,
                                 digest=self.digits.digest(sample), label=sample.label)  # fmt: skip
            self._insert("run_images", run_id=self.run, position=position, image_id=image)
            self.places.append(image)

    def _cell(self, model: Model, images: int, label: str, **values: Any) -> tuple[int, int]:
        identity = {"weights": model.name, "preprocessing": {"size": [32, 32]}}
        about = {"family": model.family, "parameters": 50_000, "shape": [3, 32, 32]}
        key = hashlib.sha256(f"{model.name} {label} {values.get('goal')}".encode()).hexdigest()
        cell = self._insert(
            "cells", key=key, label=label, dataset_id=self.dataset, policy=POLICY,
            model_id=self._component("model", model.name, identity, about), **values)  # fmt: skip
        self._insert("run_cells", run_id=self.run, cell_id=cell, images=images)
        attempt = self._insert("attempts", cell_id=cell, run_id=self.run, started="2026-01-01",
                               status="done", device="cpu", batch_size=32)  # fmt: skip
        return cell, attempt

    def _clean(self, model: Model) -> int | None:
        if self.skip(model.name, "clean", ""):
            return None
        cell, attempt = self._cell(model, self.clean_images, "clean")
        right = self.random.random(self.clean_images) < model.accuracy
        for place, sample, fine in zip(self.places, self.samples, right, strict=True):
            predicted = sample.label if fine else (sample.label + 1) % 10
            self._insert("clean", cell_id=cell, image_id=place, attempt_id=attempt,
                         predicted=predicted, margin=1.0, least=3, second=4)  # fmt: skip
        self.right = {**getattr(self, "right", {}), model.name: right}
        return cell

    def _attack(self, model: Model, attack: Attacking, goal: str, *, keep: bool) -> int | None:
        if self.skip(model.name, attack.label, goal):
            return None
        defaults = {"confidence": 0, "epsilon": "search"} | dict(attack.parameters)
        component = self._component(
            "attack", attack.name, {"parameters": dict(attack.parameters), "version": "1"},
            {"parameters": defaults})  # fmt: skip
        cell, attempt = self._cell(
            model, self.images, attack.label, attack_id=component, goal=goal, seed=0,
            norm=attack.norm, budget=attack.budget)  # fmt: skip
        eased = {"untargeted": 0.55, "random": 1.0, "least-likely": 1.25}[goal]
        kept: list[np.ndarray] = []
        artifact = self._insert("artifacts", cell_id=cell, path="", shape="[3, 32, 32]") if (
            keep and attack.keep) else None  # fmt: skip
        for place, sample, fine in list(
            zip(self.places, self.samples, self.right[model.name], strict=True)
        )[: self.images]:
            status, size = "clean_wrong", None
            if fine:
                spread = math.exp(0.35 * self.random.standard_normal())
                size = REACH[attack.norm] * model.hard * eased * attack.strength * spread
                status = "broken" if attack.budget is None or size <= attack.budget else "robust"
                size = size if attack.budget is None else attack.budget
            target = None if goal == "untargeted" else (sample.label + 3) % 10
            broken = status == "broken"
            row = None
            if fine and artifact and len(kept) < 6:
                picture = self.digits.read(sample, (32, 32))
                noise = self.random.choice([-1, 1], picture.shape).astype(np.float32)
                row = len(kept)
                kept.append(np.clip(picture + 0.08 * noise, 0, 1).astype(np.float32))
            confident = (
                broken and self.random.random() > attack.parameters.get("confidence", 0) / 60
            )
            self._insert(
                "outcomes", cell_id=cell, image_id=place, attempt_id=attempt, status=status,
                target=target, predicted=(sample.label + 3) % 10 if broken else sample.label,
                margin=0.1, confident=int(confident), forwards=20, backwards=20,
                linf=size and 0.08, l2=size and 1.5, l1=size and 30.0, artifact_row=row,
                artifact_id=artifact if row is not None else None)  # fmt: skip
            if size:
                self.sql.execute(f"UPDATE outcomes SET {attack.norm} = ? WHERE cell_id = ? AND"
                                 " image_id = ?", [size, cell, place])  # fmt: skip
        if artifact:
            self._seal(artifact, kept)
        return cell

    def _seal(self, artifact: int, kept: Sequence[np.ndarray]) -> None:
        folder = folder_of(self.path)
        folder.mkdir(exist_ok=True)
        name = f"{artifact:064x}.safetensors"
        save_file({"images": np.stack(kept)}, folder / name)
        self.sql.execute("UPDATE artifacts SET path = ?, images = ?, sha256 = ? WHERE id = ?",
                         [name, len(kept), file_sha256(folder / name), artifact])  # fmt: skip

    def _measure(self, model: Model) -> None:
        for name, (goal, scores) in MEASUREMENTS.items():
            if self.skip(model.name, name, goal):
                continue
            component = self._component("measurement", name, {"parameters": {}}, {})
            cell, attempt = self._cell(model, self.images, name, attack_id=component, goal=goal,
                                       seed=0)  # fmt: skip
            means: dict[str, list[float]] = {score: [] for score in scores}
            for place, sample, fine in list(
                zip(self.places, self.samples, self.right[model.name], strict=True)
            )[: self.images]:
                self._insert(
                    "measured", cell_id=cell, image_id=place, attempt_id=attempt,
                    status="measured" if fine else "clean_wrong", forwards=9, backwards=9,
                    target=None if goal == "untargeted" else (sample.label + 3) % 10)  # fmt: skip
                for score in scores if fine else ():
                    reach = REACH.get(score.partition(".")[0], 0.4)
                    value = 0.6 * reach * model.hard * math.exp(0.3 * self.random.standard_normal())
                    means[score].append(value)
                    self._insert("measurements", cell_id=cell, image_id=place, name=score,
                                 value=value)  # fmt: skip
            for score, values in means.items():
                self._insert("scores", run_id=self.run, cell_id=cell, metric=score,
                             value=float(np.mean(values)), images=len(values), unit="")  # fmt: skip

    def surface(self, model: str, *, size: int = 21) -> None:
        """A plane's loss and margin around the first image, with a round boundary."""
        (about,) = [each for each in self.models if each.name == model]
        component = self._component("measurement", "surface", {"parameters": {}}, {})
        cell, attempt = self._cell(about, 1, "surface", attack_id=component, goal="untargeted",
                                   seed=0)  # fmt: skip
        self._insert("measured", cell_id=cell, image_id=self.places[0], attempt_id=attempt,
                     status="measured", forwards=9, backwards=9)  # fmt: skip
        axis = np.linspace(-0.3, 0.3, size, dtype=np.float32)
        margin = 0.04 - (axis[:, None] - 0.05) ** 2 - 0.4 * axis[None, :] ** 2
        arrays = {"a": axis, "b": axis, "margin": 40 * margin.T, "loss": np.exp(-20 * margin.T)}
        for name, values in arrays.items():
            self._insert("arrays", cell_id=cell, image_id=self.places[0], name=name,
                         data=values.astype("<f4").tobytes())  # fmt: skip

    def _transfer(
        self, cell: int, source: Model, attack: Attacking, goal: str, target: Model, clean: int
    ) -> None:
        self.sql.execute("INSERT OR IGNORE INTO adaptations VALUES (1, 32, 32, 'null', 'none')")
        pair = self._insert("pairs", source_cell_id=cell, target_cell_id=clean, adaptation_id=1)
        near = 0.35 if source.family == target.family else 0.0
        share = 0.15 + near + (0.25 if source.family == "VGG" else 0) + (attack.budget or 0)
        share = min(0.97, share * (1.0 if goal == "untargeted" else 0.6))
        rows = self.sql.execute(
            "SELECT image_id, label, target, status, predicted FROM outcomes JOIN images"
            " ON images.id = image_id WHERE cell_id = ? AND status IN ('broken', 'robust')", [cell]
        ).fetchall()  # fmt: skip
        for image, label, wanted, _, predicted in rows:
            if source is target:
                hit = predicted != label
                rank = (0 if hit else 2) if wanted is not None else (1 if hit else 0)
            else:
                hit = self.random.random() < share
                predicted = ((label + 3) % 10 if wanted is None else wanted) if hit else label
                rank = 0 if wanted is not None and hit else int(self.random.integers(1, 10))
                rank = rank if wanted is not None else (1 if hit else 0)
            self._insert("transfers", pair_id=pair, image_id=image, predicted=predicted, rank=rank)


if __name__ == "__main__":
    toy = Toy(Path(sys.argv[1]))
    toy.fill()
    toy.surface("digits-vgg16")
    toy.close()
