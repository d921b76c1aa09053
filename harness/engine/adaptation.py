"""Images of one size as images of another: cropped or set into a border, never resized.

Su et al. 2018, section 4.4. Pixels keep their scale, so the perturbation that is transferred is the
one that was found.
"""

from __future__ import annotations

from torch import Tensor

BORDERS = {"white": 1.0, "grey": 0.5}
"""Pixel values of borders."""


LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601's weights of red, green and blue."""


def adapted(images: Tensor, shape: tuple[int, int, int], border: float) -> Tensor:
    """``images`` (n, channels, h, w) in ``shape`` (channels, height, width), axis by axis.

    Grey is repeated for RGB, RGB becomes grey by its luma.

    A larger source loses what is outside its centre; a smaller one is set into a border. Odd
    differences follow the released code's rule: the crop of t from s begins at s // 2 - t // 2, an
    image of s is set at (t - s) // 2. May return ``images`` itself or a view of them.
    """
    images, size = _in_channels(images, shape[0]), shape[1:]
    for axis, length in zip((2, 3), size, strict=True):
        if images.shape[axis] > length:
            start = images.shape[axis] // 2 - length // 2
            images = images.narrow(axis, start, length)
    height, width = images.shape[2:]
    if (height, width) == tuple(size):
        return images
    framed = images.new_full((*images.shape[:2], *size), border)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    framed[:, :, top : top + height, left : left + width] = images
    return framed


def _in_channels(images: Tensor, channels: int) -> Tensor:
    if images.shape[1] == channels:
        return images
    if images.shape[1] == 1:
        return images.expand(-1, channels, -1, -1)
    return (images * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
