"""The model loaders ``timm`` and ``hf-hub``: timm's architectures with the Hub's weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from harness.api import (
    Classifier,
    ConfigError,
    Cut,
    Described,
    ModelError,
    ModelLoader,
    ModelReference,
    ModelSpec,
    Preprocessing,
    WeightsFile,
    did_you_mean,
)
from harness_models import tensors
from harness_models.files import cause_of
from harness_models.hub import HubFile
from harness_models.network import (
    entry_name,
    finished,
    outputs_of,
    refuse_options,
    seeded,
    weights_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from harness.api import Progress

_CONFIG = ("config.json",)


class TimmLoader(ModelLoader):
    """timm's models by architecture and tag: ``inception_v3.tf_in1k``. It takes no option.

    A network has as many outputs as the entry gives; timm's own weights have the tag's.
    """

    def weights(self, spec: ModelSpec) -> WeightsFile:
        config = _config(spec.architecture, f"model {spec.name}")
        file = _hub_file(config)
        if file is None:
            return WeightsFile(None, how="timm names no weights for it: name a file, weights.file")
        return file.weights(licence=config.get("license") or "")

    def fetch(self, spec: ModelSpec, progress: Progress) -> Path:
        file = _hub_file(_config(spec.architecture, f"model {spec.name}"))
        return super().fetch(spec, progress) if file is None else file.fetch(progress)

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        _config(spec.architecture, f"model {spec.name}")
        return _classifier(spec.architecture, spec, device, outputs=outputs_of(spec))

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        _config(spec.architecture, f"model {spec.name}")
        return _classifier(
            spec.architecture, spec, device, weights_of(spec), outputs=outputs_of(spec)
        )

    def describe(self, reference: str) -> Described:
        return self.described(ModelReference(text=reference))

    def described(self, reference: ModelReference) -> Described:
        """With weights of the user's own it has as many classes as the data."""
        text = reference.text
        config = _config(text, "--models", ConfigError)
        if reference.weights is not None:
            config["num_classes"] = reference.classes or config.get("num_classes")
        elif _hub_file(config) is None:
            raise ConfigError(
                f"timm has no weights for {text!r}",
                where="--models",
                hint=did_you_mean(
                    text, _pretrained(), "see timm.list_pretrained(), or give --weights"
                ),
            )
        tag = f".{config['tag']}" if config.get("tag") else ""
        name = config["architecture"] + tag
        return _described(entry_name(name), name, config, "--models")


