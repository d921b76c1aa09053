"""A third party's plugin: the loader ``cloud``, whose weights a web server on this machine has."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.request import urlopen

from harness.api import (
    ConfigError,
    Described,
    MissingError,
    ModelError,
    Preprocessing,
    Register,
    WeightsFile,
    hookimpl,
)
from harness_digits.architectures import ARCHITECTURES
from harness_digits.loader import DigitsLoader

HARNESS_API = 1
CHUNK = 10_000


@hookimpl
def register_model_loaders(register: Register) -> None:
    register("cloud", "cloud:Cloud", version="1", summary="")
    register("mute", "cloud:Mute", version="1", summary="")


class Mute(DigitsLoader):
    """The digits' loader, which describes nothing."""

    def describe(self, reference):
        raise RuntimeError("no words")


class Cloud(DigitsLoader):
    """The digits' models with their weights at CLOUD_URL, cached in CLOUD_CACHE."""

    def weights(self, spec):
        if spec.architecture not in ARCHITECTURES:
            raise ModelError("no such thing", hint="look it up")
        file = f"{spec.architecture}.safetensors"
        path = Path(os.environ["CLOUD_CACHE"]) / file
        return WeightsFile(
            path if path.is_file() else None,
            url=f"{os.environ['CLOUD_URL']}/{file}",
            bytes=1000,
            licence="free",
            how="from the cloud",
        )

    def fetch(self, spec, progress):
        wanted = self.weights(spec)
        path = Path(os.environ["CLOUD_CACHE"]) / f"{spec.architecture}.safetensors"
        got = b""
        try:
            with urlopen(wanted.url) as answer:
                total = int(answer.headers["Content-Length"])
                while chunk := answer.read(CHUNK):
                    got += chunk
                    progress(len(got), total)
        except OSError as error:
            raise MissingError(f"{wanted.url}: {error}", where=f"model {spec.name}") from error
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(got)
        return path

    def describe(self, reference):
        file = Path(reference) if reference.endswith(".safetensors") else None
        name = file.stem if file else reference
        if name not in ARCHITECTURES:
            raise ConfigError(f"knows no {reference!r}", where="--models")
        half = (0.5, 0.5, 0.5)
        wanted = Preprocessing((32, 32), half, half)
        return Described(name, name, "Cloud", 7, 10, wanted, file, notes="assumed")
