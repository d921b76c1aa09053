"""What ``--devices`` says: which devices work, and how many workers there are."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, Self

from harness.errors import ConfigError

FORMS = "auto|cpu|cpu:N|cuda:all|cuda:0,cuda:1"


@dataclass(frozen=True, slots=True)
class Devices:
    """Devices by kind and number.

    Attributes:
        kind: ``auto``: GPUs where there are any, else CPUs.
        workers: with ``cpu``, how many share the cores; None: as many as help.
        numbers: with ``cuda``, the GPUs' own; empty: all that there are.
    """

    kind: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int | None = None
    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """``text`` is one of `FORMS`.

        Raises:
            ConfigError: it is not.
        """
        asked = text.strip()
        if asked == "auto":
            return cls("auto")
        if asked == "cuda:all":
            return cls("cuda")
        if found := re.fullmatch(r"cpu(?::([1-9][0-9]*))?", asked):
            return cls("cpu", workers=None if found[1] is None else int(found[1]))
        if re.fullmatch(r"cuda:[0-9]+(,cuda:[0-9]+)*", asked):
            numbers = tuple(int(each) for each in re.findall(r"[0-9]+", asked))
            if len(set(numbers)) == len(numbers):
                return cls("cuda", numbers=numbers)
        raise ConfigError(
            f"{text!r} is no choice of devices", where="--devices", hint=f"use {FORMS}"
        )

    @property
    def first(self) -> Self:
        """A single one, the first of them."""
        numbers = (*self.numbers, 0)[:1] if self.kind == "cuda" else ()
        return replace(self, workers=None, numbers=numbers)

    @property
    def is_single(self) -> bool:
        """Whether it is for one worker, as far as one can tell without a look at the machine."""
        if self.kind == "cuda":
            return len(self.numbers) == 1
        return self.workers in (None, 1)

    def is_cpu(self, gpus: int) -> bool:
        """Whether it means CPUs, on a machine with so many ``gpus``."""
        return self.kind == "cpu" or (self.kind == "auto" and not gpus)

    def __str__(self) -> str:
        if self.kind == "cpu":
            return "cpu" if self.workers is None else f"cpu:{self.workers}"
        if self.kind == "cuda":
            return ",".join(f"cuda:{number}" for number in self.numbers) or "cuda:all"
        return "auto"
