"""What a network says of its own input, and how many classes it tells apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.api import ModelError, ModelReference
from harness_models.files import cause_of

if TYPE_CHECKING:
    from torch import nn

SIDE = 224
"""The input's sides where nothing says another one."""

_FIELDS = ("size", "mean", "std", "channels", "background", "cut")


@dataclass(frozen=True, slots=True)
class Input:
    """A network's input, in the words of a registry's entry.

    Attributes:
        notes: where each part comes from, for people.
    """

    fields: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int]:
        channels = self.fields["channels"]
        count = channels if isinstance(channels, int) else 1 if channels == "grey" else 3
        return (count, *self.fields["size"])


def input_of(network: nn.Module, own: Mapping[str, Any], reference: ModelReference) -> Input:
    """By what the user said, what the network's makers noted (``own``), its layers and the data.

    Raises:
        ModelError: ``own`` has other fields than an entry's preprocessing.
    """
    said, notes = dict(reference.said), list[str]()
    noted = _noted(network, own)
    size = said.get("size") or noted.get("size") or reference.size or (SIDE, SIDE)
    if "size" not in said and "size" not in noted:
        notes.append(
            f"input {size[0]} x {size[1]}, {'as the data' if reference.size else 'assumed'}"
        )
    channels = said.get("channels") or noted.get("channels") or _first_channels(network)
    fields: dict[str, Any] = {"size": tuple(size), "channels": channels}
    for name in ("mean", "std", "background", "cut"):
        value = said.get(name, noted.get(name))
        if value is not None:
            fields[name] = value
    if "channels" not in said and "channels" not in noted:
        notes.append(f"channels {channels}, by its first layer")
    if "mean" not in fields and "std" not in fields:
        notes.append("no normalisation: it gets pixels in [0, 1]")
    if notes:
        notes.append("--preprocessing says otherwise (size=32,mean=.5,std=.5,channels=grey)")
    return Input(fields, notes)


def outputs(network: nn.Module, shape: tuple[int, int, int], where: str) -> int:
    """The columns of its output for grey images.

    Raises:
        ModelError: it takes no such images, or returns no logits.
    """
    import torch

    probe = torch.full((2, *shape), 0.5)
    try:
        with torch.inference_mode():
            logits = network(probe)
    except Exception as error:
        raise ModelError(
            f"cannot take images of {shape[0]} x {shape[1]} x {shape[2]}: {cause_of(error)}",
            where=where,
            hint="say its input: --preprocessing size=32,channels=grey",
        ) from error
    found = getattr(logits, "shape", None)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != 2:
        kind = tuple(found) if found is not None else type(logits).__name__
        raise ModelError(
            f"returned {kind} for 2 images, not logits (2, classes)",
            where=where,
            hint="have it return one tensor of logits",
        )
    if logits.shape[1] < 2:
        raise ModelError(
            "has one output; a classifier has a logit for each class",
            where=where,
            hint="for two classes return torch.cat([torch.zeros_like(z), z], 1) of its logit z",
        )
    return int(logits.shape[1])


def _noted(network: nn.Module, own: Mapping[str, Any]) -> dict[str, Any]:
    """What the file or the network notes: an entry's fields, or timm's configuration."""
    for name in own:
        if name not in _FIELDS:
            raise ModelError(
                f"preprocessing has no field {name!r}",
                where="preprocessing of the user's file",
                hint=f"it has {', '.join(_FIELDS)}",
            )
    if own:
        side = own.get("size")
        return {**own, **({"size": (side, side)} if isinstance(side, int) else {})}
    config = getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None)
    if not isinstance(config, Mapping) or len(config.get("input_size") or ()) != 3:
        return {}
    channels, *size = config["input_size"]
    found: dict[str, Any] = {
        "size": tuple(size),
        "channels": {1: "grey", 3: "rgb"}.get(channels, channels),
    }
    for name in ("mean", "std"):
        if config.get(name):
            found[name] = tuple(map(float, config[name]))
    return found


def _first_channels(network: nn.Module) -> str | int:
    """Those of the first convolution; three where there is none."""
    from torch import nn

    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            return {1: "grey", 3: "rgb"}.get(part.in_channels, part.in_channels)
    return "rgb"