class HubLoader(ModelLoader):
    """timm's models in anyone's repository of the Hugging Face Hub: ``owner/name[@revision]``.

    The repository's config.json defines what to build. It takes no option.
    """

    def weights(self, spec: ModelSpec) -> WeightsFile:
        found = HubFile(spec.architecture).weights()
        if HubFile(spec.architecture, _CONFIG).cached() is None:
            return WeightsFile(None, found.url, found.bytes, found.licence, found.how)
        return found

    def fetch(self, spec: ModelSpec, progress: Progress) -> Path:
        HubFile(spec.architecture, _CONFIG).fetch(lambda done, total: None)
        return HubFile(spec.architecture).fetch(progress)

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        _hub_config(spec.architecture)
        return _classifier(f"hf-hub:{spec.architecture}", spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        _hub_config(spec.architecture)
        return _classifier(f"hf-hub:{spec.architecture}", spec, device, weights_of(spec))

    def describe(self, reference: str) -> Described:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", reference):
            raise ConfigError(
                f"{reference!r} is not a repository", where="--models", hint="say hf-hub:OWNER/NAME"
            )
        name = entry_name(reference.partition("@")[0].partition("/")[2])
        return _described(name, reference, _hub_config(reference), "--models")


def _classifier(
    architecture: str,
    spec: ModelSpec,
    device: str,
    path: Path | None = None,
    *,
    outputs: int | None = None,
) -> Classifier:
    """The network, with the weights in ``path`` or random ones.

    ``outputs``: how many it shall have; None: as many as in its own configuration.
    """
    import timm

    refuse_options(spec)
    where = f"model {spec.name}"
    overlay: dict[str, Any] = {} if outputs is None else {"num_classes": outputs}
    channels = spec.preprocessing.shape[0]
    inputs = {} if channels == 3 else {"in_chans": channels}
    state = None if path is None else tensors.read(path)
    if state is not None:
        # timm renames and cuts what its checkpoints need; these go before its own sources.
        overlay |= {"state_dict": dict(state), "source": ""}
    try:
        with seeded():
            module: nn.Module = timm.create_model(
                architecture, pretrained=state is not None, pretrained_cfg_overlay=overlay, **inputs
            )
    except Exception as error:  # timm's filters take the tensors that they expect for granted
        raise ModelError(
            f"the weights do not fit {spec.architecture}: {cause_of(error)}",
            where=where if path is None else str(path),
            hint=f"use weights of this architecture with {outputs_of(spec)} outputs",
        ) from error
    config: dict[str, Any] = getattr(module, "pretrained_cfg", {})
    config.pop("state_dict", None)  # the tensors are in the network now
    _check(module, config, spec, where)
    if state is not None and path is not None:
        tensors.refuse_integers(module, state, path)
    return finished(module, spec, device)


def _check(module: nn.Module, config: Mapping[str, Any], spec: ModelSpec, where: str) -> None:
    outputs = getattr(module, "num_classes", None)
    if outputs != outputs_of(spec):
        raise ModelError(
            f"{spec.architecture} has {outputs} outputs, not {outputs_of(spec)}",
            where=where,
            hint="correct classes and preprocessing.background",
        )
    size = tuple(config.get("input_size", (3, 0, 0)))[1:]
    if config.get("fixed_input_size") and size != spec.preprocessing.size:
        raise ModelError(
            f"{spec.architecture} takes images of {size[0]} x {size[1]} only",
            where=where,
            hint=f"set preprocessing.size: [{size[0]}, {size[1]}]",
        )


def _config(
    architecture: str, where: str, error: type[ConfigError | ModelError] = ModelError
) -> dict[str, Any]:
    """What timm knows about ``architecture``; without a tag its default.

    Raises:
        error: timm has no such architecture or tag.
    """
    import timm
    from timm.models import get_pretrained_cfg

    name, _, tag = architecture.partition(".")
    if not timm.is_model(name):
        raise error(
            f"timm has no architecture {name!r}",
            where=where,
            hint=did_you_mean(name, timm.list_models(), "see timm.list_models()"),
        )
    try:
        found: Any = get_pretrained_cfg(architecture, allow_unregistered=not tag)
    except RuntimeError as missing:
        tags = [known.partition(".")[2] for known in _pretrained() if known.startswith(f"{name}.")]
        raise error(
            f"timm's {name} has no tag {tag!r}",
            where=where,
            hint=f"choose from {', '.join(tags)}" if tags else "leave the tag out",
        ) from missing
    return {"architecture": name, **(found.to_dict() if found else {})}


def _pretrained() -> list[str]:
    import timm

    names: list[str] = timm.list_pretrained()
    return names


def _hub_config(repository: str) -> dict[str, Any]:
    """timm's part of the repository's config.json, from the cache or fetched.

    Raises:
        MissingError: it cannot be had. ConfigError: it is not timm's.
    """
    HubFile(repository, _CONFIG).fetch(lambda done, total: None)
    from timm.models import load_model_config_from_hf

    try:
        config, architecture, _ = load_model_config_from_hf(repository)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            "its config.json is none of timm's",
            where=f"https://huggingface.co/{repository}",
            hint="choose a repository of a timm model",
        ) from error
    return {**config, "architecture": architecture}


def _hub_file(config: Mapping[str, Any]) -> HubFile | None:
    repository, name = config.get("hf_hub_id"), config.get("hf_hub_filename")
    if not repository:
        return None
    return HubFile(repository, (name,)) if name else HubFile(repository)


def _described(name: str, architecture: str, config: Mapping[str, Any], where: str) -> Described:
    """A model evaluated as in its pretrained configuration."""
    channels, *size = config.get("input_size", (3, 224, 224))
    classes = int(config.get("num_classes") or 0)
    if classes < 2:
        raise ConfigError(
            f"{architecture} is not a classifier", where=where, hint="choose a model with classes"
        )
    crop, way = float(config.get("crop_pct", 0.875)), config.get("interpolation", "bicubic")
    notes = []
    if way not in ("bilinear", "bicubic", "lanczos"):
        notes.append(f"resized with bicubic, not {way}, interpolation")
        way = "bicubic"
    if config.get("crop_mode", "center") != "center":
        notes.append(f"cut from the centre, not by timm's {config['crop_mode']!r}")
    return Described(
        name=name,
        architecture=architecture,
        family=_family(config["architecture"]),
        parameters=None,
        classes=classes,
        preprocessing=Preprocessing(
            (size[0], size[1]),
            tuple(config.get("mean", (0.485, 0.456, 0.406))),
            tuple(config.get("std", (0.229, 0.224, 0.225))),
            channels={1: "grey", 3: "rgb"}.get(channels, channels),
            cut=Cut(min(crop, 1.0), way),
        ),
        notes="; ".join(notes),
    )


def _family(architecture: str) -> str:
    """The leading word: ``resnet50`` is a resnet, ``resnetv2_50`` a resnetv2."""
    found = re.match(r"[a-z]+?(?:v\d+(?![a-z0-9])|(?![a-z]))", architecture)
    return found[0] if found else architecture
