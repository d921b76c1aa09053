"""Looks of the host at values of a device: the only two ways to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def look(values: Tensor) -> Tensor:
    """``values`` on the host; on a CPU it is ``values`` itself, not a copy.

    The host waits until the device has done all that is queued, and the device is idle afterwards
    until there is new work: look rarely, and at all that is needed at once (`looks`).
    """
    return values.cpu()


def looks(*values: Tensor) -> list[Tensor]:
    """Several tensors, of any shapes and dtypes, in one look."""
    import torch

    there = [each for each in values if each.device.type != "cpu"]
    if not there:
        return list(values)
    parts = [each.detach().contiguous().view(-1).view(torch.uint8) for each in there]
    found, packed, start = [], look(torch.cat(parts)), 0
    for each in values:
        if each.device.type == "cpu":
            found.append(each)
            continue
        end = start + each.numel() * each.element_size()
        # A copy begins where every dtype may begin.
        found.append(packed[start:end].clone().view(each.dtype).view(each.shape))
        start = end
    return found
